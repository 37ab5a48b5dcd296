"""A machine with an ownCloud and an ocsnap that runs in this very process, watched at each step."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ocsnap.commands.backup.backup import BackupOptions, backup
from ocsnap.commands.context import Context
from ocsnap.commands.restore.layout import Part
from ocsnap.commands.restore.report import RestoreOptions
from ocsnap.commands.restore.restore import restore
from ocsnap.commands.snapshots import snapshots
from ocsnap.commands.verify import VerifyOptions, verify
from ocsnap.config import parse
from ocsnap.monitor import SilentMonitor
from ocsnap.repository.snapshot import RootKind
from tests.servers.ocsnap_settings import usual_settings
from tests.servers.owncloud_changes import Changes
from tests.servers.owncloud_filecache import Filecache
from tests.servers.owncloud_site import make_site
from tests.snapshot.likeness import Likeness, differences, portrait

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ocsnap.commands.backup.report import BackupReport
    from ocsnap.repository.snapshot import Root
    from ocsnap.snapshot.checker import CheckReport
    from tests.servers.ocsnap_settings import Settings
    from tests.servers.owncloud_site import Site

LIVE_PASS = "Storing what has changed while users go on working"
FREEZING = "Freezing ownCloud"
LAST_CHANGES = "Storing the last changes"

_NO_PART_OF_A_BACKUP = (b"owncloud.log", b"owncloud.db")
_NO_PART_OF_A_HOME = (b"cache", b"uploads")


class SkippingClock:
    """The machine's clock, but that waiting takes no time; it can be set forward.

    Attributes:
        ahead_seconds: by how much it is ahead of the machine's.
        at_next_look: done when the clock is looked at next, once.
    """

    def __init__(self) -> None:
        self.ahead_seconds = 0.0
        self.at_next_look: Callable[[], object] | None = None
        self._skipped_seconds = 0.0

    def now(self) -> float:
        act, self.at_next_look = self.at_next_look, None
        if act is not None:
            act()
        return time.time() + self.ahead_seconds + self._skipped_seconds

    def monotonic(self) -> float:
        return time.monotonic() + self._skipped_seconds

    def sleep(self, seconds: float) -> None:
        self._skipped_seconds += seconds


@dataclass
class ActingMonitor(SilentMonitor):
    """Does something at the beginning of a step.

    Attributes:
        acts: what to do, by the step's name.
        at_next_file: done when the next file has been read, once.
        began: when each step began, by the machine's own clock.
    """

    acts: dict[str, Callable[[], object]] = field(default_factory=dict)
    at_next_file: Callable[[], object] | None = None
    began: list[tuple[str, float]] = field(default_factory=list)

    def step(self, name: str, *, total_bytes: int | None = None) -> None:
        super().step(name, total_bytes=total_bytes)
        self.began.append((name, time.monotonic()))
        if name in self.acts:
            self.acts[name]()

    def advance(self, *, files: int = 0, size_bytes: int = 0) -> None:
        super().advance(files=files, size_bytes=size_bytes)
        if files and (act := self.at_next_file) is not None:
            self.at_next_file = None
            act()


@dataclass
class Host:
    """An ownCloud, a folder for its backups, a configuration.

    Attributes:
        folder: all that belongs to it.
        site: the ownCloud.
        settings: the configuration's tables.
        clock: what every run looks at.
        random: what users do, and etags, depend on it.
        monitor: of the latest run.
        snapshot: id of the latest snapshot.
    """

    folder: Path
    site: Site
    settings: Settings
    clock: SkippingClock = field(default_factory=SkippingClock)
    random: random.Random = field(default_factory=lambda: random.Random(1))
    monitor: ActingMonitor = field(default_factory=ActingMonitor)
    snapshot: str = ""

    @property
    def spool_dir(self) -> Path:
        backup = self.settings["backup"]
        return Path(str(backup.get("spool_dir", f"{backup['state_dir']}/spool")))

    def set(self, section: str, **values: object) -> None:
        """Change settings."""
        self.settings.setdefault(section, {}).update(values)

    def context(self, acts: dict[str, Callable[[], object]] | None = None) -> Context:
        """Return the world of one run."""
        self.monitor = ActingMonitor(acts=acts or {})
        return Context(
            config=parse(self.settings, source="test"),
            environment={"PATH": os.environ["PATH"], "HOME": str(self.folder), "LANG": "C.UTF-8"},
            clock=self.clock,
            random=random.SystemRandom(),
            monitor=self.monitor,
            host="cloud.example.org",
            superuser=os.geteuid() == 0,
        )

    def backup(
        self,
        options: BackupOptions | None = None,
        *,
        acts: dict[str, Callable[[], object]] | None = None,
    ) -> BackupReport:
        self.clock.sleep(1)  # snapshots are told apart, and put in order, by the second
        report = backup(self.context(acts), options or BackupOptions())
        self.snapshot = report.snapshot
        return report

    def verify(self) -> CheckReport:
        return verify(self.context(), VerifyOptions(read_data=True)).repository

    def roots(self) -> dict[tuple[RootKind, str], Root]:
        """Return the roots of the latest snapshot."""
        made = {stored.id: stored.snapshot for stored in snapshots(self.context())}
        return {(root.kind, root.name): root for root in made[self.snapshot].roots}

    def home_root(self, user: str) -> Root:
        return self.roots()[RootKind.HOME, user]

    # -- comparing ---------------------------------------------------------------------------

    @contextmanager
    def restored(self) -> Iterator[Path]:
        """Restore the files of the snapshot that was just made; yield the folder."""
        target = Path(tempfile.mkdtemp(prefix="restored-", dir=self.folder))
        wanted = RestoreOptions(parts=frozenset({Part.DATA}), snapshot=self.snapshot, target=target)
        try:
            outcome = restore(self.context(), wanted, lambda _: True)
            assert not outcome.failed
            yield target
        finally:
            shutil.rmtree(target)

    def differences(self, wanted: dict[bytes, Likeness] | None = None) -> list[str]:
        """Restore and say what is not as it is, or was, in the data directory."""
        with self.restored() as target:
            found = portrait(target / "data")
        return differences(self.portrait() if wanted is None else wanted, found)

    def portrait(self) -> dict[bytes, Likeness]:
        """Look at all in the data directory that belongs into a snapshot."""
        homes = {os.fsencode(home.name) for home in self.site.homes.values()}
        everything = portrait(self.site.data_dir)
        return {path: look for path, look in everything.items() if _belongs(path, homes)}

    # -- users -------------------------------------------------------------------------------

    def act(self, user: str, act: str) -> str:
        """Let a user do one thing, named as the method of `Changes`."""
        with self.acting(user) as changes:
            said: str = getattr(changes, act)()
        return said

    @contextmanager
    def acting(self, user: str) -> Iterator[Changes]:
        """Let a user do what the stand-in's users can do."""
        with self.site.connected() as database:
            filecache = Filecache(database, self.random)
            changes = Changes(self.site.homes, database, filecache, self.random)
            changes.act_as(user)
            yield changes

    def etag(self, user: str) -> str:
        """Return the etag of a home's root."""
        with self.site.connected() as database:
            ((etag,),) = database.rows(
                "SELECT f.etag FROM oc_filecache f JOIN oc_storages s ON f.storage = s.numeric_id"
                " WHERE s.id = ? AND f.path = ''",
                f"home::{user}",
            )
        return str(etag)


def make_host(folder: Path, **site: Any) -> Host:  # noqa: ANN401 - make_site knows them
    """Make a small ownCloud with SQLite and nothing in its repository."""
    small = {"files_per_user": 12, "large_bytes": 100_000}
    made = make_site(folder / "oc", **(small | site))
    return Host(folder, made, usual_settings(folder, made))


def _belongs(path: bytes, homes: set[bytes]) -> bool:
    parts = path.split(b"/")
    if parts[0] in _NO_PART_OF_A_BACKUP or path.endswith(b".part"):
        return False
    return not (len(parts) > 1 and parts[0] in homes and parts[1] in _NO_PART_OF_A_HOME)

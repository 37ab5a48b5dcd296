"""`ocsnap backup --dry-run`: what a backup would find now, send, take and cost.

Neither ownCloud nor the repository is touched; in `backup.state_dir` only what this host knows of
the repository is brought up to date, as by every command that looks into it.
"""

from __future__ import annotations

import math
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from ocsnap.commands.backup.experience import Experience, experience
from ocsnap.commands.backup.file_sources import file_sources, trusted_folders
from ocsnap.commands.backup.preflight import preflight
from ocsnap.commands.backup.sources import config_source
from ocsnap.commands.context import connect, state_dir
from ocsnap.commands.restore.undo import demand_whole
from ocsnap.errors import NoRepositoryError
from ocsnap.owncloud.lease import read_lease
from ocsnap.repository.lineage import lineage
from ocsnap.repository.pack import TARGET_BYTES
from ocsnap.repository.rescue import kit
from ocsnap.repository.snapshot import RootKind
from ocsnap.snapshot.surveyor import Survey, Surveyor
from ocsnap.storage.prices import load_prices

if TYPE_CHECKING:
    from pathlib import Path

    from ocsnap.commands.backup.backup import BackupOptions
    from ocsnap.commands.backup.preflight import Preflight
    from ocsnap.commands.context import Context
    from ocsnap.database.database import ServerInfo
    from ocsnap.repository.repository import Repository
    from ocsnap.repository.snapshot import StoredSnapshot

_SMALL_OBJECTS: Final = 6
"""What every backup puts besides packs of content: a pack of listings, one or two index objects, a
lock and its renewal, the snapshot."""


class Forecast(msgspec.Struct, frozen=True, kw_only=True):
    """A backup that was not made.

    Attributes:
        parent: id of the snapshot that it would be compared with; None: it would be the first.
        parent_started: when that began; seconds since the epoch.
        files: what was found.
        database_kind: mysql or sqlite3.
        tables: number of tables that would be dumped.
        dump_bytes: about how large the dump would be.
        read_bytes: what would be read: new and changed files, and the dump.
        upload_bytes: about what would be sent.
        most_upload_bytes: what would be sent if nothing of it were in the repository yet, or could
            be compressed.
        objects: about how many objects would be put.
        seconds: how long it would take.
        maintenance_seconds: for how much of that users would be locked out; None: nobody knows.
        backups: how many former ones these figures go by; 0: nothing was measured yet.
        dollars: what sending costs; 0.0 for a local repository.
        month_dollars: what keeping what is new costs each month.
        prices_of: whose prices, and of which day; empty for a local repository.
        prunes: whether a prune would follow.
        notes: what else there is to say.
    """

    parent: str | None
    parent_started: float | None
    files: Survey
    database_kind: str
    tables: int
    dump_bytes: int
    read_bytes: int
    upload_bytes: int
    most_upload_bytes: int
    objects: int
    seconds: float
    maintenance_seconds: float | None
    backups: int
    dollars: float
    month_dollars: float
    prices_of: str
    prunes: bool
    notes: tuple[str, ...]


def forecast(context: Context, options: BackupOptions) -> Forecast:
    """Look at everything, and reckon.

    Args:
        context: the outside world.
        options: what the command line changes.

    Returns:
        The figures.

    Raises:
        OcsnapError: a backup would fail for the same reason.
    """
    folder = state_dir(context)
    context.monitor.step("Checking")
    demand_whole(folder)
    checked = preflight(context, options, folder)
    notes = [*checked.notes, *_forgotten(folder)]
    with ExitStack() as stack:
        repository = None
        try:
            repository = connect(context).repository
        except NoRepositoryError:
            notes.append(f"There is no repository at {context.config.repository.url} yet.")
        else:
            stack.callback(repository.close)
            repository.synchronise(context.monitor)
        return _Forecaster(context, checked, repository, notes).forecast()


def _forgotten(folder: Path) -> list[str]:
    lease = read_lease(folder)
    if lease is None or lease.is_alive():
        return []
    return ["An ocsnap died and left maintenance mode on: the backup would lift it first."]


@dataclass(frozen=True)
class _Forecaster:
    context: Context
    checked: Preflight
    repository: Repository | None
    notes: list[str]

    def forecast(self) -> Forecast:
        mine = self._former()
        parent = mine[-1] if mine else None
        files = self._survey(parent)
        info = self.checked.site.database.check()
        dump_bytes = self._dump_bytes(info, parent)
        known = self._experience(mine)
        fresh_bytes = (
            (files.new_file_bytes - files.moved_bytes) * known.new_share
            + files.changed_file_bytes * known.changed_share
            + dump_bytes * known.dump_share
        )
        upload_bytes = round(fresh_bytes * known.stored_share)
        objects = math.ceil(upload_bytes / TARGET_BYTES) + _SMALL_OBJECTS
        objects += len(kit.files()) if self.repository is None else 0
        config = self.context.config.repository
        prices, billed = load_prices(config), config.is_s3
        return Forecast(
            parent=parent.id if parent else None,
            parent_started=parent.snapshot.started if parent else None,
            files=files,
            database_kind=self.checked.site.settings.kind,
            tables=len(info.tables),
            dump_bytes=dump_bytes,
            read_bytes=files.read_bytes + dump_bytes,
            upload_bytes=upload_bytes,
            most_upload_bytes=files.read_bytes + dump_bytes,
            objects=objects,
            seconds=known.seconds(round(fresh_bytes)),
            maintenance_seconds=known.maintenance_seconds if self.checked.freezes else 0.0,
            backups=known.backups,
            dollars=prices.putting(objects) if billed else 0.0,
            month_dollars=(prices.keeping(upload_bytes) or 0.0) if billed else 0.0,
            prices_of=prices.title if billed else "",
            prunes=self.context.config.prune.after_backup,
            notes=tuple(self.notes),
        )

    def _former(self) -> list[StoredSnapshot]:
        if self.repository is None:
            return []
        found = self.repository.snapshots(self.context.monitor)
        root = str(self.checked.site.instance.root)
        return lineage(found, root=root, host=self.context.host)

    def _experience(self, mine: list[StoredSnapshot]) -> Experience:
        if self.repository is None:
            return Experience()
        cache = self.repository.cache
        return experience(
            mine, stored_bytes=cache.expected_bytes(), content_bytes=cache.content_bytes()
        )

    def _survey(self, parent: StoredSnapshot | None) -> Survey:
        """Walk configuration, data directory and homes, and count the homes that are gone."""
        context, site = self.context, self.checked.site
        gone = {(root.kind, root.name): root for root in parent.snapshot.roots} if parent else {}
        surveyor = Surveyor(self.repository, monitor=context.monitor)
        if self.checked.snapshot is not None:
            file_sources(
                context, site, self.checked.snapshot.path
            )  # which refuses what is not in it
        context.monitor.step("Looking for what has changed")
        for source in [config_source(site.instance), *file_sources(context, site)]:
            context.monitor.at(source.name)
            previous = gone.pop((source.kind, source.name), None)
            trusted = trusted_folders(context, source, previous)
            surveyor.walk(source._replace(trusted=trusted), previous)
        for root in gone.values():
            if root.kind is RootKind.HOME:
                surveyor.lose(root.entry)
                self.notes.append(f"The home of {root.name} is gone, with {root.files} entries.")
        return surveyor.finish()

    def _dump_bytes(self, info: ServerInfo, parent: StoredSnapshot | None) -> int:
        """Return about how large the dump is: as the last one, else as the server guesses."""
        roots = parent.snapshot.roots if parent else ()
        last = sum(root.size_bytes for root in roots if root.kind is RootKind.DATABASE)
        if last:
            return last
        if self.checked.site.settings.kind == "sqlite3":
            return self.checked.site.database.held_bytes()
        return sum(table.estimate_bytes for table in info.tables)

"""A repository that several hosts use, on a storage whose time a test sets, with prunes."""

from __future__ import annotations

import random
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ocsnap.monitor import SilentMonitor
from ocsnap.repository.lock import Lock
from ocsnap.repository.lock_survey import Purpose
from ocsnap.repository.prune import Pruner
from ocsnap.repository.prune_plan import GRACE_SECONDS, PrunePolicy
from ocsnap.repository.retention import KeepRules, Retention
from ocsnap.storage.memory import MemoryStorage
from tests.repository.workshop import REPOSITORY, LaterClock, Workshop
from tests.snapshot.studio import Backup, Studio

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ocsnap.crypto import Cipher
    from ocsnap.monitor import Monitor
    from ocsnap.repository.prune_report import PruneReport
    from ocsnap.storage.storage import Storage

DAY_SECONDS = 86_400.0


@dataclass
class Vault:
    """A repository in memory.

    Attributes:
        folder: a place for hosts and folders.
        clock: the time of all hosts and of the storage.
        cipher: what locks it; None: the real gpg.
        storage: where everything lies.
    """

    folder: Path
    clock: LaterClock = field(default_factory=LaterClock)
    cipher: Cipher | None = None
    storage: Storage = None  # type: ignore[assignment] # set below, as it needs the clock

    def __post_init__(self) -> None:
        if self.storage is None:
            self.storage = MemoryStorage(now=self.clock.now)

    @property
    def objects(self) -> dict[str, bytes]:
        storage = self.storage
        while not isinstance(storage, MemoryStorage):
            storage = storage._storage
        return storage.objects

    def names(self, prefix: str) -> list[str]:
        return sorted(name for name in self.objects if name.startswith(prefix))

    @property
    def packs(self) -> list[str]:
        return self.names("packs/") + self.names("meta/")

    def host(self, name: str = "host") -> Studio:
        return Studio(Workshop(self.folder / name, self.storage, self.cipher), self.clock)

    def lock(self, purpose: Purpose = Purpose.PRUNE, storage: Storage | None = None) -> Lock:
        return Lock(
            storage or self.storage,
            repository=REPOSITORY,
            purpose=purpose,
            random=random.SystemRandom(),
        )

    @contextmanager
    def held(self, purpose: Purpose) -> Iterator[Lock]:
        lock = self.lock(purpose)
        lock.take()
        yield lock
        lock.release()

    def backup(self, folder: Path, name: str = "host") -> Backup:
        """Back up under a lock, as `ocsnap backup` does; a second later each time."""
        self.clock.sleep(1)
        with self.held(Purpose.BACKUP):
            return self.host(name).backup(folder)

    def policy(self, **rules: object) -> PrunePolicy:
        retention = Retention(
            KeepRules(**({"last": 1} | rules)), now=self.clock.now(), calendar=_calendar
        )
        return PrunePolicy(retention)

    def prune(
        self,
        name: str = "pruner",
        *,
        policy: PrunePolicy | None = None,
        monitor: Monitor | None = None,
        **rules: object,
    ) -> PruneReport:
        """Prune once, on a host of its own."""
        self.clock.sleep(1)
        policy = policy or self.policy(**rules)
        with self.host(name).workshop.opened() as repository:
            lock = self.lock(storage=repository.storage)
            lock.take()
            try:
                return Pruner(repository, policy, monitor=monitor or SilentMonitor()).prune(lock)
            finally:
                lock.release()

    def prune_at_once(self, **rules: object) -> PruneReport:
        """Prune without any time of grace."""
        return self.prune(policy=replace(self.policy(**rules), grace_seconds=0.0))

    def pass_grace(self) -> None:
        self.clock.sleep(GRACE_SECONDS + 1)

    def assert_sound(self) -> None:
        """See that everything is whole for a host that knows nothing yet."""
        self.clock.sleep(1)
        report = self.host(f"new {self.clock.ahead_seconds}").check(read_data=True)
        assert report.sound, report

    def assert_clean(self) -> None:
        """See that nothing is left that no snapshot needs."""
        assert self.names("locks/") == []
        assert len(self.names("marks/")) <= 1


def _calendar(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)

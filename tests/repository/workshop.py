"""A repository on a real storage, with the real gpg and everything in one folder."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ocsnap.crypto.gpg import Gpg, private_home
from ocsnap.errors import NoRepositoryError
from ocsnap.monitor import SilentMonitor
from ocsnap.repository.repository import create_repository, open_repository
from ocsnap.storage.memory import MemoryStorage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ocsnap.crypto import Cipher
    from ocsnap.repository.repository import Repository
    from ocsnap.storage.storage import Storage

PASSPHRASE = "wq7Rz1nWkB0uYcE5vHt3sDgLpXa9Jf2MoQi6TbN8"
"""Long and varied: gpg need not stretch it, so that a message costs a few milliseconds."""

REPOSITORY = "00112233445566778899aabbccddeeff"


@dataclass
class LaterClock:
    """The machine's clock, some time ahead: files just written are old enough to be relied on."""

    ahead_seconds: float = 60.0

    def now(self) -> float:
        return time.time() + self.ahead_seconds

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        self.ahead_seconds += seconds


def passphrase_cipher(folder: Path, passphrase: str = PASSPHRASE) -> Gpg:
    """Return the real gpg with a home of its own below `folder`."""
    home = private_home(folder)
    return Gpg(home=home, environment=os.environ, passphrase=passphrase, private=True)


@dataclass
class Workshop:
    """A repository that can be opened again and again.

    Attributes:
        folder: a place for the gpg home and the local cache.
        storage: where the objects lie; a test may put another in its place between two openings.
        cipher: what locks them.
        monitor: told of everything.
        reads_only: whether it is opened for reading alone.
    """

    folder: Path
    storage: Storage = field(default_factory=MemoryStorage)
    cipher: Cipher | None = None
    monitor: SilentMonitor = field(default_factory=SilentMonitor)
    reads_only: bool = False

    @property
    def state_dir(self) -> Path:
        return self.folder / "state"

    @property
    def cache_file(self) -> Path:
        return self.state_dir / REPOSITORY / "cache.db"

    @contextmanager
    def opened(self) -> Iterator[Repository]:
        cipher = self.cipher or passphrase_cipher(self.folder)
        try:
            repository = open_repository(
                self.storage, cipher, state_dir=self.state_dir, reads_only=self.reads_only
            )
        except NoRepositoryError:
            create_repository(self.storage, cipher, repository=REPOSITORY, now=time.time())
            repository = open_repository(self.storage, cipher, state_dir=self.state_dir)
        try:
            yield repository
        finally:
            repository.close()

    def elsewhere(self, name: str) -> Workshop:
        """Return the same repository as a host sees it that has no cache yet."""
        return Workshop(self.folder / name, self.storage, self.cipher)

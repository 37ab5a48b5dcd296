"""A repository in which the next prune has everything to do that a prune can have to do."""

from __future__ import annotations

import random
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ocsnap.storage.decorator import Decorator
from ocsnap.storage.faults import SimulatedCrash
from ocsnap.storage.memory import MemoryStorage
from tests.prune.plain_cipher import PlainCipher
from tests.prune.vault import Vault
from tests.snapshot.likeness import Likeness, portrait

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from ocsnap.storage.storage import Buffer, ObjectInfo, Storage
    from tests.snapshot.studio import Backup


def write(folder: Path, name: str, seed: int, size_bytes: int = 20_000) -> None:
    (folder / name).write_bytes(random.Random(seed).randbytes(size_bytes))


@dataclass
class History:
    """What has happened so far.

    Attributes:
        vault: the repository.
        folder: what is backed up.
        latest: the newest backup.
        wanted: what it must bring back.
    """

    vault: Vault
    folder: Path
    latest: Backup
    wanted: dict[bytes, Likeness]

    def again(self, place: Path, store: Callable[[Storage], Storage] = lambda s: s) -> Vault:
        """Return a copy of the repository, with hosts of its own in a new folder."""
        shutil.copytree(self.vault.folder, place, ignore=shutil.ignore_patterns("source"))
        vault = Vault(place, cipher=PlainCipher())
        vault.clock.ahead_seconds = self.vault.clock.ahead_seconds
        storage = MemoryStorage(now=vault.clock.now)
        storage.objects = dict(self.vault.storage.objects)  # type: ignore[attr-defined]
        storage.times = dict(self.vault.storage.times)  # type: ignore[attr-defined]
        vault.storage = store(storage)
        return vault


def make_history(place: Path) -> History:
    """Make it: packs to release, to remove, to repack, to mark; snapshots to remove; leftovers."""
    vault = Vault(place, cipher=PlainCipher())
    folder = place / "source"
    folder.mkdir(parents=True)
    write(folder, "first", 100)
    vault.backup(folder)
    (folder / "first").unlink()
    for number in range(10):
        write(folder, f"{number}", number)
    second = vault.backup(folder)
    for number in range(8):
        (folder / f"{number}").unlink()
    write(folder, "third", 103)
    vault.backup(folder)
    kept = vault.objects[second.stored.name]
    vault.pass_grace()
    assert vault.prune().repacked_packs
    # Somebody brings a snapshot back, whose packs are marked.
    vault.objects[second.stored.name] = kept
    for number in range(20, 24):
        write(folder, f"{number}", number)
    vault.backup(folder)
    vault.lock().take()
    (folder / "20").unlink()
    (folder / "21").unlink()
    (folder / "22").unlink()
    latest = vault.backup(folder)
    vault.pass_grace()
    vault.clock.sleep(1)
    return History(vault, folder, latest, portrait(folder))


class Interrupted(Decorator):
    """Does something at one call that changes the storage; can die there.

    Attributes:
        number: which call, from 1 on.
        act: what to do before it; None: the process dies.
        after: die after the call, not before.
        calls: calls so far.
        dead: whether it has died.
    """

    def __init__(
        self,
        storage: Storage,
        number: int,
        act: Callable[[], object] | None = None,
        *,
        after: bool = False,
    ) -> None:
        super().__init__(storage)
        self.number = number
        self.act = act
        self.after = after
        self.calls = 0
        self.dead = False

    def _change(self, call: Callable[[], object], half: Callable[[], object]) -> None:
        self._live()
        self.calls += 1
        if self.calls != self.number:
            call()
            return
        if self.act is not None:
            self.act()
            call()
            return
        self.dead = True
        if self.after:
            call()
        else:
            half()
        raise SimulatedCrash

    def _live(self) -> None:
        if self.dead:
            raise SimulatedCrash

    def put(self, name: str, data: Buffer, *, sha256: str) -> ObjectInfo:
        self._change(lambda: self._storage.put(name, data, sha256=sha256), lambda: None)
        return self._storage.stat(name)

    def create(self, name: str, data: Buffer, *, sha256: str) -> None:
        self._change(lambda: self._storage.create(name, data, sha256=sha256), lambda: None)

    def delete(self, name: str) -> None:
        self._change(lambda: self._storage.delete(name), lambda: None)

    def delete_all(self, names: Iterable[str]) -> None:
        given = [*names]
        self._change(
            lambda: self._storage.delete_all(given),
            lambda: self._storage.delete_all(given[: len(given) // 2]),
        )

    def get(self, name: str, *, offset: int = 0, length: int | None = None) -> bytes:
        self._live()
        return self._storage.get(name, offset=offset, length=length)

    def stat(self, name: str) -> ObjectInfo:
        self._live()
        return self._storage.stat(name)

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        self._live()
        return self._storage.list(prefix)

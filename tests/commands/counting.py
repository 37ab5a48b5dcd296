"""Counts what a run does: requests, files opened, bytes read, processes started."""

from __future__ import annotations

import os
import sys
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ocsnap.commands import context as contexts
from ocsnap.storage.count import Counting
from ocsnap.storage.decorator import Decorator

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pytest

    from ocsnap.config import RepositoryConfig
    from ocsnap.storage.storage import Buffer, ObjectInfo, Storage


@dataclass
class Counts:
    """What a run did.

    Attributes:
        requests: what was asked of the storage: the call, and the kind of object.
        put_bytes: bytes stored.
        got_bytes: bytes fetched.
        opened: how often files were opened, by their path.
        programs: how many processes were started, by the program's name.
    """

    requests: Counter[str] = field(default_factory=Counter)
    put_bytes: int = 0
    got_bytes: int = 0
    opened: Counter[str] = field(default_factory=Counter)
    programs: Counter[str] = field(default_factory=Counter)

    def below(self, *folders: Path) -> Counter[str]:
        """Return which files were opened below some folders, the folders there left aside."""
        starts = tuple(f"{folder}/" for folder in folders)
        below = ((path, n) for path, n in self.opened.items() if path.startswith(starts))
        return Counter({path: n for path, n in below if not Path(path).is_dir()})


class Noting(Decorator):
    """Notes every call to the storage."""

    def __init__(self, storage: Storage, counts: Counts) -> None:
        super().__init__(storage)
        self._counts = counts

    def put(self, name: str, data: Buffer, *, sha256: str) -> ObjectInfo:
        self._note("put", name)
        self._counts.put_bytes += memoryview(data).nbytes
        return super().put(name, data, sha256=sha256)

    def create(self, name: str, data: Buffer, *, sha256: str) -> None:
        self._note("create", name)
        super().create(name, data, sha256=sha256)

    def get(self, name: str, *, offset: int = 0, length: int | None = None) -> bytes:
        self._note("get", name)
        content = super().get(name, offset=offset, length=length)
        self._counts.got_bytes += len(content)
        return content

    def stat(self, name: str) -> ObjectInfo:
        self._note("stat", name)
        return super().stat(name)

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        self._note("list", prefix)
        return super().list(prefix)

    def delete(self, name: str) -> None:
        self._note("delete", name)
        super().delete(name)

    def delete_all(self, names: Iterable[str]) -> None:
        given = [*names]
        self._note("delete all", given[0] if given else "")
        super().delete_all(given)

    def _note(self, call: str, name: str) -> None:
        kind, slash, _ = name.partition("/")
        self._counts.requests[f"{call} {kind}{slash}".strip()] += 1


_watching: list[Counts] = []
_hooked: list[bool] = []


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    if not _watching:
        return
    if event == "open" and isinstance(arguments[0], str | bytes):
        flags = arguments[2]
        if not (isinstance(flags, int) and flags & os.O_DIRECTORY):  # to be listed, that is
            _watching[-1].opened[os.fsdecode(arguments[0])] += 1
    elif event == "subprocess.Popen":
        _watching[-1].programs[Path(os.fsdecode(str(arguments[0]))).name] += 1


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counts]:
    """Count what is done meanwhile in this process."""
    if not _hooked:
        sys.addaudithook(_hook)  # for good: there is no way to take one away
        _hooked.append(True)
    counts = Counts()
    real = contexts.open_storage

    def opened(config: RepositoryConfig, **world: object) -> Counting:
        return Counting(Noting(real(config, **world), counts))  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(contexts, "open_storage", opened)
        _watching.append(counts)
        try:
            yield counts
        finally:
            _watching.pop()

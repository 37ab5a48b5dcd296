"""Folders that are exchanged for links at the very moment at which a backup walks through them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

import ocsnap.snapshot.recognition
from ocsnap.monitor import SilentMonitor
from ocsnap.snapshot.scanner import Identity, opened, scan
from tests.snapshot.test_moving_files import archive, before_opening, listing

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ocsnap.repository.repository import Repository
    from ocsnap.snapshot.archiver import Archived
    from ocsnap.snapshot.scanner import Scan
    from tests.snapshot.studio import Studio

SECRET = b"only root may read this"


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """What the attacker may not read, with names that he has, too."""
    folder = tmp_path / "secret"
    (folder / "below").mkdir(parents=True)
    (folder / "file").write_bytes(SECRET)
    (folder / "below" / "deeper").write_bytes(SECRET)
    (folder / "link").symlink_to("secret target")
    return folder


@pytest.fixture
def trap(folder: Path, secret: Path) -> Callable[[], None]:
    """Lay a link in the place of a folder."""
    mine = folder / "mine"
    (mine / "below").mkdir(parents=True)
    (mine / "file").write_bytes(b"my own")
    (mine / "link").symlink_to("my target")

    def spring() -> None:
        if not mine.is_symlink():
            mine.rename(folder.parent / "moved away")
            mine.symlink_to(secret)

    return spring


def names_below(repository: Repository, archived: Archived) -> set[bytes]:
    from ocsnap.repository import tree

    found: set[bytes] = set()
    waiting = [*listing(repository, archived).values()]
    while waiting:
        entry = waiting.pop()
        found.add(entry.name)
        if entry.is_directory:
            waiting += tree.decode(repository.reader.load_all(entry.subtree))
    return found


def contents(repository: Repository) -> bytes:
    """Return all that was stored, uncompressed."""
    blobs = repository.cache._all("SELECT id FROM blob")
    return b"".join(repository.reader.load(blob) for (blob,) in blobs)


@pytest.mark.parametrize("at", ["mine", "mine/below"])
def test_a_folder_that_is_listed(
    studio: Studio, folder: Path, trap: Callable[[], None], monkeypatch: pytest.MonkeyPatch, at: str
):
    def meddled(path: bytes, *others: Any) -> Scan:  # noqa: ANN401 - those of scan
        if path == os.fsencode(folder / at):
            trap()
        return scan(path, *others)

    monkeypatch.setattr(ocsnap.snapshot.recognition, "scan", meddled)
    monitor = SilentMonitor()
    with studio.workshop.opened() as repository:
        archived = archive(repository, folder, monitor)
        assert b"deeper" not in names_below(repository, archived)
        assert SECRET not in contents(repository)
    assert archived.statistics.errors > 0
    assert all("exchanged" in problem.reason for problem in monitor.problems)


def test_a_file_that_is_opened(studio: Studio, folder: Path, trap: Callable[[], None]):
    with studio.workshop.opened() as repository:
        archived = archive(repository, folder, SilentMonitor(), before_opening(trap))
        repository.flush()
        assert SECRET not in contents(repository)
    assert archived.statistics.errors > 0


def test_a_folder_that_is_another(folder: Path, trap: Callable[[], None]):
    mine = os.fsencode(folder / "mine")
    identity = Identity.of(os.stat(mine))
    with opened(mine, identity) as above:
        assert os.readlink(b"link", dir_fd=above) == b"my target"
    trap()
    with pytest.raises(OSError, match="exchanged"), opened(mine, identity):
        pass

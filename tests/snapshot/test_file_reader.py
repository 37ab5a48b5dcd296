from __future__ import annotations

import random
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocsnap.errors import DamagedError
from ocsnap.monitor import SilentMonitor
from ocsnap.repository.blob import BlobKind
from ocsnap.repository.tree import Extent
from ocsnap.snapshot.file_reader import FileReader
from tests.repository.workshop import Workshop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ocsnap.repository.repository import Repository

PACKS, BLOBS, BLOB_BYTES = 4, 3, 500


class Shelf:
    """Packs with known blobs, which counts how often each is fetched."""

    def __init__(self, repository: Repository) -> None:
        self.repository = repository
        self.blobs: dict[bytes, bytes] = {}
        self.fetched: Counter[str] = Counter()
        rng = random.Random(1)
        for _ in range(PACKS):
            for _ in range(BLOBS):
                content = rng.randbytes(BLOB_BYTES)
                self.blobs[repository.writer.save(BlobKind.CONTENT, content)[0]] = content
            repository.flush()

    def load(self, name: str) -> memoryview:
        self.fetched[name] += 1
        return self.repository.reader.decrypted(name)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    with Workshop(tmp_path_factory.mktemp("workshop")).opened() as repository:
        repository.synchronise(SilentMonitor())
        yield Shelf(repository)


PIECES = st.lists(
    st.tuples(st.integers(0, PACKS * BLOBS - 1), st.integers(0, 400), st.integers(1, 100)),
    max_size=25,
)


@settings(max_examples=40, deadline=None)
@given(PIECES)
def test_each_pack_is_fetched_once_whatever_the_order(
    shelf: Shelf, pieces: list[tuple[int, int, int]]
):
    names = list(shelf.blobs)
    extents = [Extent(names[blob], offset, length) for blob, offset, length in pieces]
    wanted = b"".join(
        shelf.blobs[extent.blob][extent.offset : extent.offset + extent.length]
        for extent in extents
    )
    shelf.fetched.clear()
    with tempfile.TemporaryDirectory() as scratch:
        cache = shelf.repository.cache
        reader = FileReader(cache, shelf.load, scratch_dir=Path(scratch))
        assert b"".join(reader.chunks(extents)) == wanted
        assert list(Path(scratch).iterdir()) == []
    assert set(shelf.fetched.values()) <= {1}


def test_what_is_not_there_is_damage(shelf: Shelf, tmp_path: Path):
    reader = FileReader(shelf.repository.cache, shelf.load, scratch_dir=tmp_path)
    with pytest.raises(DamagedError):
        list(reader.chunks([Extent(b"x" * 32, 0, 1)]))
    with pytest.raises(DamagedError):
        list(reader.chunks([Extent(next(iter(shelf.blobs)), BLOB_BYTES - 1, 2)]))

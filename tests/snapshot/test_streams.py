"""Streams, such as the tables of a dump: stored as they come, as deltas of the last time."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ocsnap.errors import DatabaseError
from ocsnap.monitor import SilentMonitor
from ocsnap.repository import tree
from ocsnap.snapshot.restorer import Placement, Restorer
from ocsnap.snapshot.streams import Stream, StreamArchiver
from tests.repository.workshop import LaterClock, Workshop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ocsnap.repository.repository import Repository
    from ocsnap.repository.snapshot import Root
    from ocsnap.snapshot.streams import ArchivedStreams
    from tests.snapshot.studio import Studio

RNG = random.Random(23)


def archive(
    repository: Repository,
    contents: dict[str, bytes],
    previous: Root | None = None,
    *,
    piece_bytes: int = 50_000,
    expected_bytes: int = 0,
) -> ArchivedStreams:
    archiver = StreamArchiver(repository, clock=LaterClock(), monitor=SilentMonitor())
    streams = [
        Stream(name, expected_bytes, pieces(content, piece_bytes))
        for name, content in contents.items()
    ]
    archived = archiver.archive(iter(streams), "owncloud", previous)
    repository.flush()
    return archived


def pieces(content: bytes, piece_bytes: int) -> Iterator[bytes]:
    for start in range(0, len(content), piece_bytes):
        yield content[start : start + piece_bytes]


def restored(repository: Repository, root: Root, target: Path) -> dict[str, bytes]:
    restorer = Restorer(repository, monitor=SilentMonitor(), owners=False)
    assert restorer.restore([Placement(root, os.fsencode(target))]).failed == []
    return {
        str(path.relative_to(target)): path.read_bytes()
        for path in target.rglob("*")
        if path.is_file()
    }


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    sizes=st.lists(st.integers(0, 400_000), min_size=1, max_size=3),
    changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 5000), st.binary()), max_size=5),
    piece_bytes=st.integers(1000, 300_000),
)
def test_streams_come_back_whatever_changed(
    tmp_path_factory: pytest.TempPathFactory,
    sizes: list[int],
    changes: list[tuple[float, int, bytes]],
    piece_bytes: int,
):
    folder = tmp_path_factory.mktemp("streams")
    names = ["manifest.json", "tables/oc_users.sql", "tables/oc_filecache.sql"]
    first = {name: RNG.randbytes(size) for name, size in zip(names, sizes, strict=False)}
    second = {name: changed(content, changes) for name, content in first.items()}
    with Workshop(folder / "workshop").opened() as repository:
        one = archive(repository, first, piece_bytes=piece_bytes)
        two = archive(repository, second, one.root, piece_bytes=piece_bytes)
        assert restored(repository, one.root, folder / "1") == first
        assert restored(repository, two.root, folder / "2") == second
        assert two.root.files == len(list((folder / "2").rglob("*")))
        assert two.root.size_bytes == sum(len(content) for content in second.values())


def changed(content: bytes, changes: list[tuple[float, int, bytes]]) -> bytes:
    for place, cut_bytes, new in changes:
        start = int(len(content) * place)
        content = content[:start] + new + content[start + cut_bytes :]
    return content


def test_the_same_streams_store_nothing(studio: Studio):
    contents = {"a.sql": RNG.randbytes(5_000_000), "b.sql": b"", "c.sql": b"short"}
    with studio.workshop.opened() as repository:
        first = archive(repository, contents)
        before = len(studio.workshop.storage.objects)
        second = archive(repository, contents, first.root)
        assert second.statistics.raw_delta_bytes == 0
        assert second.statistics.source_files == 3
        assert len(studio.workshop.storage.objects) <= before + 2  # the listing has another time


def test_a_change_in_a_long_stream_stores_little(studio: Studio, tmp_path: Path):
    content = RNG.randbytes(6_000_000)
    new = content[:3_000_000] + b"a new row" + content[3_000_000:]
    with studio.workshop.opened() as repository:
        first = archive(repository, {"a.sql": content}, expected_bytes=len(content))
        second = archive(repository, {"a.sql": new}, first.root, expected_bytes=len(new))
        assert second.statistics.raw_delta_bytes < 20_000
        assert restored(repository, second.root, tmp_path / "target") == {"a.sql": new}


def test_a_stream_with_nothing_in_common_is_stored_as_it_comes(studio: Studio, tmp_path: Path):
    """It cannot be asked to begin again."""
    old, new = RNG.randbytes(10_000_000), RNG.randbytes(10_000_000)
    with studio.workshop.opened() as repository:
        first = archive(repository, {"a.sql": old})
        second = archive(repository, {"a.sql": new}, first.root)
        assert second.statistics.raw_delta_bytes == len(new)
        assert restored(repository, second.root, tmp_path / "target") == {"a.sql": new}


def test_many_generations_stay_in_few_pieces(studio: Studio, tmp_path: Path):
    """Else each night would scatter a dump over more packs, and a restore would fetch them all."""
    content = bytearray(RNG.randbytes(2_000_000))
    root, most = None, 0
    with studio.workshop.opened() as repository:
        for _ in range(40):
            for _ in range(40):
                place = RNG.randrange(len(content))
                content[place : place + 10] = RNG.randbytes(10)
            root = archive(repository, {"a.sql": bytes(content)}, root, expected_bytes=0).root
            (entry,) = tree.decode(repository.reader.load_all(root.entry.subtree))
            most = max(most, len(entry.extents))
        assert most < 500
        assert restored(repository, root, tmp_path / "target") == {"a.sql": bytes(content)}


def test_a_stream_that_fails_leaves_no_tree(studio: Studio):
    def broken() -> Iterator[bytes]:
        yield b"the first rows"
        raise DatabaseError("the server went away")

    with studio.workshop.opened() as repository:
        archiver = StreamArchiver(repository, clock=LaterClock(), monitor=SilentMonitor())
        with pytest.raises(DatabaseError, match="went away"):
            archiver.archive([Stream("a.sql", 0, broken())], "owncloud", None)


def test_a_lost_tree_of_the_last_time_costs_a_whole_copy(studio: Studio, tmp_path: Path):
    content = RNG.randbytes(300_000)
    with studio.workshop.opened() as repository:
        first = archive(repository, {"tables/a.sql": content})
    objects = studio.workshop.storage.objects
    for name in [name for name in objects if name.startswith("meta/")]:
        del objects[name]
    with studio.elsewhere("new").synchronised() as repository:
        second = archive(repository, {"tables/a.sql": content + b"more"}, first.root)
        assert second.statistics.raw_delta_bytes == len(content) + 4

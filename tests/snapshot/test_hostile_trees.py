"""Trees as somebody else would write them: no restore crashes, hangs, or leaves its target."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ocsnap.errors import DamagedError, LocalIOError
from ocsnap.monitor import SilentMonitor
from ocsnap.repository.blob import BlobKind
from ocsnap.repository.snapshot import Root, RootKind
from ocsnap.repository.tree import Entry, Extent
from ocsnap.snapshot import promise
from ocsnap.snapshot.checker import Checker
from ocsnap.snapshot.restorer import Placement, Restorer
from ocsnap.units import GIB
from tests.snapshot.test_restorer import FILE, file, folder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ocsnap.repository.repository import Repository
    from tests.snapshot.studio import Studio

KINDS = [
    *(stat.S_IFREG, stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK, stat.S_IFIFO),
    *(stat.S_IFSOCK, stat.S_IFCHR, 0),
]
NUMBERS = st.sampled_from([0, 1, 5, 6, 4096, 2**31, 2**40, 2**62, 2**63 - 1])
NAMES = st.sampled_from([b"a", b"b", b"c", b"\n", b"\xff\xfe", b"x" * 255, b"x" * 256])
TARGETS = st.sampled_from([b"", b"a", b"../../outside", b"/etc/passwd", b"nul\0", b"y" * 5000])
ATTRIBUTES = st.sampled_from(
    [
        (b"user.a", b"1"),
        (b"user.nul\0", b"1"),
        (b"trusted.overlay.opaque", b"y"),
        (b"", b""),
        (b"user." + b"n" * 300, b"v" * 70_000),
    ]
)


@st.composite
def entries(draw: st.DrawFn, blobs: list[bytes], subtrees: list[tuple[bytes, ...]]) -> Entry:
    """Draw an entry whose fields fit one another only by chance."""
    mode = draw(st.sampled_from(KINDS)) | draw(st.sampled_from([0, 0o600, 0o7777]))
    anywhere = st.sampled_from([*blobs, b"?" * 32])
    extents = st.builds(Extent, anywhere, NUMBERS, NUMBERS)
    subtree: tuple[bytes, ...] = ()
    if stat.S_ISDIR(mode):
        subtree = draw(st.sampled_from([(), (b"?" * 32,), (blobs[0],), *subtrees]))
    return msgspec.structs.replace(
        FILE,
        name=draw(NAMES),
        mode=mode,
        uid=draw(st.sampled_from([0, 33, 2**32 - 1])),
        mtime_ns=draw(st.sampled_from([0, -(2**63), 2**63 - 1])),
        inode=draw(st.integers(1, 2)),
        links=draw(st.integers(-1, 3)),
        size_bytes=draw(NUMBERS),
        content=draw(st.none() | anywhere),
        extents=draw(st.lists(extents, max_size=3).map(tuple)),
        xattrs=draw(st.lists(ATTRIBUTES, max_size=2).map(tuple)),
        target=draw(TARGETS),
        subtree=subtree,
        device=draw(NUMBERS),
        sparse=draw(st.booleans()),
    )


@pytest.fixture
def repository(studio: Studio) -> Iterator[Repository]:
    with studio.workshop.opened() as opened:
        yield opened


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    return folder


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_any_tree_is_restored_or_damage(
    repository: Repository, outside: Path, tmp_path: Path, data: st.DataObject
):
    blobs = [
        repository.writer.save(BlobKind.CONTENT, content)[0] for content in (b"five.", b"\0" * 4096)
    ]
    subtrees: list[tuple[bytes, ...]] = []
    for _ in range(data.draw(st.integers(1, 3))):
        drawn = data.draw(
            st.lists(entries(blobs, subtrees), max_size=5, unique_by=lambda entry: entry.name)
        )
        subtrees.append(folder(repository, drawn).subtree)
    repository.flush()
    entry = msgspec.structs.replace(folder(repository, []), subtree=subtrees[-1])
    root = Root(
        kind=RootKind.DATA, name="data", path=b"/data", entry=entry, size_bytes=data.draw(NUMBERS)
    )
    with tempfile.TemporaryDirectory(dir=tmp_path) as name:
        target = Path(name, "t")
        restorer = Restorer(repository, monitor=SilentMonitor(), owners=False)
        try:
            report = restorer.restore([Placement(root, os.fsencode(target))])
        except (DamagedError, LocalIOError) as error:
            assert error.message  # noqa: PT017 - any other error ends the test
        else:
            for path in report.failed:
                assert not os.path.lexists(path) or os.path.isdir(path)
        _open_again(target)
        assert os.listdir(name) in ([], ["t"])
    assert list(outside.iterdir()) == []


def _open_again(folder: Path) -> None:
    """Let everything below be removed by whoever runs this, root or not."""
    for path, _, _ in os.walk(os.fsencode(folder)):
        os.chmod(path, 0o700)


def restored(repository: Repository, entry: Entry, target: Path, **figures: int) -> None:
    repository.flush()
    root = Root(kind=RootKind.DATA, name="data", path=b"/data", entry=entry, **figures)
    restorer = Restorer(repository, monitor=SilentMonitor(), owners=False)
    restorer.restore([Placement(root, os.fsencode(target))])


def billion(repository: Repository) -> Entry:
    """Return nine levels of ten subdirectories, a blob each: a billion directories in little."""
    level = folder(repository, [])
    for _ in range(9):
        names = [b"%d" % number for number in range(10)]
        listed = [msgspec.structs.replace(level, name=name) for name in names]
        level = folder(repository, listed)
    return level


@pytest.fixture
def little_slack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(promise, "_SLACK_ENTRIES", 1000)


@pytest.mark.usefixtures("little_slack")
def test_directories_that_list_one_another_do_not_fill_the_disk(
    repository: Repository, tmp_path: Path
):
    with pytest.raises(DamagedError, match="far larger than the 5 entries"):
        restored(repository, billion(repository), tmp_path / "t", files=5)


@pytest.mark.usefixtures("little_slack")
def test_a_check_of_directories_that_list_one_another_ends(studio: Studio, repository: Repository):
    root = Root(kind=RootKind.DATA, name="data", path=b"/data", entry=billion(repository), files=5)
    repository.flush()
    studio.commit(repository, root, None)
    (damage,) = Checker(repository, monitor=SilentMonitor()).check(read_data=False).damages
    assert "far larger than the 5 entries" in damage.reason


def test_a_blob_that_is_listed_again_and_again_does_not_fill_the_disk(
    repository: Repository, tmp_path: Path
):
    blob, _ = repository.writer.save(BlobKind.CONTENT, bytes(4_000_000))
    bomb = msgspec.structs.replace(
        FILE, content=blob, extents=(Extent(blob, 0, 4_000_000),) * 300, size_bytes=1_200_000_000
    )
    with pytest.raises(DamagedError, match="far larger"):
        restored(repository, folder(repository, [bomb]), tmp_path / "t", size_bytes=1000)
    assert GIB < 1_200_000_000


def test_parts_that_are_longer_than_their_file_are_found_out(
    repository: Repository, tmp_path: Path
):
    blob, _ = repository.writer.save(BlobKind.CONTENT, b"content")
    bomb = msgspec.structs.replace(FILE, content=blob, extents=(Extent(blob, 0, 7),) * 9)
    entry = folder(repository, [msgspec.structs.replace(bomb, size_bytes=7)])
    repository.flush()
    root = Root(kind=RootKind.DATA, name="data", path=b"/data", entry=entry)
    restorer = Restorer(repository, monitor=SilentMonitor(), owners=False)
    report = restorer.restore([Placement(root, os.fsencode(tmp_path / "t"))])
    assert report.failed == [str(tmp_path / "t" / "file")]


def test_a_link_that_cannot_be_made_costs_only_itself(repository: Repository, tmp_path: Path):
    bad = [
        msgspec.structs.replace(FILE, name=name, mode=stat.S_IFLNK | 0o777, target=target)
        for name, target in ((b"empty", b""), (b"long", b"y" * 5000), (b"nul", b"a\0b"))
    ]
    entry = folder(repository, [*bad, file(repository, b"z", b"the rest")])
    restored(repository, entry, tmp_path / "t", files=4)
    assert [path.name for path in (tmp_path / "t").iterdir()] == ["z"]

"""A search through many snapshots: the same as one after the other, and each listing read once."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ocsnap.snapshot.comparison import Kind, compare
from ocsnap.snapshot.history import search
from ocsnap.snapshot.listings import Listings
from tests.snapshot.test_restorer import file, folder

if TYPE_CHECKING:
    from ocsnap.errors import DamagedError, ObjectMissingError
    from ocsnap.repository.repository import Repository
    from ocsnap.repository.tree import Entry
    from tests.snapshot.studio import Studio

NAMES = st.sampled_from([b"a", b"b", b"c", b"\xff\n"])
TREES = st.recursive(
    st.binary(max_size=2),
    lambda inner: st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
Tree = bytes | dict[bytes, "Tree"]


def stored(repository: Repository, tree: dict[bytes, Tree], name: bytes = b"") -> Entry:
    entries = [
        stored(repository, inner, key)
        if isinstance(inner, dict)
        else msgspec.structs.replace(
            file(repository, key, inner), content=None if not inner else _id(repository, inner)
        )
        for key, inner in tree.items()
    ]
    return folder(repository, entries, name)


def _id(repository: Repository, content: bytes) -> bytes:
    return file(repository, b"x", content).content or b""


def flat(tree: dict[bytes, Tree], path: bytes = b"") -> dict[bytes, bytes | None]:
    """Return all paths; the content of files, None for folders."""
    found: dict[bytes, bytes | None] = {}
    for name, inner in tree.items():
        where = path + name
        found[where] = None if isinstance(inner, dict) else inner
        if isinstance(inner, dict):
            found |= flat(inner, where + b"/")
    return found


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(trees=st.lists(st.dictionaries(NAMES, TREES, max_size=3), min_size=1, max_size=4))
def test_a_search_finds_what_each_snapshot_has(studio: Studio, trees: list[dict[bytes, Tree]]):
    with studio.workshop.opened() as repository:
        roots = [stored(repository, tree) for tree in trees]
        repository.flush()
        found = {
            match.path: {
                number: (stat.S_ISDIR(version.entry.mode), version.entry.content)
                for version in match.versions
                for number in version.snapshots
            }
            for match in search(Listings(repository.reader), roots, lambda _: True, refuse)
        }
        wanted: dict[bytes, dict[int, bytes | None]] = {}
        for number, tree in enumerate(trees):
            for path, content in flat(tree).items():
                wanted.setdefault(path, {})[number] = content
        assert found.keys() == wanted.keys()
        for path, versions in wanted.items():
            assert found[path] == {
                number: (content is None, _id(repository, content) if content else None)
                for number, content in versions.items()
            }


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(old=st.dictionaries(NAMES, TREES, max_size=3), new=st.dictionaries(NAMES, TREES, max_size=3))
def test_a_comparison_finds_what_differs(
    studio: Studio, old: dict[bytes, Tree], new: dict[bytes, Tree]
):
    with studio.workshop.opened() as repository:
        one, other = stored(repository, old), stored(repository, new)
        repository.flush()
        changes = {c.path: c.kind for c in compare(Listings(repository.reader), one, other)}
    before, after = flat(old), flat(new)
    changed = {path for path in before.keys() & after.keys() if before[path] != after[path]}
    assert {path for path, kind in changes.items() if kind is Kind.CHANGED} == changed
    # A folder stands for all that is in it, so only the tops of what came and went are told.
    gone, come = before.keys() - after.keys(), after.keys() - before.keys()
    tops = {path for path in gone | come if _above(path) not in (gone | come | changed)}
    assert {path for path, kind in changes.items() if kind in {Kind.ADDED, Kind.REMOVED}} == tops


def test_a_listing_that_snapshots_share_is_read_once(studio: Studio):
    with studio.workshop.opened() as repository:
        same: dict[bytes, Tree] = {b"deep": {b"deeper": {b"x": b"1", b"y": b"2"}}}
        trees: list[dict[bytes, Tree]] = [{b"same": same, b"n": b"%d" % n} for n in range(20)]
        roots = [stored(repository, tree) for tree in trees]
        repository.flush()
        listings = Listings(repository.reader)
        (match,) = search(listings, roots, lambda path: path.endswith(b"/x"), refuse)
    assert match.versions[0].snapshots == list(range(20))
    assert listings.read_blobs == 20 + 3


def test_a_lost_listing_ends_no_search(studio: Studio):
    with studio.workshop.opened() as repository:
        lost = folder(repository, [], b"lost")
        lost = msgspec.structs.replace(lost, subtree=(b"\1" * 32,))
        root = folder(repository, [lost, file(repository, b"x", b"1")])
        repository.flush()
        told: list[bytes] = []
        found = search(
            Listings(repository.reader), [root], lambda _: True, lambda path, _: told.append(path)
        )
        assert [match.path for match in found] == [b"lost", b"x"]
    assert told == [b"lost"]


def refuse(path: bytes, error: DamagedError | ObjectMissingError) -> None:
    raise error


def _above(path: bytes) -> bytes:
    return path.rpartition(b"/")[0]

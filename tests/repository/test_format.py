"""Every format: what was encoded comes back, and hostile bytes are damage, nothing worse."""

from __future__ import annotations

import hashlib
import random
from typing import TYPE_CHECKING

import msgspec
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from ocsnap.crypto import CipherMode
from ocsnap.errors import DamagedError
from ocsnap.repository import description as descriptions
from ocsnap.repository import index as indexes
from ocsnap.repository import pack as packs
from ocsnap.repository import snapshot as snapshots
from ocsnap.repository import tree
from ocsnap.repository.blob import BlobKind, blob_id
from ocsnap.repository.description import Description
from ocsnap.repository.index import Index, IndexedPack
from ocsnap.repository.pack import PackedBlob, read_trailer, trailer
from ocsnap.repository.pack_file import PackFile
from ocsnap.repository.reader import unpack
from ocsnap.repository.snapshot import OwncloudRecord, Root, RootKind, Snapshot
from ocsnap.repository.tree import Entry, Extent

if TYPE_CHECKING:
    from collections.abc import Callable

IDS = st.binary(min_size=32, max_size=32)
SIZES = st.integers(0, 2**40)
NAMES = st.binary(min_size=1, max_size=255).filter(
    lambda name: name not in (b".", b"..") and b"/" not in name and b"\0" not in name
)
EXTENTS = st.builds(Extent, IDS, SIZES, SIZES)
ENTRIES = st.builds(
    Entry,
    name=NAMES,
    mode=st.integers(0, 0o177777),
    uid=st.integers(0, 2**32 - 1),
    gid=st.integers(0, 2**32 - 1),
    mtime_ns=st.integers(-(2**63), 2**63 - 1),
    ctime_ns=st.integers(-(2**63), 2**63 - 1),
    inode=st.integers(0, 2**64 - 1),
    size_bytes=SIZES,
    links=st.integers(1, 2**32),
    xattrs=st.lists(st.tuples(NAMES, st.binary(max_size=50)), max_size=2).map(tuple),
    content=st.none() | IDS,
    extents=st.lists(EXTENTS, max_size=3).map(tuple),
    signature=st.lists(IDS, max_size=3).map(tuple),
    target=st.binary(max_size=50),
    subtree=st.lists(IDS, max_size=3).map(tuple),
    entries=SIZES,
    device=SIZES,
    sparse=st.booleans(),
    unsteady=st.booleans(),
)
PACKED = st.builds(PackedBlob, IDS, SIZES, SIZES, SIZES)
INDEXED = st.builds(
    IndexedPack, IDS, st.sampled_from(BlobKind), SIZES, st.binary(), st.lists(PACKED, max_size=4)
)
MOMENTS = st.floats(0, 4e9)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)
ROOTS = st.builds(
    Root,
    kind=st.sampled_from(RootKind),
    name=TEXTS.filter(lambda name: name not in {"", ".", ".."}),
    path=st.lists(NAMES, min_size=1, max_size=3).map(lambda names: b"/" + b"/".join(names)),
    entry=ENTRIES,
    etag=st.none() | TEXTS,
    files=SIZES,
    size_bytes=SIZES,
)
OWNCLOUDS = st.builds(
    OwncloudRecord,
    version=TEXTS,
    root=TEXTS,
    data_dir=TEXTS,
    table_prefix=TEXTS,
    database_kind=TEXTS,
    database_name=TEXTS,
    maintenance=st.booleans(),
)
SNAPSHOTS = st.builds(
    Snapshot,
    repository=TEXTS,
    started=MOMENTS,
    finished=MOMENTS,
    host=TEXTS,
    program=TEXTS,
    parent=st.none() | TEXTS,
    owncloud=OWNCLOUDS,
    roots=st.lists(ROOTS, max_size=2),
    users=st.dictionaries(st.integers(0, 2**32), TEXTS, max_size=2),
    groups=st.dictionaries(st.integers(0, 2**32), TEXTS, max_size=2),
    statistics=st.dictionaries(TEXTS, st.integers(0, 2**50), max_size=3),
    errors=SIZES,
)
DESCRIPTIONS = st.builds(
    Description,
    repository=st.text("0123456789abcdef", min_size=32, max_size=32),
    cipher=st.sampled_from(CipherMode),
    recipients=st.lists(TEXTS, max_size=2).map(tuple),
    created=MOMENTS,
)


@given(st.lists(ENTRIES, max_size=10, unique_by=lambda entry: entry.name))
def test_listings_come_back(entries: list[Entry]):
    entries.sort(key=lambda entry: entry.name)
    assert tree.decode(tree.encode(entries)) == entries


@given(st.lists(INDEXED, max_size=4))
def test_indexes_come_back(listed: list[IndexedPack]):
    index = Index(indexes.FORMAT, listed)
    assert indexes.decode(indexes.encode(index), name="index/x") == index


@given(SNAPSHOTS)
def test_snapshots_come_back(snapshot: Snapshot):
    assert snapshots.decode(snapshots.encode(snapshot), name="snapshots/x") == snapshot


@given(DESCRIPTIONS)
def test_descriptions_come_back(description: Description):
    assert descriptions.decode(descriptions.encode(description)) == description


def packed(contents: list[bytes]) -> bytes:
    gathered = PackFile()
    for content in contents:
        gathered.append(blob_id(content), zstandard.compress(content), len(content))
    gathered.finish()
    with gathered.file as file:
        return bytes(file.content())


CONTENTS = st.lists(st.binary(max_size=500), max_size=8, unique=True)


@given(CONTENTS)
def test_packs_come_back(contents: list[bytes]):
    plain = packed(contents)
    listed = read_trailer(plain, name="packs/x")
    for each, content in zip(listed, contents, strict=True):
        data = plain[each.offset : each.offset + each.frame_bytes]
        assert unpack(each.blob, data, each.raw_bytes, name="packs/x") == content


# -- hostile bytes -------------------------------------------------------------------------------


def _read_pack(data: bytes) -> None:
    for each in read_trailer(data, name="packs/x"):
        part = data[each.offset : each.offset + each.frame_bytes]
        unpack(each.blob, part, each.raw_bytes, name="packs/x")


def _read_listing(data: bytes) -> None:
    for entry in tree.decode([data]):
        assert entry.is_directory in {True, False}
        assert entry.is_file in {True, False}
        assert isinstance(entry.pieces(), tuple)


def _read_index(data: bytes) -> None:
    for pack in indexes.decode(data, name="index/x").packs:
        assert pack.name.endswith(".gpg")


def _read_snapshot(data: bytes) -> None:
    snapshot = snapshots.decode(data, name="snapshots/x")
    assert snapshots.snapshot_name(snapshot.started, "0" * 64).startswith("snapshots/")
    assert snapshot.files + snapshot.size_bytes >= 0


def _read_description(data: bytes) -> None:
    assert descriptions.decode(data).repository.isalnum()


SOUND: dict[Callable[[bytes], None], st.SearchStrategy[bytes]] = {
    _read_pack: CONTENTS.map(packed),
    _read_listing: st.lists(ENTRIES, max_size=4).map(lambda each: next(tree.encode(each))),
    _read_index: st.lists(INDEXED, max_size=3).map(lambda each: indexes.encode(Index(1, each))),
    _read_snapshot: SNAPSHOTS.map(snapshots.encode),
    _read_description: DESCRIPTIONS.map(descriptions.encode),
}
READERS = pytest.mark.parametrize("read", SOUND, ids=lambda read: read.__name__)


def read_or_damaged(read: Callable[[bytes], None], data: bytes) -> None:
    try:
        read(data)
    except DamagedError as error:
        assert error.message  # noqa: PT017 - any other error ends the test


@READERS
@given(data=st.data())
def test_random_bytes_are_damage(read: Callable[[bytes], None], data: st.DataObject):
    read_or_damaged(read, data.draw(st.binary(max_size=300)))


@READERS
@settings(max_examples=200)
@given(data=st.data())
def test_altered_bytes_are_damage_or_read(read: Callable[[bytes], None], data: st.DataObject):
    content = bytearray(data.draw(SOUND[read]))
    for _ in range(data.draw(st.integers(1, 4))):
        if not content:
            break
        place = data.draw(st.integers(0, len(content) - 1))
        action = data.draw(st.sampled_from(["cut", "change", "insert", "remove"]))
        if action == "cut":
            del content[place:]
        elif action == "change":
            content[place] = data.draw(st.integers(0, 255))
        elif action == "insert":
            content[place:place] = data.draw(st.binary(min_size=1, max_size=8))
        else:
            del content[place : place + data.draw(st.integers(1, 8))]
    read_or_damaged(read, bytes(content))


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.binary(max_size=40)
    | st.text(st.characters(codec="utf-8"), max_size=10),
    lambda inner: st.lists(inner, max_size=20) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=30,
)


@settings(max_examples=300)
@given(ANYTHING)
def test_sound_messagepack_of_anything_is_damage_or_read(anything: object):
    data = msgspec.msgpack.encode(anything)
    for content in (data, msgspec.msgpack.encode([1, [anything]])):
        read_or_damaged(_read_listing, content)
        read_or_damaged(_read_index, zstandard.compress(content))
        body = zstandard.compress(content)
        tail = body + len(body).to_bytes(4, "little") + packs.TRAILER_MAGIC
        read_or_damaged(_read_pack, b"\x50\x2a\x4d\x18" + len(tail).to_bytes(4, "little") + tail)


def altered(entry: Entry, **changes: object) -> bytes:
    """Encode an entry with fields that the class itself would refuse."""
    fields = list(msgspec.structs.astuple(entry))
    for name, value in changes.items():
        fields[Entry.__struct_fields__.index(name)] = value
    return msgspec.msgpack.encode([1, [fields]])


PLAIN_ENTRY = Entry(b"name", 0o100644, 0, 0, 0, 0, 0)


@pytest.mark.parametrize(
    "changes",
    [
        {"name": b""},
        {"name": b"."},
        {"name": b".."},
        {"name": b"a/b"},
        {"name": b"/etc/passwd"},
        {"name": b"../up"},
        {"name": b"nul\0"},
        {"mode": -1},
        {"mode": 2**40},
        {"uid": -1},
        {"gid": 2**40},
        {"size_bytes": -1},
        {"mtime_ns": 2**63},
        {"extents": [[b"\0" * 32, -1, 5]]},
        {"extents": [[b"\0" * 32, 0, -5]]},
    ],
    ids=str,
)
def test_an_entry_that_no_file_system_has_is_damage(changes: dict[str, object]):
    with pytest.raises(DamagedError):
        tree.decode([altered(PLAIN_ENTRY, **changes)])


def test_a_name_that_comes_twice_is_damage():
    """The second one could be written through a link that the first one made."""
    entry = msgspec.structs.astuple(PLAIN_ENTRY)
    with pytest.raises(DamagedError):
        tree.decode([msgspec.msgpack.encode([1, [entry, entry]])])
    with pytest.raises(DamagedError):
        tree.decode([msgspec.msgpack.encode([1, [entry]])] * 2)


@pytest.mark.parametrize(
    "repository", ["", "..", "../../etc", "/etc", "a/b", "0" * 31, "0" * 33, "G" * 32, "\n" * 32]
)
def test_a_repository_id_that_could_lead_elsewhere_is_damage(repository: str):
    """It names a folder of the local cache, and stands in the only object in clear text."""
    description = Description(
        repository=repository, cipher=CipherMode.PASSPHRASE, recipients=(), created=0.0
    )
    with pytest.raises(DamagedError):
        descriptions.decode(descriptions.encode(description))


SNAPSHOT = Snapshot(
    repository="0" * 32,
    started=0.0,
    finished=0.0,
    host="cloud",
    program="test",
    parent=None,
    owncloud=OwncloudRecord(
        version="10",
        root="/var/www/owncloud",
        data_dir="/data",
        table_prefix="oc_",
        database_kind="sqlite3",
        database_name="/data/owncloud.db",
        maintenance=False,
    ),
    roots=[],
)


@pytest.mark.parametrize("kind", [RootKind.CONFIG, RootKind.DATA, RootKind.HOME])
@pytest.mark.parametrize(
    "path",
    [
        *(b"", b"/", b"data", b"//data", b"/data/", b"/data//u1", b"../data", b"/data\0"),
        *(b"/data/../etc", b"/data/..", b"/data/./u1", b"/.."),
    ],
)
def test_a_tree_with_a_path_that_leads_astray_is_damage(kind: RootKind, path: bytes):
    """`/data/../etc` begins with `/data/`: below a target it would lead out of it."""
    root = Root(kind=kind, name="u1", path=path, entry=PLAIN_ENTRY)
    data = snapshots.encode(msgspec.structs.replace(SNAPSHOT, roots=[root]))
    with pytest.raises(DamagedError, match="place that no backup has"):
        snapshots.decode(data, name="snapshots/x")


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_a_home_that_is_no_user_s_is_damage(name: str):
    root = Root(kind=RootKind.HOME, name=name, path=b"/elsewhere/u1", entry=PLAIN_ENTRY)
    data = snapshots.encode(msgspec.structs.replace(SNAPSHOT, roots=[root]))
    with pytest.raises(DamagedError, match="place that no backup has"):
        snapshots.decode(data, name="snapshots/x")


def test_a_database_file_that_leads_astray_is_damage():
    owncloud = msgspec.structs.replace(
        SNAPSHOT.owncloud, database_name="/data/../etc/cron.d/owncloud.db"
    )
    data = snapshots.encode(msgspec.structs.replace(SNAPSHOT, owncloud=owncloud))
    with pytest.raises(DamagedError, match="place that no backup has"):
        snapshots.decode(data, name="snapshots/x")


@pytest.mark.parametrize(
    ("pack", "blob", "number"),
    [
        (b"", b"b" * 32, 1),
        (b"p" * 31, b"b" * 32, 1),
        (b"p" * 32, b"b" * 33, 1),
        (b"p" * 32, b"b" * 32, -1),
        (b"p" * 32, b"b" * 32, 2**63),
        (b"p" * 32, b"b" * 32, 2**64 - 1),
    ],
)
def test_an_index_that_neither_storage_nor_cache_takes_is_damage(
    pack: bytes, blob: bytes, number: int
):
    listed = [1, [[pack, "packs", 1, b"", [[blob, number, 1, 1]]]]]
    with pytest.raises(DamagedError):
        indexes.decode(zstandard.compress(msgspec.msgpack.encode(listed)), name="index/x")


@pytest.mark.parametrize("number", [0, 2, 99])
def test_a_later_format_is_refused_with_a_word_about_it(number: int):
    later = [
        lambda: indexes.decode(indexes.encode(Index(number, [])), name="index/x"),
        lambda: tree.decode([msgspec.msgpack.encode([number, []])]),
        lambda: descriptions.decode(
            b'{"format":%d,"repository":"%s","cipher":"passphrase","recipients":[],"created":0}'
            % (number, b"0" * 32)
        ),
    ]
    for read in later:
        with pytest.raises(DamagedError, match="format"):
            read()


@pytest.mark.parametrize("depth", [100, 100_000])
def test_deep_nesting_is_damage(depth: int):
    nested = b'{"statistics":{"a":' + b"[" * depth + b"]" * depth + b"}}"
    read_or_damaged(_read_snapshot, nested)
    read_or_damaged(_read_description, nested)
    read_or_damaged(_read_listing, b"\x92\x01" + b"\x91" * depth)
    read_or_damaged(_read_index, zstandard.compress(b"\x92\x01" + b"\x91" * depth))


# -- bombs ---------------------------------------------------------------------------------------


def test_a_frame_never_becomes_more_than_the_index_promises():
    bomb = zstandard.compress(bytes(500_000_000), level=1)
    assert len(bomb) < 100_000
    with pytest.raises(DamagedError, match="500000000"):
        unpack(b"\0" * 32, bomb, 1000, name="packs/x")


def test_a_frame_that_does_not_say_its_size_is_damage():
    compressor = zstandard.ZstdCompressor(write_content_size=False)
    with pytest.raises(DamagedError):
        unpack(blob_id(b"1"), compressor.compress(b"1"), 1, name="packs/x")


def test_a_promise_that_is_itself_a_bomb_is_damage():
    bomb = zstandard.compress(bytes(500_000_000), level=1)
    with pytest.raises(DamagedError):
        unpack(hashlib.sha256().digest(), bomb, 500_000_000, name="packs/x")
    body = zstandard.compress(bytes(500_000_000), level=1)
    tail = body + len(body).to_bytes(4, "little") + packs.TRAILER_MAGIC
    with pytest.raises(DamagedError):
        read_trailer(tail, name="packs/x")


def test_another_content_of_the_same_size_is_damage():
    with pytest.raises(DamagedError, match="another content"):
        unpack(blob_id(b"right"), zstandard.compress(b"wrong"), 5, name="packs/x")


def test_trailers_that_point_outside_are_damage():
    plain = zstandard.compress(b"content")
    for offset, length in [(0, len(plain) + 1), (len(plain), 1), (2**40, 1), (0, 2**40)]:
        listed = [PackedBlob(blob_id(b"content"), offset, length, 7)]
        with pytest.raises(DamagedError, match="outside"):
            read_trailer(plain + trailer(listed), name="packs/x")


def test_random_numbers_are_no_pack():
    rng = random.Random(1)
    for _ in range(50):
        with pytest.raises(DamagedError):
            read_trailer(rng.randbytes(100) + packs.TRAILER_MAGIC, name="packs/x")

"""What every storage and every decorator promises."""

from __future__ import annotations

import hashlib
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from ocsnap.errors import ObjectExistsError, ObjectMissingError
from tests.storage.objects import DATA, NAME, md5, put, sha256

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ocsnap.storage.storage import ObjectInfo, Storage

MISSING = "packs/ab/missing.gpg"


def names(found: Iterable[ObjectInfo]) -> list[str]:
    return sorted(info.name for info in found)


def test_what_was_put_is_got(storage: Storage):
    for kind in [bytes, bytearray, memoryview]:
        put(storage, f"packs/{kind.__name__}", kind(DATA))
        got = storage.get(f"packs/{kind.__name__}")
        assert got == DATA
        assert type(got) is bytes


def test_a_buffer_may_change_after_the_put(storage: Storage):
    buffer = bytearray(DATA)
    put(storage, NAME, buffer)
    buffer[:] = bytes(len(DATA))
    buffer.extend(b"a view left behind would forbid this")
    assert storage.get(NAME) == DATA


def test_a_view_into_a_larger_buffer_is_put_as_it_is(storage: Storage):
    put(storage, NAME, memoryview(DATA)[100:200])
    assert storage.get(NAME) == DATA[100:200]


def test_an_empty_object_is_an_object(storage: Storage):
    put(storage, NAME, b"")
    assert storage.get(NAME) == b""
    assert storage.get(NAME, offset=0, length=10) == b""
    assert storage.stat(NAME).size_bytes == 0
    assert names(storage.list()) == [NAME]


def test_an_object_of_some_megabytes_comes_back_whole(storage: Storage):
    data = hashlib.shake_256(b"pack").digest(9_000_001)
    put(storage, NAME, data)
    assert storage.get(NAME) == data
    assert storage.get(NAME, offset=8_000_000, length=123) == data[8_000_000:8_000_123]


def test_it_is_got_into_memory_that_served_another(storage: Storage):
    memory = memoryview(bytearray(b"what lay here before" * 500_000))
    asked: list[int] = []

    def room(size_bytes: int) -> memoryview:
        asked.append(size_bytes)
        return memory[:size_bytes]

    large = hashlib.shake_256(b"pack").digest(9_000_001)
    for number, data in enumerate([large, DATA, b""]):
        put(storage, f"packs/{number}", data)
        got = storage.get_into(f"packs/{number}", room)
        assert got == data
        assert got.obj is memory.obj
    assert asked == [len(large), len(DATA), 0]
    for name in (MISSING, "packs"):
        with pytest.raises(ObjectMissingError) as caught:
            storage.get_into(name, room)
        assert caught.value.name == name


def test_a_part_is_what_a_slice_would_be(storage: Storage):
    put(storage, NAME)
    for offset in [0, 1, 5, 1279, 1280, 5000]:
        assert storage.get(NAME, offset=offset) == DATA[offset:], offset
        for length in [0, 1, 10, 1280, 5000]:
            got = storage.get(NAME, offset=offset, length=length)
            assert got == DATA[offset : offset + length], (offset, length)


def test_a_negative_part_is_a_mistake(storage: Storage):
    put(storage, NAME)
    for offset, length in [(-1, None), (0, -1), (-5, 3)]:
        with pytest.raises(ValueError, match="no part"):
            storage.get(NAME, offset=offset, length=length)


def test_putting_the_same_again_is_fine(storage: Storage):
    put(storage, NAME)
    put(storage, NAME)
    assert storage.get(NAME) == DATA
    assert names(storage.list()) == [NAME]


def test_stat_tells_the_size_and_only_true_checksums(storage: Storage):
    put(storage, NAME)
    info = storage.stat(NAME)
    assert (info.name, info.size_bytes) == (NAME, len(DATA))
    assert info.md5 in (None, md5(DATA))
    assert info.sha256 in (None, sha256(DATA))


def test_what_is_missing_says_so(storage: Storage):
    put(storage, NAME)
    for length in [None, 0, 5]:
        with pytest.raises(ObjectMissingError) as caught:
            storage.get(MISSING, length=length)
        assert caught.value.name == MISSING
    with pytest.raises(ObjectMissingError) as caught:
        storage.stat(MISSING)
    assert caught.value.name == MISSING


def test_a_folder_is_no_object(storage: Storage):
    put(storage, NAME)
    with pytest.raises(ObjectMissingError):
        storage.get("packs/ab")
    with pytest.raises(ObjectMissingError):
        storage.stat("packs/ab")


def test_nothing_is_there_before_the_first_put(storage: Storage):
    assert names(storage.list()) == []
    with pytest.raises(ObjectMissingError):
        storage.get(NAME)
    storage.delete(NAME)
    storage.check()


def test_listing_tells_names_sizes_and_only_true_checksums(storage: Storage):
    put(storage, NAME)
    put(storage, "index/x.gpg", b"index")
    found = {info.name: info for info in storage.list()}
    assert {name: info.size_bytes for name, info in found.items()} == {
        NAME: len(DATA),
        "index/x.gpg": 5,
    }
    assert found["index/x.gpg"].md5 in (None, md5(b"index"))
    assert found["index/x.gpg"].sha256 in (None, sha256(b"index"))


def test_listing_takes_any_beginning_of_a_name(storage: Storage):
    every = ["ocsnap.json", "packs/ab/1", "packs/ab/12", "packs/ac/1", "packs-old/1", "index/1"]
    for name in every:
        put(storage, name)
    for prefix in ["", "p", "packs", "packs/", "packs/a", "packs/ab/1", "packs/ab/12", "x", "x/y/"]:
        expected = sorted(name for name in every if name.startswith(prefix))
        assert names(storage.list(prefix)) == expected, prefix


def test_deleted_is_gone_and_deleting_again_is_fine(storage: Storage):
    put(storage, NAME)
    put(storage, "packs/ab/other")
    storage.delete(NAME)
    storage.delete(NAME)
    with pytest.raises(ObjectMissingError):
        storage.get(NAME)
    with pytest.raises(ObjectMissingError):
        storage.stat(NAME)
    assert names(storage.list()) == ["packs/ab/other"]


def test_many_are_deleted_at_once_and_others_stay(storage: Storage):
    for name in ("packs/ab/1", "packs/ac/2", "index/3", "index/stays"):
        put(storage, name)
    storage.delete_all(["packs/ab/1", "packs/ac/2", MISSING, "index/3"])
    assert names(storage.list()) == ["index/stays"]
    storage.delete_all(name for name in ("index/stays", "packs/ab/1"))
    assert names(storage.list()) == []
    storage.delete_all([])


def test_it_tells_when_an_object_was_put_by_a_clock_of_its_own(storage: Storage):
    began = time.time()
    for name in ("locks/1", "locks/2"):
        put(storage, name)
    told = {info.name: info.modified for info in storage.list("locks/")}
    told["stat"] = storage.stat("locks/2").modified
    for modified in told.values():
        assert modified is not None
        assert began - 2 < modified < time.time() + 2
    assert told["locks/1"] <= told["locks/2"]


def test_a_deleted_object_can_be_put_again(storage: Storage):
    put(storage, NAME)
    storage.delete(NAME)
    put(storage, NAME)
    assert storage.get(NAME) == DATA


def test_only_the_first_creates(storage: Storage):
    storage.create("locks/1", b"mine", sha256=sha256(b"mine"))
    with pytest.raises(ObjectExistsError) as caught:
        storage.create("locks/1", b"yours", sha256=sha256(b"yours"))
    assert caught.value.name == "locks/1"
    assert storage.get("locks/1") == b"mine"
    storage.delete("locks/1")
    storage.create("locks/1", b"yours", sha256=sha256(b"yours"))
    assert storage.get("locks/1") == b"yours"


def test_the_same_bytes_do_not_create_twice(storage: Storage):
    storage.create("locks/1", b"", sha256=sha256(b""))
    with pytest.raises(ObjectExistsError):
        storage.create("locks/1", b"", sha256=sha256(b""))


UNFIT_NAMES = [
    *["", "/a", "a/", "a//b", "..", "a/../b", "a/./b", ".hidden", "a/.b", "a b", "a\\b"],
    *["a\n", "a\nb", "a\x00b", "\x7f", "ä", "a" * 201, "a/" * 400 + "a"],
]


def test_a_name_that_some_store_would_change_is_refused(storage: Storage):
    calls: list[Callable[[str], object]] = [
        lambda name: put(storage, name),
        lambda name: storage.create(name, b"", sha256=sha256(b"")),
        storage.get,
        storage.stat,
        storage.delete,
        lambda name: storage.delete_all([NAME, name]),
    ]
    put(storage, NAME)
    for name in UNFIT_NAMES:
        for call in calls:
            with pytest.raises(ValueError, match="no name"):
                call(name)
    assert names(storage.list()) == [NAME]


def test_a_prefix_that_begins_no_name_is_refused(storage: Storage):
    for prefix in ["/", "/a", "a//", "../", "a/..", ".", "a b", "a\n", "a" * 801]:
        with pytest.raises(ValueError, match="begins no name"):
            names(storage.list(prefix))


def test_a_name_may_be_long_and_have_signs(storage: Storage):
    for name in ["a" * 200, "snapshots/2026-01-02T03:04:05Z-0a1b_c.gpg", "a=b/c+d@e"]:
        put(storage, name, name.encode())
        assert storage.get(name) == name.encode()
        assert names(storage.list(name)) == [name]


def test_many_threads_get_what_they_put(storage: Storage):
    def work(number: int) -> bool:
        name, data = f"packs/{number % 4}/{number}", str(number).encode() * 1000
        put(storage, name, data)
        return storage.get(name) == data and storage.stat(name).size_bytes == len(data)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(64)))
    assert len(names(storage.list("packs/"))) == 64


def test_many_threads_put_the_same_object(storage: Storage, request: pytest.FixtureRequest):
    if request.node.callspec.params["storage"] == "s3-amazon":
        pytest.skip("moto closes the file of an object that another thread is just putting")
    with ThreadPoolExecutor(8) as pool:
        assert len([*pool.map(lambda _: put(storage, NAME), range(16))]) == 16
    assert storage.get(NAME) == DATA
    assert names(storage.list()) == [NAME]


def test_protecting_what_is_there_changes_nothing(storage: Storage):
    """Whether it locks anything is a matter of its settings; see tests/commands."""
    put(storage)
    storage.protect(NAME)
    assert storage.get(NAME) == DATA

"""Retries, counters and planned faults."""

from __future__ import annotations

import hashlib
import random
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocsnap.errors import (
    AccessDeniedError,
    ObjectExistsError,
    ObjectMissingError,
    StorageError,
    TransientStorageError,
)
from ocsnap.storage.count import Counting
from ocsnap.storage.faults import Effect, Fault, Faulty, SimulatedCrash
from ocsnap.storage.memory import MemoryStorage
from ocsnap.storage.retry import ATTEMPTS, LONGEST_DELAY_SECONDS, Retrying
from ocsnap.storage.storage import LIST_PAGE_OBJECTS, Storage
from tests.storage.fake_clock import FakeClock
from tests.storage.objects import DATA, NAME, create, put, room


def retrying(storage: Storage, clock: FakeClock | None = None) -> Retrying:
    return Retrying(storage, clock=clock or FakeClock(), random=random.Random(1))


def failing(operation: str, times: int, effect: Effect = Effect.ERROR_BEFORE) -> list[Fault]:
    return [Fault(operation, effect, call) for call in range(1, times + 1)]


# --- memory -------------------------------------------------------------------------------------


def test_memory_takes_no_damaged_bytes():
    storage = MemoryStorage()
    for store in [storage.put, storage.create]:
        with pytest.raises(TransientStorageError, match="damaged"):
            store(NAME, DATA, sha256=hashlib.sha256(b"other").hexdigest())
    assert [*storage.list()] == []


# --- retrying -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "operation", ["put", "create", "get", "stat", "list", "delete", "delete_all", "check"]
)
@pytest.mark.parametrize("effect", [Effect.ERROR_BEFORE, Effect.ERROR_AFTER])
def test_every_operation_survives_passing_errors(operation: str, effect: Effect):
    memory = MemoryStorage()
    put(memory, "packs/0")
    # A check is repeated once; a create that took effect is found by the next attempt.
    times = 1 if operation in {"check", "create"} else 3
    faulty = Faulty(memory, failing(operation, times, effect))
    storage = retrying(faulty)
    create(storage)
    put(storage)
    assert storage.get(NAME) == DATA
    assert storage.stat(NAME).size_bytes == len(DATA)
    assert sorted(info.name for info in storage.list()) == ["packs/0", NAME]
    storage.delete(NAME)
    storage.delete_all(["packs/0", NAME])
    assert memory.objects == {}
    storage.check()
    faulty.assert_happened()


@pytest.mark.parametrize("effect", [Effect.ERROR_AMID, Effect.CRASH_AMID])
def test_a_deletion_of_many_that_breaks_off_has_done_half_of_it(effect: Effect):
    memory = MemoryStorage()
    every = [f"packs/{number}" for number in range(4)]
    for name in every:
        put(memory, name)
    faulty = Faulty(memory, [Fault("delete_all", effect)])
    with pytest.raises((TransientStorageError, SimulatedCrash)):
        faulty.delete_all(every)
    assert [*memory.objects] == every[2:]
    faulty.delete_all(every)
    assert memory.objects == {}


def test_it_gives_up_with_the_last_error():
    clock = FakeClock()
    faulty = Faulty(MemoryStorage(), failing("get", ATTEMPTS))
    with pytest.raises(TransientStorageError):
        retrying(faulty, clock).get(NAME)
    faulty.assert_happened()
    assert len(clock.slept) == ATTEMPTS - 1


def test_a_line_away_for_three_minutes_is_waited_for():
    for seed in range(50):
        clock = FakeClock()
        faulty = Faulty(MemoryStorage(), failing("get", ATTEMPTS))
        with pytest.raises(TransientStorageError):
            Retrying(faulty, clock=clock, random=random.Random(seed)).get(NAME)
        assert sum(clock.slept) > 120
        for number, slept in enumerate(clock.slept):
            longest = min(LONGEST_DELAY_SECONDS, 2.0**number)
            assert longest / 2 <= slept <= longest


def test_uploads_that_failed_together_do_not_come_back_together():
    clocks = [FakeClock() for _ in range(8)]
    shared = random.Random(1)
    for clock in clocks:
        storage = Faulty(MemoryStorage(), failing("put", 1))
        put(Retrying(storage, clock=clock, random=shared))
    assert len({clock.slept[0] for clock in clocks}) == 8


@pytest.mark.parametrize("error", [AccessDeniedError, StorageError, ObjectMissingError])
def test_what_will_not_go_better_is_not_repeated(error: type[StorageError]):
    clock = FakeClock()
    faulty = Faulty(MemoryStorage(), [Fault("put", Effect.ERROR_BEFORE, error=error)])
    with pytest.raises(error):
        put(retrying(faulty, clock))
    assert clock.slept == []


def test_a_check_is_repeated_once():
    clock = FakeClock()
    with pytest.raises(TransientStorageError):
        retrying(Faulty(MemoryStorage(), failing("check", 2)), clock).check()
    assert len(clock.slept) == 1


def test_a_create_whose_answer_was_lost_is_known_again():
    faulty = Faulty(MemoryStorage(), failing("create", 1, Effect.ERROR_AFTER))
    create(retrying(faulty), data=b"mine")
    assert faulty.get(NAME) == b"mine"


def test_a_create_after_an_error_does_not_take_what_is_anothers():
    memory = MemoryStorage()
    create(memory, data=b"yours")
    storage = retrying(Faulty(memory, failing("create", 1)))
    with pytest.raises(ObjectExistsError):
        create(storage, data=b"mine")
    assert memory.get(NAME) == b"yours"


def test_a_create_without_an_error_is_exact_even_for_the_same_bytes():
    memory = MemoryStorage()
    create(memory)
    with pytest.raises(ObjectExistsError):
        create(retrying(memory))


def test_a_listing_that_breaks_off_tells_each_object_once():
    memory = MemoryStorage()
    for number in range(10):
        put(memory, f"packs/{number}")
    faulty = Faulty(memory, failing("list", 5, Effect.ERROR_AFTER))
    found = [info.name for info in retrying(faulty).list("packs/")]
    assert sorted(found) == [f"packs/{number}" for number in range(10)]
    faulty.assert_happened()


def test_a_listing_that_never_ends_is_given_up():
    memory = MemoryStorage()
    for number in range(10):
        put(memory, f"packs/{number}")
    faulty = Faulty(memory, failing("list", ATTEMPTS + 1, Effect.ERROR_AFTER))
    with pytest.raises(TransientStorageError):
        [*retrying(faulty).list("packs/")]


operations = st.lists(
    st.tuples(
        st.sampled_from(["put", "create", "get", "stat", "list", "delete", "delete_all"]),
        st.sampled_from(["packs/1", "packs/2", "index/1"]),
    ),
    max_size=12,
)
plans = st.sets(
    st.builds(
        Fault,
        st.sampled_from(["put", "create", "get", "stat", "list", "delete", "delete_all"]),
        st.sampled_from([Effect.ERROR_BEFORE, Effect.ERROR_AFTER]),
        st.integers(1, 6),
    )
    | st.builds(Fault, st.just("delete_all"), st.just(Effect.ERROR_AMID), st.integers(1, 6)),
    max_size=ATTEMPTS - 1,
)


def outcome(storage: Storage, operation: str, name: str, data: bytes) -> object:
    try:
        if operation == "put":
            return put(storage, name, data)
        if operation == "create":
            return create(storage, name, data)
        if operation == "list":
            return sorted(info.name for info in storage.list(name[:4]))
        if operation == "delete_all":
            return storage.delete_all([name, "packs/1"])
        return getattr(storage, operation)(name)
    except StorageError as error:
        return type(error)


@given(operations, plans)
def test_with_retries_nobody_sees_the_faults(calls: list[tuple[str, str]], plan: set[Fault]):
    plain = MemoryStorage(now=lambda: 0.0)
    faulty = retrying(Faulty(MemoryStorage(now=lambda: 0.0), plan))
    for number, (operation, name) in enumerate(calls):
        data = str(number).encode()
        assert outcome(faulty, operation, name, data) == outcome(plain, operation, name, data)


# --- counting -----------------------------------------------------------------------------------


def test_everything_is_counted():
    storage = Counting(MemoryStorage())
    put(storage, data=memoryview(DATA))
    put(storage, data=DATA)
    create(storage, "locks/1", b"123")
    assert storage.get(NAME, offset=1, length=5) == DATA[1:6]
    assert storage.get_into(NAME, room) == DATA
    storage.stat(NAME)
    assert len([*storage.list()]) == 2
    storage.delete(NAME, size_bytes=len(DATA))
    storage.delete("locks/1")
    storage.check()
    assert storage.requests == 10
    assert (storage.objects_put, storage.put_bytes) == (3, 2 * len(DATA) + 3)
    assert storage.got_bytes == 5 + len(DATA)
    assert (storage.deleted_objects, storage.deleted_bytes) == (2, len(DATA))


def test_what_failed_costs_a_request_and_counts_as_nothing():
    plan = [Fault(name, Effect.ERROR_BEFORE) for name in ("put", "create", "get", "delete")]
    storage = Counting(Faulty(MemoryStorage(), plan))
    for call in [
        lambda: put(storage),
        lambda: create(storage),
        lambda: storage.get(NAME),
        lambda: storage.delete(NAME, size_bytes=5),
    ]:
        with pytest.raises(TransientStorageError):
            call()
    assert storage.requests == 4
    assert storage.objects_put == storage.put_bytes == storage.got_bytes == 0
    assert storage.deleted_objects == storage.deleted_bytes == 0


@pytest.mark.parametrize(("objects", "requests"), [(0, 1), (1, 1), (1000, 1), (1001, 2)])
def test_a_listing_costs_a_request_for_each_page(objects: int, requests: int):
    assert LIST_PAGE_OBJECTS == 1000
    memory = MemoryStorage()
    memory.objects = {f"packs/{number}": b"" for number in range(objects)}
    storage = Counting(memory)
    assert len([*storage.list()]) == objects
    assert storage.requests == requests


def test_no_thread_is_forgotten():
    storage = Counting(MemoryStorage())
    with ThreadPoolExecutor(8) as pool:
        assert len([*pool.map(lambda n: put(storage, f"packs/{n}"), range(400))]) == 400
    assert (storage.requests, storage.objects_put) == (400, 400)
    assert storage.put_bytes == 400 * len(DATA)


# --- faults -------------------------------------------------------------------------------------


def test_a_fault_hits_the_planned_call_alone():
    faulty = Faulty(MemoryStorage(), [Fault("put", Effect.ERROR_BEFORE, call=2, prefix="index/")])
    put(faulty, "index/1")
    put(faulty, "packs/1")
    assert faulty.outstanding()
    with pytest.raises(AssertionError, match="never happened"):
        faulty.assert_happened()
    with pytest.raises(TransientStorageError, match="index/2"):
        put(faulty, "index/2")
    put(faulty, "index/3")
    faulty.assert_happened()
    assert sorted(info.name for info in faulty.list()) == ["index/1", "index/3", "packs/1"]


def test_no_handler_of_errors_survives_a_crash():
    faulty = Faulty(
        MemoryStorage(), [Fault("put", Effect.CRASH_BEFORE), Fault("put", Effect.CRASH_AFTER, 2)]
    )
    for name in ["packs/1", "packs/2"]:
        with pytest.raises(SimulatedCrash) as caught:
            put(retrying(faulty), name)
        assert not isinstance(caught.value, Exception)
    assert [info.name for info in faulty.list()] == ["packs/2"]


def test_what_is_read_in_place_fails_and_is_tried_again_as_all_that_is_read():
    plan = [Fault("get", Effect.ERROR_BEFORE), Fault("get", Effect.SHORT, 2)]
    faulty = Faulty(MemoryStorage(), plan)
    put(faulty)
    asked: list[int] = []

    def noting(size_bytes: int) -> memoryview:
        asked.append(size_bytes)
        return room(size_bytes)

    assert retrying(faulty).get_into(NAME, noting) == DATA[: len(DATA) // 2]
    assert retrying(faulty).get_into(NAME, noting) == DATA
    assert asked == [len(DATA) // 2, len(DATA)]
    faulty.assert_happened()


def test_a_short_read_and_a_flipped_bit():
    plan = [
        Fault("get", Effect.SHORT),
        Fault("get", Effect.DAMAGED, 2),
        Fault("list", Effect.SHORT),
    ]
    faulty = Faulty(MemoryStorage(), plan)
    put(faulty)
    put(faulty, "packs/2")
    assert faulty.get(NAME) == DATA[: len(DATA) // 2]
    damaged = faulty.get(NAME)
    assert len(damaged) == len(DATA)
    assert sum((a ^ b).bit_count() for a, b in zip(damaged, DATA, strict=True)) == 1
    assert faulty.get(NAME) == DATA
    assert len([*faulty.list()]) == 1
    assert len([*faulty.list()]) == 2
    faulty.assert_happened()

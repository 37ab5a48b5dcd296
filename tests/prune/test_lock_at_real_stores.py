"""Locks at real S3 servers: one that knows conditional puts, one that overwrites all the same."""

from __future__ import annotations

import random
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from ocsnap.clock import SystemClock
from ocsnap.errors import BusyError, ObjectExistsError
from ocsnap.repository.lock import Lock
from ocsnap.repository.lock_survey import Purpose
from ocsnap.storage.factory import open_storage
from ocsnap.storage.s3 import S3Storage
from tests.prune.test_lock import EXCLUSIVE, SHARED, Acting
from tests.repository.workshop import REPOSITORY
from tests.storage.objects import DATA, create

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ocsnap.storage.storage import Storage
    from tests.servers.s3 import S3Server

CONDITIONAL, OVERWRITING = "conditional_s3", "s3"


@pytest.fixture(params=[CONDITIONAL, OVERWRITING])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Storage]:
    server: S3Server = request.getfixturevalue(request.param)
    config = server.repository_config(server.new_bucket(), "cloud", tmp_path)
    opened = open_storage(config, clock=SystemClock(), random=random.Random(1))
    yield opened
    opened.close()


def lock_of(storage: Storage, purpose: Purpose = Purpose.PRUNE) -> Lock:
    return Lock(storage, repository=REPOSITORY, purpose=purpose, random=random.SystemRandom())


def attempt(lock: Lock, taken: list[Lock]) -> None:
    try:
        lock.take()
        taken.append(lock)
    except BusyError:
        pass


@contextmanager
def held(storage: Storage, purpose: Purpose) -> Iterator[Lock]:
    lock = lock_of(storage, purpose)
    lock.take()
    yield lock
    lock.release()


def test_whether_the_store_keeps_the_condition(
    storage: Storage, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
):
    """Without the look that comes before it: who contends has looked, and found nothing."""
    monkeypatch.setattr(S3Storage, "_exists", lambda *_: False)
    create(storage)
    if request.node.callspec.params["storage"] == CONDITIONAL:
        with pytest.raises(ObjectExistsError):
            create(storage, data=b"another's")
        assert storage.get("packs/ab/1") == DATA
    else:
        create(storage, data=b"another's")
        assert storage.get("packs/ab/1") == b"another's"


@pytest.mark.parametrize("number", range(1, 12))
def test_of_two_that_begin_at_once_never_both_are_alone(storage: Storage, number: int):
    """The second takes the lock, as far as it gets, between any two requests of the first."""
    taken: list[Lock] = []
    other = lock_of(storage, Purpose.REPAIR)
    attempt(lock_of(Acting(storage, number, lambda: attempt(other, taken))), taken)
    assert len(taken) <= 1
    for lock in taken:
        lock.demand()
        lock.release()
    with held(storage, Purpose.PRUNE):
        pass


def test_of_many_that_begin_at_once_at_most_one_is_alone(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
):
    """Nobody sees the claims of others before he makes his own."""
    monkeypatch.setattr(S3Storage, "_exists", lambda *_: False)
    barrier = threading.Barrier(4)
    taken: list[Lock] = []

    def contend() -> None:
        lock = lock_of(storage)
        barrier.wait()
        attempt(lock, taken)

    threads = [threading.Thread(target=contend) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) <= 1
    for lock in taken:
        lock.release()


def test_only_those_hinder_each_other_who_must_be_alone(storage: Storage):
    for first in EXCLUSIVE:
        with held(storage, first):
            for second in EXCLUSIVE:
                with pytest.raises(BusyError, match=f"a {first}"):
                    lock_of(storage, second).take()
            for second in SHARED:
                with held(storage, second) as lock:
                    assert lock.confirm()
    left = {info.name for info in storage.list("locks/")}
    assert not [name for name in left if not name.startswith("locks/only-")]


def test_renewals_leave_two_objects(storage: Storage):
    with held(storage, Purpose.BACKUP) as lock:
        for _ in range(3):
            lock.renew()
            assert len([*storage.list("locks/")]) == 2
        with held(storage, Purpose.PRUNE) as pruner:
            assert [other.purpose for other in pruner.survey().others] == ["backup"]
        assert lock.confirm()

"""Locks: who hinders whom, who is taken for dead, and who notices."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from ocsnap.clock import SystemClock
from ocsnap.errors import AccessDeniedError, BusyError, StorageError
from ocsnap.repository.lock import LOST_AFTER_SECONDS, Lock
from ocsnap.repository.lock_survey import DEAD_AFTER_SECONDS, Purpose
from ocsnap.storage.count import Counting
from ocsnap.storage.decorator import Decorator
from ocsnap.storage.factory import open_storage
from ocsnap.storage.faults import Effect, Fault, Faulty
from tests.repository.workshop import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from ocsnap.storage.storage import Buffer, Storage
    from tests.prune.vault import Vault
    from tests.servers.s3 import S3Server

SHARED = [Purpose.BACKUP, Purpose.RESTORE, Purpose.VERIFY]
EXCLUSIVE = [Purpose.PRUNE, Purpose.REPAIR]


class Overwriting(Decorator):
    """A store that takes the condition of a conditional put and overwrites all the same."""

    def create(self, name: str, data: Buffer, *, sha256: str) -> None:
        self._storage.put(name, data, sha256=sha256)


class NoDeletion(Decorator):
    """A key that may not delete."""

    def delete(self, name: str) -> None:
        raise AccessDeniedError(f"{name}: may not be deleted.", name=name)

    def delete_all(self, names: Iterable[str]) -> None:
        for name in names:
            self.delete(name)


class Acting(Decorator):
    """Lets somebody else act before a call."""

    def __init__(self, storage: Storage, number: int, act: Callable[[], object]) -> None:
        super().__init__(storage)
        self.left = number
        self.act = act

    def _count(self) -> None:
        self.left -= 1
        if self.left == 0:
            self.act()

    def put(self, name: str, data: Buffer, *, sha256: str) -> object:
        self._count()
        return super().put(name, data, sha256=sha256)

    def create(self, name: str, data: Buffer, *, sha256: str) -> None:
        self._count()
        super().create(name, data, sha256=sha256)

    def get(self, name: str, *, offset: int = 0, length: int | None = None) -> bytes:
        self._count()
        return super().get(name, offset=offset, length=length)

    def list(self, prefix: str = "") -> object:
        self._count()
        return super().list(prefix)

    def delete_all(self, names: Iterable[str]) -> None:
        self._count()
        super().delete_all(names)


@pytest.mark.parametrize("first", [*SHARED, *EXCLUSIVE])
@pytest.mark.parametrize("second", [*SHARED, *EXCLUSIVE])
def test_only_those_hinder_each_other_who_must_be_alone(
    vault: Vault, first: Purpose, second: Purpose
):
    with vault.held(first):
        if first.is_exclusive and second.is_exclusive:
            with pytest.raises(BusyError, match=f"a {first}"):
                vault.lock(second).take()
        else:
            with vault.held(second):
                assert len(vault.names("locks/")) >= 2
    with vault.held(second):
        pass
    assert vault.names("locks/") == []


@pytest.mark.parametrize("store", [lambda storage: storage, Overwriting])
@pytest.mark.parametrize("number", range(1, 12))
def test_of_two_that_begin_at_once_never_both_are_alone(
    vault: Vault, store: Callable[[Storage], Storage], number: int
):
    """The second takes the lock, as far as it gets, between any two requests of the first."""
    storage = store(vault.storage)
    other = vault.lock(Purpose.REPAIR, storage)
    taken = []

    def act() -> None:
        try:
            other.take()
            taken.append(other)
        except BusyError:
            pass

    lock = vault.lock(storage=Acting(storage, number, act))
    try:
        lock.take()
        taken.append(lock)
    except BusyError:
        pass
    assert len(taken) <= 1
    if storage is vault.storage:
        (winner,) = taken
        assert winner.confirm(), "and nothing that the loser left outdoes the winner"


@pytest.mark.parametrize("store", [lambda storage: storage, Overwriting])
def test_of_many_that_begin_at_once_at_most_one_is_alone(
    vault: Vault, store: Callable[[Storage], Storage]
):
    storage = store(vault.storage)
    barrier = threading.Barrier(6)
    taken: list[Lock] = []

    def contend() -> None:
        lock = vault.lock(storage=storage)
        barrier.wait()
        try:
            lock.take()
            taken.append(lock)
        except BusyError:
            pass

    threads = [threading.Thread(target=contend) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) <= 1


def test_a_real_store_without_conditional_puts(s3: S3Server, tmp_path: Path):
    config = s3.repository_config(s3.new_bucket(), "cloud", tmp_path)
    storage = open_storage(config, clock=SystemClock(), random=random.Random(1))
    lock, other = (
        Lock(storage, repository=REPOSITORY, purpose=purpose, random=random.SystemRandom())
        for purpose in EXCLUSIVE
    )
    lock.take()
    with pytest.raises(BusyError):
        other.take()
    lock.demand()
    # The other one believes that it was the first, as this store lets it.
    storage.put("locks/only-1", b"f" * 32, sha256=hashlib.sha256(b"f" * 32).hexdigest())
    lock.demand()
    with pytest.raises(BusyError):
        other.take()
    lock.release()
    other.take()
    other.release()
    assert {info.name for info in storage.list("locks/")} <= {"locks/only-1"}
    storage.close()


def test_renewals_leave_two_objects(vault: Vault):
    lock = vault.lock(Purpose.BACKUP)
    lock.take()
    for _ in range(5):
        vault.clock.sleep(600)
        lock.renew()
        assert len(vault.names("locks/")) == 2
    assert lock.confirm()
    with vault.held(Purpose.PRUNE) as pruner:
        (other,) = pruner.survey().others
    assert other.purpose == "backup"
    assert other.since == pytest.approx(vault.clock.now() - 3000, abs=5)
    lock.release()
    assert vault.names("locks/") == []


def test_the_lock_is_renewed_while_the_work_goes_on(vault: Vault):
    renewed = threading.Event()

    class Watching(Decorator):
        def put(self, name: str, data: Buffer, *, sha256: str) -> object:
            if name.endswith("-3"):
                renewed.set()
            return super().put(name, data, sha256=sha256)

    lock = vault.lock(Purpose.BACKUP, Watching(vault.storage))
    lock.take()
    with lock.held(renew_seconds=0.01):
        assert renewed.wait(30)
    assert vault.names("locks/") == []


def test_a_storage_that_is_away_for_a_while_costs_no_lock(vault: Vault):
    fault = Fault("put", Effect.ERROR_BEFORE, call=2, prefix="locks/")
    storage = Faulty(vault.storage, [fault])
    lock = vault.lock(Purpose.BACKUP, storage)
    lock.take()
    with pytest.raises(StorageError):
        lock.renew()
    storage.assert_happened()
    vault.clock.sleep(600)
    assert lock.confirm()
    lock.release()
    assert vault.names("locks/") == []


def test_who_stood_still_notices(vault: Vault):
    lock = vault.lock(Purpose.BACKUP)
    lock.take()
    vault.clock.sleep(LOST_AFTER_SECONDS + 1)
    assert not lock.confirm()
    assert not lock.confirm()
    lock.retake()
    assert lock.confirm()
    lock.release()
    assert vault.names("locks/") == []


def test_who_must_be_alone_and_slept_notices_its_successor(vault: Vault):
    sleeper = vault.lock()
    sleeper.take()
    forge_other_machine(vault)
    vault.clock.sleep(LOST_AFTER_SECONDS + 1)
    with pytest.raises(BusyError):
        vault.lock().take()  # not dead yet
    vault.clock.sleep(DEAD_AFTER_SECONDS)
    successor = vault.lock()
    successor.take()
    with pytest.raises(BusyError, match="stood still"):
        sleeper.demand()
    successor.demand()
    sleeper.release()
    successor.demand()
    assert successor.survey().leftovers == ()
    successor.release()


def forge_other_machine(vault: Vault) -> None:
    """Let all locks be those of another machine, of whose processes nothing is known here."""
    for name in vault.names("locks/"):
        if not name.startswith("locks/only"):
            vault.objects[name] = vault.objects[name].replace(b'"machine":"', b'"machine":"other')


@pytest.mark.parametrize("purpose", list(Purpose))
def test_a_lock_of_a_killed_process_of_this_machine_is_void_at_once(vault: Vault, purpose: Purpose):
    program = (
        "import sys, os\n"
        "from ocsnap.repository.lock_survey import record_of_this_process\n"
        "sys.stdout.buffer.write(record_of_this_process(sys.argv[1]))\n"
    )
    command = [sys.executable, "-c", program, REPOSITORY]
    record = subprocess.run(command, capture_output=True, check=True).stdout
    name = f"locks/{purpose}-{'a' * 32}-0"
    vault.storage.put(name, record, sha256=hashlib.sha256(record).hexdigest())
    lock = vault.lock()
    lock.take()
    survey = lock.survey()
    assert survey.others == ()
    assert survey.leftovers == (name,)


def test_a_lock_of_this_very_process_is_alive(vault: Vault):
    with vault.held(Purpose.BACKUP), vault.held(Purpose.PRUNE) as lock:
        assert len(lock.survey().others) == 1


def test_a_dead_host_hinders_nobody_for_long(vault: Vault):
    vault.lock(Purpose.BACKUP).take()
    forge_other_machine(vault)
    vault.clock.sleep(DEAD_AFTER_SECONDS - 60)
    with vault.held(Purpose.PRUNE) as lock:
        assert lock.survey().relied_since < vault.clock.now() - 3000
    vault.clock.sleep(61)
    with vault.held(Purpose.PRUNE) as lock:
        survey = lock.survey()
        assert survey.others == ()
        assert survey.relied_since == float("inf")
        assert len(survey.leftovers) == 1


def test_locks_of_the_future_are_void_after_the_clock_was_set_back(vault: Vault):
    vault.clock.sleep(10 * DEAD_AFTER_SECONDS)
    vault.lock(Purpose.PRUNE).take()
    sleeper = vault.lock(Purpose.BACKUP)
    sleeper.take()
    forge_other_machine(vault)
    vault.clock.ahead_seconds -= 9 * DEAD_AFTER_SECONDS
    assert not sleeper.confirm()
    with vault.held(Purpose.PRUNE) as lock:
        assert [other.purpose for other in lock.survey().others] == ["backup"]


def test_a_host_that_may_not_delete_says_that_it_has_ended(vault: Vault):
    storage = NoDeletion(vault.storage)
    lock = vault.lock(Purpose.BACKUP, storage)
    lock.take()
    lock.renew()
    lock.renew()
    with vault.held(Purpose.PRUNE) as pruner:
        assert len(pruner.survey().others) == 1
        lock.release()
        survey = pruner.survey()
        assert survey.others == ()
        assert sorted(survey.leftovers) == vault.names("locks/backup-")


@pytest.mark.parametrize("content", [b"", b"{}", b"nonsense", b'{"process": "x"}', b"\xff" * 9])
def test_locks_that_cannot_be_understood_are_respected(vault: Vault, content: bytes):
    name = f"locks/unheardof-{'b' * 32}-0"
    vault.storage.put(name, content, sha256=hashlib.sha256(content).hexdigest())
    vault.storage.put("locks/nonsense", content, sha256=hashlib.sha256(content).hexdigest())
    with vault.held(Purpose.PRUNE) as lock:
        assert [other.purpose for other in lock.survey().others] == ["unheardof"]


def test_a_lock_costs_a_backup_few_requests(vault: Vault):
    counting = Counting(vault.storage)
    lock = vault.lock(Purpose.BACKUP, counting)
    lock.take()
    assert lock.confirm()
    lock.release()
    assert counting.requests == 4


def test_locks_tell_nothing_of_the_host(vault: Vault):
    with vault.held(Purpose.BACKUP):
        (name,) = vault.names("locks/")
        content = vault.objects[name].decode()
    for secret in (os.uname().nodename, str(vault.folder), "root"):
        assert secret not in content
        assert secret not in name

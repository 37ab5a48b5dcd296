"""Backups, restores and prunes of several hosts, one inside the other at every step."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from ocsnap.errors import BusyError, ObjectMissingError
from ocsnap.monitor import SilentMonitor
from ocsnap.repository import tree
from ocsnap.repository.commit import commit
from ocsnap.repository.lock import LOST_AFTER_SECONDS
from ocsnap.repository.lock_survey import DEAD_AFTER_SECONDS, Purpose
from ocsnap.repository.snapshot import RootKind, Snapshot
from ocsnap.snapshot.archiver import Archiver, Source
from ocsnap.snapshot.exclusion import Exclusion
from ocsnap.snapshot.file_reader import FileReader
from ocsnap.snapshot.restorer import Placement, Restorer
from ocsnap.storage.count import Counting
from tests.prune.history import History, Interrupted, make_history, write
from tests.prune.plain_cipher import PlainCipher
from tests.prune.test_lock import Acting, forge_other_machine
from tests.prune.vault import Vault
from tests.snapshot.likeness import differences, portrait
from tests.snapshot.studio import OWNCLOUD

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ocsnap.repository.lock import Lock
    from ocsnap.repository.repository import Repository
    from ocsnap.repository.snapshot import StoredSnapshot
    from ocsnap.storage.storage import Storage

MANY = 10_000


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> History:
    return make_history(tmp_path_factory.mktemp("history") / "first")


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(tmp_path, cipher=PlainCipher())


class Run:
    """A backup in its steps: the lock, the look at what is there, the files, the commit."""

    def __init__(self, vault: Vault, repository: Repository, lock: Lock) -> None:
        self.vault = vault
        self.repository = repository
        self.lock = lock
        self.monitor = SilentMonitor()
        self.started = vault.clock.now()
        repository.synchronise(self.monitor)
        parents = repository.snapshots(self.monitor)
        self.parent = parents[-1] if parents else None
        self.root = self.parent.snapshot.roots[0] if self.parent else None

    def archive(self, folder: Path) -> None:
        archiver = Archiver(self.repository, clock=self.vault.clock, monitor=self.monitor)
        source = Source(RootKind.DATA, "data", os.fsencode(folder), Exclusion(()))
        self.root = archiver.archive(source, self.root).root

    def commit(self) -> StoredSnapshot:
        assert self.root is not None
        self.repository.flush()
        snapshot = Snapshot(
            repository=self.repository.id,
            started=self.started,
            finished=self.vault.clock.now(),
            host="cloud",
            program="test",
            parent=None,
            owncloud=OWNCLOUD,
            roots=[self.root],
        )
        return commit(self.repository, snapshot, lock=self.lock, monitor=self.monitor)


@contextmanager
def running(vault: Vault, name: str = "slow", locks: Storage | None = None) -> Iterator[Run]:
    vault.clock.sleep(1)
    with vault.host(name).workshop.opened() as repository:
        lock = vault.lock(Purpose.BACKUP, locks or repository.storage)
        lock.take()
        repository.fence(lock, SilentMonitor())
        try:
            yield Run(vault, repository, lock)
        finally:
            lock.release()


def pass_grace(vault: Vault, lock: Lock | None = None) -> None:
    """Let the time of grace pass; the holder of a lock goes on renewing it."""
    for _ in range(100):
        vault.clock.sleep(20 * 60)
        if lock is not None:
            lock.renew()


def test_a_backup_between_any_two_writes_of_a_prune(history: History, tmp_path: Path):
    """It brings back content that is just being marked or removed, and what it made stays."""
    folder = tmp_path / "other"
    folder.mkdir()
    for name, seed in (("first", 100), ("0", 0), ("9", 9), ("20", 20), ("new", 999)):
        write(folder, name, seed)
    probe = history.again(tmp_path / "probe", lambda storage: Interrupted(storage, MANY))
    probe.prune()
    assert isinstance(probe.storage, Interrupted)
    for number in range(1, probe.storage.calls + 1):
        place = tmp_path / f"{number}"
        vault = history.again(place)
        storage = vault.storage
        made = []
        vault.storage = Interrupted(
            storage, number, lambda v=vault, m=made: m.append(v.backup(folder, "other"))
        )
        vault.prune()
        vault.storage = storage
        assert len(made) == 1
        vault.assert_sound()
        for _ in range(3):
            vault.pass_grace()
            vault.prune(last=2)
        vault.assert_sound()
        vault.assert_clean()
        assert vault.host("third").restore(made[0].stored, place / "target").failed == []
        assert differences(portrait(folder), portrait(place / "target")) == []


@pytest.mark.parametrize("lost", [False, True])
def test_prunes_between_any_two_writes_of_a_backup(history: History, tmp_path: Path, *, lost: bool):
    """Two prunes, a time of grace apart; the backup renews its lock meanwhile, or stands still."""
    folder = tmp_path / "other"
    folder.mkdir()
    for name, seed in (("first", 100), ("0", 0), ("9", 9), ("20", 20), ("new", 999)):
        write(folder, name, seed)

    def backup(vault: Vault, number: int) -> Interrupted:
        storage = vault.storage
        locks: list[Lock] = []

        def prunes() -> None:
            outer, vault.storage = vault.storage, storage
            if lost:
                forge_other_machine(vault)
            for _ in range(2):
                pass_grace(vault, None if lost or not locks else locks[0])
                vault.prune()
            vault.storage = outer

        vault.storage = inside = Interrupted(storage, number, prunes)
        try:
            with running(vault, locks=storage) as run:
                locks.append(run.lock)
                run.archive(folder)
                run.commit()
        finally:
            vault.storage = storage
        return inside

    calls = backup(history.again(tmp_path / "probe"), MANY).calls
    refused = 0
    for number in range(1, calls + 1):
        place = tmp_path / f"{number}"
        vault = history.again(place)
        try:
            backup(vault, number)
        except BusyError:
            assert lost
            refused += 1
        vault.assert_sound()
        latest = vault.backup(folder, "slow")
        for _ in range(3):
            vault.pass_grace()
            vault.prune()
        vault.assert_sound()
        vault.assert_clean()
        assert vault.host("third").restore(latest.stored, place / "target").failed == []
        assert differences(portrait(folder), portrait(place / "target")) == []
    assert (refused > 0) is lost


def test_what_a_backup_found_there_stays_until_it_ends(vault: Vault, folder: Path):
    write(folder, "a", 1)
    vault.backup(folder)
    (folder / "a").unlink()
    write(folder, "b", 2)
    vault.backup(folder)
    with running(vault) as run:
        pass_grace(vault, run.lock)
        assert vault.prune().marked_packs == 2
        pass_grace(vault, run.lock)
        report = vault.prune()
        assert (report.removed_packs, report.waiting_packs) == (0, 2)
        assert len(report.waits_for) == 1
        write(folder, "a", 1)  # content that lies in a marked pack alone
        before = len(vault.names("packs/"))
        run.archive(folder)
        run.commit()
        assert len(vault.names("packs/")) == before
    pass_grace(vault)
    report = vault.prune()
    assert report.released_packs == 2  # the content and its listing
    vault.assert_sound()


def test_what_is_marked_is_stored_anew_by_backups_that_begin_later(vault: Vault, folder: Path):
    write(folder, "a", 1)
    vault.backup(folder)
    (folder / "a").unlink()
    write(folder, "b", 2)
    vault.backup(folder)
    vault.pass_grace()
    assert vault.prune().marked_packs == 2
    write(folder, "a", 1)
    assert vault.backup(folder).statistics.raw_delta_bytes == 20_000
    vault.pass_grace()
    report = vault.prune()
    assert (report.released_packs, report.removed_packs) == (0, 2)
    vault.assert_sound()


def test_a_backup_that_stood_still_fails_if_something_is_gone(vault: Vault, folder: Path):
    write(folder, "a", 1)
    vault.backup(folder)
    (folder / "a").unlink()
    write(folder, "b", 2)
    vault.backup(folder)
    with running(vault) as run:
        write(folder, "a", 1)
        run.archive(folder)
        forge_other_machine(vault)
        for _ in range(2):
            vault.pass_grace()
            vault.prune()
        with pytest.raises(BusyError, match="stood still") as failed:
            run.commit()
    assert failed.value.exit_status == 12
    vault.assert_sound()
    backup = vault.backup(folder, "slow")
    assert backup.statistics.raw_delta_bytes == 20_000
    vault.assert_sound()


def test_a_backup_that_stood_still_goes_on_if_all_is_there(vault: Vault, folder: Path):
    write(folder, "a", 1)
    with running(vault) as run:
        run.archive(folder)
        vault.clock.sleep(DEAD_AFTER_SECONDS)
        run.commit()
    vault.assert_sound()


def test_a_snapshot_that_arrived_too_late_is_taken_back(vault: Vault, folder: Path):
    """It stood still between the last look at its lock and the commit itself."""
    write(folder, "a", 1)
    vault.backup(folder)
    (folder / "a").unlink()
    write(folder, "b", 2)
    vault.backup(folder)
    storage = vault.storage

    def sleep() -> None:
        vault.storage = storage
        forge_other_machine(vault)
        for _ in range(2):
            vault.pass_grace()
            vault.prune()

    # What it writes: lock, pack, listing, lock, index, lock, snapshot, among some removals.
    vault.storage = interrupted = Interrupted(storage, 8, sleep)
    write(folder, "a", 1)
    write(folder, "c", 3)
    with running(vault) as run:
        run.archive(folder)
        with pytest.raises(BusyError):
            run.commit()
    assert interrupted.calls > 8
    assert len(vault.names("snapshots/")) == 1
    vault.assert_sound()
    vault.backup(folder, "slow")
    vault.assert_sound()


def test_what_a_restore_reads_stays_until_it_ends(vault: Vault, folder: Path, tmp_path: Path):
    write(folder, "a", 1)
    old = vault.backup(folder)
    wanted = portrait(folder)
    (folder / "a").unlink()
    write(folder, "b", 2)
    vault.backup(folder)
    with vault.host("reader").workshop.opened() as repository:
        lock = vault.lock(Purpose.RESTORE)
        lock.take()
        repository.synchronise(SilentMonitor())
        for _ in range(3):
            pass_grace(vault, lock)
            vault.prune()
        assert len(vault.names("snapshots/")) == 1
        restorer = Restorer(repository, monitor=SilentMonitor(), owners=False)
        target = tmp_path / "target"
        roots = old.stored.snapshot.roots
        report = restorer.restore([Placement(root, os.fsencode(target)) for root in roots])
        lock.release()
    assert report.failed == []
    assert differences(wanted, portrait(target)) == []
    vault.prune()
    assert len(vault.packs) == 2


def test_a_check_beside_a_prune_finds_nothing_wrong(history: History, tmp_path: Path):
    """The prune runs as a whole before the check's nth request."""
    for number in range(1, 60, 3):
        vault = history.again(tmp_path / f"{number}")
        storage = vault.storage

        def prune(vault: Vault = vault, storage: Storage = storage) -> None:
            vault.storage = storage
            vault.prune()

        vault.storage = acting = Acting(storage, number, prune)
        host = vault.host("checker")
        report = host.check(read_data=True)
        assert report.damages == [], number
        assert report.files == {}
        if acting.left > 0:
            break
    assert number > 20


def test_locks_and_marks_cost_a_backup_few_requests(vault: Vault, folder: Path):
    write(folder, "a", 1)
    vault.backup(folder)
    write(folder, "a", 2)
    vault.backup(folder)
    vault.pass_grace()
    vault.prune()
    write(folder, "b", 3)
    counting = Counting(vault.storage)
    locks = Counting(vault.storage)
    plain = vault.host("plain")
    plain.workshop.storage = counting
    vault.clock.sleep(1)
    plain.backup(folder)  # without a lock
    before, vault.storage = vault.storage, counting
    write(folder, "c", 4)
    counting.requests = 0
    with running(vault, "plain", locks=locks) as run:
        run.archive(folder)
        run.commit()
    vault.storage = before
    # One to open it; lists of index, marks and snapshots; two packs, an index, a snapshot, and a
    # look at that.
    assert counting.requests == 9
    # Put, renewed before the index and before the commit, removed.
    assert locks.requests == 7


def test_who_only_looks_goes_on_where_a_prune_has_put_things(vault: Vault, folder: Path):
    """Without a lock: what it knew of the index is no longer so, at any step of its look."""
    for number in range(20):
        write(folder, f"{number}", number)
    vault.backup(folder)
    for number in range(2, 20):
        (folder / f"{number}").unlink()
    latest = vault.backup(folder)
    with vault.host("looker").synchronised() as repository:
        assert vault.prune_at_once().repacked_packs
        vault.prune_at_once()
        files = FileReader.of(repository, scratch_dir=folder.parent)

        def look() -> dict[bytes, bytes]:
            root = latest.stored.snapshot.roots[0].entry
            entries = tree.decode(repository.reader.load_all(root.subtree))
            return {each.name: b"".join(files.chunks(each.pieces())) for each in entries}

        with pytest.raises(ObjectMissingError):
            look()
        repository.reader._missed.clear()
        told = SilentMonitor()
        repository.reader.on_missing = lambda: repository.synchronise(told)
        seen = look()
        assert told.problems == []
    assert seen == {os.fsencode(path.name): path.read_bytes() for path in folder.iterdir()}


def test_two_backups_at_once(vault: Vault, folder: Path, tmp_path: Path):
    other = tmp_path / "other"
    other.mkdir()
    for place in (folder, other):
        write(place, "same", 1)
    with running(vault, "one") as one, running(vault, "two") as two:
        one.archive(folder)
        two.archive(other)
        first = one.commit()
        second = two.commit()
    vault.assert_sound()
    for _ in range(3):
        vault.pass_grace()
        vault.prune(last=2)
    assert len(vault.names("packs/")) == 1  # of the same content twice one is left
    vault.assert_sound()
    for number, stored in enumerate((first, second)):
        target = tmp_path / f"target {number}"
        assert vault.host("third").restore(stored, target).failed == []


def test_a_host_that_was_away_copes_with_what_is_gone(vault: Vault, folder: Path):
    write(folder, "a", 1)
    vault.backup(folder, "weekly")
    for number in range(5):
        write(folder, "a", number + 2)
        vault.backup(folder)
        vault.pass_grace()
        vault.prune()
    assert vault.host("weekly").check(read_data=True).sound
    backup = vault.backup(folder, "weekly")
    assert backup.statistics.raw_delta_bytes == 0
    assert backup.monitor.problems == []
    vault.assert_sound()


def test_a_server_without_the_key_copes_with_prunes_elsewhere(vault: Vault, folder: Path):
    server = vault.host("server")
    server.workshop.cipher = PlainCipher(can_decrypt=False)
    for number in range(10):
        write(folder, f"{number}", number)
    server.backup(folder)
    for number in range(9):
        (folder / f"{number}").unlink()
    vault.clock.sleep(1)
    server.backup(folder)
    for _ in range(2):
        vault.pass_grace()
        vault.prune()
    write(folder, "new", 99)
    vault.clock.sleep(1)
    backup = server.backup(folder)
    assert backup.statistics.raw_delta_bytes == 20_000
    assert backup.statistics.errors == 0
    vault.assert_sound()
    # What it lists anew does not grow from prune to prune.
    counts = []
    for number in range(5):
        write(folder, "new", 100 + number)
        vault.clock.sleep(1)
        assert server.backup(folder).statistics.raw_delta_bytes == 20_000
        vault.pass_grace()
        vault.prune()
        counts.append(len(vault.names("index/")))
    assert counts[-1] <= counts[1] + 1
    vault.assert_sound()


def test_a_lock_gap_that_is_just_short_enough_is_none(vault: Vault):
    lock = vault.lock(Purpose.BACKUP)
    lock.take()
    vault.clock.sleep(LOST_AFTER_SECONDS - 60)
    assert lock.confirm()
    lock.release()

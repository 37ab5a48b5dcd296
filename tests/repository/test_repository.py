from __future__ import annotations

import hashlib
import os
import time
from typing import TYPE_CHECKING

import msgspec
import pytest

from ocsnap.crypto.gpg import Gpg
from ocsnap.errors import (
    CryptoError,
    DamagedError,
    NoRepositoryError,
    NoSnapshotError,
    ObjectMissingError,
)
from ocsnap.monitor import SilentMonitor
from ocsnap.repository import snapshot as snapshots
from ocsnap.repository import tree
from ocsnap.repository.blob import BlobKind, blob_id
from ocsnap.repository.repository import create_repository, open_repository
from ocsnap.repository.selector import select
from ocsnap.repository.snapshot import Root, RootKind, Snapshot, StoredSnapshot, snapshot_name
from ocsnap.repository.tree import Entry
from ocsnap.storage.memory import MemoryStorage
from tests.repository.workshop import REPOSITORY, Workshop, passphrase_cipher
from tests.snapshot.studio import OWNCLOUD

if TYPE_CHECKING:
    from pathlib import Path

    from ocsnap.repository.repository import Repository

MOMENT = 1_800_000_000.0


def commit(
    repository: Repository, content: bytes = b"content", *, started: float = MOMENT
) -> StoredSnapshot:
    """Store a snapshot of a folder with one file."""
    blob, _ = repository.writer.save(BlobKind.CONTENT, content)
    file = Entry(b"file", 0o100644, 0, 0, 0, 0, 1, len(content), content=blob)
    (listing,) = tree.encode([file])
    subtree, _ = repository.writer.save(BlobKind.META, listing)
    repository.flush()
    root = Root(
        kind=RootKind.DATA,
        name="data",
        path=b"/data",
        entry=Entry(b"", 0o40755, 0, 0, 0, 0, 2, subtree=(subtree,), entries=1),
    )
    return repository.commit(
        Snapshot(
            repository=repository.id,
            started=started,
            finished=started + 1,
            host="cloud",
            program="test",
            parent=None,
            owncloud=OWNCLOUD,
            roots=[root],
        )
    )


def objects(workshop: Workshop) -> dict[str, bytes]:
    assert isinstance(workshop.storage, MemoryStorage)
    return workshop.storage.objects


def listed(workshop: Workshop) -> tuple[list[StoredSnapshot], SilentMonitor]:
    monitor = SilentMonitor()
    with workshop.opened() as repository:
        repository.synchronise(monitor)
        return repository.snapshots(monitor), monitor


def test_objects_are_written_before_those_that_need_them(workshop: Workshop):
    with workshop.opened() as repository:
        commit(repository)
    folders = [name.partition("/")[0] for name in objects(workshop)]
    # No index lists a pack that is not there; packs of both kinds are sent beside each other.
    assert sorted(folders[:3]) == ["meta", "ocsnap.json", "packs"]
    assert folders[3:] == ["index", "snapshots"]


def test_every_object_but_one_is_named_by_its_own_bytes_and_locked(workshop: Workshop):
    with workshop.opened() as repository:
        commit(repository, b"a very secret content")
    cipher = passphrase_cipher(workshop.folder)
    for name, content in objects(workshop).items():
        assert b"secret content" not in content
        if name != "ocsnap.json":
            assert name.endswith(f"{hashlib.sha256(content).hexdigest()}.gpg")
            assert cipher.decrypt(content)


def test_snapshots_are_the_same_on_every_host_and_in_order(workshop: Workshop):
    with workshop.opened() as repository:
        stored = [commit(repository, b"%d" % day, started=MOMENT + day) for day in (3, 1, 2)]
    in_order = sorted(stored, key=lambda each: each.snapshot.started)
    assert listed(workshop)[0] == in_order
    assert listed(workshop.elsewhere("new"))[0] == in_order


def test_snapshots_can_be_had_without_their_trees(workshop: Workshop):
    with workshop.opened() as repository:
        stored = commit(repository)
        (bare,) = repository.snapshots(SilentMonitor(), with_roots=False)
    assert bare.snapshot.roots == []
    whole = msgspec.structs.replace(bare.snapshot, roots=stored.snapshot.roots)
    assert msgspec.structs.replace(bare, snapshot=whole) == stored


def test_a_snapshot_under_another_time_is_refused(workshop: Workshop):
    """Who can write to the bucket could bring back an old snapshot as the latest."""
    with workshop.opened() as repository:
        old = commit(repository, b"old")
        new = commit(repository, b"new", started=MOMENT + 100)
    everything = objects(workshop)
    everything[snapshot_name(MOMENT + 200, old.id)] = everything.pop(old.name)
    for host in (workshop, workshop.elsewhere("new")):
        found, monitor = listed(host)
        assert found == [new]
        assert [problem.subject for problem in monitor.problems] == [
            snapshot_name(MOMENT + 200, old.id)
        ]


def test_a_snapshot_of_another_repository_is_refused(workshop: Workshop):
    with workshop.opened() as repository:
        commit(repository)
        repository.id = "f" * 32
        foreign = commit(repository, started=MOMENT + 100)
    found, monitor = listed(workshop.elsewhere("new"))
    assert len(found) == 1
    assert [problem.subject for problem in monitor.problems] == [foreign.name]


@pytest.mark.parametrize(
    "name", ["snapshots/x.gpg", "snapshots/readme.txt", "snapshots/20270115T080000Z-123.gpg"]
)
def test_a_strange_object_among_the_snapshots_is_told_and_passed_over(
    workshop: Workshop, name: str
):
    with workshop.opened() as repository:
        stored = commit(repository)
    objects(workshop)[name] = b"what is this?"
    found, monitor = listed(workshop)
    assert found == [stored]
    assert [problem.subject for problem in monitor.problems] == [name]


def test_a_strange_object_among_the_indexes_is_told_and_passed_over(workshop: Workshop):
    with workshop.opened() as repository:
        stored = commit(repository)
    objects(workshop)["index/readme.txt"] = b"what is this?"
    found, monitor = listed(workshop)
    assert found == [stored]
    assert [problem.subject for problem in monitor.problems] == ["index/readme.txt"]


def test_a_description_is_written_once(workshop: Workshop):
    with workshop.opened():
        before = objects(workshop)["ocsnap.json"]
    cipher = passphrase_cipher(workshop.folder)
    create_repository(workshop.storage, cipher, repository="f" * 32, now=time.time())
    assert objects(workshop)["ocsnap.json"] == before
    with workshop.opened() as repository:
        assert repository.id == REPOSITORY


def test_no_repository_is_told(workshop: Workshop):
    with pytest.raises(NoRepositoryError):
        open_repository(
            workshop.storage, passphrase_cipher(workshop.folder), state_dir=workshop.state_dir
        )


def test_a_repository_is_not_opened_with_another_kind_of_key(workshop: Workshop):
    with workshop.opened():
        pass
    description = objects(workshop)["ocsnap.json"]
    objects(workshop)["ocsnap.json"] = description.replace(b'"passphrase"', b'"public-key"')
    with pytest.raises(CryptoError, match="was made with"), workshop.opened():
        pass


def test_another_passphrase_is_told_as_soon_as_something_is_read(workshop: Workshop):
    with workshop.opened() as repository:
        commit(repository)
    elsewhere = workshop.elsewhere("new")
    elsewhere.cipher = passphrase_cipher(elsewhere.folder, "another passphrase")
    with pytest.raises(CryptoError, match="passphrase is wrong"), elsewhere.opened() as repository:
        repository.synchronise(SilentMonitor())


def test_a_frame_that_the_cache_holds_wrongly_is_fetched(workshop: Workshop):
    listing = next(tree.encode([]))
    with workshop.opened() as repository:
        blob, _ = repository.writer.save(BlobKind.META, listing)
        repository.flush()
        for wrong in (b"", b"no frame at all", repository.cache.held(blob)[:-3]):
            repository.cache._db.execute("UPDATE held SET frame = ?", (wrong,))
            assert repository.reader.load(blob) == listing


def test_a_blob_that_nobody_has_is_damage(workshop: Workshop):
    with workshop.opened() as repository, pytest.raises(DamagedError, match="no blob"):
        repository.reader.load(blob_id(b"never stored"))


def test_a_pack_that_is_gone_or_another_is_told(workshop: Workshop):
    with workshop.opened() as repository:
        first, _ = repository.writer.save(BlobKind.CONTENT, b"first")
        repository.flush()
        second, _ = repository.writer.save(BlobKind.CONTENT, b"second")
        repository.flush()
        one, two = (name for name in objects(workshop) if name.startswith("packs/"))
        everything = objects(workshop)
        everything[two] = everything.pop(one)
        with pytest.raises(ObjectMissingError):
            repository.reader.load(first)
        with pytest.raises(DamagedError, match=two):
            repository.reader.load(second)


def test_the_cache_is_trimmed_to_what_the_latest_snapshot_needs(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("ocsnap.repository.repository._SMALL_CACHE", 2)
    with workshop.opened() as repository:
        for day in range(5):
            stored = commit(repository, b"%d" % day, started=MOMENT + day)
        assert repository.cache.held_count() == 5
        repository.trim_cache(stored.snapshot)
        assert repository.cache.held_count() == 1
        repository.trim_cache(stored.snapshot)
        root = stored.snapshot.roots[0].entry
        assert repository.cache.held(root.subtree[0]) is not None


def test_gone_snapshots_are_noted_once(workshop: Workshop):
    with workshop.opened() as repository:
        stored = commit(repository)
        other = commit(repository, b"2", started=MOMENT + 1)
    del objects(workshop)[stored.name]
    found, monitor = listed(workshop)
    assert found == [other]
    assert monitor.notes == [f"{stored.name} is gone from the storage."]
    assert listed(workshop)[1].notes == []


def test_a_home_without_a_folder_works(workshop: Workshop, tmp_path: Path):
    """Where the configuration names none, gpg takes its own."""
    environment = {**os.environ, "HOME": str(tmp_path)}
    cipher = Gpg(home=None, environment=environment, passphrase="x" * 40)
    assert cipher.decrypt(cipher.encrypt([b"1"])) == b"1"
    cipher.close()


def test_selecting_from_nothing():
    with pytest.raises(NoSnapshotError, match="no snapshot yet"):
        select([], "latest")


def test_ids_stand_in_names():
    digest = "ab" * 32
    assert snapshots.id_of(snapshot_name(MOMENT, digest)) == digest
    assert snapshot_name(MOMENT, digest) == f"snapshots/20270115T080000Z-{digest}.gpg"

"""Packs on their way to the storage: whole, once, at once or by way of the spool."""

from __future__ import annotations

import hashlib
import random
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from ocsnap.errors import AccessDeniedError, LocalIOError, StorageError
from ocsnap.monitor import SilentMonitor
from ocsnap.repository import writer
from ocsnap.repository.blob import BlobKind, blob_id
from ocsnap.repository.spool import Spool
from ocsnap.storage.decorator import Decorator
from ocsnap.storage.faults import Effect, Fault, Faulty
from tests.repository.workshop import PASSPHRASE

if TYPE_CHECKING:
    from pathlib import Path

    from ocsnap.crypto.memory_file import MemoryFile
    from ocsnap.repository.blob import Buffer
    from ocsnap.repository.repository import Repository
    from ocsnap.storage.storage import ObjectInfo
    from tests.repository.workshop import Workshop

RNG = random.Random(11)


@pytest.fixture
def small_packs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a pack be full at 100 KB."""
    monkeypatch.setattr(writer, "_TARGETS", dict.fromkeys(BlobKind, 100_000))


def save_all(repository: Repository, contents: list[bytes]) -> None:
    for content in contents:
        repository.writer.save(BlobKind.CONTENT, content)


def save_and_send(repository: Repository, contents: list[bytes]) -> None:
    save_all(repository, contents)
    repository.writer.flush()


def names(workshop: Workshop, prefix: str) -> list[str]:
    return [info.name for info in workshop.storage.list(prefix)]


def assert_readable_elsewhere(workshop: Workshop, contents: list[bytes]) -> None:
    with workshop.elsewhere("new").opened() as repository:
        repository.synchronise(SilentMonitor())
        for content in contents:
            assert repository.reader.load(blob_id(content)) == content


def contents_of(count: int) -> list[bytes]:
    return [RNG.randbytes(20_000) for _ in range(count)]


def test_the_last_packs_of_both_kinds_are_made_beside_each_other(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
):
    with workshop.opened() as repository:
        both = threading.Barrier(2)
        encrypt = repository.cipher.encrypt_file

        def together(content: MemoryFile) -> memoryview:
            both.wait(timeout=60)
            return encrypt(content)

        monkeypatch.setattr(repository.cipher, "encrypt_file", together)
        for kind in BlobKind:
            repository.writer.save(kind, kind.value.encode())
        repository.writer.flush()
        monkeypatch.undo()
        repository.flush()
    assert len(names(workshop, "packs/")) == len(names(workshop, "meta/")) == 1


def test_a_pack_can_be_read_with_gpg_and_zstd_alone(workshop: Workshop, tmp_path: Path):
    contents = [b"first ", b"second " * 1000, RNG.randbytes(5000)]
    with workshop.opened() as repository:
        save_all(repository, contents)
        repository.flush()
    (name,) = names(workshop, "packs/")
    message = workshop.storage.get(name)
    assert hashlib.sha256(message).hexdigest() == name[-68:-4]
    file = tmp_path / "passphrase"
    file.write_text(PASSPHRASE)
    home = str(workshop.folder / "gnupg")
    gpg = ["gpg", "--homedir", home, "--batch", "--pinentry-mode", "loopback"]
    by_hand = [*gpg, "--passphrase-file", str(file), "-d"]
    plain = subprocess.run(by_hand, input=message, capture_output=True, check=True).stdout
    unpacked = subprocess.run(["zstd", "-d"], input=plain, capture_output=True, check=True).stdout
    assert unpacked == b"".join(contents)


def test_a_blob_is_stored_once_whoever_saves_it(workshop: Workshop):
    contents = contents_of(20)
    with workshop.opened() as repository:
        with ThreadPoolExecutor(4) as pool:
            saved = list(
                pool.map(
                    lambda content: repository.writer.save(BlobKind.CONTENT, content), contents * 8
                )
            )
        repository.flush()
        assert sum(new for _, new in saved) == 20
        assert repository.writer.stored_bytes(BlobKind.CONTENT) < 21 * 20_000
        assert not repository.writer.save(BlobKind.CONTENT, contents[0])[1]
        before = len(names(workshop, ""))
        repository.flush()
        assert len(names(workshop, "")) == before
    assert_readable_elsewhere(workshop, contents)


def test_full_packs_are_sent_before_the_flush(workshop: Workshop, small_packs: None):
    contents = contents_of(23)
    with workshop.opened() as repository:
        save_all(repository, contents)
        repository.writer.flush()
        assert len(names(workshop, "packs/")) == 5
        assert names(workshop, "index/") == []
        repository.flush()
        assert len(names(workshop, "index/")) == 1
    assert_readable_elsewhere(workshop, contents)


def test_many_blobs_are_listed_by_several_indexes(
    workshop: Workshop, small_packs: None, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("ocsnap.repository.repository.MOST_INDEXED_BLOBS", 8)
    contents = contents_of(23)
    with workshop.opened() as repository:
        save_all(repository, contents)
        repository.flush()
    assert len(names(workshop, "packs/")) == 5
    assert len(names(workshop, "index/")) == 3
    assert_readable_elsewhere(workshop, contents)


@pytest.mark.parametrize("effect", [Effect.ERROR_BEFORE, Effect.ERROR_AFTER])
def test_a_pack_that_cannot_be_stored_is_never_forgotten(
    workshop: Workshop, small_packs: None, effect: Effect
):
    storage = workshop.storage
    fault = Fault("put", effect, call=2, prefix="packs/", error=AccessDeniedError)
    workshop.storage = faulty = Faulty(storage, [fault])
    contents = contents_of(50)
    with workshop.opened() as repository:
        with pytest.raises(AccessDeniedError):
            save_and_send(repository, contents)
        for attempt in (repository.writer.flush, repository.flush):
            with pytest.raises(AccessDeniedError):
                attempt()
        with pytest.raises(AccessDeniedError):
            repository.writer.save(BlobKind.CONTENT, b"one more")
    faulty.assert_happened()
    assert names(workshop, "index/") == []
    workshop.storage = storage
    with workshop.opened() as repository:
        repository.synchronise(SilentMonitor())
        save_all(repository, contents)
        repository.flush()
    assert_readable_elsewhere(workshop, contents)


class SlowStorage(Decorator):
    """Stores packs only when told so."""

    def __init__(self, workshop: Workshop) -> None:
        super().__init__(workshop.storage)
        self.go = threading.Event()

    def put(self, name: str, data: Buffer, *, sha256: str) -> ObjectInfo:
        if name.startswith("packs/"):
            assert self.go.wait(30)
        return super().put(name, data, sha256=sha256)


def test_nobody_waits_for_the_line_while_packs_are_held(
    workshop: Workshop, small_packs: None, tmp_path: Path
):
    """The storage stands still: had anybody waited for it, this would never end."""
    contents = contents_of(42)
    plain_storage = workshop.storage
    workshop.storage = slow = SlowStorage(workshop)
    with workshop.opened() as repository:
        repository.writer.hold(Spool(tmp_path / "spool"))
        save_all(repository, contents)
        repository.writer.release()
        assert names(workshop, "packs/") == []
        slow.go.set()
        repository.flush()
    assert len(names(workshop, "packs/")) == 9
    assert list((tmp_path / "spool").iterdir()) == []
    workshop.storage = plain_storage
    assert_readable_elsewhere(workshop, contents)


def test_a_pack_that_is_sealed_while_the_spool_is_given_up_is_sent(
    workshop: Workshop, small_packs: None, tmp_path: Path
):
    with workshop.opened() as repository:

        class GivenUp(Spool):
            def write(self, digest: str, message: Buffer) -> Path:
                path = super().write(digest, message)
                repository.writer.release()
                return path

        contents = contents_of(5)
        repository.writer.hold(GivenUp(tmp_path / "spool"))
        save_all(repository, contents)
        repository.flush()
    assert_readable_elsewhere(workshop, contents)


def test_a_flush_sends_what_is_still_held(workshop: Workshop, small_packs: None, tmp_path: Path):
    contents = contents_of(23)
    with workshop.opened() as repository:
        repository.writer.hold(Spool(tmp_path / "spool"))
        save_all(repository, contents)
        repository.flush()
    assert_readable_elsewhere(workshop, contents)


def test_a_spool_that_is_full_ends_the_backup(
    workshop: Workshop, small_packs: None, tmp_path: Path
):
    class Full(Spool):
        def room_bytes(self) -> int:
            return 1000

    with workshop.opened() as repository:
        repository.writer.hold(Full(tmp_path / "spool"))
        with pytest.raises(LocalIOError, match="room"):
            save_and_send(repository, contents_of(50))
        with pytest.raises(LocalIOError):
            repository.flush()
    assert names(workshop, "index/") == []


def test_what_an_earlier_run_left_in_the_spool_is_removed(tmp_path: Path):
    folder = tmp_path / "spool"
    spool = Spool(folder)
    spool.write("ab" * 32, b"left over")
    assert folder.stat().st_mode & 0o777 == 0o700
    (folder / "of-somebody-else.txt").touch()
    Spool(folder)
    assert [path.name for path in folder.iterdir()] == ["of-somebody-else.txt"]


def test_a_spool_that_cannot_be_made_is_told(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(LocalIOError, match="spool_dir"):
        Spool(tmp_path / "file" / "spool")


def test_a_closed_repository_has_no_threads_left(workshop: Workshop, small_packs: None):
    before = threading.active_count()
    with workshop.opened() as repository:
        save_all(repository, contents_of(30))
        repository.flush()
        assert threading.active_count() > before
    assert threading.active_count() == before


def test_a_storage_that_fails_while_work_goes_on_does_not_hang(
    workshop: Workshop, small_packs: None
):
    """More packs than are sent at once, and all of them fail."""
    faults = [
        Fault("put", Effect.ERROR_BEFORE, call=number, prefix="packs/", error=StorageError)
        for number in range(1, 4)
    ]
    workshop.storage = Faulty(workshop.storage, faults)
    with workshop.opened() as repository, pytest.raises(StorageError):
        save_and_send(repository, contents_of(100))

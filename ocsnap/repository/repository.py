"""The repository as a whole: opened, kept in step with the storage, committed to.

Write order, and why: packs before the index that lists them, the index before the snapshot that
needs it. Whatever is interrupted, a snapshot that can be seen is whole.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from ocsnap.errors import (
    DamagedError,
    ObjectExistsError,
    ObjectMissingError,
)
from ocsnap.monitor import Problem
from ocsnap.repository import description as descriptions
from ocsnap.repository import index as indexes
from ocsnap.repository import snapshot as snapshots
from ocsnap.repository.cache import Cache
from ocsnap.repository.description import Description
from ocsnap.repository.identity import CACHE_FILE, identify
from ocsnap.repository.reader import BlobReader
from ocsnap.repository.references import metadata_blobs
from ocsnap.repository.sending import Sending
from ocsnap.repository.snapshot import StoredSnapshot
from ocsnap.repository.synchroniser import DOUBTFUL, Synchroniser
from ocsnap.repository.writer import BlobWriter
from ocsnap.storage.storage import ObjectInfo

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ocsnap.crypto import Cipher
    from ocsnap.monitor import Monitor
    from ocsnap.repository.index import IndexedPack
    from ocsnap.repository.lock import Lock
    from ocsnap.repository.marks import Marks, StoredMarks
    from ocsnap.repository.snapshot import Snapshot
    from ocsnap.storage.storage import Storage

MOST_INDEXED_BLOBS: Final = 200_000
"""An index object lists about so many, which takes 10 MB: a first backup writes several, and none
of them takes much memory."""

_LIVE_COUNT: Final = "held after the last trim"
_SMALL_CACHE: Final = 10_000

_SIGNER: Final = "whose signature the snapshots held here have"


class Repository:
    """An open repository.

    Attributes:
        id: random id of the repository.
        storage: where its objects lie.
        cipher: what locks them.
        cache: what this host knows of it.
        reader: gives blobs.
        writer: takes blobs.
        description_fault: what is wrong with `ocsnap.json`; None: nothing.
    """

    def __init__(
        self, *, storage: Storage, cipher: Cipher, cache: Cache, sending: Sending, repository: str
    ) -> None:
        """Compose the parts; use `create_repository` or `open_repository`."""
        self.id = repository
        self.description_fault: str | None = None
        self.storage = storage
        self.cipher = cipher
        self.cache = cache
        self.reader = BlobReader(storage=storage, cipher=cipher, cache=cache)
        self._synchroniser = Synchroniser(
            storage=storage, cipher=cipher, cache=cache, reader=self.reader, repository=repository
        )
        self._sending = sending
        self._before_index: Callable[[], None] = _go_on
        self.writer = BlobWriter(
            storage=storage,
            cipher=cipher,
            cache=cache,
            sending=sending,
            checkpoint=self.list_packs,
        )

    def close(self) -> None:
        """End the threads and close the cache."""
        self.writer.close()
        self.cache.close()
        self.cipher.close()

    @property
    def doubtful(self) -> bool:
        """Whether blobs that the latest snapshots need may be lost, until the next commit.

        As long as it is so, a backup may take over from an earlier snapshot only what it has looked
        up in the index.
        """
        return self.cache.note(DOUBTFUL) is not None

    def synchronise(self, monitor: Monitor) -> None:
        """Bring the local index in step with the storage.

        A run that stores something takes its lock before: whatever prune marks after that stays as
        long as the lock is held, and what was marked before is not relied on.

        Args:
            monitor: is told of index objects that are gone or damaged, or that this host cannot
                read.

        Raises:
            StorageError: the storage lists nothing although there must be something.
        """
        for pack in self._sending.arrived(self.storage):
            self.cache.add_pack(pack)
            self.cache.commit()
        self._synchroniser.synchronise(monitor)

    def take_marks(self, monitor: Monitor) -> StoredMarks:
        """Learn which packs are marked, and which objects prune has removed.

        Args:
            monitor: is told if that cannot be read.

        Returns:
            What prune and repair say.
        """
        return self._synchroniser.take_marks(monitor)

    def mark(self, marks: Marks) -> None:
        """Let nothing new rely on the packs that marks name; done by `synchronise`, too."""
        self._synchroniser.mark(marks)

    def fence(self, lock: Lock, monitor: Monitor) -> None:
        """Look after a lock before each index object: what a prune has removed is never listed.

        Args:
            lock: what this run holds. If it was lost it is taken anew, and packs that are marked or
                gone since are forgotten; the commit then looks up what the snapshot relies on.
            monitor: is told if the marks cannot be read.
        """

        def look() -> None:
            if not lock.confirm():
                lock.retake()
                self._synchroniser.drop_unlisted(monitor)

        self._before_index = look

    def take_index(self, name: str) -> None:
        """Learn from an index object what lies where.

        Raises:
            DamagedError: it is damaged.
            ObjectMissingError: it is gone.
            NoSecretKeyError: this host cannot decrypt it.
        """
        self._synchroniser.take_index(name)

    def flush(self) -> None:
        """Store everything that was saved, and the index that lists it."""
        self.writer.flush()
        self.list_packs()

    def list_packs(self) -> None:
        """Store index objects for all packs known here that none lists yet."""
        if self.cache.unindexed_ids():
            self._before_index()
        while packs := self.cache.unindexed_packs(MOST_INDEXED_BLOBS):
            self.store_index(packs)

    def store_index(self, packs: list[IndexedPack]) -> None:
        """Store an index object that lists these packs, which are stored already."""
        message = self.cipher.encrypt([indexes.encode(indexes.Index(indexes.FORMAT, packs))])
        digest = hashlib.sha256(message)
        name = indexes.index_name(digest.digest())
        self.cache.expect(self.storage.put(name, message, sha256=digest.hexdigest()))
        self.cache.mark_indexed(packs, digest.digest())

    def commit(self, snapshot: Snapshot) -> StoredSnapshot:
        """Store a snapshot; everything that it needs must be flushed.

        Args:
            snapshot: the snapshot.

        Returns:
            The snapshot with its id.
        """
        content = snapshots.encode(snapshot)
        message = self.cipher.encrypt([content], sign=True)
        digest = hashlib.sha256(message).hexdigest()
        name = snapshots.snapshot_name(snapshot.started, digest)
        self.cache.expect(self.storage.put(name, message, sha256=digest))
        self.cache.hold_snapshot(name, content)
        self.cache.set_note(DOUBTFUL, None)
        return StoredSnapshot(id=digest, name=name, snapshot=snapshot)

    def withdraw(self, stored: StoredSnapshot) -> None:
        """Take back a snapshot that turned out not to be whole; the next backup looks closely.

        Raises:
            AccessDeniedError: this key may not delete objects.
        """
        self.doubt(stored.name)
        self.cache.expect_no_more(stored.name)
        self.cache.drop_snapshot(stored.name)
        self.storage.delete(stored.name)

    def describe(self, *, created: float) -> None:
        """Write the description anew, in the place of one that is lost or damaged.

        Args:
            created: when the repository was made; seconds since the epoch.

        Raises:
            AccessDeniedError: this key may not replace objects.
        """
        data = _description(self.id, self.cipher, created)
        sha256 = hashlib.sha256(data).hexdigest()
        self.storage.put(descriptions.NAME, data, sha256=sha256)
        self.description_fault = None

    def doubt(self, why: str) -> None:
        """Let backups look up everything that they take over, until the next commit."""
        self.cache.set_note(DOUBTFUL, why)

    def trim_cache(self, snapshot: Snapshot) -> None:
        """Forget cached listings and signatures that the latest snapshot no longer needs.

        Done only when they have become the greater part, since it reads every listing.

        Args:
            snapshot: the latest one.
        """
        held = self.cache.held_count()
        if held <= 2 * int(self.cache.note(_LIVE_COUNT) or 0) + _SMALL_CACHE:
            return
        self.cache.keep_only(metadata_blobs(snapshot.roots, self.reader))
        self.cache.set_note(_LIVE_COUNT, str(self.cache.held_count()))

    def snapshots(self, monitor: Monitor, *, with_roots: bool = True) -> list[StoredSnapshot]:
        """Return all snapshots that this host can read, oldest first.

        Args:
            monitor: is told of those that are gone or damaged, are not signed as they must be, or
                that this host cannot read.
            with_roots: whether they keep their roots, which take a kilobyte for each user.
        """
        held = self.cache.held_snapshots()
        listed = sorted(info.name for info in self.storage.list(snapshots.FOLDER))
        for gone in held - set(listed):
            monitor.note(f"{gone} is gone from the storage.")
            self.cache.expect_no_more(gone)
            self.cache.drop_snapshot(gone)
        found = []
        for name in listed:
            if name not in held and not self.cipher.can_decrypt:
                monitor.note(f"{name} was written elsewhere and needs the secret key.")
                continue
            try:
                stored = self.snapshot(name)
                found.append(stored if with_roots else stored.without_roots())
            except (DamagedError, ObjectMissingError) as error:
                # One that is lost must not keep anybody from the others.
                monitor.problem(Problem(name, error.message))
        # The names tell the second only.
        return sorted(found, key=lambda stored: (stored.snapshot.started, stored.name))

    def snapshot(self, name: str) -> StoredSnapshot:
        """Return a snapshot, from the local cache or the storage.

        Args:
            name: the object's name.

        Raises:
            DamagedError: it is damaged or not signed as it must be.
            NoSecretKeyError: this host cannot decrypt it.
        """
        content = self.cache.held_snapshot(name)
        if content is None:
            message = self.reader.object(name)
            content = bytes(self.cipher.decrypt(message, signed=True))
            self.cache.expect(ObjectInfo(name, len(message), md5=None, sha256=None))
            self.cache.hold_snapshot(name, content)
        snapshot = snapshots.decode(content, name=name)
        digest = snapshots.id_of(name)
        if snapshot.repository != self.id or name != snapshots.snapshot_name(
            snapshot.started, digest
        ):
            # An old snapshot under a new time would be taken for the latest.
            raise DamagedError(f"{name} does not belong under this name.", name=name)
        return StoredSnapshot(id=digest, name=name, snapshot=snapshot)


def _go_on() -> None:
    """Write index objects without a lock."""


def create_repository(storage: Storage, cipher: Cipher, *, repository: str, now: float) -> None:
    """Write the description of a new repository; an existing one is left as it is.

    Args:
        storage: an empty place.
        cipher: what will lock its messages.
        repository: a random id for it.
        now: seconds since the epoch.

    Raises:
        StorageError: it cannot be written.
    """
    data = _description(repository, cipher, now)
    try:
        storage.create(descriptions.NAME, data, sha256=hashlib.sha256(data).hexdigest())
    except ObjectExistsError:
        return


def _description(repository: str, cipher: Cipher, created: float) -> bytes:
    return descriptions.encode(
        Description(
            repository=repository, cipher=cipher.mode, recipients=cipher.recipients, created=created
        )
    )


def _forget_unproven(cache: Cache, cipher: Cipher) -> None:
    """Forget cached snapshots where another signature is demanded now: they are proven anew.

    A host that cannot decrypt has none but its own.
    """
    signer = cipher.signer
    if cipher.can_decrypt and cache.note(_SIGNER) != signer:
        for name in cache.held_snapshots():
            cache.drop_snapshot(name)
        cache.set_note(_SIGNER, signer)


def open_repository(
    storage: Storage, cipher: Cipher, *, state_dir: Path, reads_only: bool = False
) -> Repository:
    """Open an existing repository.

    Args:
        storage: where it lies.
        cipher: what unlocks it.
        state_dir: folder for the local cache.
        reads_only: see `identify`.

    Returns:
        The repository; its local index is as old as the last run until `synchronise`.

    Raises:
        NoRepositoryError: there is none.
        CryptoError: it was made with another kind of key.
        DamagedError: nothing tells which it is.
    """
    identity = identify(storage, cipher, state_dir=state_dir, reads_only=reads_only)
    folder = state_dir / identity.repository
    cache = Cache(folder / CACHE_FILE)
    _forget_unproven(cache, cipher)
    repository = Repository(
        storage=storage,
        cipher=cipher,
        cache=cache,
        sending=Sending(folder / "sending"),
        repository=identity.repository,
    )
    repository.description_fault = identity.fault
    return repository

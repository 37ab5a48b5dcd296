"""The checker: is everything there, is it what was stored, and who suffers if not."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import msgspec

from ocsnap.errors import DamagedError, NoSecretKeyError, ObjectMissingError
from ocsnap.repository import description as descriptions
from ocsnap.repository import index as indexes
from ocsnap.repository import lock_survey as locks
from ocsnap.repository import snapshot as snapshots
from ocsnap.repository.blob import BlobKind
from ocsnap.repository.index import pack_id
from ocsnap.repository.pack import read_trailer
from ocsnap.repository.reader import promised, unpack
from ocsnap.repository.rescue import kit
from ocsnap.repository.workspace import Workspace
from ocsnap.snapshot.tree_checker import TreeChecker
from ocsnap.snapshot.workers import FETCHERS, Workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ocsnap.monitor import Monitor
    from ocsnap.repository.marks import Marks
    from ocsnap.repository.repository import Repository
    from ocsnap.storage.storage import ObjectInfo

_PACK_FOLDERS: Final = tuple(f"{kind.value}/" for kind in BlobKind)


def _nobody(name: str) -> None:
    """Tell nobody that an object was read."""
    del name


class Damage(msgspec.Struct, frozen=True, kw_only=True):
    """An object that is not as it was stored.

    Attributes:
        name: its name.
        reason: what is wrong with it.
    """

    name: str
    reason: str


class CheckReport(msgspec.Struct, kw_only=True):
    """What a check found.

    Attributes:
        objects: number of objects in the storage.
        stored_bytes: their sizes.
        read_objects: how many of them were downloaded and hashed.
        read_bytes: their sizes.
        blobs: number of blobs decrypted, unpacked and hashed.
        snapshots: number of snapshots whose trees were walked.
        damages: objects that are damaged or missing.
        files: paths that are not whole, each with the short ids of the snapshots it is in.
        locked: number of objects that this host has not the key to look into.
        removed_meanwhile: objects that were listed and could not be fetched any more, as after a
            prune at the same time; if nobody pruned, the next check names them.
    """

    objects: int = 0
    stored_bytes: int = 0
    read_objects: int = 0
    read_bytes: int = 0
    blobs: int = 0
    snapshots: int = 0
    damages: list[Damage] = msgspec.field(default_factory=list)
    files: dict[str, list[str]] = msgspec.field(default_factory=dict)
    locked: int = 0
    removed_meanwhile: int = 0

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.damages and not self.files


class Checker:
    """Checks one repository, once."""

    def __init__(self, repository: Repository, *, monitor: Monitor) -> None:
        """Prepare.

        Args:
            repository: what to check; not synchronised, for that would forget what is missing.
            monitor: is told of the progress.
        """
        self._repository = repository
        self._monitor = monitor
        self._lock = threading.Lock()
        self._report = CheckReport()
        self._bad_packs: set[str] = set()
        self._present: dict[str, ObjectInfo] = {}
        self._read_names: set[str] = set()
        self._space = Workspace()

    def check(self, *, read_data: bool) -> CheckReport:
        """Compare what the storage has with what was stored.

        Args:
            read_data: download, decrypt and hash everything; else only names, sizes and the
                checksums that the storage tells are compared.

        Returns:
            What is wrong, and which files suffer.

        Raises:
            OcsnapError: the storage cannot be asked, or the key is wrong.
        """
        self.compare()
        if read_data:
            self.read(self.readable())
        return self.finish()

    def compare(self) -> None:
        """Compare names, sizes and the checksums that the storage tells: the first step.

        Raises:
            OcsnapError: the storage cannot be asked, or the key is wrong.
        """
        self._monitor.step("Listing the objects")
        marks = self._repository.take_marks(self._monitor).marks
        present = {
            info.name: info
            for info in self._repository.storage.list()
            if not info.name.startswith(locks.FOLDER)
        }
        self._present = present
        self._report.objects = len(present)
        self._report.stored_bytes = sum(info.size_bytes for info in present.values())
        if self._repository.description_fault:
            self._damaged(descriptions.NAME, self._repository.description_fault)
        self._learn(present)
        self._repository.mark(marks)
        marked = self._repository.cache.marked()
        for name, size_bytes, md5 in self._repository.cache.expected():
            if name in marked and (name not in present or self._is_given_up(name, marks)):
                self._bad_packs.add(name)  # prune may remove it at any time
                continue
            self._compare(name, present.get(name), size_bytes, md5.hex())

    def readable(self) -> dict[str, int]:
        """Return the objects that can be compared with their names, with their sizes in bytes."""
        return {name: info.size_bytes for name, info in self._present.items() if promised(name)}

    def finish(self) -> CheckReport:
        """Find out which files suffer: the last step.

        Returns:
            What is wrong.

        Raises:
            OcsnapError: the storage cannot be asked, or the key is wrong.
        """
        self._walk_all(self._present)
        return self._report

    # -- what the storage tells --------------------------------------------------------------

    def _learn(self, present: dict[str, ObjectInfo]) -> None:
        """Take in index objects that this host has not seen yet."""
        known = {indexes.index_name(index) for index in self._repository.cache.index_ids()}
        for name in sorted(present):
            if name.startswith(indexes.FOLDER) and name not in known:
                with self._naming(name):
                    self._repository.take_index(name)

    def _is_given_up(self, name: str, marks: Marks) -> bool:
        """Return whether a repair found a pack damaged; marks alone are nobody's word for it."""
        return name in marks.lost and not self._repository.cache.indexes_of(pack_id(name))

    def _compare(self, name: str, info: ObjectInfo | None, size_bytes: int, md5: str) -> None:
        if info is None:
            self._damaged(name, "it is missing")
        elif info.size_bytes != size_bytes:
            self._damaged(name, f"it has {info.size_bytes} bytes instead of {size_bytes}")
        elif not (info.md5 and info.md5 == md5) and not self._tells_the_same(name, md5):
            self._damaged(name, "the storage tells another checksum")

    def _tells_the_same(self, name: str, md5: str) -> bool:
        """Ask for the checksums, which some stores tell only one by one; none told is no fault."""
        try:
            info = self._repository.storage.stat(name)
        except ObjectMissingError:
            self._removed_meanwhile(name)
            return True
        if info.sha256 is not None:
            return info.sha256 == promised(name)
        return info.md5 is None or not md5 or info.md5 == md5

    # -- what the objects hold ---------------------------------------------------------------

    def read(self, names: Iterable[str], told: Callable[[str], None] = _nobody) -> None:
        """Download, decrypt and hash objects; those that `load_pack` gave are not read again.

        Args:
            names: which ones.
            told: is called for each as soon as it was looked at, from any thread.

        Raises:
            OcsnapError: the storage fails, or the key is wrong.
        """
        for name in self._read_names:
            told(name)
        wanted = [self._present[name] for name in names if name not in self._read_names]
        total_bytes = sum(info.size_bytes for info in wanted)
        self._monitor.step("Reading objects", total_bytes=total_bytes)

        def look(info: ObjectInfo) -> None:
            self._read_object(info)
            told(info.name)

        workers = Workers(look, threads=FETCHERS, name="ocsnap-check")
        try:
            for info in wanted:
                workers.submit([info])
            workers.wait()
        except BaseException as error:
            workers.stop(error)
            raise
        finally:
            workers.close()
            self._space.close()

    def _read_object(self, info: ObjectInfo) -> None:
        name = info.name
        blobs = 0
        with self._naming(name):
            if name.startswith(kit.FOLDER):
                self._repository.reader.object(name)
            else:
                blobs = self._look_into(name)
        self._count(info, blobs)
        self._monitor.advance(size_bytes=info.size_bytes)

    def load_pack(self, name: str) -> memoryview:
        """Fetch and decrypt a pack for somebody who needs it, and check it on that occasion.

        Args:
            name: the pack.

        Returns:
            What is in it.

        Raises:
            DamagedError: it is damaged, as the report will say too.
            ObjectMissingError: it is missing, which the report says already.
        """
        try:
            plain = self._repository.reader.decrypted(name)
            if name not in self._read_names:
                blobs = self._check_pack(name, plain)
                self._read_names.add(name)
                self._count(self._present[name], blobs)
        except DamagedError as error:
            self._damaged(error.name or name, error.message)
            raise
        return plain

    def _count(self, info: ObjectInfo, blobs: int) -> None:
        with self._lock:
            self._report.read_objects += 1
            self._report.read_bytes += info.size_bytes
            self._report.blobs += blobs

    def _look_into(self, name: str) -> int:
        """Decrypt and decode an object; return how many blobs are in it."""
        signed = name.startswith(snapshots.FOLDER)
        with self._repository.reader.opened(name, self._space, signed=signed) as plain:
            if name.startswith(_PACK_FOLDERS):
                return self._check_pack(name, plain)
            if name.startswith(indexes.FOLDER):
                indexes.decode(plain, name=name)
            elif name.startswith(snapshots.FOLDER):
                snapshots.decode(plain, name=name)
        return 0

    def _check_pack(self, name: str, plain: memoryview) -> int:
        """Unpack every blob that the index or the trailer promises."""
        view = memoryview(plain)
        listed = self._repository.cache.blobs_of(name)
        inside = read_trailer(plain, name=name)
        if not set(listed) <= set(inside):
            raise DamagedError(f"{name} has not all blobs where the index lists them.", name=name)
        for packed in inside:
            frame = view[packed.offset : packed.offset + packed.frame_bytes]
            unpack(packed.blob, frame, packed.raw_bytes, name=name)
        return len(inside)

    # -- who suffers -------------------------------------------------------------------------

    def _walk_all(self, present: dict[str, ObjectInfo]) -> None:
        self._monitor.step("Walking the snapshots")
        trees = TreeChecker(self._repository, self._bad_packs, self._report.files)
        genuine = {file.name for file in kit.files()}
        for name in sorted(present):
            if not name.startswith(snapshots.FOLDER):
                continue
            with self._naming(name):
                stored = self._repository.snapshot(name)
                genuine.update(stored.snapshot.rescue)
                for root in stored.snapshot.roots:
                    trees.walk(stored, root)
            self._report.snapshots += 1
        for name in sorted(present):
            if name.startswith(kit.FOLDER) and name not in genuine:
                self._monitor.note(f"{name} is named by no snapshot: do not run or believe it.")

    # -- keeping the score -------------------------------------------------------------------

    @contextmanager
    def _naming(self, name: str) -> Iterator[None]:
        """Turn damage found inside into an item of the report."""
        try:
            yield
        except NoSecretKeyError:
            with self._lock:
                self._report.locked += 1
        except ObjectMissingError:
            self._removed_meanwhile(name)
        except DamagedError as error:
            self._damaged(error.name or name, error.message)

    def _removed_meanwhile(self, name: str) -> None:
        """Count what was listed a moment ago; who needs it is found by walking."""
        with self._lock:
            self._bad_packs.add(name)
            self._report.removed_meanwhile += 1

    def _damaged(self, name: str, reason: str) -> None:
        with self._lock:
            self._bad_packs.add(name)
            if all(damage.name != name for damage in self._report.damages):
                self._report.damages.append(Damage(name=name, reason=reason))
        if name.startswith(kit.FOLDER):
            kit.ask_again(self._repository.cache)

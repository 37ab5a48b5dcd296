"""The restorer: builds the folder of a root, pack by pack.

Names come first, then contents in the order of the packs, so that each pack is fetched once for
thousands of files; what needs everything else in place (hard links, directories' times) comes last.
"""

from __future__ import annotations

import os
import threading
from contextlib import nullcontext
from typing import TYPE_CHECKING, Final, NamedTuple

from ocsnap.errors import CryptoError, DamagedError, LocalIOError, ObjectMissingError, OcsnapError
from ocsnap.monitor import Problem
from ocsnap.repository import tree
from ocsnap.repository.reader import unpack
from ocsnap.repository.workspace import Workspace
from ocsnap.snapshot.pack_queue import File, PackQueue, Piece
from ocsnap.snapshot.placement import (
    FULL,
    create_file,
    dress,
    has_content,
    make_directory,
    make_link,
    make_special,
    open_again,
    remove,
    write_at,
)
from ocsnap.snapshot.promise import Promise
from ocsnap.snapshot.reach import PATH_BYTES, is_long, takes
from ocsnap.snapshot.restore_report import RestoreReport
from ocsnap.snapshot.reuse import take_over
from ocsnap.snapshot.workers import FETCHERS, Workers

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from ocsnap.monitor import Monitor
    from ocsnap.repository.pack import PackedBlob
    from ocsnap.repository.repository import Repository
    from ocsnap.repository.snapshot import Root
    from ocsnap.repository.tree import Entry
    from ocsnap.snapshot.pack_queue import Needs

MOST_PIECES: Final = 100_000
"""So many wait in memory at most."""


class Placement(NamedTuple):
    """A root and where to build it.

    Attributes:
        root: what to restore; its entry may also be a folder or a file in it.
        target: an absolute path where nothing stands yet; its parent exists by then.
        present: an older version of the same, whose files are taken where they are right.
    """

    root: Root
    target: bytes
    present: bytes | None = None


_Held = dict[str, memoryview]
_Packs = dict[bytes, list[str]]


class _Ways(NamedTuple):
    """How files are restored; see `Restorer`."""

    owners: bool
    devices: bool
    checksum: bool


class Restorer:
    """Restores roots from one repository."""

    def __init__(
        self,
        repository: Repository,
        *,
        monitor: Monitor,
        owners: bool,
        devices: bool = False,
        checksum: bool = False,
    ) -> None:
        """Prepare.

        Args:
            repository: where to read from; synchronised.
            monitor: is told of progress and of what cannot be restored.
            owners: whether to set owners, which only root may.
            devices: whether to make devices, which only root may.
            checksum: read every file that stands there already, rather than trust its times.
        """
        self._repository = repository
        self._monitor = monitor
        self._ways = _Ways(owners, devices, checksum)
        self._held: _Held = {}

    def restore(self, placements: Sequence[Placement]) -> RestoreReport:
        """Build the folders of several roots at once, so that a pack serves all of them.

        Args:
            placements: what goes where; a folder inside another comes after it.

        Returns:
            What was restored; what is damaged in the repository is named there.

        Raises:
            LocalIOError: the target cannot be written.
            DamagedError: a tree is far larger than its snapshot says.
            OcsnapError: the storage or the key fails.
        """
        run = _Restoration(self._repository, self._monitor, self._ways, self._held)
        try:
            run.restore(placements)
        except OSError as error:
            where = os.fsdecode(error.filename) if error.filename else "The target"
            raise LocalIOError(
                f"{where} cannot be written: {error.strerror}.",
                hint="Check free space and rights there.",
            ) from error
        return run.report


class _Restoration:
    """The restoring of one root."""

    def __init__(self, repository: Repository, monitor: Monitor, ways: _Ways, held: _Held) -> None:
        self.report = RestoreReport()
        self._held = held
        self._repository = repository
        self._monitor = monitor
        self._ways = ways
        self._lock = threading.Lock()
        self._directories: list[tuple[bytes, Entry]] = []
        self._hard_links: list[tuple[bytes, bytes]] = []
        self._first_names: dict[tuple[int, bytes | None], bytes] = {}
        self._specials: list[tuple[bytes, Entry]] = []
        self._queue = PackQueue()
        self._is_only_pack = False
        self._space = Workspace()
        self._refused: set[str] = set()

    def restore(self, placements: Sequence[Placement]) -> None:
        for placement in placements:
            self._monitor.at(placement.root.name)
            self._first_names = {}  # inode numbers say nothing across file systems
            self._make_names(placement)
        self._monitor.at("")  # packs are read, and each may serve several
        self._write_contents()
        for path, special in self._specials:
            self._place_special(path, special)
        for path, first in self._hard_links:
            self._link(path, first)
        for path, directory in reversed(self._directories):
            self._dress(path, path, directory)

    # -- names -------------------------------------------------------------------------------

    def _make_names(self, placement: Placement) -> None:
        root, target, present = placement
        if not root.entry.is_directory:
            self._make_name(target, root.entry, present, self._packs_of([root.entry]))
            return
        waiting = [(target, root.entry)]
        promise = Promise(root)
        while waiting:
            path, entry = waiting.pop()
            make_directory(path)
            self._directories.append((path, entry))
            for part in self._listing(path, entry):
                packs = self._packs_of(part)
                for child in part:
                    promise.take(child)
                    child_path = path + b"/" + child.name
                    if len(child_path) >= PATH_BYTES:
                        promise.take_path(child_path)
                    if is_long(child_path, child.name) and not takes(child_path):
                        self._failed(child_path, "its path or name is too long for the target")
                    elif child.is_directory:
                        self.report.files += 1
                        waiting.append((child_path, child))
                    else:
                        old = None if present is None else present + child_path[len(target) :]
                        self._make_name(child_path, child, old, packs)

    def _make_name(self, path: bytes, entry: Entry, old: bytes | None, packs: _Packs) -> None:
        self.report.files += 1
        if entry.is_file:
            self._plan_file(path, entry, old, packs)
        else:
            self._specials.append((path, entry))

    def _packs_of(self, entries: Iterable[Entry]) -> _Packs:
        """Return where the content of entries lies."""
        wanted = {piece.blob for entry in entries for piece in entry.pieces()}
        return self._repository.cache.packs_of(wanted)

    def _listing(self, path: bytes, entry: Entry) -> Iterator[list[Entry]]:
        """Yield what a directory has, part by part; of one that is damaged what is left of it."""
        whole = True
        after = b""
        for blob in entry.subtree:
            try:
                part = tree.decode_part(self._repository.reader.load(blob), after=after)
            except (DamagedError, ObjectMissingError) as error:
                if whole:
                    self._failed(path, f"its listing is lost: {error.message}")
                whole = False
                continue
            if part:
                after = part[-1].name
            yield part

    def _plan_file(self, path: bytes, entry: Entry, old: bytes | None, packs: _Packs) -> None:
        if entry.links > 1 and self._has_another_name(path, entry):
            return
        pieces = entry.pieces()
        file = File(path, entry, len(pieces))
        if sum(piece.length for piece in pieces) != entry.size_bytes:
            self._break(file, "its parts are not as long together as the file is")
            return
        if self._is_taken_over(file, old):
            return
        if not all(piece.blob in packs for piece in pieces):
            self._break(file, "the repository has not all of its content")
            return
        if len(pieces) != 1:
            self._prepare(file)
        if not pieces:
            self._finish(file)
            return
        offset = 0
        for extent in pieces:
            piece = Piece(file, offset, extent.offset, extent.length)
            self._queue.add(packs[extent.blob][0], extent.blob, piece)
            offset += extent.length
        if self._queue.pieces >= MOST_PIECES:
            self._write_contents(MOST_PIECES // 2)

    def _has_another_name(self, path: bytes, entry: Entry) -> bool:
        first = self._first_names.setdefault((entry.inode, entry.content), path)
        if first is not path:
            self._hard_links.append((path, first))
        return first is not path

    def _is_taken_over(self, file: File, old: bytes | None) -> bool:
        if not take_over(file.entry, old, file.path, checksum=self._ways.checksum):
            return False
        self.report.reused_files += 1
        self.report.reused_bytes += file.entry.size_bytes
        self._monitor.advance(size_bytes=file.entry.size_bytes)
        self._finish(file, checked=True)
        return True

    def _prepare(self, file: File) -> None:
        descriptor = create_file(file.path)
        try:
            os.ftruncate(descriptor, file.entry.size_bytes)
        finally:
            os.close(descriptor)

    # -- contents ----------------------------------------------------------------------------

    def _write_contents(self, keep_pieces: int = 0) -> None:
        """Fetch packs and write what is wanted of them.

        Args:
            keep_pieces: about so many pieces still wait, those of which more will be wanted.
        """
        packs = self._queue.take(keep_pieces)
        self._is_only_pack = len(packs) == 1
        workers = Workers(self._write_pack, threads=FETCHERS, name="ocsnap-fetch")
        try:
            for pack in packs:
                workers.submit([pack])
            workers.wait()
        except BaseException as error:
            workers.stop(error)
            raise
        finally:
            workers.close()
            self._space.close()

    def _write_pack(self, job: tuple[str, Needs]) -> None:
        """Write what is wanted of a pack.

        As each blob is compared with its id, the pack itself is not compared with its name, until a
        blob is not right: then it may have been damaged on the line, and is fetched again. What is
        right in a pack that stays damaged is written all the same.
        """
        name, needs = job
        damaged: dict[bytes, OcsnapError] = {}
        for proven in (False, True):
            try:
                with self._pack(name, proven=proven) as plain:
                    damaged = self._write_blobs(name, plain, needs)
            except (CryptoError, DamagedError, ObjectMissingError) as error:
                if proven and isinstance(error, CryptoError):
                    raise
                damaged = dict.fromkeys(needs, error)
            needs = {blob: needs[blob] for blob in damaged}
            if not needs:
                return
        for blob, reason in damaged.items():
            self._break_all(needs[blob], reason)

    def _write_blobs(self, name: str, plain: memoryview, needs: Needs) -> dict[bytes, OcsnapError]:
        """Write blobs to where they are wanted; return why those that are left are damaged."""
        damaged: dict[bytes, OcsnapError] = {}
        places = {packed.blob: packed for packed in self._repository.cache.blobs_of(name)}
        for blob, pieces in needs.items():
            try:
                data = memoryview(_blob(name, plain, blob, places.get(blob)))
            except DamagedError as error:
                damaged[blob] = error
                continue
            for piece in pieces:
                self._write(piece, data)
        return damaged

    def _pack(self, name: str, *, proven: bool) -> AbstractContextManager[memoryview]:
        """Fetch a pack; the only one of a small restore serves the next one, too."""
        reader = self._repository.reader
        with self._lock:
            held = self._held.pop(name, None)
        if held is not None:
            return nullcontext(held)
        if not self._is_only_pack:
            return reader.opened(name, self._space, proven=proven)
        plain = reader.decrypted(name)
        with self._lock:
            self._held.clear()
            self._held[name] = plain
        return nullcontext(plain)

    def _write(self, piece: Piece, data: memoryview) -> None:
        file = piece.file
        part = data[piece.blob_offset : piece.blob_offset + piece.length]
        implied = not file.entry.extents
        if len(part) != piece.length or (implied and len(data) != piece.length):
            self._break(file, "its parts do not fit into their blobs")
            return
        if len(file.entry.extents) > 1:
            self._write_part(piece, part)
        else:
            self._write_whole(file, part)

    def _write_whole(self, file: File, content: memoryview) -> None:
        """Write a file of one piece, as most are: what must be done for each is done in one go."""
        entry = file.entry
        descriptor = create_file(file.path)
        try:
            if entry.sparse:
                os.ftruncate(descriptor, entry.size_bytes)
            write_at(descriptor, content, 0, sparse=entry.sparse)
            self._dress(descriptor, file.path, entry)
        finally:
            os.close(descriptor)
        self._finish(file, dressed=True, size_bytes=len(content))

    def _write_part(self, piece: Piece, part: memoryview) -> None:
        file = piece.file
        with self._lock:
            if file.broken:
                return
            descriptor = open_again(file.path)
        try:
            write_at(descriptor, part, piece.file_offset, sparse=file.entry.sparse)
        finally:
            os.close(descriptor)
        self._monitor.advance(size_bytes=piece.length)
        with self._lock:
            file.missing -= 1
            whole = file.missing == 0
        if whole:
            self._finish(file)

    def _finish(
        self, file: File, *, dressed: bool = False, checked: bool = False, size_bytes: int = 0
    ) -> None:
        entry = file.entry
        if entry.extents and not checked and not has_content(file.path, entry.content):
            self._break(file, "its parts do not make up its content")
            return
        if not dressed:
            self._dress(file.path, file.path, entry)
        self._monitor.advance(files=1, size_bytes=size_bytes)
        with self._lock:
            self.report.size_bytes += entry.size_bytes

    def _break_all(self, pieces: Iterable[Piece], error: OcsnapError) -> None:
        for piece in pieces:
            self._break(piece.file, error.message)

    def _break(self, file: File, reason: str) -> None:
        """Give up a file and remove what stands there of it."""
        with self._lock:
            if file.broken:
                return
            file.broken = True
            remove(file.path)
        self._failed(file.path, reason)

    # -- what comes last ---------------------------------------------------------------------

    def _place_special(self, path: bytes, entry: Entry) -> None:
        try:
            made = make_special(path, entry, devices=self._ways.devices)
        except (OSError, ValueError, OverflowError) as error:
            if isinstance(error, OSError) and error.errno in FULL:
                raise
            self._failed(path, f"it cannot be made here: {error}")
            return
        if not made:
            self.report.left_out.append(os.fsdecode(path))
            return
        self._dress(path, path, entry)

    def _link(self, path: bytes, first: bytes) -> None:
        if not make_link(path, first):
            self._failed(path, "the file that it is a hard link to is damaged")

    def _dress(self, at: int | bytes, path: bytes, entry: Entry) -> None:
        for refused in dress(at, entry, owners=self._ways.owners):
            with self._lock:
                first = refused not in self._refused
                self._refused.add(refused)
            if first:
                reason = f"its {refused} cannot be set here; others of this kind are not told"
                self._monitor.problem(Problem(os.fsdecode(path), reason))

    def _failed(self, path: bytes, reason: str) -> None:
        text = os.fsdecode(path)
        with self._lock:
            self.report.failed.append(text)
        self._monitor.problem(Problem(text, reason))


def _blob(name: str, plain: memoryview, blob: bytes, place: PackedBlob | None) -> bytes:
    if place is None:
        raise DamagedError(f"The index no longer lists the blob {blob.hex()}.")
    frame = plain[place.offset : place.offset + place.frame_bytes]
    return unpack(blob, frame, place.raw_bytes, name=name)

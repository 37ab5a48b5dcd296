"""Who suffers from lost blobs: the trees of all snapshots, walked through the index.

Snapshots share most of their directories, and each that is sound is looked through once for all.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from ocsnap.errors import DamagedError, ObjectMissingError
from ocsnap.repository import tree
from ocsnap.snapshot.promise import Promise

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from ocsnap.repository.repository import Repository
    from ocsnap.repository.snapshot import Root, StoredSnapshot
    from ocsnap.repository.tree import Entry


class _Looked(NamedTuple):
    """A directory that was looked through.

    Attributes:
        entries: how many it has.
        size_bytes: of the files among them.
        directories: the directories among them.
    """

    entries: int
    size_bytes: int
    directories: Sequence[Entry]


class TreeChecker:
    """Walks the trees of one repository."""

    def __init__(
        self, repository: Repository, bad_packs: Collection[str], files: dict[str, list[str]]
    ) -> None:
        """Prepare.

        Args:
            repository: what to check.
            bad_packs: packs that are damaged or missing; may become more.
            files: gets the paths that are not whole, each with the short ids of its snapshots.
        """
        self._repository = repository
        self._bad_packs = bad_packs
        self._files = files
        self._sufferers = 0
        self._sound: dict[tuple[bytes, ...], _Looked] = {}

    def walk(self, stored: StoredSnapshot, root: Root) -> None:
        """Look for files of which a part is lost.

        Args:
            stored: a snapshot.
            root: one of its folders.

        Raises:
            DamagedError: the tree is far larger than the snapshot says.
        """
        promise = Promise(root)
        waiting = [(root.path, root.entry)]
        while waiting:
            folder, directory = waiting.pop()
            sound = self._sound.get(directory.subtree)
            if sound is None:
                sound = self._look_through(stored, folder, directory, promise)
            else:
                promise.take_all(sound.entries, sound.size_bytes)
            waiting += [(folder + b"/" + entry.name, entry) for entry in sound.directories]

    def _look_through(
        self, stored: StoredSnapshot, folder: bytes, directory: Entry, promise: Promise
    ) -> _Looked:
        """Look at each entry of a directory; remember what is sound, for the other snapshots."""
        sufferers = self._sufferers
        entries = size_bytes = 0
        directories = []
        for part in self._listing(stored, folder, directory):
            lost = self._lost(piece.blob for entry in part for piece in entry.pieces())
            for entry in part:
                promise.take(entry)
                entries += 1
                if entry.is_directory:
                    directories.append(entry)
                    continue
                size_bytes += entry.size_bytes if entry.is_file else 0
                if lost and any(piece.blob in lost for piece in entry.pieces()):
                    self._suffers(stored, folder + b"/" + entry.name)
        looked = _Looked(entries, size_bytes, directories)
        if self._sufferers == sufferers:
            self._sound[directory.subtree] = looked
        return looked

    def _listing(self, stored: StoredSnapshot, path: bytes, entry: Entry) -> Iterator[list[Entry]]:
        """Yield what a directory has, part by part; of one that is damaged what is left of it."""
        whole = True
        after = b""
        for blob in entry.subtree:
            part = self._part(blob, after)
            if part:
                after = part[-1].name
                yield part
            elif part is None:
                if whole:
                    self._suffers(stored, path + b"/")
                whole = False

    def _part(self, blob: bytes, after: bytes) -> list[Entry] | None:
        # The local cache may still have a listing that the repository has lost: no comfort to
        # whoever loses this host.
        if not self._lost([blob]):
            with suppress(DamagedError, ObjectMissingError):
                return tree.decode_part(self._repository.reader.load(blob), after=after)
        return None

    def _lost(self, blobs: Iterable[bytes]) -> set[bytes]:
        """Return which of these lie in no pack that is sound."""
        wanted = {*blobs}
        packs = self._repository.cache.packs_of(wanted)
        return {
            blob for blob in wanted if all(pack in self._bad_packs for pack in packs.get(blob, ()))
        }

    def _suffers(self, stored: StoredSnapshot, path: bytes) -> None:
        self._sufferers += 1
        self._files.setdefault(os.fsdecode(path), []).append(stored.short_id)

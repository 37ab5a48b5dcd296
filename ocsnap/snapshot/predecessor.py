"""The tree of the parent snapshot: what of it still is as it was and can be taken over."""

from __future__ import annotations

import os
import stat
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ocsnap.errors import DamagedError, NoSecretKeyError, ObjectMissingError
from ocsnap.repository import tree
from ocsnap.snapshot.delta import SHORTEST_SIGNED_BYTES
from ocsnap.snapshot.scanner import is_same, is_unchanged
from ocsnap.snapshot.summary import MOST_NAMES, PartSummary

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ocsnap.errors import OcsnapError
    from ocsnap.monitor import Monitor
    from ocsnap.repository.blob import Buffer
    from ocsnap.repository.repository import Repository
    from ocsnap.repository.tree import Entry
    from ocsnap.snapshot.content import ContentStore
    from ocsnap.snapshot.directory import Directory
    from ocsnap.snapshot.scanner import Found
    from ocsnap.snapshot.summary import Summaries


@dataclass(frozen=True)
class Predecessor:
    """What an earlier backup knew of a folder.

    Attributes:
        repository: where its listings are.
        contents: knows what the repository has.
        monitor: is told of listings that are lost.
        trusted: names in the folder's root that are taken over without a look.
        doubtful: whether blobs may be lost; see `Repository.doubtful`.
        summaries: are kept of listings that are read.
    """

    repository: Repository
    contents: ContentStore
    monitor: Monitor
    trusted: frozenset[bytes]
    doubtful: bool
    summaries: Summaries

    def listing(self, directory: Directory, *, remembers: bool) -> FormerListing:
        """Return what a directory held; nothing of what is lost.

        Args:
            directory: the directory.
            remembers: whether to keep a summary of the listing once all of it was read.
        """
        subtree = directory.former_subtree

        def remember(parts: list[PartSummary]) -> None:
            self.summaries.keep(subtree, parts)

        wanted = remembers and self.summaries.used and directory.within is not None
        return self.parts(directory, subtree, remember if wanted else None)

    def parts(
        self,
        directory: Directory,
        blobs: Sequence[bytes],
        remember: Callable[[list[PartSummary]], None] | None = None,
    ) -> FormerListing:
        """Return what some parts of a directory's listing hold; nothing of what is lost.

        Args:
            directory: the directory.
            blobs: the parts, in order.
            remember: as for `FormerListing`.
        """

        def load(blob: bytes) -> bytes:
            if self.doubtful and not self.repository.cache.has(blob):
                directory.changed = True
            return self.repository.reader.load(blob)

        def lost(error: OcsnapError) -> None:
            self.monitor.note(f"{os.fsdecode(directory.path)} is read anew: {error.message}")
            directory.changed = True

        return FormerListing(blobs, load, lost, remember)

    def trusts(self, directory: Directory, found: Found, previous: Entry) -> bool:
        """Return whether a folder can be taken over: one written to past ownCloud is looked at."""
        return (
            directory.within is None
            and not self.doubtful
            and found.name in self.trusted
            and stat.S_ISDIR(found.status.st_mode)
            and is_same(previous, found.status)
        )

    def has(self, found: Found, previous: Entry) -> bool:
        """Return whether a regular file is as it was, and its content where it was stored."""
        if self.doubtful and not self.contents.has_all(previous):
            return False
        return is_unchanged(previous, found.status)

    def kin(self, status: os.stat_result) -> Entry | None:
        """Find a file that stood under another name: ownCloud moves what it overwrites."""
        if status.st_size < SHORTEST_SIGNED_BYTES:
            return None
        return self.repository.cache.kin(status.st_size, status.st_mtime_ns)


class FormerListing:
    """What a directory held in an earlier snapshot, read in order and part by part."""

    def __init__(
        self,
        subtree: Sequence[bytes],
        load: Callable[[bytes], Buffer],
        lost: Callable[[OcsnapError], None],
        remember: Callable[[list[PartSummary]], None] | None = None,
    ) -> None:
        """Begin before the first name.

        Args:
            subtree: the blobs of its listing.
            load: returns a blob.
            lost: is told why a part cannot be read; its names are left out.
            remember: is given the summaries of all parts, once all were read; none of a long
                listing.
        """
        self._subtree = subtree
        self._load = load
        self._lost = lost
        self._next = 0
        self._after = b""
        self._part: list[Entry] = []
        self._remember = remember
        self._summaries: list[PartSummary] = []
        self._names = 0

    def take(self, last: bytes | None) -> dict[bytes, Entry]:
        """Take the names up to one.

        Args:
            last: the last name that is wanted; None: all that are left.

        Returns:
            The entries by name.
        """
        taken: dict[bytes, Entry] = {}
        while self._part or self._next < len(self._subtree):
            part = self._part or self._read()
            self._part = []
            if last is not None and part and part[-1].name > last:
                end = bisect_right(part, last, key=_name_of)
                self._part = part[end:]
                part = part[:end]
            taken.update((entry.name, entry) for entry in part)
            if self._part:
                break
        return taken

    def _read(self) -> list[Entry]:
        blob = self._subtree[self._next]
        self._next += 1
        try:
            part = tree.decode_part(self._load(blob), after=self._after)
        except (DamagedError, ObjectMissingError, NoSecretKeyError) as error:
            self._lost(error)
            self._remember = None
            return []
        if part:
            self._after = part[-1].name
        self._summarise(part)
        return part

    def _summarise(self, part: list[Entry]) -> None:
        self._names += len(part)
        if self._remember is None or not part or self._names > MOST_NAMES:
            return
        self._summaries.append(PartSummary.of(part))
        if len(self._summaries) == len(self._subtree):
            self._remember(self._summaries)


def _name_of(entry: Entry) -> bytes:
    return entry.name

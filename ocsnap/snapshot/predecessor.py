"""The tree of the parent snapshot: what of it still is as it was and can be taken over."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ocsnap.errors import DamagedError, NoSecretKeyError, ObjectMissingError
from ocsnap.repository import tree
from ocsnap.snapshot.delta import SHORTEST_SIGNED_BYTES
from ocsnap.snapshot.scanner import is_same, is_unchanged

if TYPE_CHECKING:
    from ocsnap.monitor import Monitor
    from ocsnap.repository.repository import Repository
    from ocsnap.repository.tree import Entry
    from ocsnap.snapshot.content import ContentStore
    from ocsnap.snapshot.directory import Directory
    from ocsnap.snapshot.scanner import Found


@dataclass(frozen=True)
class Predecessor:
    """What an earlier backup knew of a folder.

    Attributes:
        repository: where its listings are.
        contents: knows what the repository has.
        monitor: is told of listings that are lost.
        trusted: names in the folder's root that are taken over without a look.
        doubtful: whether blobs may be lost; see `Repository.doubtful`.
    """

    repository: Repository
    contents: ContentStore
    monitor: Monitor
    trusted: frozenset[bytes]
    doubtful: bool

    def listing(self, directory: Directory) -> dict[bytes, Entry]:
        """Return what a directory held, by name; nothing, where that is lost."""
        if directory.previous is None:
            return {}
        subtree = directory.previous.subtree
        try:
            listed = tree.decode(self.repository.reader.load_all(subtree))
        except (DamagedError, ObjectMissingError, NoSecretKeyError) as error:
            self.monitor.note(f"{os.fsdecode(directory.path)} is read anew: {error.message}")
            directory.changed = True
            return {}
        if self.doubtful and not all(self.repository.cache.has(blob) for blob in subtree):
            directory.changed = True
        return {entry.name: entry for entry in listed}

    def trusts(self, directory: Directory, found: Found, previous: Entry) -> bool:
        """Return whether a folder can be taken over: one written to past ownCloud is looked at."""
        return (
            directory.parent is None
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

"""The figures of a run."""

from __future__ import annotations

import threading

import msgspec


class Statistics(msgspec.Struct, kw_only=True):
    """What a backup did; the first block has the names of duplicity's.

    Attributes:
        source_files: entries of all kinds.
        source_file_bytes: sizes of the regular files.
        new_files: entries whose path was not in the parent.
        new_file_bytes: sizes of the new regular files.
        deleted_files: entries of the parent that are gone.
        changed_files: regular files with another content.
        changed_file_bytes: their full present sizes.
        changed_delta_bytes: what of them was not in the repository.
        raw_delta_bytes: content stored, before compression and encryption.
        errors: files that are not stored, or not whole.
        deduplicated_bytes: content of new and changed files that was in the repository already.
        files_read: files whose content was read.
        read_bytes: content read.
        directories_read: directories listed.
    """

    source_files: int = 0
    source_file_bytes: int = 0
    new_files: int = 0
    new_file_bytes: int = 0
    deleted_files: int = 0
    changed_files: int = 0
    changed_file_bytes: int = 0
    changed_delta_bytes: int = 0
    raw_delta_bytes: int = 0
    errors: int = 0
    deduplicated_bytes: int = 0
    files_read: int = 0
    read_bytes: int = 0
    directories_read: int = 0

    def add(self, other: Statistics) -> None:
        """Add the figures of another run to these."""
        for name in self.__struct_fields__:
            value = getattr(other, name)
            if value:
                setattr(self, name, getattr(self, name) + value)

    def followed_by(self, later: Statistics) -> Statistics:
        """Return the figures of two passes over the same files.

        Args:
            later: the second pass, which was compared with the first.

        Returns:
            What was done in both; what there is, and what failed, as the later pass saw it.
        """
        both = Statistics()
        both.add(self)
        both.add(later)
        both.source_files = later.source_files
        both.source_file_bytes = later.source_file_bytes
        both.errors = later.errors
        return both


class Tally:
    """Statistics that several threads add to."""

    def __init__(self) -> None:
        """Start at nothing."""
        self._lock = threading.Lock()
        self.statistics = Statistics()

    def add(self, figures: Statistics) -> None:
        """Add figures."""
        with self._lock:
            self.statistics.add(figures)

"""Signs that somebody encrypts, renames or deletes users' files: counted on the way, at no cost.

A file that a user moved has the content it had, so it is no sign. Nor is what lies in trash bins
and among old versions, which ownCloud empties by itself.
"""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ocsnap.repository.tree import Entry
    from ocsnap.repository.writer import BlobWriter
    from ocsnap.snapshot.content import StoredContent

COMPRESSIBLE: Final = 0.9
INCOMPRESSIBLE: Final = 0.99
"""Share of its length to which zstd compresses a blob: text, tables and programs come to 0.2 to
0.7, encrypted content to a little more than 1."""

SMALLEST_BYTES: Final = 512
"""What is shorter compresses badly whatever it is."""

_DOT: Final = ord(".")
_LONGEST_SUFFIX: Final = 40
_MOST_SUFFIXES: Final = 1000
"""So many are told apart: an attacker's is among the most frequent, so it comes early."""


@dataclass
class Signs:
    """What happened to the watched files of one folder; may be added to from several threads.

    Attributes:
        gone_files: entries of the parent that are gone.
        new_files: regular files under a new name, with content that was nowhere before.
        changed_files: regular files with another content.
        scrambled_files: of these, those whose content could be compressed before and cannot now.
        suffixes: of the new files, how many stand in the place of one that is gone from the same
            directory but for this suffix, as in `plan.odt.locked` or `plan.locked`.
    """

    gone_files: int = 0
    new_files: int = 0
    changed_files: int = 0
    scrambled_files: int = 0
    suffixes: Counter[bytes] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    @property
    def replaced_files(self) -> int:
        """Files whose content is another, be it under a new name."""
        return self.changed_files + min(self.gone_files, self.new_files)

    def add(self, other: Signs) -> None:
        """Add those of a later pass over the same folder."""
        self.gone_files += other.gone_files
        self.new_files += other.new_files
        self.changed_files += other.changed_files
        self.scrambled_files += other.scrambled_files
        self.suffixes.update(other.suffixes)

    def lost(self, gone: Iterable[Entry]) -> None:
        """Count entries that are gone from a directory."""
        with self._lock:
            self.gone_files += sum(1 + entry.entries for entry in gone)

    def stored(
        self,
        entry: Entry,
        stored: StoredContent,
        previous: Entry | None,
        suffix: bytes,
        writer: BlobWriter,
    ) -> None:
        """Count one regular file that was read.

        Args:
            entry: the file.
            stored: what was stored of it.
            previous: its entry in the parent snapshot.
            suffix: what `new_suffixes` says of its name.
            writer: knows how well contents could be compressed.
        """
        if previous is None:
            if not stored.new_bytes:
                return  # somebody moved or copied it
            with self._lock:
                self.new_files += 1
                if suffix and (suffix in self.suffixes or len(self.suffixes) < _MOST_SUFFIXES):
                    self.suffixes[suffix] += 1
        elif previous.content != stored.content:
            scrambled = _is_scrambled(entry, previous, writer)
            with self._lock:
                self.changed_files += 1
                self.scrambled_files += scrambled


def new_suffixes(gone: Iterable[bytes], new: Iterable[bytes]) -> dict[bytes, bytes]:
    """Find names of a directory that differ from one that is gone in the suffix alone.

    Args:
        gone: names that are not there any more.
        new: names that were not there before.

    Returns:
        The suffixes without their dot, by the new name.
    """
    olds = {name: name.rpartition(b".") for name in gone}
    stems = {stem: suffix for stem, dot, suffix in olds.values() if dot}
    found = {}
    for name in new:
        stem, dot, suffix = name.rpartition(b".")
        if not dot or not suffix or len(suffix) > _LONGEST_SUFFIX:
            continue
        places = (place for place, byte in enumerate(name) if byte == _DOT)
        if stems.get(stem, suffix) != suffix or any(name[:place] in olds for place in places):
            found[name] = suffix
    return found


def _is_scrambled(entry: Entry, previous: Entry, writer: BlobWriter) -> bool:
    now = _compression(entry, writer)
    if now is None or now < INCOMPRESSIBLE:
        return False
    before = _compression(previous, writer)
    return before is not None and before <= COMPRESSIBLE


def _compression(entry: Entry, writer: BlobWriter) -> float | None:
    """Return to what share of its length the first piece of a file was compressed, if that tells.

    An encrypted file has nothing of the old one, so its first piece is a blob that begins with it.
    """
    pieces = entry.pieces()
    if not pieces or pieces[0].offset or entry.size_bytes < SMALLEST_BYTES:
        return None
    lengths = writer.lengths(pieces[0].blob)
    return None if lengths is None else lengths.frame_bytes / lengths.raw_bytes

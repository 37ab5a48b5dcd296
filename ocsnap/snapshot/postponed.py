"""What could not be read: tried once more, when all else has been done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from ocsnap.units import MIB

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ocsnap.repository.tree import Entry
    from ocsnap.snapshot.directory import Directory, Segment
    from ocsnap.snapshot.scanner import Found

_FILES_PER_BATCH: Final = 32
_BYTES_PER_BATCH: Final = MIB


class FileJob(NamedTuple):
    """A file to read.

    Attributes:
        segment: where it lies.
        found: its name, and what it looked like when the directory was listed.
        previous: its entry in the parent snapshot.
        suffix: what its name ends in, where that is news; see `signs`.
        stored_bytes: what an earlier attempt has stored of it.
    """

    segment: Segment
    found: Found
    previous: Entry | None
    suffix: bytes = b""
    stored_bytes: int = 0


class Postponed:
    """Files and directories that failed once; may be filled from several threads.

    A disk that hiccups, a lock of a moment, an editor that was just saving: a second attempt, some
    time later, often goes well. A third would keep users waiting for what is broken for good.
    """

    def __init__(self, *, accepts: bool) -> None:
        """Begin with nothing.

        Args:
            accepts: whether there will be a second attempt.
        """
        self._accepts = accepts
        self._files: list[FileJob] = []
        self._directories: list[Directory] = []

    def take_file(self, job: FileJob) -> bool:
        """Keep a file for the second attempt; return whether there will be one."""
        if self._accepts:
            self._files.append(job)
        return self._accepts

    def take_directory(self, directory: Directory) -> bool:
        """Keep a directory that cannot be listed; return whether it will be tried again."""
        if self._accepts:
            self._directories.append(directory)
        return self._accepts

    def begin(self) -> tuple[list[FileJob], list[Directory]]:
        """Begin the second attempt, after which there is none: return what was kept for it."""
        self._accepts = False
        return self._files, self._directories


def batches(jobs: Sequence[FileJob]) -> list[list[FileJob]]:
    """Group small files, so that handing over costs little; large ones go by themselves."""
    made: list[list[FileJob]] = []
    gathered_bytes = _BYTES_PER_BATCH
    for job in jobs:
        if gathered_bytes >= _BYTES_PER_BATCH or len(made[-1]) >= _FILES_PER_BATCH:
            made.append([])
            gathered_bytes = 0
        made[-1].append(job)
        gathered_bytes += job.found.status.st_size
    return made

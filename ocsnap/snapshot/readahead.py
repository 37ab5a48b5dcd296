"""Telling the kernel which files will be read soon, so that readers find them in memory.

A cold disk takes long for each small file, and two readers can ask for two at a time only. Asked
for some dozens, it fetches them in the order in which they lie.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from ocsnap.repository.blob import LONGEST_BLOB_BYTES
from ocsnap.snapshot.reach import READING, Reach

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ocsnap.snapshot.postponed import FileJob


def announce(jobs: Iterable[FileJob]) -> None:
    """Have the beginnings of files fetched; returns at once.

    Args:
        jobs: files that will be read soon.
    """
    for job in jobs:
        size_bytes = min(job.found.status.st_size, LONGEST_BLOB_BYTES)
        if size_bytes:
            _announce(job.segment.directory.path + b"/" + job.found.name, size_bytes)


def announce_next(descriptor: int, offset: int) -> None:
    """Have the next part of a file fetched while the one before it is worked on.

    Args:
        descriptor: the file.
        offset: where the next part begins; bytes.
    """
    _advise(descriptor, offset, LONGEST_BLOB_BYTES)


def _announce(path: bytes, size_bytes: int) -> None:
    try:
        with Reach(path) as near:
            descriptor = os.open(near, READING)
    except OSError:
        return  # whoever reads it meets the same, and tells of it
    try:
        _advise(descriptor, 0, size_bytes)
    finally:
        os.close(descriptor)


def _advise(descriptor: int, offset: int, size_bytes: int) -> None:
    # A pipe may have taken the file's place, and a file system may take no advice: neither keeps
    # anybody from reading.
    with suppress(OSError):
        os.posix_fadvise(descriptor, offset, size_bytes, os.POSIX_FADV_WILLNEED)

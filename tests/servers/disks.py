"""Disks that are small, read-only or broken: real ones, which only root may mount."""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FIBMAP: Final = 1
"""ioctl_fslist: the number of the block of a file, for root only (linux/fs.h)."""

FIGETBSZ: Final = 2
IMAGE_BYTES: Final = 48 << 20


@contextmanager
def mounted(folder: Path, *arguments: str) -> Iterator[Path]:
    """Mount something at a new folder; skip the test where that is not allowed."""
    folder.mkdir()
    command = ["mount", *arguments, str(folder)]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("this user, or this container, may not mount")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@contextmanager
def small_disk(folder: Path, size_bytes: int) -> Iterator[Path]:
    """Mount a disk of its own, in memory."""
    options = f"size={size_bytes},mode=700"
    with mounted(folder, "-t", "tmpfs", "-o", options, "ocsnap-test") as disk:
        yield disk


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Make everything in a folder read-only for everybody, root included."""
    if subprocess.run(
        ["mount", "--bind", "-o", "ro", str(folder), str(folder)], check=False, capture_output=True
    ).returncode:
        pytest.skip("this user, or this container, may not mount")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@dataclass
class FailingDisk:
    """A disk that loses everything from some place on: reading there gives EIO.

    Attributes:
        folder: where it is mounted.
        image: the file that stands for the disk.
    """

    folder: Path
    image: Path
    lost: bytes = b""

    def settle(self) -> None:
        """Forget all that was read or written, but keep names and attributes at hand."""
        subprocess.run(["umount", str(self.folder)], check=True)
        self._mount()
        for path, _, names in os.walk(self.folder):
            for name in names:
                os.lstat(os.path.join(path, name))  # noqa: PTH118 # as os.walk gives it

    def break_at(self, file: Path, offset: int) -> None:
        """Lose what lies at a place of a file and, on the disk, behind it."""
        with file.open("rb") as stream:
            (block_bytes,) = struct.unpack("i", fcntl.ioctl(stream, FIGETBSZ, bytes(4)))
            number = struct.pack("i", offset // block_bytes)
            (block,) = struct.unpack("i", fcntl.ioctl(stream, FIBMAP, number))
        assert block > 0, "the file has a block there"
        place = block * block_bytes
        with self.image.open("r+b") as disk:
            disk.seek(place)
            self.lost = disk.read()
            disk.truncate(place)

    def mend(self) -> None:
        """Find again what was lost."""
        with self.image.open("ab") as disk:
            disk.write(self.lost)

    def _mount(self) -> None:
        command = ["mount", "-o", "loop", str(self.image), str(self.folder)]
        if subprocess.run(command, check=False, capture_output=True).returncode:
            pytest.skip("this user, or this container, may not mount a file as a disk")


@contextmanager
def failing_disk(folder: Path) -> Iterator[FailingDisk]:
    """Make an ext4 file system in a file and mount it."""
    folder.mkdir()
    image = folder / "image"
    with image.open("wb") as file:
        file.truncate(IMAGE_BYTES)
    try:
        subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("there is no mkfs.ext4")
    disk = FailingDisk(folder / "disk", image)
    disk.folder.mkdir()
    disk._mount()
    try:
        yield disk
    finally:
        disk.mend()
        subprocess.run(["umount", str(disk.folder)], check=True)

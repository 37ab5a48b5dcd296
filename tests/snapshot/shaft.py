"""Folders deeper than any path may be long."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ocsnap.snapshot.reach import PATH_BYTES

if TYPE_CHECKING:
    from pathlib import Path

LEVELS = 40
NAME = b"d" * 200


class Shaft:
    """Goes down step by step, as programs do that make such folders."""

    def __init__(self, top: Path) -> None:
        self.descriptor = os.open(top, os.O_RDONLY)

    def dig(self, name: bytes) -> None:
        os.mkdir(name, dir_fd=self.descriptor)
        below = os.open(name, os.O_RDONLY, dir_fd=self.descriptor)
        os.close(self.descriptor)
        self.descriptor = below

    def at(self, name: bytes) -> bytes:
        return b"/proc/self/fd/%d/%b" % (self.descriptor, name)

    def write(self, name: bytes, content: bytes) -> None:
        with open(self.at(name), "wb") as file:
            file.write(content)

    def read(self, name: bytes) -> bytes:
        with open(self.at(name), "rb") as file:
            return file.read()

    def close(self) -> None:
        os.close(self.descriptor)


def furnish(shaft: Shaft, level: int) -> None:
    """Put one of everything into the folder that was dug last."""
    shaft.write(b"file", b"at level %d\n" % level * 50)
    shaft.write(b"large", os.urandom(1000) * 300)
    os.setxattr(shaft.at(b"file"), "user.level", b"%d" % level)
    os.setxattr(shaft.at(b"."), "user.folder", b"%d" % level)
    os.link(shaft.at(b"file"), shaft.at(b"other name"))
    os.symlink(b"file", shaft.at(b"link"))
    os.mkfifo(shaft.at(b"pipe"))
    os.mkdir(shaft.at(b"empty"), 0o711)
    with open(shaft.at(b"holes"), "wb") as file:
        file.truncate(1 << 20)
    os.chmod(shaft.at(b"large"), 0o640)
    os.utime(shaft.at(b"file"), ns=(1, -1_234_567_890))


def dig(folder: Path) -> Shaft:
    """Make 8000 bytes of path below a folder, furnished at its beginning, middle and end."""
    shaft = Shaft(folder)
    for level in range(LEVELS):
        shaft.dig(NAME)
        if level in (0, PATH_BYTES // len(NAME), LEVELS - 1):
            furnish(shaft, level)
    return shaft

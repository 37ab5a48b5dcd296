"""A folder that changes as it is told: what users, clients and admins do to files."""

from __future__ import annotations

import errno
import os
import random
import shutil
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from hypothesis import strategies as st

if TYPE_CHECKING:
    from pathlib import Path

MANY_BYTES = 1_200_000
HOLE_BYTES = 256 * 1024


class Garden:
    """The folder; things in it are chosen by number, modulo how many there are."""

    def __init__(self, root: Path) -> None:
        self.root = os.fsencode(root)
        os.mkdir(self.root, 0o755)

    def folders(self) -> list[bytes]:
        return sorted(path for path, _, _ in os.walk(self.root))

    def files(self) -> list[bytes]:
        return [path for path in self.names() if stat.S_ISREG(os.lstat(path).st_mode)]

    def names(self) -> list[bytes]:
        found = []
        for path, folders, files in os.walk(self.root):
            found += [path + b"/" + name for name in (*folders, *files)]
        return sorted(found)

    def free_place(self, folder: int, name: bytes) -> bytes | None:
        """Return a path at which nothing stands yet."""
        folders = self.folders()
        path = folders[folder % len(folders)] + b"/" + name
        return None if os.path.lexists(path) else path


class Change(Protocol):
    """Something that is done to the folder."""

    def apply(self, garden: Garden) -> None:
        """Do it, or nothing where it cannot be done."""


@dataclass(frozen=True)
class MakeFile:
    folder: int
    name: bytes
    size_bytes: int
    seed: int

    def apply(self, garden: Garden) -> None:
        if path := garden.free_place(self.folder, self.name):
            write(path, random.Random(self.seed).randbytes(self.size_bytes))


@dataclass(frozen=True)
class MakeSparse:
    folder: int
    name: bytes
    holes: tuple[bool, ...]

    def apply(self, garden: Garden) -> None:
        if not (path := garden.free_place(self.folder, self.name)):
            return
        with open(path, "wb") as file:
            file.truncate(HOLE_BYTES * len(self.holes))
            for number, hole in enumerate(self.holes):
                if not hole:
                    file.seek(HOLE_BYTES * number)
                    file.write(bytes([number + 1]) * HOLE_BYTES)


@dataclass(frozen=True)
class MakeFolder:
    folder: int
    name: bytes

    def apply(self, garden: Garden) -> None:
        if path := garden.free_place(self.folder, self.name):
            os.mkdir(path)


@dataclass(frozen=True)
class MakeLink:
    folder: int
    name: bytes
    target: bytes

    def apply(self, garden: Garden) -> None:
        if path := garden.free_place(self.folder, self.name):
            os.symlink(self.target, path)


@dataclass(frozen=True)
class MakePipe:
    folder: int
    name: bytes

    def apply(self, garden: Garden) -> None:
        if path := garden.free_place(self.folder, self.name):
            os.mkfifo(path)


@dataclass(frozen=True)
class MakeHardLink:
    file: int
    folder: int
    name: bytes

    def apply(self, garden: Garden) -> None:
        files = garden.files()
        if files and (path := garden.free_place(self.folder, self.name)):
            os.link(files[self.file % len(files)], path)


@dataclass(frozen=True)
class Edit:
    """Cut some bytes out of a file and put others in their place."""

    file: int
    at: float
    cut_bytes: int
    seed: int
    put_bytes: int

    def apply(self, garden: Garden) -> None:
        files = garden.files()
        if not files:
            return
        path = files[self.file % len(files)]
        content = read(path)
        start = int(len(content) * self.at)
        new = random.Random(self.seed).randbytes(self.put_bytes)
        write(path, content[:start] + new + content[start + self.cut_bytes :])


@dataclass(frozen=True)
class OverwriteUnseen:
    """Other content of the same size under the same mtime, in place."""

    file: int
    seed: int

    def apply(self, garden: Garden) -> None:
        if files := garden.files():
            path = files[self.file % len(files)]
            status = os.lstat(path)
            with open(path, "r+b") as file:
                file.write(random.Random(self.seed).randbytes(min(status.st_size, 1000)))
            os.utime(path, ns=(status.st_mtime_ns, status.st_mtime_ns))


@dataclass(frozen=True)
class Move:
    source: int
    folder: int
    name: bytes

    def apply(self, garden: Garden) -> None:
        names = garden.names()
        path = garden.free_place(self.folder, self.name)
        if names and path:
            source = names[self.source % len(names)]
            if not path.startswith(source + b"/"):
                os.rename(source, path)


@dataclass(frozen=True)
class Copy:
    file: int
    folder: int
    name: bytes

    def apply(self, garden: Garden) -> None:
        files = garden.files()
        if files and (path := garden.free_place(self.folder, self.name)):
            shutil.copy2(files[self.file % len(files)], path)


@dataclass(frozen=True)
class Remove:
    number: int

    def apply(self, garden: Garden) -> None:
        if names := garden.names():
            remove(names[self.number % len(names)])


@dataclass(frozen=True)
class Replace:
    """Put something of another kind under the same name."""

    number: int
    kind: str

    def apply(self, garden: Garden) -> None:
        if not (names := garden.names()):
            return
        path = names[self.number % len(names)]
        remove(path)
        if self.kind == "file":
            write(path, b"was something else before")
        elif self.kind == "folder":
            os.mkdir(path)
            write(path + b"/inside", b"of what was something else")
        elif self.kind == "link":
            os.symlink(b"../elsewhere", path)
        else:
            os.mkfifo(path)


@dataclass(frozen=True)
class ChangeMode:
    number: int
    mode: int

    def apply(self, garden: Garden) -> None:
        names = [path for path in garden.names() if not os.path.islink(path)]
        if names:
            path = names[self.number % len(names)]
            # Who is not root must be able to go on.
            os.chmod(path, self.mode | (0o700 if os.path.isdir(path) else 0o600))


@dataclass(frozen=True)
class ChangeOwner:
    number: int
    uid: int
    gid: int

    def apply(self, garden: Garden) -> None:
        names = garden.names()
        if names and os.geteuid() == 0:
            os.lchown(names[self.number % len(names)], self.uid, self.gid)


@dataclass(frozen=True)
class ChangeTime:
    number: int
    mtime_ns: int

    def apply(self, garden: Garden) -> None:
        if names := garden.names():
            path = names[self.number % len(names)]
            os.utime(path, ns=(self.mtime_ns, self.mtime_ns), follow_symlinks=False)


@dataclass(frozen=True)
class ChangeAttribute:
    number: int
    name: bytes
    value: bytes | None

    def apply(self, garden: Garden) -> None:
        names = garden.names()
        names = [path for path in names if os.path.isdir(path) or os.path.isfile(path)]
        names = [path for path in names if not os.path.islink(path)]
        if not names:
            return
        path = names[self.number % len(names)]
        try:
            if self.value is not None:
                os.setxattr(path, self.name, self.value)
            elif os.fsdecode(self.name) in os.listxattr(path):
                os.removexattr(path, self.name)
        except OSError as error:
            if error.errno != errno.ENOTSUP:
                raise


def read(path: bytes) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def write(path: bytes, content: bytes) -> None:
    with open(path, "wb") as file:
        file.write(content)


def remove(path: bytes) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        os.unlink(path)


NUMBERS = st.integers(0, 1000)
SEEDS = st.integers(0, 2**32 - 1)
NAMES = st.one_of(
    st.sampled_from([b"a", b"b", b"letter.odt", b"Documents", b"\xe4\xf6\xfc", b"two\nlines"]),
    st.binary(min_size=1, max_size=20),
    st.binary(min_size=250, max_size=255),
    st.sampled_from(["Ünïcode".encode(), b" ", b"-rf", b"...", b"\\", b"*", b"\xff" * 255]),
).filter(lambda name: name not in (b".", b"..") and b"/" not in name and b"\0" not in name)
TARGETS = st.binary(min_size=1, max_size=60).filter(lambda target: b"\0" not in target)
SIZES = st.one_of(
    st.just(0), st.integers(1, 2000), st.integers(60_000, 70_000), st.integers(70_000, MANY_BYTES)
)
MTIMES = st.integers(-2_000_000_000 * 10**9, 4_000_000_000 * 10**9)

PLANTING = st.one_of(
    st.builds(MakeFile, NUMBERS, NAMES, SIZES, SEEDS),
    st.builds(MakeFile, NUMBERS, NAMES, st.integers(65_000, MANY_BYTES), SEEDS),
    st.builds(MakeSparse, NUMBERS, NAMES, st.tuples(*[st.booleans()] * 3)),
    st.builds(MakeFolder, NUMBERS, NAMES),
    st.builds(MakeLink, NUMBERS, NAMES, TARGETS),
    st.builds(MakePipe, NUMBERS, NAMES),
    st.builds(MakeHardLink, NUMBERS, NUMBERS, NAMES),
)
CHANGES: st.SearchStrategy[Change] = st.one_of(
    PLANTING,
    st.builds(
        Edit,
        NUMBERS,
        st.floats(0, 1),
        st.integers(0, 5000),
        SEEDS,
        st.integers(0, 5000),
    ),
    st.builds(OverwriteUnseen, NUMBERS, SEEDS),
    st.builds(Move, NUMBERS, NUMBERS, NAMES),
    st.builds(Copy, NUMBERS, NUMBERS, NAMES),
    st.builds(Remove, NUMBERS),
    st.builds(Replace, NUMBERS, st.sampled_from(["file", "folder", "link", "pipe"])),
    st.builds(ChangeMode, NUMBERS, st.integers(0, 0o7777)),
    st.builds(ChangeOwner, NUMBERS, st.integers(0, 70_000), st.integers(0, 70_000)),
    st.builds(ChangeTime, NUMBERS, MTIMES),
    st.builds(
        ChangeAttribute,
        NUMBERS,
        st.sampled_from([b"user.a", b"user.oc.etag", b"user.\xe4"]),
        st.one_of(st.none(), st.binary(max_size=200)),
    ),
)

#!/usr/bin/env python3
"""Gets files and database out of an ocsnap repository where there is no ocsnap.

It needs Python 3.8 or later, the programs gpg and zstd, and the repository as a folder: for an S3
bucket, a copy made with any S3 tool. Nothing in the repository is changed.

    python3 ocsnap-rescue.py list REPOSITORY
    python3 ocsnap-rescue.py files REPOSITORY --only data/alice/files
    python3 ocsnap-rescue.py restore REPOSITORY TARGET
    python3 ocsnap-rescue.py restore REPOSITORY TARGET --snapshot 20261101T2030 --only database
    python3 ocsnap-rescue.py check REPOSITORY

TARGET gets the folders config, data with the users' homes, homes for those that lay elsewhere, and
database with the dump. Every blob is compared with its SHA-256. What is damaged is named, all else
is restored; index objects may be missing. What the objects hold stands in format.md beside this.

Licence: Apache 2.0, as the rest of ocsnap.
"""

from __future__ import annotations

import argparse
import base64
import errno
import getpass
import hashlib
import json
import os
import sqlite3
import stat
import struct
import subprocess
import sys
import tempfile
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, BinaryIO, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple
from urllib.parse import quote

FORMAT = 1
ENTRY = (
    "name",
    "mode",
    "uid",
    "gid",
    "mtime_ns",
    "ctime_ns",
    "inode",
    "size_bytes",
    "links",
    "xattrs",
    "content",
    "extents",
    "signature",
    "target",
    "subtree",
    "entries",
    "device",
    "sparse",
    "unsteady",
    "signed",
)
DEFAULTS = {
    "entries": 0,
    "size_bytes": 0,
    "links": 1,
    "content": None,
    "target": b"",
    "sparse": False,
}
PIECES_PER_BATCH = 100_000
HOLE_BYTES = 64 * 1024
SHA256_DIGITS = 64
SPARE_ENTRIES = 10_000
TRAILER_MAGIC = b"ocsnapP1"
NEAR_BYTES = os.pathconf("/", "PC_PATH_MAX") - 300
LONGEST_PATH_BYTES = 64 * 1024
KINDS = ("packs", "meta")
REFUSALS = (
    *(errno.ENOTSUP, errno.ENOSYS, errno.EPERM, errno.EACCES, errno.EINVAL),
    *(errno.E2BIG, errno.ERANGE, errno.ENOSPC),
)

Entry = Dict[str, Any]


class Damaged(Exception):
    """Something in the repository is not what was stored there."""


class Stop(Exception):
    """Nothing can be done; the sentence says why."""


def say(text: str) -> None:
    """Print a line; what a terminal would obey is written as an escape."""
    line = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    print(line.encode("utf-8", "backslashreplace").decode(), flush=True)


# -- MessagePack (https://github.com/msgpack/msgpack/blob/master/spec.md) --------------------------

_NUMBERS = {
    0xCA: ">f",
    0xCB: ">d",
    0xCC: ">B",
    0xCD: ">H",
    0xCE: ">I",
    0xCF: ">Q",
    0xD0: ">b",
    0xD1: ">h",
    0xD2: ">i",
    0xD3: ">q",
}
_LENGTHS = {
    0xC4: ("bin", ">B"),
    0xC5: ("bin", ">H"),
    0xC6: ("bin", ">I"),
    0xD9: ("str", ">B"),
    0xDA: ("str", ">H"),
    0xDB: ("str", ">I"),
    0xDC: ("array", ">H"),
    0xDD: ("array", ">I"),
    0xDE: ("map", ">H"),
    0xDF: ("map", ">I"),
}
_CONSTANTS = {0xC0: None, 0xC2: False, 0xC3: True}
_DEEPEST = 100


class MessagePack:
    """Decodes one value."""

    def __init__(self, data: bytes) -> None:
        """Begin at the first byte of `data`."""
        self.data = data
        self.at = 0

    def value(self, depth: int = 0) -> Any:  # noqa: ANN401, PLR0911 - a value of any type
        """Return the next value."""
        first = self.take(1)[0]
        if depth > _DEEPEST:
            raise Damaged("MessagePack that is nested too deeply")
        if first < 0x80:
            return first
        if first >= 0xE0:
            return first - 0x100
        if first in _CONSTANTS:
            return _CONSTANTS[first]
        if first in _NUMBERS:
            return self.number(_NUMBERS[first])
        if first < 0x90:
            return self.many("map", first & 0x0F, depth)
        if first < 0xA0:
            return self.many("array", first & 0x0F, depth)
        if first < 0xC0:
            return self.many("str", first & 0x1F, depth)
        if first in _LENGTHS:
            kind, form = _LENGTHS[first]
            return self.many(kind, self.number(form), depth)
        raise Damaged(f"the byte {first:#x}, which this MessagePack should not have")

    def many(self, kind: str, length: int, depth: int) -> Any:  # noqa: ANN401 - as above
        """Return what has a length."""
        if kind == "bin":
            return self.take(length)
        if kind == "str":
            return self.take(length).decode("utf-8")
        if kind == "array":
            return [self.value(depth + 1) for _ in range(length)]
        pairs = [(self.value(depth + 1), self.value(depth + 1)) for _ in range(length)]
        return dict(pairs)

    def number(self, form: str) -> Any:  # noqa: ANN401 - int or float
        """Return a number of a fixed width."""
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def take(self, length: int) -> bytes:
        """Return the next bytes."""
        end = self.at + length
        if end > len(self.data):
            raise Damaged("MessagePack that breaks off")
        taken = self.data[self.at : end]
        self.at = end
        return taken


def unpacked(data: bytes) -> Any:  # noqa: ANN401 - as above
    """Return the value that a MessagePack document holds."""
    try:
        return MessagePack(data).value()
    except (UnicodeDecodeError, TypeError) as error:
        raise Damaged(f"MessagePack that cannot be read: {error}") from error


# -- the two programs ------------------------------------------------------------------------------


class Gpg:
    """Decrypts objects with gpg, whose password goes through a pipe and stands nowhere else."""

    def __init__(self, program: str, home: Optional[str], passphrase: Optional[str]) -> None:
        """Keep how to call it."""
        self.passphrase = passphrase
        self.command = [program, "--batch", "--quiet", "--no-tty", "--status-fd", "2"]
        if home:
            self.command += ["--homedir", home]
        if passphrase is not None:
            self.command += ["--pinentry-mode", "loopback", "--passphrase-fd", "0"]

    def decrypt(self, path: Path) -> Tuple[bytes, bool, List[str]]:
        """Decrypt a file.

        Returns:
            What came out; whether it is whole; what gpg said about it.
        """
        secret = b"" if self.passphrase is None else self.passphrase.encode() + b"\n"
        try:
            done = subprocess.run(
                [*self.command, "--decrypt", str(path.absolute())],
                input=secret,
                capture_output=True,
                check=False,
            )
        except OSError as error:
            raise Stop(f"{self.command[0]} cannot be run: {error.strerror}.") from error
        said = done.stderr.decode("utf-8", "replace").splitlines()
        # An unknown signer is no failure to decrypt, so the exit status says too little.
        whole = any(line.startswith("[GNUPG:] DECRYPTION_OKAY") for line in said)
        return done.stdout, whole, said


def inflated(program: str, frames: bytes) -> bytes:
    """Return the content of zstd frames, one after the other; less where they are damaged."""
    with tempfile.TemporaryFile() as source:
        source.write(frames)
        source.seek(0)
        try:
            done = subprocess.run(
                [program, "--decompress", "--stdout", "--quiet"],
                stdin=source,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                check=False,
            )
        except OSError as error:
            raise Stop(f"{program} cannot be run: {error.strerror}.") from error
    return done.stdout


def inflating(program: str, frames: bytes, sizes: Sequence[int]) -> Iterator[bytes]:
    """Yield the contents of zstd frames, without holding all of them in memory."""
    with tempfile.TemporaryFile() as source:
        source.write(frames)
        source.seek(0)
        with subprocess.Popen(
            [program, "--decompress", "--stdout", "--quiet"],
            stdin=source,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as process:
            if process.stdout is None:
                raise AssertionError("no pipe was made")
            for size in sizes:
                yield process.stdout.read(size)


# -- the repository --------------------------------------------------------------------------------


class Frame(NamedTuple):
    """Where a blob lies in a decrypted pack."""

    blob: bytes
    offset: int
    frame_bytes: int
    raw_bytes: int


class Repository:
    """A folder with the objects."""

    def __init__(self, folder: Path, gpg: Gpg, zstd: str) -> None:
        """Keep where things are; nothing is read yet."""
        self.folder = folder
        self.gpg = gpg
        self.zstd = zstd
        self.damages: Dict[str, str] = {}
        self.index = sqlite3.connect("")  # a file of its own, which is removed at the end
        self.index.executescript(
            "CREATE TABLE pack (number INTEGER PRIMARY KEY, name TEXT UNIQUE);"
            "CREATE TABLE blob (pack INT, id BLOB, offset INT, frame_bytes INT, raw_bytes INT);"
            "CREATE INDEX blob_id ON blob (id);"
        )
        self.read_index = False
        self.read_trailers = False
        self.latest: Tuple[str, bytes] = ("", b"")

    def names(self, kind: str) -> List[str]:
        """Return the names of the objects of one kind, sorted."""
        found = (self.folder / kind).glob("**/*.gpg")
        return sorted(path.relative_to(self.folder).as_posix() for path in found)

    def damaged(self, name: str, reason: str) -> None:
        """Note an object that is not as it was stored."""
        if name not in self.damages:
            self.damages[name] = reason
            say(f"DAMAGED {name}: {reason}")

    def is_whole(self, name: str) -> bool:
        """Return whether an object has the SHA-256 that its name says."""
        digest = hashlib.sha256()
        try:
            with open(str(self.folder / name), "rb") as file:
                for chunk in iter(lambda: file.read(1 << 20), b""):
                    digest.update(chunk)
        except OSError as error:
            self.damaged(name, error.strerror or str(error))
            return False
        if digest.hexdigest() != promised(name):
            self.damaged(name, "it is not what was stored")
            return False
        return True

    def decrypted(self, name: str) -> bytes:
        """Return what an object holds, also a part of it where it is damaged."""
        self.is_whole(name)
        if not (self.folder / name).exists():
            raise Damaged(f"{name} is missing")
        plain, whole, said = self.gpg.decrypt(self.folder / name)
        if not whole:
            self.damaged(name, words(said))
        if not plain:
            raise Damaged(f"{name}: {words(said)}")
        return plain

    def pack(self, name: str) -> bytes:
        """Return a decrypted pack; the latest one is kept, for neighbours lie together."""
        if self.latest[0] != name:
            self.latest = (name, self.decrypted(name))
        return self.latest[1]

    # -- which blob lies where ---------------------------------------------------------------------

    def learn_index(self) -> None:
        """Read all index objects that can be read."""
        self.read_index = True
        for name in self.names("index"):
            try:
                document = unpacked(inflated(self.zstd, self.decrypted(name)))
                if document[0] != FORMAT:
                    raise Damaged(f"its format is {document[0]}")
                for pack, kind, _, _, blobs, *_ in document[1]:
                    digest = pack.hex()
                    frames = [Frame(*blob[:4]) for blob in blobs]
                    self.add(f"{kind}/{digest[:2]}/{digest}.gpg", frames)
            except (Damaged, TypeError, ValueError, IndexError, AttributeError) as error:
                self.damaged(name, str(error))
        self.index.commit()

    def learn_trailers(self) -> None:
        """Read the trailers of all packs that no index lists: slow, but it needs no index."""
        self.read_trailers = True
        known = {name for (name,) in self.index.execute("SELECT name FROM pack")}
        unknown = [name for kind in KINDS for name in self.names(kind) if name not in known]
        if unknown:
            say(f"The index is not whole: reading {len(unknown)} packs that it does not list.")
        for name in unknown:
            try:
                self.add(name, trailer(self.pack(name), self.zstd))
            except (Damaged, TypeError, ValueError) as error:
                self.damaged(name, str(error))
        self.index.commit()

    def add(self, name: str, frames: List[Frame]) -> None:
        """Note what lies in a pack."""
        cursor = self.index.execute("INSERT OR IGNORE INTO pack (name) VALUES (?)", (name,))
        if cursor.rowcount:
            rows = [(cursor.lastrowid, *frame) for frame in frames]
            self.index.executemany("INSERT INTO blob VALUES (?, ?, ?, ?, ?)", rows)

    def find(self, blob: bytes) -> List[Tuple[str, Frame]]:
        """Return all places of a blob: packs that are here first."""
        sql = (
            "SELECT pack.name, blob.id, offset, frame_bytes, raw_bytes FROM blob"
            " JOIN pack ON pack.number = blob.pack WHERE blob.id = ?"
        )
        if not self.read_index:
            self.learn_index()
        places = self._places(sql, blob)
        if not places and not self.read_trailers:
            self.learn_trailers()
            places = self._places(sql, blob)
        return places

    def _places(self, sql: str, blob: bytes) -> List[Tuple[str, Frame]]:
        rows = [(row[0], Frame(*row[1:])) for row in self.index.execute(sql, (blob,))]
        return sorted(rows, key=lambda row: not (self.folder / row[0]).exists())

    # -- blobs -------------------------------------------------------------------------------------

    def blob(self, blob: bytes) -> bytes:
        """Return a blob."""
        reason = "the repository has not all of it"
        for name, frame in self.find(blob):
            try:
                return self.cut(self.pack(name), frame)
            except Damaged as error:
                reason = str(error)
        raise Damaged(reason)

    def cut(self, plain: bytes, frame: Frame) -> bytes:
        """Return a blob out of a pack, even if the pack is damaged elsewhere."""
        data = inflated(self.zstd, plain[frame.offset : frame.offset + frame.frame_bytes])
        if hashlib.sha256(data).digest() != frame.blob:
            raise Damaged(f"the blob {frame.blob.hex()} is damaged")
        return data

    def blobs(self, name: str, frames: List[Frame]) -> Iterator[Tuple[bytes, Optional[bytes]]]:
        """Yield several blobs of one pack; None for one that is lost there."""
        try:
            plain = self.pack(name)
        except Damaged as error:
            self.damaged(name, str(error))
            plain = b""
        cut = b"".join(plain[f.offset : f.offset + f.frame_bytes] for f in frames)
        contents = inflating(self.zstd, cut, [f.raw_bytes for f in frames])
        for frame, data in zip(frames, contents):
            found: Optional[bytes] = data
            if hashlib.sha256(data).digest() != frame.blob:
                # One damaged frame makes zstd stop; each by itself those after it come out.
                found = self._elsewhere(plain, frame)
            yield frame.blob, found

    def _elsewhere(self, plain: bytes, frame: Frame) -> Optional[bytes]:
        try:
            return self.cut(plain, frame)
        except Damaged:
            try:
                return self.blob(frame.blob)
            except Damaged:
                return None

    # -- snapshots and trees -----------------------------------------------------------------------

    def snapshots(self) -> Iterator[Tuple[str, Dict[str, Any], str]]:
        """Yield name, content and signer of all snapshots that can be read, oldest first."""
        for name in self.names("snapshots"):
            self.is_whole(name)
            plain, whole, said = self.gpg.decrypt(self.folder / name)
            try:
                if not whole:
                    raise Damaged(words(said))
                snapshot = json.loads(plain.decode("utf-8"))
                if snapshot["format"] != FORMAT:
                    raise Damaged(f"its format is {snapshot['format']}: use a newer script")
            except (Damaged, ValueError, KeyError, TypeError) as error:
                self.damaged(name, str(error))
                continue
            yield name, snapshot, signer(said)

    def listing(self, entry: Entry) -> List[Entry]:
        """Return the entries of a directory."""
        found = []
        for part in entry["subtree"]:
            document = unpacked(self.blob(part))
            if document[0] != FORMAT:
                raise Damaged(f"a listing has the format {document[0]}: use a newer script")
            found += [named(listed) for listed in document[1]]
        for child in found:
            name = child["name"]
            if name in (b"", b".", b"..") or b"/" in name or b"\0" in name:
                raise Damaged(f"a listing has the illegal name {name!r}")
        return found


def named(listed: List[Any]) -> Entry:
    """Return an entry by the names of its fields."""
    entry: Entry = dict(DEFAULTS, xattrs=[], extents=[], subtree=[])
    entry.update(zip(ENTRY, listed))
    return entry


def promised(name: str) -> str:
    """Return the SHA-256 that an object's name promises."""
    stem = name.rpartition("/")[2]
    return stem[:64] if name.startswith("rescue/") else stem[: -len(".gpg")][-64:]


def signer(said: Sequence[str]) -> str:
    """Return whose signature gpg found good, from what it said."""
    marks = [line.split() for line in said if line.startswith("[GNUPG:] ")]
    good = [mark[2] for mark in marks if mark[1] == "VALIDSIG"]
    unknown = [mark[2] for mark in marks if mark[1] in ("ERRSIG", "BADSIG")]
    if good:
        return f"signed by {good[0]}"
    return f"NOT PROVEN: signature of {unknown[0]}" if unknown else ""


def words(said: Sequence[str]) -> str:
    """Return the last thing that gpg said to people."""
    lines = [line for line in said if line and not line.startswith("[GNUPG:]")]
    return lines[-1] if lines else "gpg cannot decrypt it"


def trailer(plain: bytes, zstd: str) -> List[Frame]:
    """Return what the end of a pack says of what lies in it."""
    if plain[-8:] != TRAILER_MAGIC or len(plain) < 20:
        raise Damaged("it has no trailer at its end")
    (length,) = struct.unpack("<I", plain[-12:-8])
    listed = unpacked(inflated(zstd, plain[-12 - length : -12]))
    return [Frame(*blob[:4]) for blob in listed]


def pieces(entry: Entry) -> List[Tuple[bytes, int, int]]:
    """Return blob, offset and length of all that makes up a file."""
    if not entry["extents"] and entry["content"]:
        return [(entry["content"], 0, entry["size_bytes"])]
    return [(extent[0], extent[1], extent[2]) for extent in entry["extents"]]


# -- where things go -------------------------------------------------------------------------------


def roots(snapshot: Dict[str, Any]) -> Iterator[Tuple[bytes, Entry]]:
    """Yield the trees of a snapshot with their places below the target, outer ones first."""
    data_dir = os.fsencode(snapshot["owncloud"]["data_dir"]).rstrip(b"/") + b"/"
    order = [(root["kind"] != "data", base64.b64decode(root["path"])) for root in snapshot["roots"]]
    for (_, path), root in sorted(zip(order, snapshot["roots"]), key=lambda pair: pair[0]):
        entry = named(root["entry"])
        entry["xattrs"] = [tuple(map(base64.b64decode, pair)) for pair in entry["xattrs"]]
        entry["subtree"] = [base64.b64decode(blob) for blob in entry["subtree"]]
        place = os.fsencode(root["kind"])
        if root["kind"] == "home":
            inside = path.startswith(data_dir) and b".." not in path.split(b"/")
            below = path[len(data_dir) :] if inside else b""
            place = b"data/" + below if inside else b"homes/" + os.fsencode(quote(root["name"], ""))
        yield place, entry


def leads_to(path: bytes, only: bytes) -> bool:
    """Return whether a path is wanted, or lies above what is."""
    return is_below(path, only) or is_below(only, path)


def is_below(path: bytes, folder: bytes) -> bool:
    """Return whether a path is a folder or lies in it; all do in the empty one."""
    return not folder or path == folder or path.startswith(folder + b"/")


# -- paths that are longer than the system takes ---------------------------------------------------


class Near:
    """A path that the system takes: a very long one is gone down, and named from down there."""

    def __init__(self, path: bytes) -> None:
        """Take an absolute path."""
        self.path = path
        self.home = -1

    def __enter__(self) -> bytes:
        """Go there, if that is needed."""
        if len(self.path) < NEAR_BYTES:
            return self.path
        self.home = os.open(".", os.O_RDONLY)
        rest = self.path
        try:
            while len(rest) >= NEAR_BYTES:
                step = rest.rfind(b"/", 1, NEAR_BYTES)
                if step < 0:
                    raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
                os.chdir(rest[:step])
                rest = rest[step + 1 :]
        except OSError:
            self.__exit__()
            raise
        return rest

    def __exit__(self, *_: object) -> None:
        """Go back."""
        if self.home >= 0:
            os.fchdir(self.home)
            os.close(self.home)
            self.home = -1


# -- restoring -------------------------------------------------------------------------------------


class File:
    """A regular file that is being put together."""

    __slots__ = ("entry", "missing", "path")

    def __init__(self, path: bytes, entry: Entry, missing: int) -> None:
        """Begin with nothing."""
        self.path = path
        self.entry = entry
        self.missing = missing


class Restore:
    """Builds the folders: names first, contents pack by pack, directories' times last."""

    def __init__(self, repository: Repository, target: bytes, only: bytes) -> None:
        """Restore below `target` what lies below the path `only` there."""
        self.repository = repository
        self.target = target
        self.only = only
        self.owners = os.geteuid() == 0
        self.files = self.size_bytes = self.waiting = 0
        self.found = False
        self.failed: List[bytes] = []
        self.left_out: List[bytes] = []
        self.directories: List[Tuple[bytes, Entry]] = []
        self.links: List[Tuple[bytes, bytes]] = []
        self.specials: List[Tuple[bytes, Entry]] = []
        self.first_names: Dict[Tuple[int, Any], bytes] = {}
        self.needs: Dict[str, Dict[Frame, List[Tuple[File, int, int, int]]]] = {}
        self.refused: Dict[str, bytes] = {}

    def run(self, snapshot: Dict[str, Any]) -> None:
        """Restore a snapshot."""
        for place, entry in roots(snapshot):
            if leads_to(place, self.only):
                self.found = self.found or is_below(place, self.only)
                self.first_names = {}  # inode numbers say nothing across file systems
                os.makedirs(os.path.dirname(self.target + b"/" + place), 0o700, exist_ok=True)
                self.make_names(place, entry)
        self.write_contents()
        for path, entry in self.specials:
            self.make_special(path, entry)
        for path, first in self.links:
            self.link(path, first)
        for path, entry in reversed(self.directories):
            self.dress(path, entry)

    def make_names(self, root: bytes, directory: Entry) -> None:
        """Make the directories of a tree, and plan its files."""
        above = [(root, directory)]
        # A few directories that list one another would make more entries than any disk takes.
        left = 2 * directory["entries"] + SPARE_ENTRIES
        while above:
            place, entry = above.pop()
            path = self.target + b"/" + place
            if len(path) > LONGEST_PATH_BYTES:
                self.fail(path, "it lies too deep")
                continue
            with Near(path) as near:
                os.mkdir(near, 0o700)
            self.directories.append((path, entry))
            try:
                children = self.repository.listing(entry)
            except Damaged as error:
                self.fail(path, f"its listing is lost: {error}")
                continue
            left -= len(children)
            if left < 0:
                raise Stop(f"{os.fsdecode(path)}: the tree is far larger than its snapshot says.")
            for child in children:
                below = place + b"/" + child["name"]
                if stat.S_ISDIR(child["mode"]):
                    if leads_to(below, self.only):
                        self.found = self.found or is_below(below, self.only)
                        self.files += 1
                        above.append((below, child))
                elif is_below(below, self.only):
                    self.found = True
                    self.files += 1
                    self.plan(self.target + b"/" + below, child)

    def plan(self, path: bytes, entry: Entry) -> None:
        """Note where the content of a file comes from."""
        if not stat.S_ISREG(entry["mode"]):
            self.specials.append((path, entry))
            return
        if entry["links"] > 1:
            first = self.first_names.setdefault((entry["inode"], entry["content"]), path)
            if first is not path:
                self.links.append((path, first))
                return
        parts = pieces(entry)
        file = File(path, entry, len(parts))
        places = [self.repository.find(blob) for blob, _, _ in parts]
        if not all(places):
            self.fail(path, "the repository has not all of its content")
            return
        with self.create(path) as made:
            made.truncate(entry["size_bytes"])
        at = 0
        for found, (_, offset, length) in zip(places, parts):
            name, frame = found[0]
            needed = self.needs.setdefault(name, {})
            needed.setdefault(frame, []).append((file, at, offset, length))
            at += length
        if not parts:
            self.finish(file)
        self.waiting += len(parts)
        if self.waiting >= PIECES_PER_BATCH:
            self.write_contents()

    def create(self, path: bytes) -> BinaryIO:
        """Make a new file; nothing that stands there is ever written to."""
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        with Near(path) as near:
            return os.fdopen(os.open(near, flags, 0o600), "r+b")

    def write_contents(self) -> None:
        """Write all that was planned; each pack is read once for all files."""
        for number, (name, needed) in enumerate(sorted(self.needs.items()), 1):
            if sys.stderr.isatty():
                sys.stderr.write(f"\rpack {number} of {len(self.needs)} ")
            for frame, (blob, data) in zip(needed, self.repository.blobs(name, list(needed))):
                if blob != frame.blob:
                    raise AssertionError("blobs come in the order in which they were asked for")
                for file, at, offset, length in needed[frame]:
                    self.write(file, at, None if data is None else data[offset : offset + length])
                    if data is not None and len(data) < offset + length:
                        self.give_up(file, "its parts do not fit into their blobs")
        self.needs = {}
        self.waiting = 0

    def write(self, file: File, at: int, data: Optional[bytes]) -> None:
        """Write a piece of a file; the last one finishes it."""
        if file.missing < 0:
            return
        if data is None:
            self.give_up(file, "a part of its content is damaged")
            return
        with Near(file.path) as near, open(near, "r+b") as made:
            for start in range(0, len(data), HOLE_BYTES):
                part = data[start : start + HOLE_BYTES]
                if any(part) or not file.entry["sparse"]:
                    made.seek(at + start)
                    made.write(part)
        file.missing -= 1
        if not file.missing:
            self.finish(file)

    def finish(self, file: File) -> None:
        """Compare a file with its SHA-256, and give it its owner, mode and times."""
        if file.entry["extents"]:
            digest = hashlib.sha256()
            with Near(file.path) as near, open(near, "rb") as made:
                for chunk in iter(lambda: made.read(1 << 20), b""):
                    digest.update(chunk)
            if digest.digest() != file.entry["content"]:
                self.give_up(file, "its parts do not make up its content")
                return
        self.size_bytes += file.entry["size_bytes"]
        self.dress(file.path, file.entry)

    def give_up(self, file: File, reason: str) -> None:
        """Remove what there is of a file: half a file is worse than none."""
        if file.missing >= 0:
            file.missing = -1
            with Near(file.path) as near:
                os.unlink(near)
            self.fail(file.path, reason)

    def fail(self, path: bytes, reason: str) -> None:
        """Note a path that is lost."""
        self.failed.append(path)
        say(f"LOST {os.fsdecode(path)}: {reason}")

    def make_special(self, path: bytes, entry: Entry) -> None:
        """Make a symbolic link or a named pipe; sockets and devices are left out."""
        with Near(path) as near:
            if stat.S_ISLNK(entry["mode"]):
                os.symlink(entry["target"], near)
            elif stat.S_ISFIFO(entry["mode"]):
                os.mkfifo(near, 0o600)
            else:
                self.left_out.append(path)
                say(f"Left out, a socket or a device: {os.fsdecode(path)}")
                return
        self.dress(path, entry)

    def link(self, path: bytes, first: bytes) -> None:
        """Make a further name of a file."""
        with Near(first) as old:
            there = os.path.lexists(old)
            beside = os.open(".", os.O_RDONLY)
        try:
            if there:
                with Near(path) as new:
                    os.link(old, new, src_dir_fd=beside, follow_symlinks=False)
            else:
                self.fail(path, "the file that it is a hard link to is damaged")
        finally:
            os.close(beside)

    def dress(self, path: bytes, entry: Entry) -> None:
        """Give owner, attributes, mode and times, in the order in which none undoes another."""
        refused = []
        with Near(path) as near:
            if self.owners and not accepted(near, os.chown, entry["uid"], entry["gid"]):
                refused.append("owner")
            for name, value in entry["xattrs"]:
                if not accepted(near, os.setxattr, name, value):
                    refused.append(f"attribute {os.fsdecode(name)}")
            if not stat.S_ISLNK(entry["mode"]):
                os.chmod(near, stat.S_IMODE(entry["mode"]))
            os.utime(near, ns=(entry["mtime_ns"], entry["mtime_ns"]), follow_symlinks=False)
        for what in refused:
            if self.refused.setdefault(what, path) is path:
                say(f"{os.fsdecode(path)}: its {what} cannot be set here; others are not told.")


def accepted(path: bytes, change: Any, *arguments: Any) -> bool:  # noqa: ANN401
    """Try what not every file system takes."""
    try:
        change(path, *arguments, follow_symlinks=False)
    except OSError as error:
        if error.errno not in REFUSALS:
            raise
        return False
    return True


# -- commands --------------------------------------------------------------------------------------


def chosen(repository: Repository, wanted: str) -> Tuple[str, Dict[str, Any]]:
    """Return the latest snapshot, or the latest whose name or id begins as `wanted` says."""
    found = [(name, snapshot) for name, snapshot, _ in repository.snapshots()]
    found.sort(key=lambda pair: pair[1]["started"])
    if wanted != "latest":
        found = [
            (name, snapshot)
            for name, snapshot in found
            if name.partition("/")[2].startswith(wanted) or promised(name).startswith(wanted)
        ]
    if not found:
        raise Stop(
            f"No snapshot {wanted} can be read. Is the passphrase right, or does gpg have the"
            " secret key? See: list."
        )
    return found[-1]


def list_snapshots(repository: Repository, options: argparse.Namespace) -> int:
    """List the snapshots, oldest first."""
    del options
    for name, snapshot, signed in repository.snapshots():
        cloud = snapshot["owncloud"]
        size = sum(root["size_bytes"] for root in snapshot["roots"])
        homes = [root["name"] for root in snapshot["roots"] if root["kind"] == "home"]
        say(name.partition("/")[2])
        say(f"    {shown(snapshot['started'])} UTC, ownCloud {cloud['version']} in {cloud['root']}")
        say(f"    {size} bytes, {len(homes)} homes, {cloud['database_kind']} database {signed}")
        if snapshot["errors"]:
            say(f"    {snapshot['errors']} files were not, or not wholly, read by that backup")
    return 1 if repository.damages else 0


def shown(seconds: float) -> str:
    """Return a time as people read it, in UTC."""
    try:
        return f"{datetime.fromtimestamp(seconds, timezone.utc):%Y-%m-%d %H:%M:%S}"
    except (ValueError, OverflowError, OSError):
        return f"{seconds:19.0f}"


def list_files(repository: Repository, options: argparse.Namespace) -> int:
    """List the files of a snapshot: mode, size, time, path."""
    _, snapshot = chosen(repository, options.snapshot)
    only = os.fsencode(options.only.strip("/"))
    above = [pair for pair in roots(snapshot) if leads_to(pair[0], only)]
    while above:
        place, entry = above.pop()
        if is_below(place, only):
            line = f"{stat.filemode(entry['mode'])} {entry['size_bytes']:>14}"
            say(f"{line} {shown(entry['mtime_ns'] // 10**9)} {os.fsdecode(place)}")
        if not stat.S_ISDIR(entry["mode"]):
            continue
        try:
            below = [(place + b"/" + child["name"], child) for child in repository.listing(entry)]
        except Damaged as error:
            say(f"LOST {os.fsdecode(place)}: its listing is lost: {error}")
            repository.damages[os.fsdecode(place)] = str(error)
            continue
        above += [pair for pair in reversed(below) if leads_to(pair[0], only)]
    return 1 if repository.damages else 0


def restore(repository: Repository, options: argparse.Namespace) -> int:
    """Restore a snapshot, or a part of it, into a new or empty folder."""
    target = os.path.abspath(os.fsencode(options.target))
    if os.path.isdir(target) and os.listdir(target):
        raise Stop(f"{options.target} is not empty.")
    name, snapshot = chosen(repository, options.snapshot)
    say(f"Restoring {name} to {options.target}")
    os.makedirs(target, 0o700, exist_ok=True)
    run = Restore(repository, target, os.fsencode(options.only.strip("/")))
    run.run(snapshot)
    say(f"Restored {run.files} entries, {run.size_bytes} bytes of content.")
    if not run.found:
        say("Nothing there has that name. See: files.")
        return 1
    if not run.owners:
        say("Owners were not set: only root may.")
    if run.failed:
        say(f"{len(run.failed)} entries are lost, each named in a line that begins with LOST.")
    return 1 if run.failed else 0


def check(repository: Repository, options: argparse.Namespace) -> int:
    """Compare every object with the SHA-256 in its name; for this no key is needed."""
    del options
    folders = sorted(path.name for path in repository.folder.iterdir() if path.is_dir())
    names = [name for folder in folders for name in repository.names(folder)]
    names += [f"rescue/{path.name}" for path in sorted((repository.folder / "rescue").glob("*"))]
    names = [name for name in names if len(promised(name)) == SHA256_DIGITS]
    whole = sum(repository.is_whole(name) for name in names)
    say(f"{whole} of {len(names)} objects are as they were stored.")
    return 0 if names and whole == len(names) else 1


def arguments() -> argparse.ArgumentParser:
    """Return what the command line may hold."""
    how = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=how)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name, run in (
        ("list", list_snapshots),
        ("files", list_files),
        ("restore", restore),
        ("check", check),
    ):
        command = commands.add_parser(name, help=run.__doc__, description=run.__doc__)
        command.set_defaults(run=run)
        command.add_argument("repository", help="folder with ocsnap.json")
        if name == "restore":
            command.add_argument("target", help="a new or empty folder")
        if name in ("files", "restore"):
            command.add_argument(
                "--snapshot", default="latest", help="begin of its name as listed, or of its id"
            )
            command.add_argument("--only", default="", help="path as `files` shows it")
        command.add_argument("--passphrase-file", help="file whose first line is the passphrase")
        command.add_argument("--gpg-home", help="GnuPG's folder, in place of ~/.gnupg")
        command.add_argument("--gpg", default="gpg", help="the program gpg")
        command.add_argument("--zstd", default="zstd", help="the program zstd")
    return parser


def passphrase(options: argparse.Namespace, folder: Path) -> Optional[str]:
    """Return the passphrase; None where gpg has a secret key, or asks by itself."""
    if options.passphrase_file:
        text = Path(options.passphrase_file).read_bytes().decode("utf-8")
        return text.partition("\n")[0].rstrip("\r")
    if options.command == "check":
        return None
    try:
        cipher = json.loads((folder / "ocsnap.json").read_text("utf-8"))["cipher"]
    except (OSError, ValueError, KeyError, TypeError):
        say("ocsnap.json cannot be read; going on without it.")
        return None
    return getpass.getpass("Passphrase: ") if cipher == "passphrase" else None


def main() -> int:
    """Run a command."""
    parser = arguments()
    options = parser.parse_args()
    if options.command is None:
        parser.print_help()
        return 2
    folder = Path(options.repository)
    if not (folder / "snapshots").is_dir():
        say(f"{folder} has no folder `snapshots`: it is no copy of a repository.")
        return 2
    try:
        gpg = Gpg(options.gpg, options.gpg_home, passphrase(options, folder))
        status: int = options.run(Repository(folder, gpg, options.zstd), options)
    except Stop as stop:
        say(str(stop))
        return 2
    except OSError as error:
        say(f"{error.filename or 'A file'}: {error.strerror}.")
        return 2
    return status


if __name__ == "__main__":
    sys.exit(main())

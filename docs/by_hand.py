"""Gets a snapshot out of an ocsnap repository without ocsnap.

    apt-get install gnupg python3-msgpack python3-zstandard
    python3 by_hand.py REPOSITORY SNAPSHOT TARGET [OPTION OF GPG ...]

REPOSITORY is a folder: for an S3 bucket, a copy made with any S3 tool. SNAPSHOT is the name of a
file in its folder snapshots/. TARGET is a new folder: files come below it under their old paths,
the database's dump into its folder `database`. The options go to gpg, for example
--pinentry-mode loopback --passphrase-file FILE. What each thing means stands in format.md.
"""

from __future__ import annotations

import base64
import functools
import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgpack
import zstandard

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
)


class Repository:
    """Finds blobs."""

    def __init__(self, folder: Path, gpg_options: list[str]) -> None:
        """Read all index objects."""
        self.folder = folder
        self.gpg = ["gpg", "--batch", "--quiet", *gpg_options, "--decrypt"]
        self.places: dict[bytes, tuple[Path, int, int]] = {}
        for path in folder.glob("index/*.gpg"):
            _, packs = msgpack.unpackb(unpacked(self.decrypted(path)))
            for pack, kind, _, _, blobs in packs:
                name = folder / kind / pack.hex()[:2] / f"{pack.hex()}.gpg"
                for blob, offset, frame_bytes, _ in blobs:
                    self.places[blob] = (name, offset, offset + frame_bytes)

    def decrypted(self, path: Path) -> bytes:
        """Return what an object holds."""
        return subprocess.run([*self.gpg, path], check=True, stdout=subprocess.PIPE).stdout

    @functools.lru_cache(maxsize=4)  # noqa: B019 - there is one repository, until the end
    def pack(self, path: Path) -> bytes:
        """Return a decrypted pack; the last ones are kept, for neighbours lie together."""
        return self.decrypted(path)

    def blob(self, name: bytes) -> bytes:
        """Return a blob."""
        path, start, end = self.places[name]
        return unpacked(self.pack(path)[start:end])


def unpacked(frame: bytes) -> bytes:
    """Return the content of a zstd frame."""
    return zstandard.ZstdDecompressor().decompress(frame)


def restore(repository: Repository, entry: dict[str, Any], path: bytes) -> None:
    """Restore an entry and what lies below it."""
    mode = entry["mode"]
    if stat.S_ISDIR(mode):
        os.makedirs(path, exist_ok=True)
        for part in entry["subtree"]:
            for listed in msgpack.unpackb(repository.blob(part))[1]:
                child = dict(zip(ENTRY, listed, strict=False))
                restore(repository, child, path + b"/" + child["name"])
    elif stat.S_ISLNK(mode):
        os.symlink(entry["target"], path)
    elif stat.S_ISREG(mode):
        with open(path, "xb") as file:
            extents = entry["extents"]
            if not extents and entry["content"]:
                extents = [(entry["content"], 0, entry["size_bytes"])]
            file.writelines(repository.blob(blob)[start : start + n] for blob, start, n in extents)
    else:
        print(f"left out: {os.fsdecode(path)}")
        return
    if os.geteuid() == 0:
        os.lchown(path, entry["uid"], entry["gid"])
    if not stat.S_ISLNK(mode):
        os.chmod(path, stat.S_IMODE(mode))
    os.utime(path, ns=(entry["mtime_ns"], entry["mtime_ns"]), follow_symlinks=False)


def main(folder: str, snapshot: str, target: str, *gpg_options: str) -> None:
    """Restore all trees of a snapshot, the data directory before the homes in it."""
    repository = Repository(Path(folder), list(gpg_options))
    roots = json.loads(repository.decrypted(Path(folder) / "snapshots" / snapshot))["roots"]
    for root in sorted(roots, key=lambda root: root["kind"] != "data"):
        entry = dict(zip(ENTRY, root["entry"], strict=False))
        entry["subtree"] = [base64.b64decode(blob) for blob in entry["subtree"]]
        place = b"/database" if root["kind"] == "database" else base64.b64decode(root["path"])
        restore(repository, entry, os.fsencode(target) + place)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""The data directory of the stand-in ownCloud: what lies on the disk, the same for each seed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from pathlib import Path

EPOCH = 1_600_000_000
_FOLDERS = (
    "",
    "Documents",
    "Documents/2024 Verträge",
    "Photos",
    "Photos/🌴 Urlaub",
    "Music/Mixtape #1 (best of)",
    "日本語",
)
_STEMS = (
    "report",
    "it's here",
    "100%_sure",
    "-dash",
    'say "hi"',
    "naïve café",
    "a.b.c",
    "žluťoučký",
)
_SUFFIXES = (".txt", ".md", ".jpg", ".bin", "")
_FILES_IN_FOLDER = 200


def content(rng: random.Random, mean_bytes: int) -> bytes:
    """Return bytes of one of the kinds that homes are full of: text, noise, zeros, nothing."""
    kind = rng.random()
    size = int(rng.expovariate(1 / mean_bytes)) + 1
    if kind < 0.03:
        return b""
    if kind < 0.5:
        words = b" ".join(b"%x" % rng.getrandbits(16) for _ in range(min(size // 5 + 1, 2000)))
        return (words * (size // len(words) + 1))[:size]
    if kind < 0.55:
        return bytes(size)
    return rng.randbytes(size)


def write(path: Path, data: bytes, mtime: int) -> None:
    """Write a file as ownCloud does: beside its place, then renamed, with the client's mtime."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name[:40]}.ocTransferId{abs(hash(path)) % 10**9}.part")
    part.write_bytes(data)
    os.utime(part, (mtime, mtime))
    part.replace(path)


def fill_home(home: Path, rng: random.Random, *, files: int, mean_bytes: int, large: int) -> None:
    """Make one user's home.

    Args:
        home: its folder.
        rng: where all choices come from.
        files: number of files below `files`.
        mean_bytes: their mean size.
        large: size of one large file besides.
    """
    for name in ("files", "files_versions", "cache", "uploads", "files_trashbin/files"):
        (home / name).mkdir(parents=True, exist_ok=True)
    for name in ("files_trashbin/versions", "files_trashbin/keys", "files/empty folder"):
        (home / name).mkdir(parents=True, exist_ok=True)
    folders = [*_FOLDERS, *(f"Archive/{n:04}" for n in range(files // _FILES_IN_FOLDER))]
    previous = b""
    for number in range(files):
        folder = folders[number % len(folders)]
        name = f"{rng.choice(_STEMS)} {number}{rng.choice(_SUFFIXES)}"
        # Every twentieth file is a copy of the one before it.
        data = previous if number % 20 == 19 else content(rng, mean_bytes)
        write(home / "files" / folder / name, data, _mtime(rng))
        previous = data
    if large:
        write(home / "files" / "large.bin", rng.randbytes(large), _mtime(rng))
    write(home / "files_versions" / "large.bin.v1600000001", rng.randbytes(1000), EPOCH + 1)
    deleted = home / "files_trashbin" / "files" / "gone.txt.d1600000002"
    write(deleted, content(rng, mean_bytes), EPOCH + 2)
    write(home / "thumbnails" / "7" / "64-64.png", rng.randbytes(300), EPOCH + 3)
    write(home / "cache" / "leftover.tmp", rng.randbytes(100), EPOCH + 4)
    write(home / "uploads" / "4711" / "000000000000000-000000000000099", rng.randbytes(100), EPOCH)
    (home / "files" / "killed.bin.ocTransferId815.part").write_bytes(rng.randbytes(500))
    settle_times(home, rng)


def fill_common(data_dir: Path, rng: random.Random) -> None:
    """Make what lies beside the homes."""
    data_dir.mkdir(parents=True, exist_ok=True)
    (data_dir / ".ocdata").touch()
    (data_dir / ".htaccess").write_text("Require all denied\n")
    (data_dir / "index.html").touch()
    (data_dir / "owncloud.log").write_text('{"reqId":"x","level":3,"message":"made up"}\n')
    write(data_dir / "files_external" / "rootcerts.crt", b"-----BEGIN CERTIFICATE-----\n", EPOCH)
    for _ in range(3):
        name = f"{rng.getrandbits(128):032x}"
        avatar = data_dir / "avatars" / name[:2] / name[2:4] / name[4:] / "avatar.png"
        write(avatar, rng.randbytes(400), EPOCH)
    settle_times(data_dir / "avatars", rng)


def settle_times(folder: Path, rng: random.Random) -> None:
    """Give the folders below `folder` times of their own, deepest first."""
    for path, _, _ in os.walk(folder, topdown=False):
        mtime = _mtime(rng)
        os.utime(path, (mtime, mtime))


def _mtime(rng: random.Random) -> int:
    return EPOCH + rng.randrange(100_000_000)

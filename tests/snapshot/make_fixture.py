"""Makes a small repository of the present format, to be read for ever: `python -m`, as root.

Run once for each format, into a new folder below tests/fixtures; what is there is never made again.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
from pathlib import Path

import msgspec

from ocsnap.storage.local import LocalStorage
from tests.repository.workshop import Workshop
from tests.snapshot.likeness import portrait
from tests.snapshot.studio import Studio

LARGE_BYTES = 70_000


def plant(folder: Path) -> None:
    rng = random.Random(1)
    (folder / "u1" / "files").mkdir(parents=True)
    files = folder / "u1" / "files"
    (files / "letter.txt").write_text("Dear reader of the year to come,\n" * 20)
    (files / "empty").touch()
    (files / "large").write_bytes(rng.randbytes(LARGE_BYTES))
    (files / "sparse").write_bytes(b"")
    os.truncate(files / "sparse", 300_000)
    (files / "program").write_text("#!/bin/sh\n")
    (files / "program").chmod(0o6750)
    os.link(files / "letter.txt", folder / "u1" / "the same letter.txt")
    (files / "link").symlink_to("letter.txt")
    os.mkfifo(files / "pipe")
    Path(os.fsdecode(os.fsencode(files) + b"/\xff not text\n")).write_text("strange name")
    os.setxattr(files / "letter.txt", "user.note", b"an attribute")
    (folder / "u1" / "no rights").mkdir(mode=0)
    for path in (files / "letter.txt", files / "large", files / "link"):
        os.chown(path, 33, 33, follow_symlinks=False)
    os.utime(files / "letter.txt", ns=(0, -1_234_567_890_123_456_789))


def change(folder: Path) -> None:
    files = folder / "u1" / "files"
    with (files / "large").open("r+b") as file:
        file.seek(LARGE_BYTES // 2)
        file.write(b"edited")
    (files / "empty").unlink()
    (files / "program").rename(files / "renamed")


def main(target: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "folder"
        folder.mkdir()
        storage = LocalStorage(Path(target) / "repository")
        studio = Studio(Workshop(Path(name) / "workshop", storage))
        for number, step in enumerate((plant, change)):
            step(folder)
            studio.backup(folder)
            studio.clock.sleep(60)
            (Path(target) / f"expected-{number}.json").write_bytes(
                msgspec.json.format(msgspec.json.encode(sorted(portrait(folder).items())), indent=1)
            )


if __name__ == "__main__":
    main(*sys.argv[1:])

"""The tree that programs are compared on, and its changes: the same for each seed.

Half of the bytes cannot be compressed. Sizes are spread as in people's homes: most files are
small, most bytes are in large ones. Times of files are those of the moment they are written.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

USERS = ("u0", "u1", "u2", "u3")
LARGE = "u0/files/large.bin"
EDITS = 20

_WORDS = 4000
_WORD_BYTES = 7
_TEXT_BYTES = 64 << 20
"""More than zstd's window looks back: no file finds itself in an earlier one."""
_MOST_BYTES = 4_000_000
_FILES_IN_FOLDER = 400
_BAND_BYTES = 16 << 20
_SHUFFLED_BYTES = 1 << 15
_OFTEN_EDITED_BYTES = 400_000
_COPY_BYTES = 1 << 20


@dataclass(frozen=True)
class Tree:
    """How large the tree is.

    Attributes:
        folder: the data directory that has the users' homes.
        files: number of files besides the large one.
        times: how much larger than usual each of them is.
        large_bytes: size of the large one.
        seed: what all contents depend on.
    """

    folder: Path
    files: int
    times: int = 1
    large_bytes: int = 256 << 20
    seed: int = 7

    def make(self) -> None:
        """Write all files."""
        rng = random.Random(self.seed)
        text = _text(rng)
        for number in range(self.files):
            path = self._path(number)
            path.parent.mkdir(parents=True, exist_ok=True)
            size_bytes = self._size_bytes(rng)
            with path.open("wb") as file:
                for _ in range(self.times):
                    file.write(_content(rng, text, size_bytes, compressible=number % 2 == 0))
        with (self.folder / LARGE).open("wb") as file:
            for band in _bands(rng, text, self.large_bytes):
                file.write(band)

    def change_files(self, seed: int) -> str:
        """Edit, rename and add as many files as are one of a hundred, a third of them each.

        What people work on is rarely large: files above 400 kB stay as they are, so that a few
        of them do not decide what is measured.

        Returns:
            What was done, in words.
        """
        rng = random.Random(f"files {self.seed} {seed}")
        small = [path for path in self._paths() if path.stat().st_size < _OFTEN_EDITED_BYTES]
        each = max(self.files // 300, 1)
        chosen = rng.sample(small, 3 * each)
        text = _text(rng, bytes_=4 * _OFTEN_EDITED_BYTES)
        for path in chosen[:each]:
            _edit(path, [rng.randrange(path.stat().st_size + 1)], rng)
        for path in chosen[each : 2 * each]:
            path.rename(path.with_name(f"{path.stem} renamed {seed}.bin"))
        for number, path in enumerate(chosen[2 * each :]):
            content = _content(rng, text, path.stat().st_size, compressible=number % 2 == 0)
            path.with_name(f"{path.stem} new {seed}.bin").write_bytes(content)
        return f"{each} files edited, {each} renamed, {each} new"

    def edit_large(self, seed: int) -> str:
        """Put some bytes in place of fewer at twenty places of the large file.

        Returns:
            What was done, in words.
        """
        rng = random.Random(f"large {self.seed} {seed}")
        path = self.folder / LARGE
        _edit(path, sorted(rng.randrange(path.stat().st_size) for _ in range(EDITS)), rng)
        return f"{EDITS} edits of a file of {path.stat().st_size >> 20} MiB"

    def _paths(self) -> list[Path]:
        return sorted(self.folder.glob("u?/files/[0-9]*/*.bin"))

    def _path(self, number: int) -> Path:
        home = self.folder / USERS[number % len(USERS)]
        return home / "files" / f"{number // _FILES_IN_FOLDER:03}" / f"{number}.bin"

    def _size_bytes(self, rng: random.Random) -> int:
        return int(min(rng.lognormvariate(10.6, 1.4), _MOST_BYTES))


def _text(rng: random.Random, bytes_: int = _TEXT_BYTES) -> bytes:
    words = [f"{rng.getrandbits(24):06x}" for _ in range(_WORDS)]
    return " ".join(rng.choices(words, k=bytes_ // _WORD_BYTES + 1)).encode()


def _content(rng: random.Random, text: bytes, size_bytes: int, *, compressible: bool) -> bytes:
    if not compressible:
        return rng.randbytes(size_bytes)
    start = rng.randrange(len(text) - size_bytes)
    return text[start : start + size_bytes]


def _bands(rng: random.Random, text: bytes, size_bytes: int) -> Iterator[bytes]:
    """Yield bands that cannot be compressed and bands that can.

    These are the text in another order each time, in pieces too short for a program to find again.
    """
    pieces = range(0, len(text), _SHUFFLED_BYTES)
    for start in range(0, size_bytes, 2 * _BAND_BYTES):
        half = min(_BAND_BYTES, (size_bytes - start) // 2)
        yield rng.randbytes(half)
        shuffled = rng.sample(pieces, half // _SHUFFLED_BYTES + 1)
        yield b"".join(text[at : at + _SHUFFLED_BYTES] for at in shuffled)[:half]


def _edit(path: Path, places: list[int], rng: random.Random) -> None:
    """Put forty bytes in place of twenty, so that all behind moves, at each of the places."""
    part = path.with_name(f"{path.name}.new")
    with path.open("rb") as old, part.open("wb") as new:
        for place in places:
            while (left := place - old.tell()) > 0:
                new.write(old.read(min(left, _COPY_BYTES)))
            new.write(rng.randbytes(40))
            old.read(20)
        while piece := old.read(_COPY_BYTES):
            new.write(piece)
    part.replace(path)

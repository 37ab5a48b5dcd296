"""Deltas: what of new content stood in the old one, told as instructions.

The instructions are read from librsync's delta format (librsync 2.3.2, `src/command.h` and
`src/prototab.c`): one byte of command, its parameters big-endian, then the literal's bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ocsnap.errors import LocalIOError
from ocsnap.librsync.binding import Job, check, ffi, library

if TYPE_CHECKING:
    from collections.abc import Iterator

DELTA_MAGIC: Final = b"rs\x026"

_END: Final = 0x00
_LITERAL_1: Final = 0x01
_LITERAL_64: Final = 0x40
_LITERAL_N1: Final = 0x41
_COPY_N1_N1: Final = 0x45
_COPY_N8_N8: Final = 0x54


@dataclass(frozen=True, slots=True)
class Copy:
    """Take `length` bytes of the old content from `offset` on."""

    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Literal:
    """Take these bytes, which the old content has not."""

    data: bytes


Instruction = Copy | Literal


class Delta:
    """Compares new content, which comes in pieces, with an old signature."""

    def __init__(self, signature: bytes) -> None:
        """Load the signature.

        Args:
            signature: as a signer returned it.

        Raises:
            LocalIOError: librsync does not accept it.
        """
        self._signature = _load(signature)
        self._job = Job(library().rs_delta_begin(self._signature), "make a delta")
        self._parser = _Parser()

    def update(
        self, data: bytes | bytearray | memoryview, *, last: bool = False
    ) -> Iterator[Instruction]:
        """Take the next bytes of the new content.

        Args:
            data: the bytes.
            last: whether they are the last ones.

        Yields:
            The instructions that are known by now. A long literal comes in several pieces.
        """
        for part in self._job.feed(data, last=last):
            yield from self._parser.feed(part)
        if last and not self._parser.ended:
            raise LocalIOError("librsync's delta ends in the middle.")


def _load(signature: bytes) -> object:
    pointer = ffi.new("rs_signature_t **")
    job = Job(library().rs_loadsig_begin(pointer), "load a signature")
    # Before it is filled: a signature that turns out to be none has taken memory, too.
    loaded: object = ffi.gc(pointer[0], library().rs_free_sumset)
    for _ in job.feed(signature, last=True):
        pass
    check(library().rs_build_hash_table(loaded), "index a signature")
    return loaded


class _Parser:
    """Cuts librsync's stream of bytes into instructions."""

    def __init__(self) -> None:
        self.ended = False
        self._pending = bytearray()
        self._literal_left = 0
        self._started = False

    def feed(self, data: bytes) -> Iterator[Instruction]:
        self._pending += data
        position = 0
        if not self._started:
            if len(self._pending) < len(DELTA_MAGIC):
                return
            if not self._pending.startswith(DELTA_MAGIC):
                raise LocalIOError("librsync's delta begins with an unknown magic number.")
            position = len(DELTA_MAGIC)
            self._started = True
        view = memoryview(self._pending)
        while position < len(view) and not self.ended:
            if self._literal_left:
                taken = min(self._literal_left, len(view) - position)
                yield Literal(bytes(view[position : position + taken]))
                self._literal_left -= taken
                position += taken
                continue
            step, instruction = self._command(view, position)
            if not step:
                break
            position += step
            if instruction is not None:
                yield instruction
        view.release()
        del self._pending[:position]

    def _command(self, view: memoryview, position: int) -> tuple[int, Copy | None]:
        """Read one command; a step of 0 says that more bytes are needed."""
        command = view[position]
        left = len(view) - position - 1
        if command == _END:
            self.ended = True
            return 1, None
        if _LITERAL_1 <= command <= _LITERAL_64:
            self._literal_left = command
            return 1, None
        if command < _COPY_N1_N1:
            width = 1 << (command - _LITERAL_N1)
            if left < width:
                return 0, None
            self._literal_left = int.from_bytes(view[position + 1 : position + 1 + width])
            return 1 + width, None
        if command <= _COPY_N8_N8:
            kind = command - _COPY_N1_N1
            offset_width, length_width = 1 << (kind // 4), 1 << (kind % 4)
            if left < offset_width + length_width:
                return 0, None
            middle = position + 1 + offset_width
            offset = int.from_bytes(view[position + 1 : middle])
            length = int.from_bytes(view[middle : middle + length_width])
            return 1 + offset_width + length_width, Copy(offset, length)
        raise LocalIOError(f"librsync's delta has an unknown command {command:#x}.")

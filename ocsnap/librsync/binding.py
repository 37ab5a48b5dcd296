"""The few functions of librsync 2 that ocsnap needs, through cffi.

Loaded at run time without a compiler (cffi's ABI mode), so that an installation needs nothing but
the shared library. What `binding_build` declares was parsed when ocsnap was installed, for that
takes longer than a backup of ten thousand files that did not change.
"""

from __future__ import annotations

import importlib
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from ocsnap.errors import LocalIOError

if TYPE_CHECKING:
    from collections.abc import Iterator

LIBRARY: Final = "librsync.so.2"
OUTPUT_BYTES: Final = 16 * 1024

_DONE: Final = 0
_BLOCKED: Final = 1


def _declarations() -> Any:  # noqa: ANN401 - cffi builds the type at run time
    try:
        return importlib.import_module("ocsnap.librsync._binding").ffi
    except ImportError:
        return importlib.import_module("ocsnap.librsync.binding_build").ffi


ffi = _declarations()

_uncleared = ffi.new_allocator(should_clear_after_alloc=False)
"""A signature is made for each file: zeroing its buffer first would cost as much as small ones."""


@cache
def library() -> Any:  # noqa: ANN401 - cffi builds the type at run time
    """Return the loaded library.

    Raises:
        LocalIOError: librsync is not installed.
    """
    try:
        return ffi.dlopen(LIBRARY)
    except OSError as error:
        raise LocalIOError(
            f"The library {LIBRARY} cannot be loaded: {error}.",
            hint="Install it: apt-get install librsync2.",
        ) from error


def version() -> str:
    """Return librsync's own name and version, for example "librsync 2.3.2"."""
    return _text(library().rs_librsync_version)


def check(result: int, doing: str) -> None:
    """Raise unless librsync says that it is done or waits for more.

    Args:
        result: an rs_result.
        doing: what was tried, for the message.

    Raises:
        LocalIOError: librsync reports an error.
    """
    if result not in (_DONE, _BLOCKED):
        reason = _text(library().rs_strerror(result))
        raise LocalIOError(f"librsync cannot {doing}: {reason}.")


def _text(pointer: Any) -> str:  # noqa: ANN401 - cffi builds the type at run time
    text: Any = ffi.string(pointer)
    return str(text, "ascii")


class Job:
    """A running rs_job_t, fed piece by piece; librsync keeps what it cannot use yet."""

    def __init__(self, handle: Any, doing: str) -> None:  # noqa: ANN401 - a cffi pointer
        """Take over `handle`, which is freed with this object."""
        if handle == ffi.NULL:
            raise LocalIOError(f"librsync cannot {doing}: no memory.")
        self._library = library()
        self._handle = ffi.gc(handle, self._library.rs_job_free)
        self._buffers: Any = ffi.new("rs_buffers_t *")
        self._output = _uncleared("char[]", OUTPUT_BYTES)
        self._doing = doing

    def feed(self, data: bytes | bytearray | memoryview, *, last: bool = False) -> Iterator[bytes]:
        """Hand over input and give what comes out; must be iterated to the end.

        Args:
            data: the next bytes of input.
            last: whether these are the last ones.

        Yields:
            Pieces of output, none of them empty.

        Raises:
            LocalIOError: librsync reports an error.
        """
        buffers = self._buffers
        keep_alive = ffi.from_buffer(data)
        buffers.next_in = keep_alive
        buffers.avail_in = len(data)
        buffers.eof_in = int(last)
        while True:
            buffers.next_out = self._output
            buffers.avail_out = OUTPUT_BYTES
            result = self._library.rs_job_iter(self._handle, buffers)
            check(result, self._doing)
            produced = OUTPUT_BYTES - buffers.avail_out
            if produced:
                yield ffi.buffer(self._output, produced)[:]
            if result == _DONE or (buffers.avail_in == 0 and buffers.avail_out and not last):
                break
        ffi.release(keep_alive)

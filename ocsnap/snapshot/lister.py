"""The lister: all names of a directory and what lstat says of them, in one call.

Python makes an object for each name and one for each answer, which takes five times as long as the
system does. Where ocsnap was installed without a compiler there is no lister.
"""

from __future__ import annotations

import errno
import os
import struct
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ocsnap.compiled import compiled

if TYPE_CHECKING:
    from collections.abc import Callable

    from ocsnap.repository.tree import Entry

_FIXED: Final = struct.Struct("=IqqQQ")
"""A record before its name: mode, mtime and ctime in nanoseconds, inode, size."""

Chosen = bytes | None
"""A byte for each name that says whether it is left out; None: none is."""


class Listing(NamedTuple):
    """What is in a directory.

    Attributes:
        names: the names, sorted.
        records: what lstat says of each, one after the other; see `record`.
        ends: where each record ends.
    """

    names: list[bytes]
    records: memoryview
    ends: list[int]

    def between(self, first: int, end: int) -> memoryview:
        """Return the records of the names from one on, up to but without another."""
        begin = self.ends[first - 1] if first else 0
        return self.records[begin : self.ends[end - 1] if end else 0]

    def tells(self, place: int, entry: Entry) -> bool:
        """Return whether the name in a place is the file that an entry was made of, unchanged."""
        if not entry.is_file or entry.unsteady:
            return False
        try:
            return self.between(place, place + 1) == record(entry)
        except struct.error:
            return False


def is_compiled() -> bool:
    """Return whether this installation has the lister."""
    return _compiled() is not None


def look(descriptor: int, *, most: int, choose: Callable[[bytes], Chosen]) -> Listing | None:
    """List a directory.

    Args:
        descriptor: the directory, just opened.
        most: how many names it may have.
        choose: given all names, sorted and each followed by a slash, says which are left out. These
            are not looked at.

    Returns:
        What is there; None where it has too many names, or there is no lister.

    Raises:
        OSError: the directory cannot be read, or a name cannot be looked at.
    """
    module = _compiled()
    if module is None:
        return None
    ffi, lib = module.ffi, module.lib
    made = ffi.new("ocsnap_listing *")
    try:
        failure = lib.ocsnap_list(descriptor, most, made)
        if failure == _TOO_MANY:
            return None
        _demand(failure)
        left_out = choose(bytes(ffi.buffer(made.names, made.names_bytes)))
        _demand(lib.ocsnap_look(descriptor, ffi.NULL if left_out is None else left_out, made))
        return Listing(
            bytes(ffi.buffer(made.names, made.names_bytes)).split(b"/")[:-1],
            memoryview(bytes(ffi.buffer(made.records, made.records_bytes))),
            ffi.unpack(made.ends, made.count),
        )
    finally:
        lib.ocsnap_release(made)


def record(entry: Entry) -> bytes:
    """Return the record that a name has as long as it is what an entry says.

    Args:
        entry: anything but a directory.

    Raises:
        struct.error: an entry of such times or numbers has none.
    """
    size_bytes = entry.size_bytes if entry.is_file else 0
    fixed = _FIXED.pack(entry.mode, entry.mtime_ns, entry.ctime_ns, entry.inode, size_bytes)
    return b"%b%b/" % (fixed, entry.name)


_TOO_MANY: Final = errno.EFBIG


def _demand(failure: int) -> None:
    if failure:
        raise OSError(failure, os.strerror(failure))


def _compiled() -> Any:  # noqa: ANN401 - cffi builds the module
    return compiled("ocsnap.snapshot._lister")

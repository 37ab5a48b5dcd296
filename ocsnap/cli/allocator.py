"""Memory that was freed is used again, and threads share it."""

from __future__ import annotations

import ctypes
from typing import Final

from ocsnap.units import MIB

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8
"""Parameters of mallopt(3), glibc's malloc.h."""

_LARGE_BYTES: Final = 2 * MIB
_KEPT_BYTES: Final = 32 * MIB
_ARENAS: Final = 2


def bound_memory() -> None:
    """Tell glibc to keep few heaps, most blobs in them, but nothing large.

    By default each thread gets a heap of its own. A compressed blob that lies outside of the heap
    costs the system a thousand fresh pages each time; packs, which would leave the heap full of
    holes, lie in files in memory. Other C libraries have no mallopt; they are left as they are.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
        mallopt(_M_ARENA_MAX, _ARENAS)

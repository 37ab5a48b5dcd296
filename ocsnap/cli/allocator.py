"""Memory that was freed goes back to the system, and threads share what is left."""

from __future__ import annotations

import ctypes
from typing import Final

_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8
"""Parameters of mallopt(3), glibc's malloc.h."""

_LARGE_BYTES: Final = 128 * 1024
_ARENAS: Final = 2


def bound_memory() -> None:
    """Tell glibc to keep large pieces out of its heaps, and to keep few heaps.

    By default each thread gets a heap of its own and glibc learns to keep pieces of up to 32 MiB
    in them: the packs that pass through would cost twice the memory. Other C libraries have no
    mallopt; they are left as they are.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
        mallopt(_M_ARENA_MAX, _ARENAS)

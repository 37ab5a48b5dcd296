"""Signatures: what a later delta needs to know of a file's present content."""

from __future__ import annotations

import math
from typing import Final

RK_BLAKE2_MAGIC: Final = 0x72730147
"""Rabin-Karp rolling sums and BLAKE2 strong sums (librsync.h, rs_magic_number)."""

STRONG_BYTES: Final = 16
"""Twice what librsync would take: 8 bytes guard against chance, 16 also against somebody who makes
two blocks of one sum on purpose and uploads both."""

SIGNATURE_HEADER_BYTES: Final = 12
SIGNATURE_ENTRY_BYTES: Final = 4 + STRONG_BYTES

_SHORTEST_BLOCK: Final = 4096
_LONGEST_BLOCK: Final = 128 * 1024
_BLOCK_STEP: Final = 256


def block_length(size_bytes: int) -> int:
    """Return the block length for a file: half the square root of its size, within bounds.

    The square root balances the signature's size against the literal data that one small edit
    costs (Tridgell, "Efficient Algorithms for Sorting and Synchronization", 1999, section 3.3);
    half of it favours the edits, since a signature here is stored once for many edits. The bound
    from below favours the many small files of which few are ever edited: signatures of blocks of
    2 KiB took a hundredth of a repository.

    Args:
        size_bytes: the file's size.

    Returns:
        A number of bytes.
    """
    half_root = math.isqrt(max(size_bytes, 0)) // 2
    rounded = -(-half_root // _BLOCK_STEP) * _BLOCK_STEP
    return min(max(rounded, _SHORTEST_BLOCK), _LONGEST_BLOCK)

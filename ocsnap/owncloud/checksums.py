"""The checksums that ownCloud keeps of files' contents: `SHA1:<hex> MD5:<hex> ADLER32:<hex>`."""

from __future__ import annotations

import hashlib
import zlib
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ocsnap.repository.blob import Buffer


class _Digest(Protocol):
    def update(self, data: Buffer, /) -> None: ...

    def hexdigest(self) -> str: ...


class _Adler32:
    """Adler-32 (RFC 1950, 8.2) with the interface of hashlib."""

    def __init__(self) -> None:
        self._value = 1

    def update(self, data: Buffer, /) -> None:
        self._value = zlib.adler32(data, self._value)

    def hexdigest(self) -> str:
        return f"{self._value:08x}"


_LENGTHS: Final = {"SHA1": 40, "MD5": 32, "ADLER32": 8, "SHA256": 64}


def parse(column: str) -> dict[str, str]:
    """Return the checksums in a row's column that can be compared.

    Args:
        column: what stands there; anything.

    Returns:
        Lower-case hexadecimal digits by the names of the algorithms.
    """
    found = {}
    for part in column.split():
        name, _, digits = part.partition(":")
        if _LENGTHS.get(name.upper()) == len(digits):
            found[name.upper()] = digits.lower()
    return found


def differing(wanted: dict[str, str], chunks: Iterable[Buffer]) -> list[str]:
    """Compare content with checksums.

    Args:
        wanted: what `parse` returned.
        chunks: the content, piece by piece.

    Returns:
        The names of those that are others.
    """
    digests = {name: _new(name) for name in wanted}
    for chunk in chunks:
        for digest in digests.values():
            digest.update(chunk)
    return [name for name, digest in digests.items() if digest.hexdigest() != wanted[name]]


def _new(name: str) -> _Digest:
    if name == "ADLER32":
        return _Adler32()
    return hashlib.new(name.lower(), usedforsecurity=False)

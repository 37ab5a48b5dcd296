"""`ocsnap cat`: the content of one file."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from ocsnap.commands.browse.place import locate
from ocsnap.errors import DamagedError, RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ocsnap.commands.browse.look import Look


def content(look: Look, snapshot: str, path: str, user: str | None) -> Iterator[bytes]:
    """Read a file.

    Args:
        look: the open repository.
        snapshot: how the snapshot is named; see `select`.
        path: the file; see `place`.
        user: whose file it is.

    Yields:
        Its content, piece by piece.

    Raises:
        NoSnapshotError: there is no such snapshot.
        RefusedError: there is no such file.
        DamagedError: a part is lost, or all of it together is not what was backed up: then what
            was yielded so far must not be trusted.
    """
    stored = look.choose(snapshot)
    place = locate(look.listings, stored.snapshot, path, user)
    entry = place.entry
    if not entry.is_file:
        raise RefusedError(f"{path!r} is no regular file.", hint="See: ocsnap ls.")
    digest = hashlib.sha256()
    for piece in entry.pieces():
        data = look.repository.reader.load(piece.blob)
        part = data[piece.offset : piece.offset + piece.length]
        digest.update(part)
        yield part
    if entry.content is not None and digest.digest() != entry.content:
        raise DamagedError(
            f"{path!r} is damaged in the repository: its parts do not make up its content.",
            hint="Run ocsnap verify --read-data; take another snapshot.",
        )

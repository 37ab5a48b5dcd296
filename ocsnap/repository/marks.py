"""Marks: what prune and repair tell all hosts of packs and other objects, in clear text.

`marks/<number>` says all of it; the highest number counts. Hosts without the secret key must be
able to read it, and it says nothing that the bucket's listing does not say, too.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

import msgspec

from ocsnap.errors import BusyError, ObjectExistsError, ObjectMissingError
from ocsnap.repository.blob import NOT_SOUND

if TYPE_CHECKING:
    from ocsnap.storage.storage import Storage

FOLDER: Final = "marks/"
FORMAT: Final = 1

Moments = dict[str, float | None]
"""Names of objects, and since when: seconds since the epoch, by the storage's clock. None: since
the object that says so was put, whose time nobody can know before."""


class Marks(msgspec.Struct, frozen=True, kw_only=True):
    """The content of a marks object: JSON.

    Attributes:
        format: 1.
        repository: id of the repository.
        doomed: packs that nobody needs: whoever takes a lock from now on does not rely on them.
        lost: packs that are damaged or missing: backups look closely and store their content anew.
        removed: objects that prune or repair has removed in the last months.
    """

    format: int = FORMAT
    repository: str
    doomed: Moments = {}
    lost: Moments = {}
    removed: Moments = {}


class StoredMarks(msgspec.Struct, frozen=True, kw_only=True):
    """Marks together with where they stand.

    Attributes:
        number: of the object; 0: there is none.
        marks: what it says, all times known. Nothing, where it cannot be read: that only makes
            whatever it said begin anew.
        older: names of the objects that it takes the place of.
        is_damaged: whether it cannot be read.
    """

    number: int
    marks: Marks
    older: tuple[str, ...] = ()
    is_damaged: bool = False


def read_marks(storage: Storage, repository: str, known: StoredMarks | None = None) -> StoredMarks:
    """Return the marks that count now.

    Args:
        storage: where the repository lies.
        repository: its id.
        known: what was read before: not fetched again where it still counts.

    Raises:
        StorageError: the storage does not answer.
    """
    while True:
        times = {
            int(info.name.removeprefix(FOLDER)): info.modified or 0.0
            for info in storage.list(FOLDER)
            if info.name.removeprefix(FOLDER).isdecimal()
        }
        if not times:
            return StoredMarks(number=0, marks=Marks(repository=repository))
        number = max(times)
        older = tuple(_name(other) for other in sorted(times) if other != number)
        if known is not None and known.number == number:
            return msgspec.structs.replace(known, older=older)
        try:
            data = storage.get(_name(number))
        except ObjectMissingError:
            continue  # its successor was stored since
        marks = _decode(data, repository)
        return StoredMarks(
            number=number,
            marks=_dated(marks, times[number]) if marks else Marks(repository=repository),
            older=older,
            is_damaged=marks is None,
        )


def put_marks(storage: Storage, marks: Marks, *, after: int) -> StoredMarks:
    """Store marks in the place of others.

    Args:
        storage: where the repository lies.
        marks: the marks.
        after: the number that counted until now.

    Returns:
        The marks, with the time at which they were stored.

    Raises:
        BusyError: somebody else did so meanwhile.
    """
    data = msgspec.json.encode(marks)
    name = _name(after + 1)
    try:
        storage.create(name, data, sha256=hashlib.sha256(data).hexdigest())
    except ObjectExistsError:
        raise BusyError(
            "Another prune or repair is at work on this repository.", hint="Wait until it ends."
        ) from None
    modified = storage.stat(name).modified or 0.0
    return StoredMarks(number=after + 1, marks=_dated(marks, modified))


def encode_known(stored: StoredMarks) -> str:
    """Return marks as text, to be kept on this host."""
    return msgspec.json.encode(stored).decode()


def decode_known(text: str | None) -> StoredMarks | None:
    """Read marks that were kept on this host; None where there are none."""
    if text is None:
        return None
    try:
        return msgspec.json.decode(text, type=StoredMarks)
    except NOT_SOUND:
        return None


def _decode(data: bytes, repository: str) -> Marks | None:
    try:
        marks = msgspec.json.decode(data, type=Marks)
    except NOT_SOUND:
        return None
    return marks if marks.format == FORMAT and marks.repository == repository else None


def _dated(marks: Marks, moment: float) -> Marks:
    def dated(moments: Moments) -> Moments:
        return {name: moment if since is None else since for name, since in moments.items()}

    return msgspec.structs.replace(
        marks,
        doomed=dated(marks.doomed),
        lost=dated(marks.lost),
        removed=dated(marks.removed),
    )


def _name(number: int) -> str:
    return f"{FOLDER}{number}"

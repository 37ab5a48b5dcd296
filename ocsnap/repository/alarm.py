"""Alarms: what made a backup doubt that the ownCloud it saw was sound.

They stand in the snapshot itself. That somebody has looked and found it right is an object of its
own, since no object is ever overwritten.
"""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import msgspec

from ocsnap.errors import AlarmError, DamagedError, NoSecretKeyError, ObjectMissingError
from ocsnap.monitor import Problem
from ocsnap.repository.blob import NOT_SOUND
from ocsnap.repository.lineage import lineage
from ocsnap.storage.storage import ObjectInfo

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ocsnap.monitor import Monitor
    from ocsnap.repository.repository import Repository
    from ocsnap.repository.snapshot import StoredSnapshot

FORMAT: Final = 1
FOLDER: Final = "acknowledged/"
_ID_LENGTH: Final = 64
_NOTE: Final = "acknowledged by "


class AlarmKind(StrEnum):
    """What is suspicious."""

    LOST_FILES = "lost-files"
    LOST_BYTES = "lost-bytes"
    LOST_ROWS = "lost-rows"
    LOST_HOME = "lost-home"
    CHANGED_FILES = "changed-files"
    RENAMED_FILES = "renamed-files"
    SCRAMBLED_FILES = "scrambled-files"


class Alarm(msgspec.Struct, frozen=True, kw_only=True):
    """One reason to look before anything old is deleted.

    Attributes:
        kind: what is suspicious.
        subject: the user or the table concerned; empty: the ownCloud as a whole.
        before: what the parent snapshot had; files, bytes or rows as the kind says.
        concerned: how much of that is lost or changed.
        text: a sentence for people.
    """

    kind: AlarmKind
    subject: str
    before: int
    concerned: int
    text: str


class Acknowledgement(msgspec.Struct, frozen=True, kw_only=True):
    """The content of an object that acknowledges the alarms of a snapshot: JSON.

    Attributes:
        format: 1.
        repository: id of the repository that it belongs to.
        snapshot: id of the snapshot.
        time: seconds since the epoch.
        host: name of the machine where it was made.
        user: who made it there.
        reason: why, in their own words.
    """

    format: int = FORMAT
    repository: str
    snapshot: str
    time: float
    host: str
    user: str
    reason: str = ""


def acknowledge(repository: Repository, told: Acknowledgement) -> None:
    """Store that the alarms of a snapshot were looked at.

    Args:
        repository: where the snapshot is.
        told: what to store.

    Raises:
        OcsnapError: it could not be stored.
    """
    text = msgspec.json.format(msgspec.json.encode(told), indent=1)
    message = repository.cipher.encrypt([text], sign=True)
    digest = hashlib.sha256(message).hexdigest()
    name = f"{FOLDER}{told.snapshot}-{digest}.gpg"
    repository.cache.expect(repository.storage.put(name, message, sha256=digest))
    repository.cache.set_note(_NOTE + name, told.snapshot)


def unacknowledged(
    repository: Repository, found: Iterable[StoredSnapshot], monitor: Monitor
) -> list[StoredSnapshot]:
    """Return the snapshots whose alarms nobody has acknowledged.

    Args:
        repository: where they are.
        found: snapshots.
        monitor: is told of acknowledgements that are damaged or cannot be read here; they do not
            count.

    Returns:
        Those of them that have alarms and no sound acknowledgement; the storage is asked only
        where a snapshot has alarms.
    """
    marked = [stored for stored in found if stored.snapshot.alarms]
    if not marked:
        return []
    waiting = {stored.id: stored for stored in marked}
    for info in repository.storage.list(FOLDER):
        snapshot = info.name.removeprefix(FOLDER)[:_ID_LENGTH]
        if snapshot in waiting and _is_sound(repository, info.name, snapshot, monitor):
            del waiting[snapshot]
    return list(waiting.values())


def doubts(
    repository: Repository,
    found: Iterable[StoredSnapshot],
    chosen: StoredSnapshot,
    monitor: Monitor,
) -> list[str]:
    """Say why a snapshot may hold what an accident or an attack has left.

    Args:
        repository: where the snapshots are.
        found: all snapshots.
        chosen: the one that is to be restored.
        monitor: as for `unacknowledged`.

    Returns:
        A sentence for each open alarm of this snapshot and of earlier ones of the same ownCloud:
        what was lost or encrypted by then is so in all that came after.
    """
    root, host = chosen.snapshot.owncloud.root, chosen.snapshot.host
    until = [
        stored
        for stored in lineage(found, root=root, host=host)
        if stored.snapshot.started <= chosen.snapshot.started
    ]
    return [
        f"Snapshot {stored.short_id} raised an alarm that nobody has acknowledged: {alarm.text}"
        for stored in unacknowledged(repository, until, monitor)
        for alarm in stored.snapshot.alarms
    ]


def demand_acknowledged(
    repository: Repository, found: Iterable[StoredSnapshot], monitor: Monitor
) -> None:
    """Refuse to go on as long as an alarm is open: what is old may be all that is left.

    Args:
        repository: where the snapshots are.
        found: all snapshots.
        monitor: as for `unacknowledged`.

    Raises:
        AlarmError: a snapshot has alarms that nobody has acknowledged.
    """
    waiting = unacknowledged(repository, found, monitor)
    if not waiting:
        return
    first = waiting[0]
    others = f" (and {len(waiting) - 1} more)" if len(waiting) > 1 else ""
    raise AlarmError(
        f"Nothing is deleted while an alarm is open: snapshot {first.short_id}{others}: "
        f"{first.snapshot.alarms[0].text}",
        hint=f"If all is well: ocsnap acknowledge {first.short_id}. If not: restore an older one.",
    )


def _is_sound(repository: Repository, name: str, snapshot: str, monitor: Monitor) -> bool:
    """Tell whether an acknowledgement was made by somebody who has the key."""
    known = repository.cache.note(_NOTE + name)
    if known is not None:
        return known == snapshot
    try:
        message = repository.reader.object(name)
        content = repository.cipher.decrypt(message, signed=True)
        told = msgspec.json.decode(content, type=Acknowledgement)
    except (DamagedError, ObjectMissingError, NoSecretKeyError) as error:
        monitor.problem(Problem(name, error.message))
        return False
    except NOT_SOUND as error:
        monitor.problem(Problem(name, f"it is no sound acknowledgement: {error}"))
        return False
    if (told.format, told.repository, told.snapshot) != (FORMAT, repository.id, snapshot):
        monitor.problem(Problem(name, "it does not belong under this name"))
        return False
    repository.cache.expect(ObjectInfo(name, len(message), md5=None, sha256=None))
    repository.cache.set_note(_NOTE + name, snapshot)
    return True

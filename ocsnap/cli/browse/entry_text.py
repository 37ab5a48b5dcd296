"""Entries of a snapshot as text and as JSON, and the names of snapshots in front of paths."""

from __future__ import annotations

import os
import re
import stat
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from ocsnap import units
from ocsnap.repository.selector import LATEST

if TYPE_CHECKING:
    from ocsnap.repository.snapshot import Snapshot, StoredSnapshot
    from ocsnap.repository.tree import Entry

# A time may have colons itself, and must be told from a path with one.
_WITH_SNAPSHOT: Final = re.compile(
    r"(latest|[0-9a-fA-F]{4,64}|\d{4}-\d\d-\d\d"
    r"(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?):(.*)",
    re.DOTALL,
)
_KINDS: Final = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "folder",
    stat.S_IFLNK: "link",
    stat.S_IFIFO: "pipe",
    stat.S_IFSOCK: "socket",
    stat.S_IFBLK: "device",
    stat.S_IFCHR: "device",
}


def with_snapshot(path: str, snapshot: str | None) -> tuple[str, str]:
    """Return the snapshot and the path that `[SNAPSHOT:]PATH` means.

    Args:
        path: the argument.
        snapshot: the option --snapshot; where it is given a colon is one of the path.
    """
    if snapshot is not None:
        return snapshot, path
    found = _WITH_SNAPSHOT.fullmatch(path)
    return (found[1], found[2]) if found else (LATEST, path)


def moment(seconds: float) -> str:
    """Return a time as every listing shows it: local, to the second."""
    return f"{datetime.fromtimestamp(seconds, UTC).astimezone():%Y-%m-%d %H:%M:%S}"


def modified(entry: Entry) -> str:
    """Return when an entry was changed; years that no calendar here knows as question marks."""
    try:
        return moment(entry.mtime_ns // 10**9)
    except (OverflowError, ValueError):
        return "?" * 19


def entry_size(entry: Entry) -> str:
    """Return an entry's size; of a folder the sum of all in it."""
    return units.size(entry.size_bytes)


def long_line(path: str, entry: Entry, snapshot: Snapshot) -> str:
    """Return the line of a long listing, without the name's escapes."""
    owner = snapshot.users.get(entry.uid, str(entry.uid))
    group = snapshot.groups.get(entry.gid, str(entry.gid))
    return (
        f"{stat.filemode(entry.mode)} {owner:<10} {group:<10} {entry_size(entry):>10}"
        f"  {modified(entry)}  {named(path, entry)}"
    )


def named(path: str, entry: Entry) -> str:
    """Return a path with what tells its kind."""
    if entry.is_directory:
        return f"{path}/"
    return f"{path} -> {os.fsdecode(entry.target)}" if entry.target else path


def kind(entry: Entry) -> str:
    """Return what an entry is, as a script is told."""
    return _KINDS.get(stat.S_IFMT(entry.mode), "unknown")


def entry_record(entry: Entry) -> dict[str, object]:
    """Return what a script is told of an entry."""
    record: dict[str, object] = {
        "type": kind(entry),
        "mode": f"{stat.S_IMODE(entry.mode):04o}",
        "uid": entry.uid,
        "gid": entry.gid,
        "size_bytes": entry.size_bytes,
        "mtime": entry.mtime_ns / 10**9,
    }
    if entry.is_directory:
        record["entries"] = entry.entries
    if entry.content is not None:
        record["sha256"] = entry.content.hex()
    if entry.target:
        record["target"] = os.fsdecode(entry.target)
    return record


def snapshot_record(stored: StoredSnapshot) -> dict[str, object]:
    """Return what a script is told of a snapshot that something was found in."""
    return {"id": stored.id, "started": stored.snapshot.started}


def snapshot_text(stored: StoredSnapshot) -> str:
    """Return how a snapshot is named in a sentence."""
    return f"{stored.short_id} of {moment(stored.snapshot.started)}"

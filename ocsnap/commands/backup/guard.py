"""The guard: compares a snapshot that is about to be committed with the one before.

Whoever loses files by accident, by a faulty program or by an attack notices it some time later. By
then no snapshot that still has them may have been deleted.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ocsnap import units
from ocsnap.repository.alarm import Alarm, AlarmKind
from ocsnap.repository.snapshot import RootKind

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from ocsnap.commands.backup.file_passes import RootKey
    from ocsnap.config.sections import GuardConfig
    from ocsnap.repository.snapshot import Root, Snapshot
    from ocsnap.snapshot.signs import Signs

VOLATILE_TABLES: Final = frozenset(
    {"activity", "activity_mq", "authtoken", "bruteforce_attempts", "credentials", "file_locks"}
    | {"files_trash", "filesystem_cache", "jobs", "notifications", "persistent_locks"}
)
"""Tables that ownCloud empties by itself, without their prefix."""

_WATCHED: Final = (RootKind.HOME, RootKind.DATA)


@dataclass(frozen=True)
class Guard:
    """What there was, and how much of it may be gone.

    Attributes:
        thresholds: the section [guard].
        parent: the snapshot before.
        table_prefix: what the names of ownCloud's tables begin with.
    """

    thresholds: GuardConfig
    parent: Snapshot
    table_prefix: str

    def alarms(
        self,
        roots: Collection[Root],
        signs: Mapping[RootKey, Signs],
        rows: Mapping[str, int],
        lost_homes: Collection[Root],
    ) -> tuple[Alarm, ...]:
        """Look for what should not have happened.

        Args:
            roots: the trees of the new snapshot.
            signs: what happened to the watched files of each.
            rows: numbers of rows by the tables' names.
            lost_homes: homes of the parent that are gone although their users are not.

        Returns:
            The alarms, the most alarming kinds first; none where the guard is off.
        """
        if not self.thresholds.enabled:
            return ()
        return (
            *self._attacks(signs),
            *self._lost_homes(lost_homes),
            *self._lost_files(roots),
            *self._lost_rows(rows),
        )

    # -- attacks -----------------------------------------------------------------------------

    def _attacks(self, signs: Mapping[RootKey, Signs]) -> Iterator[Alarm]:
        before = {(root.kind, root.name): _files(root) for root in self.parent.roots}
        keys = [key for key in sorted(signs) if key[0] in _WATCHED and key in before]
        alarms = [alarm for key in keys for alarm in self._signs_of(key, before[key], signs[key])]
        yield from alarms
        if not any(alarm.kind is AlarmKind.CHANGED_FILES for alarm in alarms):
            # Many users may each have too few files to tell anything.
            replaced = sum(min(signs[key].replaced_files, before[key]) for key in keys)
            yield from self._replaced("", "all users", sum(before[key] for key in keys), replaced)

    def _signs_of(self, key: RootKey, before: int, signs: Signs) -> Iterator[Alarm]:
        limits = self.thresholds
        name, whose = key[1], _whose(*key)
        if signs.scrambled_files >= limits.suspicious_files:
            yield Alarm(
                kind=AlarmKind.SCRAMBLED_FILES,
                subject=name,
                before=before,
                concerned=signs.scrambled_files,
                text=f"{signs.scrambled_files} files of {whose} look as if they were encrypted: "
                "they could be compressed before and cannot be now.",
            )
        for suffix, count in signs.suffixes.most_common(1):
            if count >= limits.suspicious_files:
                yield Alarm(
                    kind=AlarmKind.RENAMED_FILES,
                    subject=name,
                    before=before,
                    concerned=count,
                    text=f"{count} files of {whose} were replaced by files with the suffix "
                    f".{os.fsdecode(suffix)}.",
                )
        yield from self._replaced(name, whose, before, min(signs.replaced_files, before))

    def _replaced(self, name: str, whose: str, before: int, replaced: int) -> Iterator[Alarm]:
        limits = self.thresholds
        if before >= limits.least_files and replaced > before * limits.changed_files:
            yield Alarm(
                kind=AlarmKind.CHANGED_FILES,
                subject=name,
                before=before,
                concerned=replaced,
                text=f"{replaced} of {before} files of {whose} have another content than before.",
            )

    # -- losses ------------------------------------------------------------------------------

    def _lost_homes(self, lost: Collection[Root]) -> Iterator[Alarm]:
        for root in lost:
            if files := _files(root):
                yield Alarm(
                    kind=AlarmKind.LOST_HOME,
                    subject=root.name,
                    before=files,
                    concerned=files,
                    text=f"The home of {root.name} is gone, with {files} files, but the user is "
                    "not.",
                )

    def _lost_files(self, roots: Collection[Root]) -> Iterator[Alarm]:
        limits = self.thresholds
        old, new = _Sum.of(self.parent.roots), _Sum.of(roots)
        why = self._why(roots)
        lost = old.files - new.files
        if old.files >= limits.least_files and lost > old.files * limits.lost_files:
            yield Alarm(
                kind=AlarmKind.LOST_FILES,
                subject="",
                before=old.files,
                concerned=lost,
                text=f"{lost} of {old.files} files are gone{why}.",
            )
        lost = old.size_bytes - new.size_bytes
        large = old.size_bytes >= limits.least_bytes
        if large and lost > old.size_bytes * limits.lost_bytes:
            yield Alarm(
                kind=AlarmKind.LOST_BYTES,
                subject="",
                before=old.size_bytes,
                concerned=lost,
                text=f"{units.size(lost)} of {units.size(old.size_bytes)} are gone{why}.",
            )
        present = {(root.kind, root.name): root for root in roots}
        for root in self.parent.roots:
            now = present.get((root.kind, root.name))
            if now is None or root.kind not in _WATCHED:
                continue  # a home that is gone with its user counts in the sum
            before = _files(root)
            lost = before - _files(now)
            if before >= limits.least_files and lost > before * limits.lost_in_one:
                yield Alarm(
                    kind=AlarmKind.LOST_FILES,
                    subject=root.name,
                    before=before,
                    concerned=lost,
                    text=f"{lost} of {before} files of {_whose(root.kind, root.name)} are "
                    f"gone{why}.",
                )

    def _why(self, roots: Collection[Root]) -> str:
        old = {(root.kind, root.name): root.rules for root in self.parent.roots}
        other = any(old.get((root.kind, root.name), root.rules) != root.rules for root in roots)
        return "; what to leave out (backup.exclude) was changed since" if other else ""

    def _lost_rows(self, rows: Mapping[str, int]) -> Iterator[Alarm]:
        limits = self.thresholds
        old = {name: count for name, count in self.parent.rows.items() if self._lasts(name)}
        before = sum(old.values())
        lost = before - sum(count for name, count in rows.items() if self._lasts(name))
        if before >= limits.least_rows and lost > before * limits.lost_rows:
            yield Alarm(
                kind=AlarmKind.LOST_ROWS,
                subject="",
                before=before,
                concerned=lost,
                text=f"{lost} of {before} rows of the database are gone.",
            )
        for name, before in sorted(old.items()):
            lost = before - rows.get(name, 0)
            if before >= limits.least_rows and lost > before * limits.lost_in_one:
                yield Alarm(
                    kind=AlarmKind.LOST_ROWS,
                    subject=name,
                    before=before,
                    concerned=lost,
                    text=f"{lost} of {before} rows of the table {name} are gone.",
                )

    def _lasts(self, table: str) -> bool:
        return table.removeprefix(self.table_prefix) not in VOLATILE_TABLES


@dataclass(frozen=True)
class _Sum:
    files: int
    size_bytes: int

    @classmethod
    def of(cls, roots: Collection[Root]) -> _Sum:
        watched = [root for root in roots if root.kind in _WATCHED]
        return cls(sum(map(_files, watched)), sum(map(_bytes, watched)))


def _files(root: Root) -> int:
    """Return how many entries are watched; snapshots of before did not tell that apart."""
    return root.files if root.watched_files is None else root.watched_files


def _bytes(root: Root) -> int:
    return root.size_bytes if root.watched_bytes is None else root.watched_bytes


def _whose(kind: RootKind, name: str) -> str:
    return name if kind is RootKind.HOME else "the data directory beside the homes"

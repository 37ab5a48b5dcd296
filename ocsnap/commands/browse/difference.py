"""`ocsnap diff`: what changed from one snapshot to another."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from ocsnap.commands.browse.place import locate, shown_root
from ocsnap.errors import RefusedError
from ocsnap.repository.snapshot import RootKind
from ocsnap.snapshot.comparison import Change, Kind, compare

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ocsnap.commands.browse.look import Look
    from ocsnap.repository.snapshot import Root, Snapshot, StoredSnapshot
    from ocsnap.repository.tree import Entry


@dataclass(frozen=True)
class DiffOptions:
    """What to compare.

    Attributes:
        old: the earlier snapshot; see `select`.
        new: the later one.
        path: a folder or file in both; empty: everything.
        user: whose files are meant.
    """

    old: str
    new: str
    path: str = ""
    user: str | None = None


class Totals(msgspec.Struct, kw_only=True):
    """How much changed.

    Attributes:
        added: entries that are new, those in new folders too.
        added_bytes: their sizes.
        removed: entries that are gone.
        removed_bytes: their sizes.
        changed: entries with another content.
        changed_bytes: their sizes now.
        touched: entries of which only owner, rights, attributes or time differ.
    """

    added: int = 0
    added_bytes: int = 0
    removed: int = 0
    removed_bytes: int = 0
    changed: int = 0
    changed_bytes: int = 0
    touched: int = 0

    def count(self, change: Change) -> None:
        """Count one more change."""
        old, new = change.old, change.new
        if change.kind is Kind.ADDED and new is not None:
            self.added += 1 + new.entries
            self.added_bytes += new.size_bytes
        elif change.kind is Kind.REMOVED and old is not None:
            self.removed += 1 + old.entries
            self.removed_bytes += old.size_bytes
        elif change.kind is Kind.CHANGED and new is not None:
            self.changed += 1
            self.changed_bytes += new.size_bytes
        else:
            self.touched += 1


class Difference:
    """One comparison.

    Attributes:
        old: the earlier snapshot.
        new: the later one.
        totals: what `run` has told so far.
    """

    def __init__(self, look: Look, options: DiffOptions) -> None:
        """Prepare.

        Args:
            look: the open repository.
            options: what to compare.

        Raises:
            NoSnapshotError: one of them is not there.
        """
        self._look = look
        self._options = options
        self.old: StoredSnapshot = look.choose(options.old)
        self.new: StoredSnapshot = look.choose(options.new)
        self.totals = Totals()

    def run(self) -> Iterator[tuple[str, Change]]:
        """Yield the paths, each with what happened to it.

        Raises:
            RefusedError: neither snapshot has what is to be compared.
            DamagedError: a listing is lost.
        """
        for shown, old, new in self._pairs():
            for change in compare(self._look.listings, old, new):
                self.totals.count(change)
                path = os.fsdecode(change.path)
                yield (f"{shown}/{path}" if shown else path), change

    def _pairs(self) -> Iterator[tuple[str, Entry | None, Entry | None]]:
        user, path = self._options.user, self._options.path
        if path or user is not None:
            yield "", *self._named(path, user)
            return
        before = {(root.kind, root.name): root for root in self.old.snapshot.roots}
        after = {(root.kind, root.name): root for root in self.new.snapshot.roots}
        for key in sorted(before.keys() | after.keys()):
            one, other = before.get(key), after.get(key)
            present = other if one is None else one
            if present is not None:
                yield shown_root(present), _entry(one), _entry(other)

    def _named(self, path: str, user: str | None) -> tuple[Entry | None, Entry | None]:
        found: list[Entry | None] = []
        refusal = None
        for snapshot in (self.old.snapshot, self.new.snapshot):
            try:
                found.append(_directory(self._entry(snapshot, path, user), path))
            except RefusedError as error:
                refusal = error
                found.append(None)
        if refusal is not None and found == [None, None]:
            raise refusal
        return found[0], found[1]

    def _entry(self, snapshot: Snapshot, path: str, user: str | None) -> Entry:
        if user is not None and not path:
            roots = snapshot.roots
            for root in roots:
                if root.kind is RootKind.HOME and root.name == user:
                    return root.entry
        return locate(self._look.listings, snapshot, path, user).entry


def _entry(root: Root | None) -> Entry | None:
    return None if root is None else root.entry


def _directory(entry: Entry, path: str) -> Entry:
    if not entry.is_directory:
        raise RefusedError(f"{path!r} is no folder.", hint="See its versions: ocsnap find NAME.")
    return entry

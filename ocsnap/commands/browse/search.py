"""`ocsnap find`: where and when there was a file of this name, in all snapshots."""

from __future__ import annotations

import fnmatch
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ocsnap.commands.browse.place import shown_root
from ocsnap.errors import RefusedError
from ocsnap.monitor import Problem
from ocsnap.repository.snapshot import RootKind
from ocsnap.snapshot.history import Match, search

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ocsnap.commands.browse.look import Look
    from ocsnap.errors import DamagedError, ObjectMissingError
    from ocsnap.repository.snapshot import Root, StoredSnapshot


@dataclass(frozen=True)
class FindOptions:
    """What to look for.

    Attributes:
        pattern: a name with `*`, `?` and `[...]`; with a `/` in it a whole path.
        user: whose home to look into; None: everywhere.
        ignore_case: whether capitals make no difference.
        snapshot: one snapshot; None: all.
    """

    pattern: str
    user: str | None = None
    ignore_case: bool = False
    snapshot: str | None = None


@dataclass(frozen=True)
class Found:
    """A path with its versions.

    Attributes:
        user: whose home it is in; None: in none.
        path: in the home, else with the root's name in front.
        match: the versions; their numbers count `Search.snapshots`.
    """

    user: str | None
    path: str
    match: Match


class Search:
    """One search.

    Attributes:
        snapshots: the snapshots that are looked into, oldest first.
        damaged: number of directories whose listing is lost.
    """

    def __init__(self, look: Look, options: FindOptions) -> None:
        """Prepare.

        Args:
            look: the open repository.
            options: what to look for.

        Raises:
            NoSnapshotError: there is no snapshot of that name.
        """
        self._look = look
        self._options = options
        self._matches = _matcher(options)
        self.damaged = 0
        chosen = None if options.snapshot is None else look.choose(options.snapshot)
        self.snapshots: list[StoredSnapshot] = look.mine if chosen is None else [chosen]

    def run(self) -> Iterator[Found]:
        """Yield what is found, home by home.

        Raises:
            RefusedError: no snapshot has a home of the user.
        """
        wanted = self._wanted_roots()
        if not wanted and self._options.user is not None:
            raise RefusedError(
                f"No snapshot has a home of a user {self._options.user!r}.",
                hint="See who has one: ocsnap ls homes.",
            )
        for kind, name in sorted(wanted):
            roots = [_root(stored, kind, name) for stored in self.snapshots]
            shown = next(shown_root(root) for root in roots if root is not None)
            user = name if kind is RootKind.HOME else None
            trees = [None if root is None else root.entry for root in roots]
            for match in search(self._look.listings, trees, self._wanted, self._tell(shown)):
                path = os.fsdecode(match.path)
                yield Found(user, path if user is not None else f"{shown}/{path}", match)

    def _wanted_roots(self) -> set[tuple[RootKind, str]]:
        user = self._options.user
        return {
            (root.kind, root.name)
            for stored in self.snapshots
            for root in stored.snapshot.roots
            if user is None or (root.kind is RootKind.HOME and root.name == user)
        }

    def _wanted(self, path: bytes) -> bool:
        return self._matches(os.fsdecode(path))

    def _tell(self, shown: str) -> Callable[[bytes, DamagedError | ObjectMissingError], None]:
        def damaged(folder: bytes, error: DamagedError | ObjectMissingError) -> None:
            self.damaged += 1
            path = f"{shown}/{os.fsdecode(folder)}"
            self._look.context.monitor.problem(Problem(path, f"a listing is lost: {error.message}"))

        return damaged


def _root(stored: StoredSnapshot, kind: RootKind, name: str) -> Root | None:
    roots = stored.snapshot.roots
    return next((root for root in roots if root.kind is kind and root.name == name), None)


def _matcher(options: FindOptions) -> Callable[[str], bool]:
    flags = re.IGNORECASE if options.ignore_case else 0
    match = re.compile(fnmatch.translate(options.pattern.strip("/")), flags).match
    if "/" not in options.pattern.strip("/"):
        return lambda path: match(path.rpartition("/")[2]) is not None
    # As everywhere, a path may be one that the user sees.
    return lambda path: any(match(each) for each in (path, path.removeprefix("files/")))

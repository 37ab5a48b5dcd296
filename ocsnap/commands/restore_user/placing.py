"""Putting files back into a home that is in use: built in private, then renamed in, one by one."""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from ocsnap.commands.browse.place import part_of
from ocsnap.commands.restore_user.file_plan import Act, Action
from ocsnap.errors import DamagedError, LocalIOError
from ocsnap.snapshot.restorer import Placement, Restorer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ocsnap.commands.context import Context
    from ocsnap.commands.restore_user.folder import Folder
    from ocsnap.monitor import Monitor, Problem
    from ocsnap.repository.repository import Repository
    from ocsnap.repository.snapshot import Root
    from ocsnap.snapshot.listings import Listings

_LONGEST_NAME_BYTES: Final = 250
_FOLDER_MODE: Final = 0o755
_BATCH: Final = 2000
"""So many files are built before they are renamed in: each needs memory, and a pack that two
batches need is fetched twice."""


@dataclass
class Placed:
    """What was put back.

    Attributes:
        paths: what was put back, as paths in the home.
        kept: what stood there before, as pairs of path and present path.
        files: entries restored, those in folders too.
        size_bytes: sizes of the regular files.
        failed: paths that are damaged in the repository.
        left_out: sockets and devices.
    """

    paths: list[str] = field(default_factory=list)
    kept: list[tuple[str, str]] = field(default_factory=list)
    files: int = 0
    size_bytes: int = 0
    failed: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Target:
    """The home that is written to.

    Attributes:
        home: it.
        root: the snapshot's home: gives the rights of folders that are made again.
        stamp: what the names of files that give way get.
        replace: whether such files are replaced instead of kept beside.
        note: where the private folder is noted, so that the next restore removes it after a crash.
    """

    home: Folder
    root: Root
    stamp: str
    replace: bool
    note: Path


class Placing:
    """Puts files back into one home.

    Attributes:
        placed: what was put back so far.
    """

    def __init__(
        self, context: Context, repository: Repository, listings: Listings, target: Target
    ) -> None:
        """Prepare.

        Args:
            context: the outside world.
            repository: where the contents come from.
            listings: reads the snapshot.
            target: where they go.
        """
        self._context = context
        self._repository = repository
        self._listings = listings
        self._target = target
        self.placed = Placed()

    def run(self, actions: Sequence[Action]) -> None:
        """Put everything back; what stands there is never missing in between, files at least.

        Raises:
            OcsnapError: it stopped half-way; what was put back is whole.
        """
        home = self._target.home
        todo = [action for action in actions if action.act is not Act.LEAVE]
        total_bytes = sum(action.entry.size_bytes for action in todo)
        self._context.monitor.step("Restoring files", total_bytes=total_bytes)
        for start in range(0, len(todo), _BATCH):
            with home.private(self._target.note) as private:
                try:
                    self._batch(todo[start : start + _BATCH], private)
                except OSError as error:
                    raise _explained(error, home) from error

    def _batch(self, actions: Sequence[Action], private: Folder) -> None:
        names = [b"%d" % number for number in range(len(actions))]
        placements = [
            Placement(
                part_of(self._target.root, action.entry),
                private.path + b"/" + name,
            )
            for action, name in zip(actions, names, strict=True)
        ]
        shown = _Shown(private.path, actions)
        monitor = RenamingMonitor(self._context.monitor, shown)
        report = Restorer(self._repository, monitor=monitor, owners=False).restore(placements)
        self.placed.failed += [shown(path) for path in report.failed]
        self.placed.left_out += [shown(path) for path in report.left_out]
        self.placed.files += report.files
        self.placed.size_bytes += report.size_bytes
        owner = self._owner()
        for action, name in zip(actions, names, strict=True):
            if private.look(name) is None:
                continue  # damaged, or a device
            if owner is not None:
                private.give(name, *owner)
            self._place(action, private, name)

    def _place(self, action: Action, private: Folder, name: bytes) -> None:
        with self._parent(action.parts[:-1], private) as folder:
            last = action.parts[-1]
            present = folder.look(last)
            aside = None
            if present is not None:
                aside = self._give_way(action, present, folder, private)
            try:
                if not _is_folder(private.look(name)) and folder.look(last) is None:
                    # Nothing that came there in this very moment is lost.
                    private.link(name, folder, last)
                else:
                    private.rename(name, folder, last)
            except BaseException:
                if aside is not None:
                    private.rename(aside, folder, last)
                raise
        self.placed.paths.append(action.shown)

    def _give_way(
        self, action: Action, present: os.stat_result, folder: Folder, private: Folder
    ) -> bytes | None:
        """Keep what stands there under another name, or let it be replaced.

        Returns:
            The name in private of what is to be replaced and cannot be by a renaming alone.
        """
        last = action.parts[-1]
        planned = action.present
        unchanged = planned is not None and _mark(planned) == _mark(present)
        if self._target.replace and unchanged:
            if _is_folder(present) or action.entry.is_directory:
                aside = b"old-" + last[:200]
                folder.rename(last, private, aside)
                return aside
            return None  # a file is replaced by the renaming itself
        free = conflict_name(last, self._target.stamp, lambda name: folder.look(name) is not None)
        if _is_folder(present) or action.entry.is_directory:
            folder.rename(last, folder, free)
        else:
            # By a second name, so that the first one is never missing.
            folder.link(last, folder, free)
        where = os.fsdecode(b"/".join((*action.parts[:-1], free)))
        self.placed.kept.append((action.shown, where))
        return None

    def _parent(self, parts: tuple[bytes, ...], private: Folder) -> Folder:
        """Open the folder that something goes into; make what is missing on the way."""
        owner = self._owner()
        folder = self._target.home.descend(())
        for depth, name in enumerate(parts, 1):
            with folder:
                if folder.look(name) is None:
                    entry = self._listings.find(self._target.root.entry, parts[:depth])
                    mode = _FOLDER_MODE if entry is None else stat.S_IMODE(entry.mode)
                    folder.make(name, mode, owner, private)
                inner = folder.enter(name)
            folder = inner
            if owner is not None:
                folder.refuse_unless_owned(owner[0])
        return folder

    def _owner(self) -> tuple[int, int] | None:
        """Return whom everything shall belong to: the owner of the home, if we can see to it."""
        status = self._target.home.status
        return (status.st_uid, status.st_gid) if self._context.superuser else None


class RenamingMonitor:
    """Passes everything on, problems under the names that people know."""

    def __init__(self, monitor: Monitor, shown: Callable[[str], str]) -> None:
        """Keep whom to tell, and what turns a path into the one that is told."""
        self._monitor = monitor
        self._shown = shown

    def step(self, name: str, *, total_bytes: int | None = None) -> None:
        """Say nothing: the step is a part of a larger one."""

    def advance(self, *, files: int = 0, size_bytes: int = 0) -> None:
        """Pass it on."""
        self._monitor.advance(files=files, size_bytes=size_bytes)

    def at(self, place: str) -> None:
        """Say nothing: all of it is one user's."""

    def note(self, text: str) -> None:
        """Pass it on."""
        self._monitor.note(text)

    def problem(self, problem: Problem) -> None:
        """Pass it on under the other name."""
        self._monitor.problem(replace(problem, subject=self._shown(problem.subject)))


class _Shown:
    """Turns the paths of the private folder into those of the home."""

    def __init__(self, private: bytes, actions: Sequence[Action]) -> None:
        self._private = os.fsdecode(private) + "/"
        self._actions = actions

    def __call__(self, path: str) -> str:
        number, _, inner = path.removeprefix(self._private).partition("/")
        shown = self._actions[int(number)].shown
        return f"{shown}/{inner}" if inner else shown


def conflict_name(name: bytes, stamp: str, taken: Callable[[bytes], bool]) -> bytes:
    """Return the name under which something that gives way is kept.

    Args:
        name: its name.
        stamp: when, without colons: sync clients on Windows could not take them.
        taken: whether a name is in use.

    Returns:
        `letter (before restore 2026-11-24 203000).odt`; no longer than ownCloud's column for names.
    """
    dot = name.rfind(b".")
    stem, end = (name[:dot], name[dot:]) if dot > 0 else (name, b"")
    number = 1
    while True:
        again = "" if number == 1 else f" {number}"
        note = f" (before restore {stamp}{again})".encode()
        room = max(1, _LONGEST_NAME_BYTES - len(note) - len(end))
        cut = stem[:room]
        while cut and cut != stem and stem[len(cut)] & 0xC0 == 0x80:
            cut = cut[:-1]
        found = (cut + note + end)[:_LONGEST_NAME_BYTES]
        if not taken(found):
            return found
        number += 1


def refuse_damage(placed: Placed) -> None:
    """Raise for what could not be restored whole.

    Raises:
        DamagedError: something could not.
    """
    if placed.failed:
        raise DamagedError(
            f"Damaged in the repository: {', '.join(placed.failed)}.",
            hint="Run ocsnap verify --read-data; take another snapshot.",
        )


def _is_folder(status: os.stat_result | None) -> bool:
    return status is not None and stat.S_ISDIR(status.st_mode)


def _mark(status: os.stat_result) -> tuple[int, ...]:
    return (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _explained(error: OSError, home: Folder) -> LocalIOError:
    if error.errno == errno.EXDEV:
        return LocalIOError(
            f"A folder in {home.shown} lies on another disk than the home: nothing can be renamed "
            "into it.",
            hint="Restore elsewhere with --to, and copy.",
        )
    return LocalIOError(
        f"{home.shown} cannot be written: {error.strerror}.", hint="Check free space and rights."
    )

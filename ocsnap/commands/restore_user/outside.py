"""Restoring a file, a folder or a home into a folder of the administrator's."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

from ocsnap.commands.browse.place import home_of, locate, part_of
from ocsnap.commands.restore.room import check_room
from ocsnap.commands.restore_user.folder import Folder
from ocsnap.commands.restore_user.placing import RenamingMonitor
from ocsnap.commands.restore_user.report import FileAction, UserRestoreOutcome
from ocsnap.errors import LocalIOError, RefusedError
from ocsnap.snapshot.restore_report import RestoreReport
from ocsnap.snapshot.restorer import Placement, Restorer

if TYPE_CHECKING:
    from pathlib import Path

    from ocsnap.commands.browse.look import Look
    from ocsnap.commands.browse.place import Place
    from ocsnap.commands.restore_user.report import UserRestoreOptions

_BUILT = b"built"


def restore_outside(look: Look, options: UserRestoreOptions, to: Path) -> UserRestoreOutcome:
    """Restore into a folder under the last name of the path; nothing that is there is touched.

    Args:
        look: the open repository.
        options: what to restore.
        to: the folder, which is there.

    Returns:
        What was done.

    Raises:
        LocalIOError: there is no such folder, or no room in it.
        RefusedError: there is no such path, or something of its name is in the folder already.
        OcsnapError: nothing was put there.
    """
    _demand_folder(to)
    clock = look.context.clock
    began = clock.monotonic()
    stored = look.choose(options.snapshot)
    snapshot = stored.snapshot
    if options.path is None:
        home = home_of(snapshot, options.user)
        place, name = None, os.fsencode(options.user)
        root = home
    else:
        place = locate(look.listings, snapshot, options.path, options.user)
        name = _name(place, options)
        root = part_of(place.root, place.entry)
    entry = root.entry
    with Folder.open(to) as folder:
        if folder.look(name) is not None:
            raise RefusedError(
                f"{to / os.fsdecode(name)} is there already.", hint="Name another folder with --to."
            )
        check_room([(to, entry.size_bytes)])
        report = RestoreReport()
        if not options.dry_run:
            report = _build(look, folder, name, Placement(root, b""))
    action = FileAction(
        act="put",
        path=os.fsdecode(name),
        entries=entry.entries + 1,
        size_bytes=entry.size_bytes,
    )
    return UserRestoreOutcome(
        snapshot=stored.id,
        user=options.user,
        dry_run=options.dry_run,
        actions=[action],
        same=0,
        restored=report.files,
        size_bytes=report.size_bytes,
        place=str(to / os.fsdecode(name)),
        kept=[],
        failed=report.failed,
        left_out=report.left_out,
        scanned=[],
        scan_failure=None,
        rows=[],
        notes=look.doubts(stored),
        seconds=clock.monotonic() - began,
        estimate=look.estimate(root, [entry]) if options.dry_run else None,
    )


def _demand_folder(to: Path) -> None:
    if os.path.lexists(to) and not to.is_dir():
        raise LocalIOError(f"{to} is no folder.", hint="Name a folder with --to.")
    if not to.is_dir():
        # A folder that is made for a mistyped name is looked for in vain later.
        raise LocalIOError(
            f"{to} is not there.", hint=f"Make it first: mkdir -p {shlex.quote(str(to))}"
        )


def _name(place: Place, options: UserRestoreOptions) -> bytes:
    return place.parts[-1] if place.parts else os.fsencode(options.user)


def _build(look: Look, folder: Folder, name: bytes, wanted: Placement) -> RestoreReport:
    context = look.context
    total_bytes = wanted.root.entry.size_bytes
    context.monitor.step("Restoring files", total_bytes=total_bytes)
    with folder.private() as private:
        built = private.path + b"/" + _BUILT
        final = f"{folder.shown}/{os.fsdecode(name)}"

        def shown(path: str) -> str:
            return final + path.removeprefix(os.fsdecode(built))

        monitor = RenamingMonitor(context.monitor, shown)
        restorer = Restorer(look.repository, monitor=monitor, owners=context.superuser)
        report = restorer.restore([Placement(wanted.root, built)])
        report.failed = [shown(path) for path in report.failed]
        report.left_out = [shown(path) for path in report.left_out]
        try:
            if wanted.root.entry.is_directory:
                private.rename(_BUILT, folder, name)
            elif private.look(_BUILT) is not None:
                private.link(_BUILT, folder, name)
        except OSError as error:
            raise LocalIOError(f"{final} cannot be made: {error.strerror}.") from error
    return report

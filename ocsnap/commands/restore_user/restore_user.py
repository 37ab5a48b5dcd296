"""`ocsnap restore --user`: one file, one folder, or all of a user, into the cloud that runs.

Files are put back first, then ownCloud is asked to take them in, and then rows are brought back
that hang on the files' new numbers. What is right already is left alone, so a run that was cut off
goes on where it stopped when it is started again.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from ocsnap.commands.browse.look import Look, look
from ocsnap.commands.browse.place import home_of, locate
from ocsnap.commands.context import state_dir
from ocsnap.commands.reporting.hooks import HookPoint, demand
from ocsnap.commands.restore.room import check_room
from ocsnap.commands.restore.undo import refuse_pieces
from ocsnap.commands.restore_user.file_plan import Act, Action, FilePlan
from ocsnap.commands.restore_user.folder import remove_leftover
from ocsnap.commands.restore_user.live_home import (
    home_today,
    make_home,
    open_home,
    refuse_encrypted,
    refuse_unfit,
)
from ocsnap.commands.restore_user.outside import restore_outside
from ocsnap.commands.restore_user.placing import Placed, Placing, Target
from ocsnap.commands.restore_user.report import (
    FileAction,
    RowAction,
    UserRestoreOptions,
    UserRestoreOutcome,
    UserRestorePlan,
)
from ocsnap.commands.restore_user.rows import RowRestore, dumped_rows
from ocsnap.commands.run_lock import run_lock
from ocsnap.commands.site import Site, open_site
from ocsnap.errors import LocalIOError, OwncloudError, RefusedError
from ocsnap.owncloud.user_rows.topics import Topic

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ocsnap.commands.context import Context
    from ocsnap.commands.restore.estimate import Estimate
    from ocsnap.repository.snapshot import Root, StoredSnapshot
    from ocsnap.repository.tree import Entry

_CHANGES: Final = frozenset({"insert", "update"})
_NOTE: Final = "restoring"
_STAMP: Final = "%Y-%m-%d %H%M%S"


def restore_user(
    context: Context,
    options: UserRestoreOptions,
    confirm: Callable[[UserRestorePlan], bool],
) -> UserRestoreOutcome:
    """Restore a file, a folder, or a user.

    Args:
        context: the outside world.
        options: what, and where to.
        confirm: asked before anything is put into the cloud that runs.

    Returns:
        What was done; files that are damaged in the repository are named there, and why ownCloud
        did not take in the files, if it did not.

    Raises:
        RefusedError: `confirm` said no, or it would not be safe.
        OcsnapError: it stopped; started again it goes on.
    """
    if options.to is not None:
        with look(context, locked=True) as opened:
            return restore_outside(opened, options, options.to)
    folder = state_dir(context)
    with ExitStack() as stack:
        stack.enter_context(run_lock(folder, "a restore"))
        refuse_pieces(context, folder)
        remove_leftover(folder / _NOTE)
        opened = stack.enter_context(look(context, locked=True))
        run = _prepare(opened, options, folder, stack)
        return run.run(confirm)


@dataclass
class _Run:
    """One restore into the cloud that runs."""

    look: Look
    options: UserRestoreOptions
    stored: StoredSnapshot
    site: Site
    root: Root
    parts: tuple[bytes, ...]
    entry: Entry
    home: Path
    known: bool
    rows: RowRestore | None
    folder: Path
    doubts: list[str]
    began: float
    done_rows: list[RowAction] = field(default_factory=list)

    def run(self, confirm: Callable[[UserRestorePlan], bool]) -> UserRestoreOutcome:
        monitor = self.look.context.monitor
        monitor.step("Comparing with what is there")
        plan, actions = self._compare()
        rows = [] if self.rows is None else self.rows.rehearse()
        self._check_room(actions)
        if self.options.dry_run:
            return self._outcome(actions, plan, Placed(), rows, scanned=[], failure=None)
        if not confirm(self._plan(actions, rows)):
            raise RefusedError("Nothing was restored.", hint="Confirm it, or give --yes.")
        demand(self.look.context, HookPoint.BEFORE_RESTORE)
        if self.rows is not None and not self.known:
            self.done_rows += self.rows.bring_account()
        placed = self._place(actions)
        scanned = self._to_scan(plan)
        failure = self._scan(scanned)
        if self.rows is not None and failure is None:
            monitor.step("Bringing back rows")
            try:
                self.done_rows += self.rows.bring_rest()
            except BaseException:
                monitor.note("The files are in their places, but no row was brought back.")
                raise
        return self._outcome(
            actions, plan, placed, self.done_rows, scanned=scanned, failure=failure
        )

    def _compare(self) -> tuple[FilePlan, list[Action]]:
        home = open_home(self.look.context, self.site, self.home)
        if home is None:
            plan = FilePlan(self.look.listings, None)
            return plan, list(plan.run(self.parts, self.entry))
        with home:
            plan = FilePlan(self.look.listings, home)
            return plan, list(plan.run(self.parts, self.entry))

    def _check_room(self, actions: list[Action]) -> None:
        wanted = [action for action in actions if action.act is not Act.LEAVE]
        check_room([(self.home, sum(action.entry.size_bytes for action in wanted))])

    def _plan(self, actions: list[Action], rows: list[RowAction]) -> UserRestorePlan:
        def entries(act: Act) -> int:
            return sum(1 + action.entry.entries for action in actions if action.act is act)

        wanted = [action for action in actions if action.act is not Act.LEAVE]
        return UserRestorePlan(
            snapshot=self.stored.id,
            started=self.stored.snapshot.started,
            user=self.options.user,
            put=entries(Act.PUT),
            exchanged=entries(Act.EXCHANGE),
            size_bytes=sum(action.entry.size_bytes for action in wanted),
            rows=sum(row.act in _CHANGES for row in rows),
            replace=self.options.replace,
            doubts=self.doubts,
            estimate=self._estimate(actions),
        )

    def _estimate(self, actions: list[Action]) -> Estimate:
        wanted = [action.entry for action in actions if action.act is not Act.LEAVE]
        return self.look.estimate(self.root, wanted)

    def _place(self, actions: list[Action]) -> Placed:
        context = self.look.context
        if not os.path.lexists(self.home):
            make_home(context, self.site, self.home, self.root)
        home = open_home(context, self.site, self.home)
        if home is None:
            raise LocalIOError(f"{self.home} vanished.")
        stamp = datetime.fromtimestamp(context.clock.now(), UTC).astimezone()
        with home:
            target = Target(
                home=home,
                root=self.root,
                stamp=f"{stamp:{_STAMP}}",
                replace=self.options.replace,
                note=self.folder / _NOTE,
            )
            placing = Placing(context, self.look.repository, self.look.listings, target)
            try:
                placing.run(actions)
            except BaseException:
                count = len(placing.placed.paths)
                context.monitor.note(
                    f"{count} of {len(actions)} paths were put back, and ownCloud has not looked "
                    "at them yet. Start the restore again: it goes on where it stopped."
                )
                raise
        return placing.placed

    def _to_scan(self, plan: FilePlan) -> list[str]:
        """Return what ownCloud must look at: the folder that holds all that was put back."""
        user = self.options.user
        if not self.parts:
            return [user]
        # A folder on the way that was gone as well is only seen from the one above it.
        parts = self.parts[:-1][: plan.present_parts]
        return ["/".join([user, *(os.fsdecode(part) for part in parts)])]

    def _scan(self, paths: list[str]) -> str | None:
        """Let ownCloud take the files in; return why it did not."""
        self.look.context.monitor.step("Waiting for ownCloud to take in the files")
        try:
            for path in paths:
                self.site.occ.scan_files(path)
        except OwncloudError as error:
            return str(error)
        return None

    def _outcome(  # noqa: PLR0913 - by name, and each is one column of the report
        self,
        actions: list[Action],
        plan: FilePlan,
        placed: Placed,
        rows: list[RowAction],
        *,
        scanned: list[str],
        failure: str | None,
    ) -> UserRestoreOutcome:
        return UserRestoreOutcome(
            snapshot=self.stored.id,
            user=self.options.user,
            dry_run=self.options.dry_run,
            actions=[_told(action) for action in actions],
            same=plan.same,
            restored=placed.files,
            size_bytes=placed.size_bytes,
            place=str(self.home),
            kept=placed.kept,
            failed=placed.failed,
            left_out=placed.left_out,
            scanned=scanned,
            scan_failure=failure,
            rows=rows,
            notes=[*self.doubts, *(() if self.rows is None else self.rows.notes())],
            seconds=self.look.context.clock.monotonic() - self.began,
            estimate=self._estimate(actions) if self.options.dry_run else None,
        )


def _prepare(opened: Look, options: UserRestoreOptions, folder: Path, stack: ExitStack) -> _Run:
    """See that it can be done at all, before anything is touched."""
    context = opened.context
    began = context.clock.monotonic()
    stored = opened.choose(options.snapshot)
    snapshot = stored.snapshot
    configured = str(context.config.owncloud.root)
    if snapshot.owncloud.root != configured:
        raise RefusedError(
            f"The snapshot is of {snapshot.owncloud.root}, but owncloud.root is {configured}.",
            hint="Restore elsewhere with --to.",
        )
    root = home_of(snapshot, options.user)
    parts: tuple[bytes, ...] = ()
    entry = root.entry
    if options.path is not None:
        place = locate(opened.listings, snapshot, options.path, options.user)
        parts, entry = place.parts, place.entry
    site = open_site(context, folder)
    refuse_unfit(site)
    refuse_encrypted(opened.listings, root)
    home, known = home_today(site, snapshot, root)
    if not known and parts:
        raise RefusedError(
            f"ownCloud has no user {options.user} any more, whom files could be put back for.",
            hint="Without --path the account comes back, too; or restore elsewhere with --to.",
        )
    run = _Run(
        look=opened,
        options=options,
        stored=stored,
        site=site,
        root=root,
        parts=parts,
        entry=entry,
        home=home,
        known=known,
        rows=None,
        folder=folder,
        doubts=opened.doubts(stored),
        began=began,
    )
    if not parts:
        dumped = stack.enter_context(dumped_rows(opened, snapshot, folder))
        topics = frozenset(Topic) - {Topic(name) for name in options.without}
        run.rows = RowRestore(
            look=opened,
            site=site,
            snapshot=snapshot,
            dumped=dumped,
            user=options.user,
            homes=(os.fsdecode(root.path), str(home)),
            topics=topics,
            was_deleted=not known,
            will_exist=_Future(opened, root, home),
        )
        _refuse_stranger(run.rows, known=known)
    return run


def _refuse_stranger(rows: RowRestore, *, known: bool) -> None:
    if known:
        return
    if Topic.ACCOUNT not in rows.topics:
        raise RefusedError(
            f"ownCloud has no user {rows.user} any more.", hint="Do not leave out the account."
        )
    if not rows.is_in_dump():
        raise RefusedError(
            f"Neither ownCloud nor the snapshot's database has an account of {rows.user}.",
            hint="Restore the files elsewhere with --to.",
        )


class _Future:
    """Tells whether a path in a home is there when all is done: it is already, or comes back."""

    def __init__(self, opened: Look, root: Root, home: Path) -> None:
        self._listings = opened.listings
        self._root = root
        self._home = home

    def __call__(self, path: str) -> bool:
        if os.path.lexists(self._home / path):
            return True
        parts = [os.fsencode(part) for part in path.split("/") if part]
        return self._listings.find(self._root.entry, parts) is not None


def _told(action: Action) -> FileAction:
    return FileAction(
        act=action.act.value,
        path=action.shown,
        entries=1 + action.entry.entries,
        size_bytes=action.entry.size_bytes,
    )

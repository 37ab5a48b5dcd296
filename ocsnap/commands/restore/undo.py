"""`ocsnap restore --undo`, `--resume`, `--forget-kept`: what a journal of a restore is good for."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ocsnap.commands.context import state_dir
from ocsnap.commands.restore import journal as journals
from ocsnap.commands.restore.closing import at
from ocsnap.commands.restore.journal import IN_PIECES, Journal, Phase
from ocsnap.commands.restore.keeping import forget, kept
from ocsnap.commands.restore.switchover import Switchover
from ocsnap.commands.run_lock import run_lock
from ocsnap.errors import MaintenanceLeftOnError, RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ocsnap.commands.context import Context
    from ocsnap.commands.restore.closing import Closing


@dataclass
class Undone:
    """What was done with an earlier restore.

    Attributes:
        snapshot: id of the snapshot that it restored.
        is_open: whether users can work again.
        awaits_code: whether they cannot because the code of ownCloud is not there yet.
        kept: what is kept of the other site.
        removed: what was removed.
        steps: what the admin has to do.
        notes: sentences worth reading.
        dry_run: whether nothing was done; `would` says what would be.
        would: what would be done, one sentence or path each.
    """

    snapshot: str
    is_open: bool = True
    awaits_code: bool = False
    kept: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    dry_run: bool = False
    would: list[str] = field(default_factory=list)


def undo(context: Context, confirm: Callable[[list[str]], bool]) -> Undone:
    """Put back what the last restore has replaced, or what one that died has begun to.

    Args:
        context: the outside world.
        confirm: asked before a finished restore is undone; is given what comes back.

    Returns:
        What was done.

    Raises:
        RefusedError: there is nothing to undo, or `confirm` said no.
        OcsnapError: it could not be done; it can be tried again.
    """
    folder = state_dir(context)
    with run_lock(folder, "the undoing of a restore"):
        journal = _to_undo(folder)
        switchover = Switchover.of(context, folder, journal)
        if journal.phase in {Phase.BUILDING, Phase.SWITCHING}:
            switchover.undo_unfinished()
            return Undone(journal.snapshot)
        if journal.phase is Phase.CLOSING:
            switchover.finish()  # it may be open already, with work in it that must be kept
        if switchover.journal.phase is Phase.DONE and not confirm(kept(journal)):
            raise RefusedError("Nothing was put back.", hint="Confirm it, or give --yes.")
        return _told(switchover, switchover.undo())


def resume(context: Context) -> Undone:
    """Bring a restore to its end that died while it exchanged the old site for the new one.

    Args:
        context: the outside world.

    Raises:
        RefusedError: there is none.
        OcsnapError: it could not be done; it can be tried again, or undone.
    """
    folder = state_dir(context)
    with run_lock(folder, "the end of a restore"):
        return _finish(Switchover.of(context, folder, _to_resume(folder)))


def would_undo(context: Context) -> Undone:
    """Say what `undo` would do.

    Raises:
        RefusedError: there is nothing to undo.
    """
    journal = _to_undo(state_dir(context))
    if journal.phase is Phase.DONE:
        acts = [f"Put back {item}" for item in kept(journal)]
    else:
        acts = [f"Put back what the restore that died has replaced in {journal.root}"]
    return Undone(journal.snapshot, dry_run=True, would=acts)


def would_resume(context: Context) -> Undone:
    """Say what `resume` would do.

    Raises:
        RefusedError: there is no restore that could be finished.
    """
    journal = _to_resume(state_dir(context))
    undoing = journal.phase is Phase.UNDOING
    way = "Go on undoing" if undoing else "Go on with"
    return Undone(
        journal.snapshot, dry_run=True, would=[f"{way} the restore that died in {journal.root}"]
    )


def would_forget(context: Context) -> Undone:
    """Say what `forget_kept` would remove."""
    items = kept_by_restores(context)
    return Undone("", dry_run=True, would=[f"Remove {item}" for item in items])


def kept_by_restores(context: Context) -> list[str]:
    """Return all that finished restores keep."""
    journals_ = _finished(state_dir(context))
    return [item for journal in journals_ for item in kept(journal)]


def forget_kept(context: Context, confirm: Callable[[list[str]], bool]) -> Undone:
    """Remove for good what finished restores keep.

    Args:
        context: the outside world.
        confirm: asked before; is given what goes.

    Returns:
        What was removed.

    Raises:
        RefusedError: `confirm` said no.
    """
    folder = state_dir(context)
    with run_lock(folder, "the removal of what restores kept"):
        finished = _finished(folder)
        items = [item for journal in finished for item in kept(journal)]
        if items and not confirm(items):
            raise RefusedError("Nothing was removed.", hint="Confirm it, or give --yes.")
        removed = []
        for journal in finished:
            removed += forget(at(context, Path(journal.root)), folder, journal)
        left = [item for journal in _finished(folder) for item in kept(journal)]
        return Undone("", removed=removed, kept=left)


def settle(context: Context, folder: Path) -> None:
    """Bring a restore that died to one of its two ends, before another one begins.

    Args:
        context: the outside world.
        folder: `backup.state_dir`, whose lock is held.
    """
    found = journals.read_all(folder)
    for finished in found:
        Switchover.of(context, folder, finished).sweep()
    journal = journals.unfinished(found)
    if journal is None:
        return
    switchover = Switchover.of(context, folder, journal)
    if journal.phase in {Phase.BUILDING, Phase.SWITCHING}:
        context.monitor.note("An earlier restore was cut off: all that it changed is put back.")
        switchover.undo_unfinished()
    else:
        context.monitor.note("An earlier restore was cut off near its end: it is finished.")
        _finish(switchover)


def refuse_pieces(context: Context, folder: Path) -> None:
    """See that no restore has died in the middle; one that died else is brought to an end.

    Args:
        context: the outside world.
        folder: `backup.state_dir`, whose lock is held.

    Raises:
        MaintenanceLeftOnError: what stands there may be partly old and partly new.
    """
    demand_whole(folder)
    settle(context, folder)


def demand_whole(folder: Path) -> None:
    """See that no restore has died in the middle; nothing is brought to an end.

    Args:
        folder: `backup.state_dir`.

    Raises:
        MaintenanceLeftOnError: what stands there may be partly old and partly new.
    """
    journal = journals.unfinished(journals.read_all(folder))
    if journal is not None and journal.phase in IN_PIECES:
        raise in_pieces(journal)


def in_pieces(journal: Journal) -> MaintenanceLeftOnError:
    """Say that a restore has died in the middle, whose site must not be opened."""
    return MaintenanceLeftOnError(
        f"A restore died while it exchanged parts of {journal.root}, which is still in"
        " maintenance: sync clients would delete what they do not find there.",
        hint="Put all back with `ocsnap restore --undo`, or go on with `ocsnap restore --resume`.",
    )


def _finish(switchover: Switchover) -> Undone:
    if switchover.journal.phase is Phase.UNDOING:
        return _told(switchover, switchover.undo())
    return _told(switchover, switchover.resume())


def _told(switchover: Switchover, closing: Closing) -> Undone:
    journal = switchover.journal
    return Undone(
        journal.snapshot,
        is_open=closing.is_open or closing.found_on,
        awaits_code=closing.awaits_code,
        kept=kept(journal),
        steps=closing.steps,
        notes=closing.notes,
    )


def _to_undo(folder: Path) -> Journal:
    found = journals.read_all(folder)
    unfinished = journals.unfinished(found)
    if unfinished is not None:
        return unfinished
    done = [journal for journal in found if journal.phase is Phase.DONE]
    if not done:
        raise RefusedError(
            "There is no restore to undo.",
            hint="Either there was none, or what it kept has been removed.",
        )
    return done[-1]


def _to_resume(folder: Path) -> Journal:
    journal = journals.unfinished(journals.read_all(folder))
    if journal is None or journal.phase is Phase.BUILDING:
        raise RefusedError(
            "There is no restore that could be finished.",
            hint="One that died before it changed anything is begun anew: ocsnap restore.",
        )
    return journal


def _finished(folder: Path) -> list[Journal]:
    found = journals.read_all(folder)
    return [journal for journal in found if journal.phase in {Phase.DONE, Phase.UNDONE}]

"""`ocsnap acknowledge`: somebody has looked at the alarms of a snapshot and found all well."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Final

from ocsnap.commands.context import connect, state_dir
from ocsnap.commands.reporting.metrics import write_open_alarms
from ocsnap.commands.run_lock import run_lock
from ocsnap.commands.snapshots import readable
from ocsnap.errors import NoSnapshotError
from ocsnap.repository.alarm import Acknowledgement, unacknowledged
from ocsnap.repository.alarm import acknowledge as store
from ocsnap.repository.selector import select

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ocsnap.commands.context import Context
    from ocsnap.repository.snapshot import StoredSnapshot

_USERS: Final = ("SUDO_USER", "LOGNAME", "USER")
"""Who is at the keyboard: with sudo the person, not root."""


def acknowledge(
    context: Context, wanted: Sequence[str], *, reason: str = "", dry_run: bool = False
) -> list[StoredSnapshot]:
    """Let alarms rest, so that old snapshots may be deleted again.

    Args:
        context: the outside world.
        wanted: the snapshots, as people name them.
        reason: what to tell later readers.
        dry_run: only tell which they are.

    Returns:
        The snapshots whose alarms were open and are not any more.

    Raises:
        NoSnapshotError: there is no such snapshot, or it raised no alarm; none was acknowledged.
        OcsnapError: the repository cannot be read or written.
    """
    folder = state_dir(context)
    with (
        run_lock(folder, "an acknowledgement"),
        closing(connect(context).repository) as repository,
    ):
        found = readable(repository, context.monitor)
        chosen = [select(found, name) for name in wanted]
        for stored in chosen:
            if not stored.snapshot.alarms:
                raise NoSnapshotError(
                    f"Snapshot {stored.short_id} raised no alarm.",
                    hint="See which did: ocsnap snapshots.",
                )
        waiting = unacknowledged(repository, chosen, context.monitor)
        if dry_run:
            return waiting
        for stored in waiting:
            told = Acknowledgement(
                repository=repository.id,
                snapshot=stored.id,
                time=context.clock.now(),
                host=context.host,
                user=_user(context.environment),
                reason=reason,
            )
            store(repository, told)
        write_open_alarms(context, len(unacknowledged(repository, found, context.monitor)))
        return waiting


def _user(environment: Mapping[str, str]) -> str:
    return next((environment[name] for name in _USERS if environment.get(name)), "")

"""`ocsnap restore --db --table` on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocsnap import units
from ocsnap.cli.output import print_json, print_text
from ocsnap.cli.restore_text import estimate_lines
from ocsnap.cli.session import session
from ocsnap.errors import ExitStatus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ocsnap.cli.options import GlobalOptions
    from ocsnap.commands.restore_tables import TableOptions, TableOutcome


def restore_tables(options: GlobalOptions, wanted: TableOptions) -> int:
    """Run the command.

    Args:
        options: what every command shares.
        wanted: which tables.

    Returns:
        The exit status.
    """
    from ocsnap.commands.restore_tables import restore_tables as run  # noqa: PLC0415 - see session

    with session(options) as world:
        outcome = run(world, wanted)
    if options.json:
        print_json(outcome)
    else:
        print_text("\n".join(_lines(outcome)))
    return int(ExitStatus.OK)


def _lines(outcome: TableOutcome) -> Iterator[str]:
    for name, rows in outcome.tables.items():
        yield f"{name}: {rows} rows"
    if outcome.dry_run:
        size = units.size(outcome.size_bytes)
        yield f"Nothing was done. {size} would be read, and loaded into {outcome.database}."
        if outcome.estimate is not None:
            yield from estimate_lines(outcome.estimate)
        return
    yield (
        f"Loaded from snapshot {outcome.snapshot[:8]} into {outcome.database} in "
        f"{units.duration(outcome.seconds)}. ownCloud's own database is as it was."
    )

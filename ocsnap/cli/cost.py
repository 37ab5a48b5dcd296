"""`ocsnap cost` on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import typer  # noqa: TC002 - typer reads the annotations

from ocsnap import units
from ocsnap.cli.output import print_json, print_parts
from ocsnap.cli.session import session
from ocsnap.cli.text_table import Column, TextTable
from ocsnap.errors import ExitStatus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ocsnap.commands.cost import Cost, RestoreCost

_CLASSES: Final = (
    Column("Storage class", 20, is_number=False),
    Column("Objects", 10),
    Column("Size", 10),
    Column("Charged", 10),
    Column("A month", 14),
)
_UNKNOWN: Final = "?"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("cost")(cost)


def cost(context: typer.Context) -> int:
    """Tell what the backups cost a month, and a restore.

    The store is asked where each object lies; the prices are those of the bucket's region, of the
    day that is shown, or your own: repository.prices_file.
    Charged is more than Size where a storage class has a least size of an object. A restore is of
    the latest snapshot, onto a bare machine, over the internet.

    Examples:

        ocsnap cost

        ocsnap --json cost
    """
    from ocsnap.commands.cost import cost as run  # noqa: PLC0415 - see session

    options = context.obj
    with session(options) as world:
        found = run(world)
    if options.json:
        print_json(found)
    else:
        print_parts(_parts(found))
    return int(ExitStatus.OK)


def _parts(found: Cost) -> Iterator[str | TextTable]:
    table = TextTable(_CLASSES)
    for each in found.classes:
        table.add(
            each.storage_class,
            str(each.objects),
            units.size(each.stored_bytes),
            units.size(each.charged_bytes),
            _dollars(each.month_dollars),
        )
    yield table
    yield ""
    if not found.prices_of:
        yield "The repository is on a disk: nobody sends a bill for it."
        return
    yield f"All of it costs {_dollars(found.month_dollars)} a month."
    yield _restore(found.restore)
    yield f"Prices: {found.prices_of}, without tax."
    yield from found.notes


def _restore(restore: RestoreCost | None) -> str:
    if restore is None:
        return "There is no snapshot yet."
    which = f"of snapshot {restore.snapshot[:8]} " if restore.snapshot else ""
    return (
        f"A full restore {which}fetches {units.size(restore.fetch_bytes)} in {restore.objects} "
        f"objects: {_dollars(restore.dollars)}; less if some of the "
        f"{units.size(restore.free_bytes)} that are free each month are left."
    )


def _dollars(amount: float | None) -> str:
    return _UNKNOWN if amount is None else f"{amount:.2f} USD"

"""`ocsnap stats` on the command line."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ocsnap import units
from ocsnap.cli.output import print_json, print_text
from ocsnap.cli.session import session
from ocsnap.errors import ExitStatus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ocsnap.commands.stats import SnapshotFigures, Stats, UserFigures

_HEAD: Final = (
    f"{'ID':<10}{'Time':<18}{'Files':>9}{'Size':>10}{'Grown':>10}{'New':>10}"
    f"{'Deduplicated':>14}{'Saved by deltas':>17}"
)
_USERS: Final = f"{'User':<28}{'Files':>9}{'Size':>10}{'Shown':>10}{'Grown':>10}"
_UNKNOWN: Final = "?"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("stats")(stats)


def stats(
    context: typer.Context,
    last: Annotated[
        int | None, typer.Option("--last", "-n", min=1, help="Only so many of the latest.")
    ] = None,
) -> int:
    """Show how the backups grow, what was saved, and whose files they are.

    Size is what a restore would bring, Grown the difference to the snapshot before; New is content
    that had to be stored, before compression. Deduplicated was stored already, under another name
    or in an older version. Users are those of the latest snapshot, with what they see (Shown) and
    how much they have grown since the first snapshot that is looked at.

    Examples:

        ocsnap stats

        ocsnap stats --last 30

        ocsnap --json stats
    """
    from ocsnap.commands.stats import stats as run  # noqa: PLC0415 - see session

    options = context.obj
    with session(options) as world:
        found = run(world, last=last)
    if options.json:
        print_json(found)
    else:
        print_text("\n".join(_lines(found)))
    return int(ExitStatus.OK)


def _lines(found: Stats) -> Iterator[str]:
    if not found.snapshots:
        yield "There is no snapshot yet."
        return
    yield _HEAD
    for figures in found.snapshots:
        yield _snapshot(figures)
    yield ""
    yield _USERS
    for user in found.users:
        yield _user(user)
    yield ""
    yield (
        f"Full copies of all snapshots would take {units.size(found.full_bytes)}. Each content "
        f"once is {units.size(found.content_bytes)}; compressed and encrypted the repository takes "
        f"{units.size(found.stored_bytes)}, {_share(found.stored_bytes, found.full_bytes)}."
    )


def _snapshot(figures: SnapshotFigures) -> str:
    moment = datetime.fromtimestamp(figures.started, UTC).astimezone()
    return (
        f"{figures.id[:8]:<10}{moment:%Y-%m-%d %H:%M}  {figures.files:>9}"
        f"{units.size(figures.size_bytes):>10}{units.size(figures.grown_bytes):>10}"
        f"{units.size(figures.new_bytes):>10}{units.size(figures.deduplicated_bytes):>14}"
        f"{units.size(figures.delta_saved_bytes):>17}"
    )


def _user(figures: UserFigures) -> str:
    shown = _UNKNOWN if figures.shown_bytes is None else units.size(figures.shown_bytes)
    return (
        f"{figures.user:<27} {figures.files:>9}{units.size(figures.size_bytes):>10}"
        f"{shown:>10}{units.size(figures.grown_bytes):>10}"
    )


def _share(part_bytes: int, whole_bytes: int) -> str:
    return f"{part_bytes / whole_bytes:.1%} of that" if whole_bytes else "all of it listings"

"""Options that select snapshots, for the commands that have them alike."""

from __future__ import annotations

from typing import Annotated

import typer

SnapshotToRestore = Annotated[
    str,
    typer.Option(
        "--snapshot",
        metavar="SNAPSHOT",
        help="latest, the first digits of an ID, or a time such as 2026-11-01T20:30.",
    ),
]

SnapshotToRead = Annotated[
    str | None,
    typer.Option(
        "--snapshot",
        metavar="SNAPSHOT",
        help="latest (the default), the first digits of an ID, or a time.",
    ),
]

Last = Annotated[
    int | None,
    typer.Option(
        "--last",
        "-n",
        metavar="NUMBER",
        min=1,
        help="Only so many of the latest snapshots; else all.",
    ),
]

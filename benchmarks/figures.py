"""What several rounds gave, and the table of it: medians, and ratios within one round.

These machines are noisy: a round runs all programs one after the other, a ratio is taken in each
round, and the median of the ratios is told.
"""

from __future__ import annotations

import re
import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from rich.console import Console


@dataclass
class Figures:
    """Values by row and column, one for each round.

    Attributes:
        values: by row, then column; a round that failed to give one ends the benchmark.
    """

    values: dict[str, dict[str, list[float]]] = field(default_factory=dict)

    def add(self, row: str, column: str, value: float) -> None:
        """Add what a round gave."""
        self.values.setdefault(row, {}).setdefault(column, []).append(value)

    def median(self, row: str, column: str) -> float | None:
        """Return the median of all rounds."""
        found = self.values.get(row, {}).get(column)
        return statistics.median(found) if found else None

    def ratio(self, row: str, column: str, beside: str) -> float | None:
        """Return the median of what one column is as a multiple of another, round by round."""
        row_values = self.values.get(row, {})
        ours, theirs = row_values.get(column, []), row_values.get(beside, [])
        ratios = [our / their for our, their in zip(ours, theirs, strict=False) if their]
        return statistics.median(ratios) if ratios else None


@dataclass(frozen=True)
class Goal:
    """What a figure must reach.

    Attributes:
        text: in words.
        row: which figure.
        column: of whom.
        most: at most this, absolutely, or as a multiple of another column's.
        beside: that column; empty: absolutely.
    """

    text: str
    row: str
    column: str
    most: float
    beside: str = ""

    def reached(self, figures: Figures) -> tuple[float, bool] | None:
        """Return the figure and whether it is good enough; None where it was not measured."""
        if self.beside:
            value = figures.ratio(self.row, self.column, self.beside)
        else:
            value = figures.median(self.row, self.column)
        return None if value is None else (value, value <= self.most)


def medians_table(title: str, figures: Figures, columns: Iterable[str]) -> Table:
    """Return the medians as a table.

    Args:
        title: what stands above.
        figures: the values.
        columns: in this order; those without any value are left out.
    """
    shown = [name for name in columns if any(name in row for row in figures.values.values())]
    table = Table(title=title, title_justify="left")
    table.add_column("")
    for name in shown:
        table.add_column(name, justify="right")
    for row in figures.values:
        cells = [figures.median(row, name) for name in shown]
        table.add_row(row, *("-" if cell is None else _number(cell) for cell in cells))
    return table


def goals_table(figures: Figures, goals: Iterable[Goal]) -> Table:
    """Return what was to be reached, and what was."""
    table = Table(title="Goals", title_justify="left")
    table.add_column("")
    for name in ("at most", "measured"):
        table.add_column(name, justify="right")
    table.add_column("")
    for goal in goals:
        found = goal.reached(figures)
        if found is not None:
            value, good = found
            unit = f" x {goal.beside}" if goal.beside else ""
            table.add_row(
                goal.text,
                f"{goal.most:g}{unit}",
                f"{_number(value)}{unit}",
                "[green]reached[/]" if good else "[red]missed[/]",
            )
    return table


def save(console: Console, out: Path, name: str, *, title: str) -> None:
    """Write what a console has printed as text and as a picture.

    Args:
        console: one that records.
        out: the folder.
        name: the files' name, without its end.
        title: what stands above the picture.
    """
    out.mkdir(parents=True, exist_ok=True)
    picture = console.export_svg(title=title, clear=False)
    # A picture in a page loads nothing, and shows well in any font of fixed width.
    picture = re.sub(r"@font-face \{.*?\}", "", picture, flags=re.DOTALL)
    (out / f"{name}.svg").write_text(picture)
    console.save_text(str(out / f"{name}.txt"))


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"

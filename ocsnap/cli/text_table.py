"""Tables: plain lines of fixed columns for pipes and cron, drawn ones for a terminal."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from ocsnap.cli.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.table import Table


class Column(NamedTuple):
    """A column.

    Attributes:
        head: what stands above it.
        width: how many characters it takes in plain text, with a blank between it and the next.
        is_number: whether its cells stand at its right edge.
        breaks: whether its cells may take several lines, where a terminal is narrow.
    """

    head: str
    width: int
    is_number: bool = True
    breaks: bool = True


@dataclass
class TextTable:
    """Cells in rows.

    Attributes:
        columns: its columns.
        title: what it shows; only drawn.
        rows: the cells of each row, one for each column.
        bad_rows: numbers of rows that tell of something wrong.
    """

    columns: tuple[Column, ...]
    title: str = ""
    rows: list[tuple[str, ...]] = field(default_factory=list)
    bad_rows: set[int] = field(default_factory=set)

    def add(self, *cells: str, is_bad: bool = False) -> None:
        """Add a row.

        Args:
            cells: one for each column.
            is_bad: whether it tells of something wrong.
        """
        if is_bad:
            self.bad_rows.add(len(self.rows))
        self.rows.append(cells)

    def lines(self) -> Iterator[str]:
        """Yield it as plain text."""
        yield self._line(tuple(column.head for column in self.columns))
        for row in self.rows:
            yield self._line(row)

    def drawn(self, columns: int) -> Table:
        """Return it as rich draws it; names in it are text, whatever stands in them.

        Args:
            columns: how wide the terminal is; where it is too narrow the frame goes first.
        """
        from rich.console import Console  # noqa: PLC0415 - rich only for a terminal
        from rich.measure import Measurement  # noqa: PLC0415 - as above

        console = Console(width=columns)
        table = self._framed()
        # Without a limit, it says how wide it would like to be.
        wanted = Measurement.get(console, console.options.update_width(10_000), table).maximum
        if wanted > columns:
            from rich import box  # noqa: PLC0415 - as above

            table.box = box.SIMPLE_HEAD
            table.pad_edge = False
            table.padding = 0
        return table

    def _framed(self) -> Table:
        from rich import box  # noqa: PLC0415 - rich only for a terminal
        from rich.table import Table  # noqa: PLC0415 - as above
        from rich.text import Text  # noqa: PLC0415 - as above

        table = Table(
            title=self.title or None,
            title_justify="left",
            title_style="bold",
            box=box.ROUNDED,
            header_style="bold",
        )
        for column in self.columns:
            table.add_column(
                Text(column.head),
                justify="right" if column.is_number else "left",
                overflow="fold",  # a number that is cut is a wrong one
                no_wrap=not column.breaks,
            )
        for number, row in enumerate(self.rows):
            style = "bold red" if number in self.bad_rows else None
            table.add_row(*(Text(printable(cell)) for cell in row), style=style)
        return table

    def _line(self, cells: tuple[str, ...]) -> str:
        line = ""
        after_number = False
        for column, cell in zip(self.columns, cells, strict=True):
            gap = "  " if after_number and not column.is_number else ""
            width = column.width
            line += f"{cell:>{width}}" if column.is_number else f"{gap}{cell:<{width - 1}} "
            after_number = column.is_number
        return line.rstrip()

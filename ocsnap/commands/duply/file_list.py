"""duplicity's globbing file list, as far as ocsnap's patterns can say the same.

Where they cannot, more is backed up, never less.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_ANYWHERE = "**/"


class Line(NamedTuple):
    """What became of a line.

    Attributes:
        line: as it stands in the file.
        pattern: ocsnap's pattern; None: there is none.
        reason: why there is none.
    """

    line: str
    pattern: str | None
    reason: str = ""


def read_file_list(lines: Sequence[str], data_dir: Path) -> list[Line]:
    """Translate a file list.

    In duplicity the first line that fits decides (duplicity 3, "FILE SELECTION"): what a `+` has
    taken in is not left out by a later `-`. ocsnap only leaves out. So a `-` counts only if no `+`
    before it may lie in what it leaves out.

    Args:
        lines: the lines of the file.
        data_dir: ownCloud's data directory.

    Returns:
        What became of each line that says something.
    """
    found = []
    taken_in: list[str] = []
    for raw in lines:
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        sign, glob = _parts(line)
        if sign == "+":
            taken_in.append(glob)
            found.append(Line(line, None, "ocsnap takes in all that is not left out"))
        else:
            found.append(_left_out(line, glob, taken_in, data_dir))
    return found


def _parts(line: str) -> tuple[str, str]:
    if line[:2] in {"+ ", "- "}:
        return line[0], line[2:].strip()
    # A line without a sign is one to leave out, in a list that is given as such.
    return "-", line


def _left_out(line: str, glob: str, taken_in: Sequence[str], data_dir: Path) -> Line:
    if glob in {"**", "/**"}:
        return Line(
            line, None, "it only closes the list: ocsnap backs up ownCloud and nothing else"
        )
    if glob.startswith("ignorecase:"):
        return Line(line, None, "ocsnap's patterns heed the case of letters")
    pattern, reason = _pattern(glob, str(data_dir))
    if pattern is None:
        return Line(line, None, reason)
    if any(_may_overlap(glob, other) for other in taken_in):
        return Line(line, None, "a + line before it takes something of it in, so all of it stays")
    return Line(line, pattern)


def _pattern(glob: str, data_dir: str) -> tuple[str | None, str]:
    if glob.startswith(_ANYWHERE):
        rest = glob.removeprefix(_ANYWHERE).rstrip("/")
        # A pattern without a slash fits names anywhere, one with a slash whole paths.
        return (f"**/{rest}" if "/" in rest else rest), ""
    glob = glob.removesuffix("/**").rstrip("/")
    if glob == data_dir:
        return None, "it leaves out the whole data directory"
    if glob.startswith(f"{data_dir}/"):
        return glob.removeprefix(data_dir), ""
    if not glob.startswith("/") or "*" in glob.partition(data_dir.split("/")[1])[0]:
        return None, "it is no path below the data directory"
    return None, "it lies outside of ownCloud's data, which ocsnap does not back up anyway"


def _may_overlap(glob: str, other: str) -> bool:
    """Return whether two globs may fit one path; when in doubt they do."""
    first, second = _fixed(glob), _fixed(other)
    return first.startswith(second) or second.startswith(first)


def _fixed(glob: str) -> str:
    """Return the beginning of a glob that has no wild cards."""
    return next((glob[:at] for at, sign in enumerate(glob) if sign in "*?["), glob)

"""Reports of drills on the disk, for whoever asks for proof later."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ocsnap.errors import LocalIOError

if TYPE_CHECKING:
    from pathlib import Path


def write(folder: Path, started: float, *, text: str, document: str) -> list[str]:
    """Write a report as text and as JSON.

    Args:
        folder: an existing folder.
        started: begin of the drill; seconds since the epoch.
        text: for people.
        document: JSON.

    Returns:
        The paths of both.

    Raises:
        LocalIOError: they cannot be written.
    """
    stem = f"{datetime.fromtimestamp(started, UTC):%Y%m%dT%H%M%SZ}"
    paths = []
    for suffix, content in ((".txt", text), (".json", document)):
        path = folder / f"{stem}{suffix}"
        try:
            path.write_text(content + "\n", "utf-8", errors="backslashreplace")
        except OSError as error:
            raise LocalIOError(f"{path} cannot be written: {error.strerror}.") from error
        paths.append(str(path))
    return paths

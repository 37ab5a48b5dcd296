"""Finds ownCloud's background jobs at work: maintenance mode does not stop a run that has begun."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocsnap.owncloud.processes import running_processes

if TYPE_CHECKING:
    from pathlib import Path


def running_crons(root: Path) -> tuple[str, ...]:
    """List the runs of cron.php and of `occ system:cron`.

    Those that a web request began (ownCloud's modes "ajax" and "webcron") are part of the web
    server's processes and cannot be told from them.

    Args:
        root: ownCloud's folder.

    Returns:
        A name for each, with the process's number, for people.
    """
    found = []
    for process in running_processes():
        if not process.is_php():
            continue
        if process.names(root / "cron.php"):
            found.append(f"cron.php (process {process.pid})")
        elif "system:cron" in process.arguments and process.names(root / "occ"):
            found.append(f"occ system:cron (process {process.pid})")
    return tuple(sorted(found))

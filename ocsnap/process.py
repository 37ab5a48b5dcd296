"""Processes of this machine, told apart from later ones of the same number (proc(5))."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_NAMESPACE: Final = Path("/proc/self/ns/pid")


def process_start(pid: int) -> str | None:
    """Return what tells one process from a later one of the same number.

    Args:
        pid: a process's number.

    Returns:
        The boot's id and the time since then at which the process started (proc(5), field 22
        of /proc/<pid>/stat); None where it has ended, even if its parent has not noticed yet.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return None
    # The program's name stands in brackets and may contain anything, brackets included.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else f"{_BOOT_ID.read_text().strip()} {fields[19]}"


def process_space() -> str | None:
    """Return what all processes have in common whose numbers mean the same here.

    Returns:
        The boot's id and the namespace of process numbers (pid_namespaces(7)), since containers of
        one machine number their processes each by itself; None where the system does not tell.
    """
    try:
        return f"{_BOOT_ID.read_text().strip()} {_NAMESPACE.readlink()}"
    except OSError:
        return None

"""Which module adds which command."""

from __future__ import annotations

from typing import Final

MODULES: Final = {
    "backup": "backup",
    "restore": "restore",
    "verify": "verify",
    "drill": "drill",
    "snapshots": "snapshots",
    "ls": "browse.ls",
    "find": "browse.find",
    "diff": "browse.diff",
    "cat": "browse.cat",
    "mount": "mount",
    "prune": "prune",
    "pin": "pin",
    "unpin": "pin",
    "stats": "stats",
    "cost": "cost",
    "repair": "repair",
    "report": "report",
    "acknowledge": "acknowledge",
    "notify": "notify",
    "unlock": "unlock",
    "status": "status",
    "init": "setup.init",
    "doctor": "setup.doctor",
    "recovery-sheet": "setup.recovery_sheet",
    "schedule": "setup.schedule",
    "completion": "completion",
}
"""By the command's name, in the order of `--help`."""

"""Is there room for what a restore writes?"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from ocsnap import units
from ocsnap.errors import LocalIOError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def check_room(needs: Iterable[tuple[Path, int]], *, shared_bytes: int = 0) -> None:
    """See that every file system has room for all that goes there.

    Args:
        needs: folders, which need not be there yet, each with the bytes that go into it.
        shared_bytes: so many of them take no room, since they are shared with what stands there.

    Raises:
        LocalIOError: one has not.
    """
    needed_bytes: dict[int, int] = {}
    for folder, size_bytes in needs:
        existing = next(path for path in (folder, *folder.parents) if os.path.lexists(path))
        device = existing.stat().st_dev
        needed_bytes[device] = needed_bytes.get(device, 0) + size_bytes
        free_bytes = shutil.disk_usage(existing).free + shared_bytes
        if free_bytes < needed_bytes[device]:
            raise LocalIOError(
                f"{existing} has {units.size(free_bytes)} free, the restore needs "
                f"{units.size(needed_bytes[device])} or more there.",
                hint="Make room, or restore elsewhere with --target.",
            )

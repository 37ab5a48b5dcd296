"""PHP never runs as root where somebody else could write what it runs.

occ must run as the owner of config.php, and config.php is read so. The web server's user mostly
owns the folder that it lies in: with a link to a file of root's in its place, and an overlay beside
it, that user would have code of his own run by root.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Final

from ocsnap.errors import OwncloudError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH


def refuse_foreign_code(owner_uid: int, files: Iterable[Path]) -> None:
    """See that nobody but root can change files that will run as root.

    Args:
        owner_uid: the owner of config.php, as whom they will run; nothing is looked at for others.
        files: absolute paths of files or folders with PHP code.

    Raises:
        OwncloudError: another user can change one, or put something else in its place.
    """
    if owner_uid != 0 or os.geteuid() != 0:
        return
    for file in files:
        for place in _places(file):
            if _is_foreign(place):
                raise OwncloudError(
                    f"{file}: would run as root, as whom config.php belongs to, but another user "
                    f"can change {place}.",
                    hint="Give config.php to the web server's user, as ownCloud wants it, or all of"
                    " ownCloud's code and configuration to root.",
                )


def _places(file: Path) -> Iterator[Path]:
    """Find all that leads to a file, through links as well."""
    yield file
    yield from file.parents
    resolved = file.resolve()
    if resolved != file:
        yield resolved
        yield from resolved.parents


def _is_foreign(place: Path) -> bool:
    try:
        found = place.stat()
    except OSError:
        return False
    if found.st_uid != 0:
        return True
    # In a folder such as /tmp nobody can exchange what belongs to another.
    sticky = stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_ISVTX
    return bool(found.st_mode & _OTHERS_WRITE) and not sticky

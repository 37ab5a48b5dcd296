"""Files that nobody else may read or change: the configuration, and the secrets that it names.

Whoever can write the configuration runs commands as whoever runs ocsnap, mostly root; whoever can
read the passphrase reads all backups. As with ssh's keys, such a file is refused, not warned of.
"""

from __future__ import annotations

import os
import shlex
import stat
from typing import TYPE_CHECKING, Final

from ocsnap.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_GROUP_WRITES: Final = stat.S_IWGRP
_OTHERS_READ: Final = stat.S_IROTH
_OTHERS_WRITE: Final = stat.S_IWOTH
_OTHERS_ENTER: Final = stat.S_IXGRP | stat.S_IXOTH


def read_private(path: Path, *, key: str = "") -> bytes:
    """Read a file, unless other users can read or change it.

    The group may read it, if the admin wants it so. A file that is open to others is fine in a
    folder that is closed to them.

    Args:
        path: the file.
        key: what the configuration calls it, for messages; empty for the configuration itself.

    Returns:
        All of it.

    Raises:
        ConfigError: other users can read or change it, or it belongs to one of them; the hint is
            the command that mends it.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        subject = f"{key}: {path}" if key else str(path)
        _refuse_open(path, os.fstat(file.fileno()), subject)
        return file.read()


def is_readable_by_others(path: Path) -> bool:
    """Return whether others than the owner and the group can read a file.

    Raises:
        OSError: it is not there.
    """
    return bool(path.stat().st_mode & _OTHERS_READ) and _is_reachable(path)


def refuse_changeable(folder: Path, *, key: str) -> None:
    """See that no other user can put something else in a folder's place.

    Args:
        folder: a folder, which need not be there yet.
        key: what the configuration calls it, for messages.

    Raises:
        ConfigError: somebody else owns a folder above it or can write there.
    """
    for above in _ancestors(folder):
        try:
            found = above.stat()
        except OSError:
            continue  # whoever makes it makes it closed
        if found.st_uid not in {0, os.geteuid()}:
            raise ConfigError(
                f"{key}: {above} belongs to another user, who could exchange what is in it.",
                hint="Name a folder in a place of root's, such as /var/lib.",
            )
        if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not found.st_mode & stat.S_ISVTX:
            raise ConfigError(
                f"{key}: other users can write to {above}, and so exchange what is in it.",
                hint=f"Run: chmod go-w {shlex.quote(str(above))}, or name another folder.",
            )


def _refuse_open(path: Path, found: os.stat_result, subject: str) -> None:
    quoted = shlex.quote(str(path))
    if found.st_uid not in {0, os.geteuid()}:
        raise ConfigError(
            f"{subject}: belongs to another user (uid {found.st_uid}), who can change it.",
            hint=f"Run: chown {os.geteuid()} {quoted}",
        )
    mode = found.st_mode
    if not mode & (_OTHERS_READ | _OTHERS_WRITE | _GROUP_WRITES) or not _is_reachable(path):
        return
    can = "be read" if mode & _OTHERS_READ else "be changed"
    raise ConfigError(f"{subject}: can {can} by other users.", hint=f"Run: chmod 600 {quoted}")


def _is_reachable(path: Path) -> bool:
    """Return whether others can get through to a file: they can, unless a folder is closed."""
    return all(above.stat().st_mode & _OTHERS_ENTER for above in _ancestors(path))


def _ancestors(path: Path) -> Iterator[Path]:
    yield from path.resolve().parents

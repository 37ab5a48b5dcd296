"""Other processes of this machine, as far as they work on an ownCloud (proc(5))."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_PROC = Path("/proc")


@dataclass(frozen=True)
class Process:
    """One running process.

    Attributes:
        pid: its number.
        arguments: its command line.
    """

    pid: int
    arguments: tuple[str, ...]

    def is_php(self) -> bool:
        """Return whether it is an interpreter such as `php` or `/usr/bin/php8.2`."""
        return os.path.basename(self.arguments[0]).startswith("php")  # noqa: PTH119 - any text

    def names(self, path: Path) -> bool:
        """Return whether an argument is the path of a file, from where the process stands.

        A process in a container sees the file under another path, and one may have been started
        with a relative path: only the file itself tells.

        Args:
            path: the file.
        """
        return any(
            self._same(argument, path)
            for argument in self.arguments[1:]
            if argument.rpartition("/")[2] == path.name
        )

    def works_in(self, folder: Path) -> bool | None:
        """Return whether a folder is the process's working directory; None: we may not look.

        Args:
            folder: the folder.
        """
        try:
            return (_PROC / str(self.pid) / "cwd").samefile(folder)
        except PermissionError:
            return None
        except OSError:
            return False

    def _same(self, argument: str, path: Path) -> bool:
        start = "root" if argument.startswith("/") else "cwd"
        try:
            return (_PROC / str(self.pid) / start / argument.lstrip("/")).samefile(path)
        except PermissionError:
            return argument == str(path)
        except OSError:
            return False


def running_processes() -> Iterator[Process]:
    """List the processes that we may see; those that have ended or are the kernel's have no name.

    Yields:
        Each one's number and command line.
    """
    for entry in os.listdir(_PROC):  # noqa: PTH208 - hundreds of names, of which numbers count
        if not entry.isdigit():
            continue
        try:
            line = (_PROC / entry / "cmdline").read_bytes()
        except OSError:
            continue
        if line:
            words = os.fsdecode(line).removesuffix("\0").split("\0")
            yield Process(int(entry), tuple(words))

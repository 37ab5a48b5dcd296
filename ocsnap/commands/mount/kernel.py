"""The way from the kernel to the file system: FUSE, through mfusepy and the system's libfuse."""

from __future__ import annotations

import errno
import os
import signal
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ocsnap.errors import LocalIOError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ocsnap.commands.mount.file_system import FileSystem

_HINT: Final = (
    "It needs the Python package mfusepy (docs/packages.md says how to install it) and Debian's"
    " fuse3; a container needs /dev/fuse."
)
_LONGEST_NAME: Final = 255
"""NAME_MAX of Linux, limits.h."""


def serve(files: FileSystem, folder: Path, *, allow_other: bool) -> None:
    """Mount and answer until it is unmounted, or SIGINT, SIGTERM or SIGHUP comes.

    Args:
        files: what to show.
        folder: an empty folder.
        allow_other: whether other users may look.

    Raises:
        LocalIOError: it cannot be mounted.
    """
    try:
        import mfusepy  # noqa: PLC0415 - an extra that only this command needs
    except (ImportError, OSError) as error:
        raise LocalIOError(f"This machine has no FUSE: {error}.", hint=_HINT) from error
    if not Path("/dev/fuse").exists():
        raise LocalIOError("This machine has no FUSE: there is no /dev/fuse.", hint=_HINT)
    options: dict[str, Any] = {"foreground": True, "ro": True, "fsname": "ocsnap"}
    if allow_other:
        # Without the second, whoever can get to the folder could read everything in it.
        options |= {"allow_other": True, "default_permissions": True}
    try:
        with _default_signals():
            mfusepy.FUSE(_operations(mfusepy, files), str(folder), **options)
    except RuntimeError as error:
        raise LocalIOError(f"{folder} cannot be mounted: FUSE says {error}.", hint=_HINT) from error


@contextmanager
def _default_signals() -> Iterator[None]:
    """Let libfuse have the signals: it unmounts at each that nobody else has a handler for."""
    numbers = (signal.SIGTERM, signal.SIGHUP)
    former = {
        number: signal.signal(number, signal.SIG_DFL)
        for number in numbers
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def _operations(  # noqa: C901 - one short method for each call of the kernel
    mfusepy: Any,  # noqa: ANN401 - a module without types
    files: FileSystem,
) -> Any:  # noqa: ANN401 - as above
    class Operations(mfusepy.Operations):  # type: ignore[misc]
        """What the kernel may ask for."""

        use_ns = True

        def getattr(self, path: str, fh: int | None = None) -> dict[str, int]:
            del fh
            return files.status(path)

        def readdir(self, path: str, fh: int) -> list[str]:
            del fh
            return [".", "..", *files.names(path)]

        def readlink(self, path: str) -> str:
            return files.target(path)

        def open(self, path: str, flags: int) -> int:
            if flags & os.O_ACCMODE != os.O_RDONLY:
                raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)
            return files.open(path)

        def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
            return files.read(path, fh, offset, size)

        def release(self, path: str, fh: int) -> int:
            del path
            files.close(fh)
            return 0

        def listxattr(self, path: str) -> list[str]:
            return list(files.attributes(path))

        def getxattr(self, path: str, name: str, position: int = 0) -> bytes:
            del position
            found = files.attributes(path).get(name)
            if found is None:
                raise OSError(errno.ENODATA, os.strerror(errno.ENODATA), path)
            return found

        def statfs(self, path: str) -> dict[str, int]:
            del path
            return {"f_bsize": 4096, "f_frsize": 4096, "f_namemax": _LONGEST_NAME}

    return Operations()

"""Files that a set-up makes, each for its owner alone, and takes away again when it fails."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ocsnap.disk import sync_folder
from ocsnap.errors import LocalIOError, RefusedError

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType
    from typing import Self


class NewFiles:
    """Makes files; a context manager: what was made goes when the block ends with an error.

    Attributes:
        made: the files that are new.
    """

    def __init__(self) -> None:
        """Nothing is made yet."""
        self.made: list[Path] = []
        self._aside: list[tuple[Path, Path]] = []

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take everything away again if there was an error."""
        if error is not None:
            for path in reversed(self.made):
                path.unlink(missing_ok=True)
            for path, kept in self._aside:
                kept.rename(path)

    def keep(self, path: Path) -> None:
        """Let a file stay whatever happens.

        Args:
            path: the file; it need not be one that was made here.
        """
        self.made = [made for made in self.made if made != path]

    def keep_all(self) -> None:
        """Let everything stay as it is now, whatever happens."""
        self.made.clear()
        self._aside.clear()

    def set_aside(self, path: Path, now: float) -> Path:
        """Give a file another name, until the block ends with an error.

        Args:
            path: the file.
            now: seconds since the epoch, for the name.

        Returns:
            Its new name.

        Raises:
            LocalIOError: it cannot be renamed.
        """
        moment = datetime.fromtimestamp(now, UTC)
        kept = path.with_name(f"{path.name}.before-{moment:%Y%m%dT%H%M%SZ}")
        try:
            path.rename(kept)
        except OSError as error:
            raise _cannot(path, error) from error
        self._aside.append((path, kept))
        return kept

    def write(self, path: Path, text: str) -> None:
        """Write a file that is not there yet, and wait until the disk has it.

        Args:
            path: the file; its folder is made where it is not there.
            text: its content.

        Raises:
            RefusedError: it is there already.
            LocalIOError: it cannot be written.
        """
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(path, flags, 0o600)
        except FileExistsError:
            raise RefusedError(
                f"{path} is there already.", hint="Move it away, or name another place."
            ) from None
        except OSError as error:
            raise _cannot(path, error) from error
        self.made.append(path)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(text.encode())
                file.flush()
                os.fsync(file.fileno())
            sync_folder(path.parent)
        except OSError as error:
            raise _cannot(path, error) from error


def _cannot(path: Path, error: OSError) -> LocalIOError:
    return LocalIOError(f"{path}: cannot be written: {error.strerror}.", hint="Run ocsnap as root.")

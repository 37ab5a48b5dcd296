"""What the checks look at; each part is opened once, when the first check asks for it."""

from __future__ import annotations

from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ocsnap.commands.context import connect, state_dir
from ocsnap.commands.site import open_site
from ocsnap.storage.factory import open_storage

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from ocsnap.commands.context import Context
    from ocsnap.commands.site import Site
    from ocsnap.repository.repository import Repository
    from ocsnap.storage.storage import Storage


class Patient:
    """A machine with its ocsnap; a context manager that closes what was opened.

    Attributes:
        context: the outside world.
        config_path: the configuration file.
        machine: the folder that all paths of the system begin at.
        max_age_seconds: how old the last snapshot may be; seconds.
    """

    def __init__(
        self,
        context: Context,
        config_path: Path,
        *,
        max_age_seconds: float,
        machine: Path = Path("/"),
    ) -> None:
        """Open nothing yet.

        Args:
            context: the outside world.
            config_path: the configuration file.
            max_age_seconds: how old the last snapshot may be; seconds.
            machine: the folder that all paths of the system begin at.
        """
        self.context = context
        self.config_path = config_path
        self.machine = machine
        self.max_age_seconds = max_age_seconds
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close what was opened."""
        self._stack.close()

    @cached_property
    def folder(self) -> Path:
        """`backup.state_dir`."""
        return state_dir(self.context)

    @cached_property
    def site(self) -> Site:
        """The ownCloud."""
        return open_site(self.context, self.folder)

    @cached_property
    def storage(self) -> Storage:
        """The storage."""
        config = self.context.config.repository
        storage = open_storage(config, clock=self.context.clock, random=self.context.random)
        self._stack.callback(storage.close)
        return storage

    @cached_property
    def repository(self) -> Repository:
        """The repository."""
        repository = connect(self.context, reads_only=True).repository
        self._stack.callback(repository.close)
        return repository

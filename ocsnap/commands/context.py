"""What every command is given: the configuration and the outside world."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ocsnap.crypto import open_cipher
from ocsnap.errors import LocalIOError, NoRepositoryError
from ocsnap.repository.repository import create_repository, open_repository
from ocsnap.storage.factory import open_storage

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from random import Random

    from ocsnap.clock import Clock
    from ocsnap.config import Config
    from ocsnap.monitor import Monitor
    from ocsnap.repository.repository import Repository
    from ocsnap.storage.count import Counting


@dataclass(frozen=True)
class Context:
    """The outside world of one run.

    Attributes:
        config: the configuration.
        environment: the environment's variables.
        clock: tells the time.
        random: for ids and for the jitter of retries.
        monitor: is told of progress and problems.
        host: the name of this machine.
        superuser: whether owners can be set and every file be read.
    """

    config: Config
    environment: Mapping[str, str] = field(repr=False)
    clock: Clock
    random: Random
    monitor: Monitor
    host: str
    superuser: bool


@dataclass(frozen=True)
class OpenRepository:
    """A repository together with the counters of its storage.

    Attributes:
        repository: the repository.
        traffic: what went to and came from the storage.
    """

    repository: Repository
    traffic: Counting


def state_dir(context: Context) -> Path:
    """Return the folder for ocsnap's own notes, made where it is not there.

    Raises:
        LocalIOError: it cannot be made or written.
    """
    folder = context.config.backup.state_dir
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
    except OSError as error:
        raise LocalIOError(
            f"backup.state_dir: {folder} cannot be used: {error.strerror}.",
            hint="Run ocsnap as root, or name a folder that this user can write.",
        ) from error
    return folder


def connect(context: Context, *, create: bool = False) -> OpenRepository:
    """Open the configured repository.

    Args:
        context: the outside world.
        create: make the repository where there is none.

    Returns:
        The repository, not synchronised yet.

    Raises:
        NoRepositoryError: there is none and `create` is not set.
        OcsnapError: the storage or the key fails.
    """
    config = context.config
    folder = state_dir(context)
    cipher = open_cipher(config.encryption, environment=context.environment, state_dir=folder)
    storage = open_storage(config.repository, clock=context.clock, random=context.random)
    storage.check()
    try:
        repository = open_repository(storage, cipher, state_dir=folder)
    except NoRepositoryError:
        if not create:
            raise
        name = f"{context.random.getrandbits(128):032x}"
        create_repository(storage, cipher, repository=name, now=context.clock.now())
        repository = open_repository(storage, cipher, state_dir=folder)
        context.monitor.note(f"Made a new repository at {config.repository.url}.")
    return OpenRepository(repository, storage)

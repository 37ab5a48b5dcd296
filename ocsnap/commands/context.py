"""What every command is given: the configuration and the outside world."""

from __future__ import annotations

import base64
import os
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ocsnap.commands.run_lock import LOCK_NAME
from ocsnap.crypto import CipherMode, open_cipher
from ocsnap.errors import DamagedError, LocalIOError, NoRepositoryError, ObjectMissingError
from ocsnap.repository import index as indexes
from ocsnap.repository.repository import create_repository, open_repository
from ocsnap.repository.rescue import kit
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

_OTHERS: Final = 0o077
_OURS: Final = frozenset({LOCK_NAME, "gnupg"})
_PROOF: Final = "a message that the passphrase opens"


@dataclass(frozen=True)
class Context:
    """The outside world of one run.

    Attributes:
        config: the configuration.
        environment: the environment's variables, but never the passphrase: children see them.
        clock: tells the time.
        random: for ids and for the jitter of retries.
        monitor: is told of progress and problems.
        host: the name of this machine.
        superuser: whether owners can be set and every file be read.
        passphrase: the environment's variable that holds the passphrase, where there is one.
    """

    config: Config
    environment: Mapping[str, str] = field(repr=False)
    clock: Clock
    random: Random
    monitor: Monitor
    host: str
    superuser: bool
    passphrase: Mapping[str, str] = field(default_factory=dict, repr=False)


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
        LocalIOError: it cannot be made or written, or is not ocsnap's own.
    """
    folder = context.config.backup.state_dir
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.stat()
        if found.st_uid != os.geteuid():
            raise _not_ours(folder, "belongs to another user")
        if stat.S_IMODE(found.st_mode) & _OTHERS:
            # Closing a folder of the system, named here by mistake, would break the machine.
            names = {path.name for path in folder.iterdir()}
            if names and not names & _OURS:
                raise _not_ours(folder, "is open to other users and holds what is not ocsnap's")
            folder.chmod(0o700)
    except OSError as error:
        raise LocalIOError(
            f"backup.state_dir: {folder} cannot be used: {error.strerror}.",
            hint="Run ocsnap as root, or name a folder that this user can write.",
        ) from error
    return folder


def _not_ours(folder: Path, why: str) -> LocalIOError:
    return LocalIOError(
        f"backup.state_dir: {folder} {why}.", hint="Name a folder that only ocsnap uses."
    )


def connect(context: Context, *, create: bool = False) -> OpenRepository:
    """Open the configured repository.

    Args:
        context: the outside world.
        create: make the repository where there is none, and see that it has the rescue kit.

    Returns:
        The repository, not synchronised yet.

    Raises:
        NoRepositoryError: there is none and `create` is not set.
        OcsnapError: the storage or the key fails.
    """
    config = context.config
    folder = state_dir(context)
    environment = {**context.environment, **context.passphrase}
    cipher = open_cipher(config.encryption, environment=environment, state_dir=folder)
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
    try:
        _prove_passphrase(repository)
        if create:
            kit.store(storage, repository.cache)
    except BaseException:
        repository.close()
        raise
    return OpenRepository(repository, storage)


def _prove_passphrase(repository: Repository) -> None:
    """See that the passphrase is the repository's.

    What this host knows already it reads from its cache, so that a backup with another passphrase
    would go well, and its snapshot could be read with neither of the two.
    """
    cipher = repository.cipher
    if cipher.mode is not CipherMode.PASSPHRASE:
        return
    known = repository.cache.note(_PROOF)
    if known is not None:
        cipher.decrypt(base64.b64decode(known))
        return
    found = next((info.name for info in repository.storage.list(indexes.FOLDER)), None)
    try:
        if found is not None:
            cipher.decrypt(repository.reader.object(found))
    except (DamagedError, ObjectMissingError):
        return  # whoever needs this object says more about it
    proof = base64.b64encode(cipher.encrypt([b"This passphrase is right."])).decode()
    repository.cache.set_note(_PROOF, proof)

"""What every command is given: the configuration and the outside world."""

from __future__ import annotations

import base64
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import msgspec

from ocsnap.commands.run_lock import LOCK_NAME
from ocsnap.config import make_private
from ocsnap.crypto import CipherMode, fingerprint_of, open_cipher
from ocsnap.errors import (
    AccessDeniedError,
    CryptoError,
    DamagedError,
    NoRepositoryError,
    ObjectMissingError,
)
from ocsnap.repository import index as indexes
from ocsnap.repository.cache import Cache
from ocsnap.repository.description import NAME as DESCRIPTION
from ocsnap.repository.identity import local_caches, read_description
from ocsnap.repository.repository import create_repository, open_repository
from ocsnap.repository.rescue import kit
from ocsnap.storage.factory import open_storage

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from random import Random

    from ocsnap.clock import Clock
    from ocsnap.config import Config, EncryptionConfig
    from ocsnap.errors import OcsnapError
    from ocsnap.monitor import Monitor
    from ocsnap.repository.repository import Repository
    from ocsnap.storage.count import Counting
    from ocsnap.storage.storage import Storage

_OURS: Final = frozenset({LOCK_NAME, "gnupg"})
_PLACE: Final = "the URL where it was opened last"
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
        adopts_recipients: whether the repository is believed when it says whose keys it is locked
            with: for reading it on a machine that has no configuration, never for writing.
    """

    config: Config
    environment: Mapping[str, str] = field(repr=False)
    clock: Clock
    random: Random
    monitor: Monitor
    host: str
    superuser: bool
    passphrase: Mapping[str, str] = field(default_factory=dict, repr=False)
    adopts_recipients: bool = False


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
        ConfigError: another user could put something else in its place.
    """
    folder = context.config.backup.state_dir
    make_private(folder, key="backup.state_dir", is_ours=_OURS.__contains__)
    return folder


def connect(context: Context, *, create: bool = False, reads_only: bool = False) -> OpenRepository:
    """Open the configured repository.

    Args:
        context: the outside world.
        create: make the repository where there is none, and see that it has the rescue kit.
        reads_only: whether nothing will be changed, so that a repository whose description is
            damaged can be read with whatever key opens it.

    Returns:
        The repository, not synchronised yet.

    Raises:
        NoRepositoryError: there is none and `create` is not set.
        OcsnapError: the storage or the key fails.
    """
    config = context.config
    folder = state_dir(context)
    environment = {**context.environment, **context.passphrase}
    storage = open_storage(config.repository, clock=context.clock, random=context.random)
    encryption = config.encryption
    if context.adopts_recipients and not create:
        storage.check()
        recipients = _recipients(encryption, storage, environment)
        encryption = msgspec.structs.replace(encryption, recipients=recipients)
    cipher = open_cipher(encryption, environment=environment, state_dir=folder)
    if create:
        cipher.check_signing()  # not after hours of uploads
    storage.check()
    try:
        repository = open_repository(storage, cipher, state_dir=folder, reads_only=reads_only)
    except NoRepositoryError:
        if not create:
            raise
        _refuse_another(folder, config.repository.url)
        name = f"{context.random.getrandbits(128):032x}"
        create_repository(storage, cipher, repository=name, now=context.clock.now())
        repository = open_repository(storage, cipher, state_dir=folder)
        context.monitor.note(f"Made a new repository at {config.repository.url}.")
    if repository.description_fault:
        context.monitor.note(
            f"{DESCRIPTION}: {repository.description_fault}. Going on without it; `ocsnap repair` "
            "writes it anew."
        )
    try:
        if repository.cache.note(_PLACE) != config.repository.url:
            repository.cache.set_note(_PLACE, config.repository.url)
        _prove_passphrase(repository)
        if create:
            _store_rescue_kit(repository, context.monitor)
    except BaseException:
        repository.close()
        raise
    return OpenRepository(repository, storage)


def _recipients(
    encryption: EncryptionConfig, storage: Storage, environment: Mapping[str, str]
) -> tuple[str, ...]:
    """Return whose keys a repository is locked with that no configuration tells of.

    That of the keys at hand, if the repository does not say it any more or names none of them.
    """
    try:
        described = read_description(storage).recipients
    except (DamagedError, NoRepositoryError):
        described = ()
    found = [fingerprint_of(file, environment) for file in encryption.key_files]
    at_hand = tuple(fingerprint for fingerprint in found if fingerprint)
    return described if not at_hand or set(described) & set(at_hand) else at_hand


def _refuse_another(folder: Path, url: str) -> None:
    """See that no repository was where a new one is about to be made.

    Its disk may not be mounted, or somebody has deleted it.
    """
    for file in local_caches(folder):
        with closing(Cache(file)) as cache:
            known = cache.note(_PLACE) == url
        if known:
            raise NoRepositoryError(
                f"There was a repository at {url}, and it is gone: no new one is made there.",
                hint="Is the disk mounted, or was it deleted (docs/bucket.md)? If you did that "
                f"yourself, remove {file.parent}, too.",
            )


def _store_rescue_kit(repository: Repository, monitor: Monitor) -> None:
    """Store what gets the backups back without ocsnap; no backup fails for want of it."""
    try:
        kit.store(repository.storage, repository.cache)
    except AccessDeniedError as error:
        monitor.note(f"The repository has no script to restore it without ocsnap: {error.message}")


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
    failures: list[OcsnapError] = []
    for info in repository.storage.list(indexes.FOLDER):
        try:
            cipher.decrypt(repository.reader.object(info.name))
        except (CryptoError, DamagedError, ObjectMissingError) as error:
            failures.append(error)  # one of them may be somebody else's
        else:
            failures = []
            break
    for failure in failures:
        if isinstance(failure, CryptoError):
            raise failure
    if failures:
        return  # whoever needs these objects says more about them
    proof = base64.b64encode(cipher.encrypt([b"This passphrase is right."])).decode()
    repository.cache.set_note(_PROOF, proof)

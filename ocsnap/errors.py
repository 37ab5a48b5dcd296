"""Every failure that a caller can tell apart, with its fixed exit status.

An error carries its data as attributes and one plain sentence for people; what to do about it
stands in `hint`. Only the command line turns an error into an exit status.
"""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar


class ExitStatus(IntEnum):
    """Exit statuses of the `ocsnap` command; scripts rely on them, so they never change."""

    OK = 0
    INTERNAL = 1
    USAGE = 2
    INCOMPLETE = 3
    CONFIG = 4
    OWNCLOUD = 5
    DATABASE = 6
    STORAGE = 7
    ACCESS_DENIED = 8
    CRYPTO = 9
    DAMAGED = 10
    NO_REPOSITORY = 11
    BUSY = 12
    NO_SNAPSHOT = 13
    REFUSED = 14
    LOCAL_IO = 15
    MAINTENANCE_LEFT_ON = 16
    ALARM = 17
    UNSOUND = 18
    HOOK_STOPPED = 20
    HOOK_FAILED = 21
    INTERRUPTED = 130


class OcsnapError(Exception):
    """Base of all errors that ocsnap raises on purpose.

    Attributes:
        exit_status: what the command line exits with.
        message: one plain sentence, without the hint.
        hint: what the reader can do about it; empty when there is nothing to add.
    """

    exit_status: ClassVar[ExitStatus] = ExitStatus.INTERNAL

    def __init__(self, message: str, *, hint: str = "") -> None:
        """Keep the sentence and the hint apart, so that they can be shown apart."""
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        """Return the sentence, followed by the hint when there is one."""
        return f"{self.message} {self.hint}" if self.hint else self.message


class ConfigError(OcsnapError):
    """The configuration is missing, unreadable or wrong."""

    exit_status = ExitStatus.CONFIG


class OwncloudError(OcsnapError):
    """The ownCloud instance, its config.php or its occ does not answer as it should."""

    exit_status = ExitStatus.OWNCLOUD


class MaintenanceLeftOnError(OcsnapError):
    """Maintenance mode could not be lifted: users are locked out until somebody acts."""

    exit_status = ExitStatus.MAINTENANCE_LEFT_ON


class DatabaseError(OcsnapError):
    """The database server refuses, or a dump or a load is not whole."""

    exit_status = ExitStatus.DATABASE


class StorageError(OcsnapError):
    """The storage does not answer or answers wrongly.

    Attributes:
        name: the object concerned, or an empty string.
    """

    exit_status = ExitStatus.STORAGE

    def __init__(self, message: str, *, hint: str = "", name: str = "") -> None:
        """Keep the name of the object concerned."""
        super().__init__(message, hint=hint)
        self.name = name


class TransientStorageError(StorageError):
    """The storage failed in a way that trying again may mend (time-out, 5xx, slow down)."""


class ObjectMissingError(StorageError):
    """The storage says that it has no object of this name."""


class ObjectExistsError(StorageError):
    """The storage has an object of this name already, and the caller wanted to be the first."""


class AccessDeniedError(StorageError):
    """The storage rejects the key, or the key may not do this."""

    exit_status = ExitStatus.ACCESS_DENIED


class CryptoError(OcsnapError):
    """GPG is missing, has not the key, or rejects a message or a passphrase."""

    exit_status = ExitStatus.CRYPTO


class NoSecretKeyError(CryptoError):
    """This host holds no secret key for the message: expected in public-key mode."""


class DamagedError(OcsnapError):
    """Something in the repository is not what was stored there.

    Attributes:
        name: the damaged object, or an empty string.
    """

    exit_status = ExitStatus.DAMAGED

    def __init__(self, message: str, *, hint: str = "", name: str = "") -> None:
        """Keep the name of the damaged object."""
        super().__init__(message, hint=hint)
        self.name = name


class LaterFormatError(DamagedError):
    """The repository was written by a later ocsnap, or what says so is damaged."""


class NoRepositoryError(OcsnapError):
    """There is no ocsnap repository at the URL."""

    exit_status = ExitStatus.NO_REPOSITORY


class BusyError(OcsnapError):
    """Another ocsnap works on the same instance or repository."""

    exit_status = ExitStatus.BUSY


class NoSnapshotError(OcsnapError):
    """No snapshot answers to the id or time that was given."""

    exit_status = ExitStatus.NO_SNAPSHOT


class RefusedError(OcsnapError):
    """The command would overwrite something and was not told that it may."""

    exit_status = ExitStatus.REFUSED


class AlarmError(OcsnapError):
    """A snapshot raised an alarm that nobody has acknowledged, so nothing old may be deleted."""

    exit_status = ExitStatus.ALARM


class HookError(OcsnapError):
    """A hook that must succeed before anything is done failed, so nothing was done."""

    exit_status = ExitStatus.HOOK_STOPPED


class LocalIOError(OcsnapError):
    """A local folder cannot be read or written, or its disk is full."""

    exit_status = ExitStatus.LOCAL_IO

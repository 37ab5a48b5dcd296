"""`ocsnap.json`: an object in clear text that says what the others are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import msgspec

from ocsnap.crypto import CipherMode
from ocsnap.errors import DamagedError, LaterFormatError
from ocsnap.repository.blob import NOT_SOUND

if TYPE_CHECKING:
    from ocsnap.repository.blob import Buffer

NAME: Final = "ocsnap.json"
FORMAT: Final = 1

ID_PATTERN: Final = r"^[0-9a-f]{32}\Z"

RepositoryId = Annotated[str, msgspec.Meta(pattern=ID_PATTERN)]
"""It also names a folder of the local cache: nothing else may be taken for one."""


class Description(msgspec.Struct, frozen=True, kw_only=True):
    """What a repository says of itself.

    Attributes:
        format: version of the repository format.
        repository: random id of the repository.
        cipher: how its messages are locked.
        recipients: fingerprints of those who can read; empty with a passphrase.
        created: seconds since the epoch.
        read_me: one sentence for the finder.
    """

    format: int = FORMAT
    repository: RepositoryId
    cipher: CipherMode
    recipients: tuple[str, ...]
    created: float
    read_me: str = (
        "Encrypted backups of an ownCloud, written by ocsnap. A script in the folder rescue "
        "restores them; every object in the other folders is an OpenPGP message: gpg -d FILE "
        "decrypts it."
    )


def encode(description: Description) -> bytes:
    """Return a description as bytes."""
    return msgspec.json.format(msgspec.json.encode(description), indent=2) + b"\n"


def decode(data: Buffer) -> Description:
    """Read a description.

    Args:
        data: the object's bytes.

    Returns:
        The description.

    Raises:
        DamagedError: it cannot be read.
        LaterFormatError: it is of a later format.
    """
    try:
        description = msgspec.json.decode(data, type=Description)
    except NOT_SOUND as error:
        raise DamagedError(
            f"{NAME} cannot be read: {error}.",
            name=NAME,
            hint="The backups themselves are untouched: docs/rescue.md tells how to get them back.",
        ) from error
    if description.format != FORMAT:
        raise LaterFormatError(
            f"The repository has format {description.format}, which this ocsnap does not know.",
            name=NAME,
            hint="Use a newer ocsnap.",
        )
    return description

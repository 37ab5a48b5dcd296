"""Whether somebody has the recovery sheet in his hands: asked, proven, and written down."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import textwrap
from typing import TYPE_CHECKING, Final

import msgspec

from ocsnap.commands.context import state_dir
from ocsnap.crypto import open_cipher
from ocsnap.crypto.passphrase import read_passphrase
from ocsnap.errors import ConfigError, LocalIOError
from ocsnap.owncloud.durable_file import write_durably

if TYPE_CHECKING:
    from pathlib import Path

    from ocsnap.commands.context import Context
    from ocsnap.config import EncryptionConfig

NAME: Final = "recovery-sheet.json"
ASKED_CHARACTERS: Final = 8
"""So many of the last characters of the passphrase are asked for; nobody knows them by chance."""

_SCRYPT: Final = {"n": 2**14, "r": 8, "p": 1}
"""16 MiB and some 50 ms: a passphrase of ours needs no stretching at all, and one that is weak lies
in clear beside it, unless it comes from the environment."""

_WORD_BYTES: Final = 5
_ARMOUR_COLUMNS: Final = 64
_CRC24_INIT: Final = 0xB704CE
_CRC24_POLY: Final = 0x1864CFB


class _Confirmed(msgspec.Struct, frozen=True, kw_only=True):
    """What is written down.

    Attributes:
        url: the repository.
        salt: of `proof`, in hexadecimal.
        proof: stands for the key that was on the sheet, in hexadecimal.
        moment: when it was confirmed; seconds since the epoch.
    """

    url: str
    salt: str
    proof: str
    moment: float


class Challenge:
    """A question that only somebody with the sheet, or with the secret key, can answer.

    Attributes:
        message: what to decrypt elsewhere, in public-key mode; None: the end of the passphrase is
            asked for.
    """

    def __init__(self, context: Context) -> None:
        """Make one.

        Args:
            context: the outside world.

        Raises:
            ConfigError: the passphrase cannot be read.
            CryptoError: gpg or a key is missing.
        """
        encryption = context.config.encryption
        self.message: str | None = None
        if encryption.recipients:
            word = base64.b32encode(secrets.token_bytes(_WORD_BYTES)).decode()
            environment = {**context.environment, **context.passphrase}
            folder = state_dir(context)
            cipher = open_cipher(encryption, environment=environment, state_dir=folder)
            try:
                self.message = _armoured(bytes(cipher.encrypt([f"{word}\n".encode()])))
            finally:
                cipher.close()
            self._answer = word
        else:
            self._answer = _plain(_secret(context))[-ASKED_CHARACTERS:]

    def accepts(self, answer: str) -> bool:
        """Return whether an answer is right; hyphens, spaces and, where none are small, case aside.

        Args:
            answer: what was typed.
        """
        typed = _plain(answer)
        if self._answer == self._answer.upper():
            typed = typed.upper()
        return hmac.compare_digest(typed.encode(), self._answer.encode())


def confirm(context: Context) -> None:
    """Write down that the sheet of the present key is in somebody's hands.

    Args:
        context: the outside world.

    Raises:
        LocalIOError: it cannot be written.
    """
    salt = secrets.token_bytes(16)
    confirmed = _Confirmed(
        url=context.config.repository.url,
        salt=salt.hex(),
        proof=_proof(_secret(context), salt),
        moment=context.clock.now(),
    )
    path = _path(context)
    try:
        write_durably(path, msgspec.json.encode(confirmed), mode=0o600)
    except OSError as error:
        raise LocalIOError(f"{path}: cannot be written: {error.strerror}.") from error


def confirmed_at(context: Context) -> float | None:
    """Return when the sheet of this very repository and key was confirmed; None: it never was.

    Args:
        context: the outside world.

    Raises:
        ConfigError: the passphrase cannot be read.
    """
    try:
        confirmed = msgspec.json.decode(_path(context).read_bytes(), type=_Confirmed)
        salt = bytes.fromhex(confirmed.salt)
    except (OSError, msgspec.MsgspecError, ValueError):
        return None
    proof = _proof(_secret(context), salt)
    same = confirmed.url == context.config.repository.url
    return confirmed.moment if same and hmac.compare_digest(confirmed.proof, proof) else None


def _path(context: Context) -> Path:
    return state_dir(context) / NAME


def _secret(context: Context) -> str:
    """Return what tells one key from another: the passphrase, or the recipients."""
    encryption: EncryptionConfig = context.config.encryption
    if encryption.recipients:
        return " ".join(sorted(encryption.recipients))
    passphrase = read_passphrase(encryption, {**context.environment, **context.passphrase})
    if passphrase is None:
        raise ConfigError("encryption: says nothing of the key.")
    return passphrase


def _proof(secret: str, salt: bytes) -> str:
    return hashlib.scrypt(secret.encode(), salt=salt, **_SCRYPT).hex()


def _plain(text: str) -> str:
    return "".join(character for character in text if character not in " -\t\r\n")


def _armoured(message: bytes) -> str:
    """Return a message as text that can be carried by mouse and mail (RFC 4880, 6.2)."""
    lines = textwrap.wrap(base64.b64encode(message).decode(), _ARMOUR_COLUMNS)
    checksum = base64.b64encode(_crc24(message).to_bytes(3, "big")).decode()
    head, foot = "-----BEGIN PGP MESSAGE-----", "-----END PGP MESSAGE-----"
    return "\n".join([head, "", *lines, f"={checksum}", foot])


def _crc24(data: bytes) -> int:
    """Return the checksum without which older gpg does not see the end (RFC 4880, 6.1)."""
    crc = _CRC24_INIT
    for byte in data:
        crc ^= byte << 16
        for _ in range(8):
            crc <<= 1
            if crc & 0x1000000:
                crc ^= _CRC24_POLY
    return crc & 0xFFFFFF

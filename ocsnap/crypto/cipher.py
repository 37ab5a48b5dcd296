"""What the repository asks of encryption."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ocsnap.crypto.memory_file import MemoryFile

    Buffer = bytes | bytearray | memoryview


class CipherMode(StrEnum):
    """How messages are locked; recorded in the repository."""

    PASSPHRASE = "passphrase"  # noqa: S105 - the name of a mode
    PUBLIC_KEY = "public-key"


class Cipher(Protocol):
    """Turns content into OpenPGP messages and back; may be used from several threads."""

    @property
    def mode(self) -> CipherMode:
        """How messages are locked."""
        ...

    @property
    def recipients(self) -> tuple[str, ...]:
        """Fingerprints of those who can read; empty with a passphrase."""
        ...

    @property
    def can_decrypt(self) -> bool:
        """Whether this host can read what it writes (not so in public-key mode)."""
        ...

    @property
    def signer(self) -> str | None:
        """Fingerprint of the key whose signature snapshots must have; None: they need none."""
        ...

    def check_signing(self) -> None:
        """See that what must be signed can be signed here; to read, the public key is enough.

        Raises:
            CryptoError: the secret key is missing.
        """
        ...

    def close(self) -> None:
        """End what was started in the background."""
        ...

    def encrypt(self, parts: Iterable[Buffer], *, sign: bool = False) -> memoryview:
        """Lock content.

        Args:
            parts: the content, in pieces.
            sign: sign it too, where a signing key is configured.

        Returns:
            One binary OpenPGP message.

        Raises:
            CryptoError: gpg refuses.
        """
        ...

    def encrypt_file(self, content: MemoryFile, *, sign: bool = False) -> memoryview:
        """Lock what a file in memory holds; see `encrypt`.

        Args:
            content: the content; still the caller's to close.
            sign: sign it too, where a signing key is configured.
        """
        ...

    def decrypt(self, message: Buffer, *, signed: bool = False) -> memoryview:
        """Unlock a message.

        Args:
            message: one binary OpenPGP message.
            signed: demand the signature of the configured signing key, if there is one.

        Returns:
            The content, whole and unaltered.

        Raises:
            NoSecretKeyError: this host has not the key.
            CryptoError: the passphrase is wrong or gpg is broken.
            DamagedError: the message is not whole, not encrypted, or not signed as it must be.
        """
        ...

    def decrypt_file(
        self,
        message: MemoryFile,
        *,
        signed: bool = False,
        output: MemoryFile | None = None,
        proven: bool = True,
    ) -> memoryview:
        """Unlock what a file in memory holds; see `decrypt`.

        Args:
            message: the message; still the caller's to close, or to use for another one at once:
                what is returned lies elsewhere.
            signed: demand the signature of the configured signing key, if there is one.
            output: where the content may be put, in place of what is there; what is returned is
                then good until this file is used for something else.
            proven: see that the message was not altered. Without, and with an `output`, it may be
                quicker; for who compares every byte that he uses with a checksum of his own.
        """
        ...

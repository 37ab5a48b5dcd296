"""A cipher that locks nothing: for thousands of prunes, in which gpg would take all the time."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from ocsnap.crypto import CipherMode
from ocsnap.errors import DamagedError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ocsnap.crypto import MemoryFile
    from ocsnap.crypto.cipher import Buffer

_NONCE_BYTES = 16


class PlainCipher:
    """Gives each message another beginning, so that the same content has other names."""

    mode = CipherMode.PUBLIC_KEY
    recipients = ("0" * 40,)

    def __init__(self, *, can_decrypt: bool = True) -> None:
        self.can_decrypt = can_decrypt

    @property
    def signer(self) -> str | None:
        return None

    def check_signing(self) -> None:
        pass

    def close(self) -> None:
        pass

    def encrypt(self, parts: Iterable[Buffer], *, sign: bool = False) -> memoryview:  # noqa: ARG002 - nothing is signed
        return memoryview(b"".join([b"PLAIN", secrets.token_bytes(_NONCE_BYTES), *parts]))

    def encrypt_file(self, content: MemoryFile, *, sign: bool = False) -> memoryview:  # noqa: ARG002 - nothing is signed
        return self.encrypt([content.content()])

    def decrypt(self, message: Buffer, *, signed: bool = False) -> memoryview:  # noqa: ARG002 - the same
        if bytes(message[:5]) != b"PLAIN":
            raise DamagedError("The message is damaged.")
        return memoryview(message)[5 + _NONCE_BYTES :]

    def decrypt_file(
        self,
        message: MemoryFile,
        *,
        signed: bool = False,
        output: MemoryFile | None = None,
        proven: bool = True,  # noqa: ARG002 - nothing is
    ) -> memoryview:
        plain = self.decrypt(bytes(message.whole()), signed=signed)
        if output is None:
            return plain
        content = output.room(len(plain))
        content[:] = plain
        return content

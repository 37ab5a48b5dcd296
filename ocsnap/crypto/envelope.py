"""Messages locked with a passphrase, opened in this process: for whoever proves what comes out.

A restore compares each blob with its SHA-256, so nobody needs to see that a message is unaltered,
and a process of gpg for each pack would take a fifth of its time. libgcrypt does the work, which
gpg itself is made of. Only messages as ocsnap writes them are opened here (RFC 4880, 5.3, 5.9 and
5.13, each length in one piece): for all others, and wherever something is not as it should be, gpg
has the word.
"""

from __future__ import annotations

import ctypes
import hashlib
from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ocsnap.crypto.memory_file import MemoryFile

_LIBRARY: Final = "libgcrypt.so.20"
_DISABLE_SECMEM: Final = 37
_INITIALIZATION_FINISHED: Final = 38
_AES256: Final = 9
_CFB: Final = 2
"""Of libgcrypt's gcrypt.h."""

_KEY_HEAD: Final = bytes.fromhex("8c0d 04 09 03 0a")
"""A packet of 13 bytes: a key made of a passphrase, version 4, for AES-256, by many rounds of
SHA-512 (5.3, 3.7.1.3). A salt of 8 bytes and the number of rounds follow."""

_KEY_BYTES: Final = 15
_DATA_TAG: Final = 0xD2
_DATA_VERSION: Final = 1
_PREFIX_BYTES: Final = 18
"""A block of noise, and its end again (5.13)."""

_LITERAL_LENGTHS: Final = {0xAC: 1, 0xAD: 2, 0xAE: 4}
"""Tags of content, and how many bytes their length has (4.2.1)."""

_CHECKSUM_HEAD: Final = b"\xd3\x14"
_CHECKSUM_BYTES: Final = 22
_SHORTEST_BYTES: Final = _KEY_BYTES + 7 + _PREFIX_BYTES + _CHECKSUM_BYTES
_DERIVED_AT_ONCE_BYTES: Final = 64 * 1024


def open_envelope(message: MemoryFile, passphrase: str, output: MemoryFile) -> memoryview | None:
    """Unlock a message without proof that it was not altered.

    Args:
        message: the message.
        passphrase: what it is locked with.
        output: where to unlock it.

    Returns:
        Its content, in place in `output`; None where gpg has to look at it.
    """
    locked = message.whole()
    start = _start_of_data(locked)
    library = _library()
    if start is None or library is None:
        return None
    key = _key(passphrase, bytes(locked[len(_KEY_HEAD) : _KEY_BYTES - 1]), locked[_KEY_BYTES - 1])
    plain = output.room(len(locked) - start)
    if not _decrypt(library, key, locked[start:], plain):
        return None
    return _content(plain)


def _start_of_data(locked: memoryview) -> int | None:
    """Return where the ciphertext begins, which goes on to the end."""
    if len(locked) < _SHORTEST_BYTES or locked[: len(_KEY_HEAD)] != _KEY_HEAD:
        return None
    if locked[_KEY_BYTES] != _DATA_TAG:
        return None
    first, after = locked[_KEY_BYTES + 1], _KEY_BYTES + 2
    if first < 192:  # 4.2.2
        length = first
    elif first < 224:
        length = ((first - 192) << 8) + locked[after] + 192
        after += 1
    elif first == 255:
        length = int.from_bytes(locked[after : after + 4], "big")
        after += 4
    else:
        return None  # in parts, as gpg writes what it reads from a pipe
    if after + length != len(locked) or locked[after] != _DATA_VERSION:
        return None
    return after + 1


def _key(passphrase: str, salt: bytes, coded_count: int) -> bytes:
    """Return the key that a passphrase gives (3.7.1.3)."""
    round_ = salt + passphrase.encode()
    many = round_ * -(-_DERIVED_AT_ONCE_BYTES // len(round_))
    left = max((16 + (coded_count & 15)) << ((coded_count >> 4) + 6), len(round_))
    digest = hashlib.sha512()
    while left > len(many):
        digest.update(many)
        left -= len(many)
    digest.update(many[:left])
    return digest.digest()[:32]


def _decrypt(library: ctypes.CDLL, key: bytes, locked: memoryview, plain: memoryview) -> bool:
    handle = ctypes.c_void_p()
    if library.gcry_cipher_open(ctypes.byref(handle), _AES256, _CFB, 0):
        return False
    try:
        size_bytes = ctypes.c_size_t(len(plain))
        source, target = (ctypes.byref(ctypes.c_char.from_buffer(v)) for v in (locked, plain))
        return not (
            library.gcry_cipher_setkey(handle, key, ctypes.c_size_t(len(key)))
            or library.gcry_cipher_setiv(handle, None, ctypes.c_size_t(0))
            or library.gcry_cipher_decrypt(handle, target, size_bytes, source, size_bytes)
        )
    finally:
        library.gcry_cipher_close(handle)


def _content(plain: memoryview) -> memoryview | None:
    """Return the content between its head and the checksum, if all is where it should be."""
    end = len(plain) - _CHECKSUM_BYTES
    head = bytes(plain[: _PREFIX_BYTES + 5])
    if head[14:16] != head[16:18] or end < len(head):
        return None  # the passphrase is another
    length_bytes = _LITERAL_LENGTHS.get(head[_PREFIX_BYTES])
    if length_bytes is None or bytes(plain[end : end + 2]) != _CHECKSUM_HEAD:
        return None
    start = _PREFIX_BYTES + 1 + length_bytes
    length = int.from_bytes(head[_PREFIX_BYTES + 1 : start], "big")
    # Its kind, the length of its name, the name, and a time (5.9).
    begins = start + 2 + plain[start + 1] + 4
    if start + length != end or begins > end:
        return None
    return plain[begins:end]


@cache
def _library() -> ctypes.CDLL | None:
    try:
        library = ctypes.CDLL(_LIBRARY)
    except OSError:
        return None
    library.gcry_check_version.restype = ctypes.c_char_p
    if not library.gcry_check_version(None):
        return None
    library.gcry_control(_DISABLE_SECMEM, 0)
    library.gcry_control(_INITIALIZATION_FINISHED, 0)
    return library

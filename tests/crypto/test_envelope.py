"""Messages that are opened without gpg: as gpg opens them, or not at all."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from ocsnap.crypto import MemoryFile
from ocsnap.crypto.envelope import open_envelope

if TYPE_CHECKING:
    from tests.crypto.keyring import Keyring

STRONG = "wq7Rz1nWkB0uYcE5vHt3sDgLpXa9Jf2MoQi6TbN8"
WEAK = "überall dasselbe"


def opened(message: bytes, passphrase: str) -> bytes | None:
    with MemoryFile() as locked, MemoryFile() as output:
        locked.room(len(message))[:] = message
        content = open_envelope(locked, passphrase, output)
        return None if content is None else bytes(content)


@pytest.mark.parametrize("passphrase", [STRONG, WEAK])
def test_what_gpg_locked_comes_back(ring: Keyring, passphrase: str):
    cipher = ring.cipher(passphrase=passphrase)
    rng = random.Random(1)
    # Around the lengths at which a packet's head becomes longer (RFC 4880, 4.2).
    sizes = [1, 100, 143, 144, 145, 192, 249, 250, 8334, 8335, 8336, 65529, 65530, 300_000]
    for size_bytes in sizes if passphrase is STRONG else [1, 70_000]:
        data = rng.randbytes(size_bytes)
        assert opened(bytes(cipher.encrypt([data])), passphrase) == data, size_bytes


def test_an_empty_content_is_left_to_gpg_or_comes_back_empty(ring: Keyring):
    message = bytes(ring.cipher(passphrase=STRONG).encrypt([]))
    assert opened(message, STRONG) in (None, b"")


def test_another_passphrase_opens_nothing(ring: Keyring):
    message = bytes(ring.cipher(passphrase=STRONG).encrypt([b"secret" * 100]))
    assert opened(message, STRONG[:-1]) is None


def test_whatever_is_altered_or_cut_is_told_by_gpg_or_by_who_looks_at_the_content(ring: Keyring):
    data = random.Random(1).randbytes(500)
    message = bytes(ring.cipher(passphrase=STRONG).encrypt([data]))
    for position in range(len(message)):
        for bit in (1, 128):
            altered = bytearray(message)
            altered[position] ^= bit
            found = opened(bytes(altered), STRONG)
            # The checksum's own bytes are what nobody looks at here.
            assert found != data or position >= len(message) - 22, position
        assert opened(message[:position], STRONG) is None
    assert opened(message + b"x", STRONG) is None
    assert opened(message + message, STRONG) is None


def test_noise_opens_nothing():
    rng = random.Random(1)
    for size_bytes in (0, 1, 15, 22, 23, 61, 62, 63, 1000):
        assert opened(rng.randbytes(size_bytes), STRONG) is None
        assert opened(bytes.fromhex("8c0d0409030a") + rng.randbytes(size_bytes), STRONG) is None


def test_what_comes_in_parts_is_left_to_gpg(ring: Keyring):
    """As repositories have it that older versions wrote."""
    data = random.Random(1).randbytes(100_000)
    cipher = ring.cipher(passphrase=STRONG)
    options = ("--compress-algo", "none", "--cipher-algo", "AES256", "--s2k-digest-algo", "SHA512")
    by_hand = ("--pinentry-mode", "loopback", "--passphrase", STRONG)
    message = ring.gpg(*options, *by_hand, "--symmetric", given=data)
    assert opened(message, STRONG) is None
    with MemoryFile() as locked, MemoryFile() as output:
        locked.append([message])
        assert cipher.decrypt_file(locked, output=output, proven=False) == data


def test_gpg_has_the_word_where_proof_is_wanted(ring: Keyring, monkeypatch: pytest.MonkeyPatch):
    cipher = ring.cipher(passphrase=STRONG)
    with MemoryFile() as locked, MemoryFile() as output:
        locked.append([cipher.encrypt([b"content"])])
        monkeypatch.setattr("ocsnap.crypto.gpg.open_envelope", lambda *_: memoryview(b"other"))
        assert cipher.decrypt_file(locked, output=output) == b"content"
        assert cipher.decrypt_file(locked, output=output, signed=True, proven=False) == b"content"
        assert cipher.decrypt_file(locked, output=output, proven=False) == b"other"


def test_where_libgcrypt_is_not_found_gpg_does_it(ring: Keyring, monkeypatch: pytest.MonkeyPatch):
    cipher = ring.cipher(passphrase=STRONG)
    monkeypatch.setattr("ocsnap.crypto.envelope._library", lambda: None)
    with MemoryFile() as locked, MemoryFile() as output:
        locked.append([cipher.encrypt([b"content"])])
        assert open_envelope(locked, STRONG, output) is None
        assert cipher.decrypt_file(locked, output=output, proven=False) == b"content"

from __future__ import annotations

import os
import random
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ocsnap.config import EncryptionConfig
from ocsnap.crypto import CipherMode, open_cipher
from ocsnap.crypto.gpg import Gpg
from ocsnap.crypto.passphrase import iterations, read_passphrase
from ocsnap.errors import ConfigError, CryptoError, DamagedError
from tests.crypto.keyring import Keyring
from tests.repository.workshop import PASSPHRASE

if TYPE_CHECKING:
    from collections.abc import Iterator

BY_HAND = ("--pinentry-mode", "loopback", "--passphrase")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(parts=st.lists(st.binary(max_size=3000), max_size=5))
def test_what_was_locked_comes_back(ring: Keyring, parts: list[bytes]):
    cipher = ring.cipher(passphrase=PASSPHRASE)
    assert cipher.decrypt(cipher.encrypt(parts)) == b"".join(parts)


def test_large_content_in_pieces_of_all_kinds(ring: Keyring):
    content = random.Random(1).randbytes(9_000_000)
    pieces = [
        content[:5_000_000],
        b"",
        bytearray(content[5_000_000:5_000_001]),
        memoryview(content)[5_000_001:],
    ]
    cipher = ring.cipher(passphrase=PASSPHRASE)
    message = cipher.encrypt(iter(pieces))
    assert cipher.decrypt(message) == content
    assert len(message) < len(content) + 10_000


@pytest.mark.parametrize(
    "passphrase",
    [PASSPHRASE, "short", " spaces around ", "käse ünd brot " * 3, "-rf --help", '"%s"\\n$(id)`'],
)
def test_stock_gpg_opens_a_message_with_any_passphrase(
    ring: Keyring, tmp_path: Path, passphrase: str
):
    file = tmp_path / "passphrase"
    file.write_text(passphrase)
    message = bytes(ring.cipher(passphrase=passphrase).encrypt([b"by hand"]))
    by_hand = ("--pinentry-mode", "loopback", "--passphrase-file", str(file), "-d")
    assert ring.gpg(*by_hand, given=message) == b"by hand"


def packets(ring: Keyring, message: bytes) -> str:
    return ring.gpg(*BY_HAND, PASSPHRASE, "--list-packets", given=message).decode()


def test_messages_are_aes256_with_sha512_and_not_compressed(ring: Keyring):
    listed = packets(ring, bytes(ring.cipher(passphrase=PASSPHRASE).encrypt([b"x" * 10_000])))
    assert "cipher 9" in listed  # AES256: RFC 4880, 9.2
    assert "hash 10" in listed  # SHA512: RFC 4880, 9.4
    assert "s2k 3" in listed
    assert "mdc_method" in listed
    assert "compressed packet" not in listed


@pytest.mark.parametrize(
    ("passphrase", "count_bytes"),
    [
        (PASSPHRASE, 1_048_576),
        ("correct horse battery staple", 65_011_712),
        ("a" * 100, 65_011_712),
        ("0123456789abcdef" * 2, 1_048_576),
    ],
)
def test_a_weak_passphrase_costs_whoever_guesses(ring: Keyring, passphrase: str, count_bytes: int):
    assert iterations(passphrase) == count_bytes
    message = bytes(ring.cipher(passphrase=passphrase).encrypt([b"1"]))
    listed = ring.gpg(*BY_HAND, passphrase, "--list-packets", given=message).decode()
    assert f"count {count_bytes} " in listed


def test_a_wrong_passphrase_is_told_as_such(ring: Keyring):
    message = ring.cipher(passphrase=PASSPHRASE).encrypt([b"secret"])
    with pytest.raises(CryptoError, match="passphrase is wrong"):
        ring.cipher(passphrase=PASSPHRASE + "x").decrypt(message)


def test_a_message_that_was_altered_is_damaged_wherever_it_was(ring: Keyring):
    cipher = ring.cipher(passphrase=PASSPHRASE)
    message = bytes(cipher.encrypt([random.Random(1).randbytes(5000)]))
    places = [0, 1, *range(25, len(message), 101), len(message) - 20, len(message) - 1]
    for place in places:
        altered = message[:place] + bytes([message[place] ^ 0x10]) + message[place + 1 :]
        with pytest.raises((DamagedError, CryptoError)) as caught:
            cipher.decrypt(altered)
        # In the salt or the quick check nobody can tell it from a wrong passphrase.
        assert caught.type is DamagedError or place < 40, place


@pytest.mark.parametrize("share", [0, 0.001, 0.01, 0.5, 0.99, 0.9999])
def test_a_message_that_was_cut_is_damaged(ring: Keyring, share: float):
    cipher = ring.cipher(passphrase=PASSPHRASE)
    message = bytes(cipher.encrypt([random.Random(1).randbytes(100_000)]))
    with pytest.raises(DamagedError):
        cipher.decrypt(message[: int(len(message) * share)])


@pytest.mark.parametrize("more", [b"x", b"more" * 100])
def test_a_message_with_something_behind_it_is_damaged(ring: Keyring, more: bytes):
    cipher = ring.cipher(passphrase=PASSPHRASE)
    with pytest.raises(DamagedError):
        cipher.decrypt(bytes(cipher.encrypt([b"content"])) + more)


def plain_messages(ring: Keyring) -> Iterator[bytes]:
    """Make what gpg -d prints although nobody encrypted it."""
    signer = ring.make_key("stranger", usage="sign")
    yield ring.gpg("--store", "--compress-algo", "none", given=b"evil")
    yield ring.gpg("--store", given=b"evil")
    yield ring.gpg("--local-user", signer, "--sign", given=b"evil")
    yield ring.gpg("--local-user", signer, "--clearsign", given=b"evil")
    yield b"evil"
    yield b""


def test_what_is_not_encrypted_is_refused(ring: Keyring):
    cipher = ring.cipher(passphrase=PASSPHRASE)
    for message in plain_messages(ring):
        with pytest.raises(DamagedError):
            cipher.decrypt(message)


def test_a_message_without_integrity_check_is_refused(ring: Keyring):
    old = ("--rfc2440", "--cipher-algo", "3DES", "--compress-algo", "none", "-c")
    message = ring.gpg(*BY_HAND, PASSPHRASE, *old, given=b"evil", check=False)
    if b"evil" in message or not message:
        pytest.skip("this gpg makes no such messages any more")
    with pytest.raises(DamagedError):
        ring.cipher(passphrase=PASSPHRASE).decrypt(message)


def test_a_message_that_unpacks_to_more_than_it_is_long_is_refused(ring: Keyring):
    """ocsnap's own are never compressed; a few bytes must not fill the memory."""
    bomb = ring.gpg(*BY_HAND, PASSPHRASE, "--compress-algo", "zlib", "-c", given=bytes(9_000_000))
    assert len(bomb) < 100_000
    with pytest.raises(DamagedError):
        ring.cipher(passphrase=PASSPHRASE).decrypt(bomb)


def test_a_message_locked_with_a_public_key_is_refused_in_passphrase_mode(ring: Keyring):
    """Anybody could have locked it; the passphrase is also what proves who wrote."""
    key = ring.make_key("known-to-all")
    message = ring.gpg("--trust-model", "always", "-r", key, "-e", given=b"evil")
    with pytest.raises(DamagedError, match="instead of the passphrase"):
        ring.cipher(passphrase=PASSPHRASE).decrypt(message)


def shown_while_encrypting(cipher: Gpg) -> list[bytes]:
    """Encrypt, and return what is to be seen of gpg meanwhile."""
    done = threading.Event()
    seen: list[bytes] = []

    def look() -> None:
        while not done.is_set():
            seen.append(children_of(os.getpid()))

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        cipher.encrypt([random.Random(1).randbytes(12_000_000)])
    finally:
        done.set()
        watcher.join()
    assert any(b"--symmetric" in shown for shown in seen)
    return seen


def test_the_passphrase_shows_nowhere(ring: Keyring):
    """Looked for in arguments and environment of every process while gpg runs."""
    seen = shown_while_encrypting(ring.cipher(passphrase=PASSPHRASE))
    assert not any(PASSPHRASE.encode() in shown for shown in seen)


def children_of(pid: int) -> bytes:
    """Return arguments and environment of all children."""
    shown = b""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == pid:
                shown += (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
    return shown


def test_gpg_gets_nothing_of_the_environment_but_what_it_needs(ring: Keyring):
    secretive = {**os.environ, "OCSNAP_PASSPHRASE": PASSPHRASE, "AWS_SECRET_ACCESS_KEY": "x"}
    cipher = Gpg(home=ring.home, environment=secretive, passphrase=PASSPHRASE)
    shown = b"".join(shown_while_encrypting(cipher))
    assert b"PATH=" in shown
    assert b"OCSNAP_PASSPHRASE" not in shown
    assert b"AWS_SECRET" not in shown


def test_a_passphrase_that_no_pipe_holds_is_refused_and_not_cut(ring: Keyring):
    with pytest.raises(CryptoError, match="too long"):
        ring.cipher(passphrase="x" * 100_000).encrypt([b"content"])


def test_an_error_while_the_content_is_made_is_not_taken_for_its_end(ring: Keyring):
    def broken() -> Iterator[bytes]:
        yield b"the first half" * 1000
        raise ConfigError("there is no second half")

    with pytest.raises(ConfigError, match="second half"):
        ring.cipher(passphrase=PASSPHRASE).encrypt(broken())


def test_gpg_that_is_not_there_is_told(tmp_path: Path):
    with pytest.raises(CryptoError, match="cannot be run") as caught:
        Gpg(home=tmp_path, environment={"PATH": str(tmp_path)}, passphrase=PASSPHRASE)
    assert "apt-get install gnupg" in str(caught.value)


def test_a_cipher_from_the_configuration(tmp_path: Path):
    file = tmp_path / "passphrase"
    file.write_text(PASSPHRASE + "\n")
    config = EncryptionConfig(passphrase_file=file)
    cipher = open_cipher(config, environment=os.environ, state_dir=tmp_path / "state")
    assert cipher.mode is CipherMode.PASSPHRASE
    assert cipher.can_decrypt
    assert cipher.recipients == ()
    assert (tmp_path / "state" / "gnupg").stat().st_mode & 0o777 == 0o700
    message = bytes(cipher.encrypt([b"content"]))
    opened = Keyring(tmp_path / "state" / "gnupg").gpg(
        *BY_HAND[:2], "--passphrase-file", str(file), "-d", given=message
    )
    assert opened == b"content"
    cipher.close()


@pytest.mark.parametrize(
    ("content", "passphrase"),
    [
        (b"secret", "secret"),
        (b"secret\n", "secret"),
        (b"secret\r\n", "secret"),
        (b" secret \n", " secret "),
        ("gehëim\n".encode(), "gehëim"),
    ],
)
def test_a_passphrase_is_read_without_its_line_end(tmp_path: Path, content: bytes, passphrase: str):
    file = tmp_path / "passphrase"
    file.write_bytes(content)
    assert read_passphrase(EncryptionConfig(passphrase_file=file), {}) == passphrase
    config = EncryptionConfig(passphrase_env="SECRET")
    assert read_passphrase(config, {"SECRET": content.decode()}) == passphrase


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "holds no passphrase"),
        (b"\n", "holds no passphrase"),
        (b"one\ntwo\n", "more than one line"),
        (b"nul\0byte", "more than one line"),
        (b"\xff\xfe", "not UTF-8"),
        (None, "cannot be read"),
    ],
)
def test_what_is_no_passphrase_is_told(tmp_path: Path, content: bytes | None, reason: str):
    file = tmp_path / "passphrase"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError, match=reason) as caught:
        read_passphrase(EncryptionConfig(passphrase_file=file), {})
    assert str(file) in str(caught.value)


def test_a_variable_that_is_not_set_is_told():
    with pytest.raises(ConfigError, match="SECRET"):
        read_passphrase(EncryptionConfig(passphrase_env="SECRET"), {})

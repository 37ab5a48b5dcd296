from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ocsnap.config import EncryptionConfig
from ocsnap.crypto import CipherMode, open_cipher
from ocsnap.errors import ConfigError, CryptoError, DamagedError, NoSecretKeyError
from tests.crypto.keyring import keyring
from tests.repository.workshop import PASSPHRASE

if TYPE_CHECKING:
    from tests.crypto.conftest import Hosts

UNKNOWN = "0123456789ABCDEF0123456789ABCDEF01234567"


def test_only_the_admin_reads_what_the_server_writes(hosts: Hosts):
    server = hosts.server.cipher(recipients=(hosts.backup,))
    admin = hosts.admin.cipher(recipients=(hosts.backup,))
    assert server.mode is admin.mode is CipherMode.PUBLIC_KEY
    assert not server.can_decrypt
    assert admin.can_decrypt
    message = server.encrypt([b"for the admin ", b"alone"])
    assert admin.decrypt(message) == b"for the admin alone"
    with pytest.raises(NoSecretKeyError):
        server.decrypt(message)


def test_stock_gpg_opens_a_message(hosts: Hosts):
    message = bytes(hosts.server.cipher(recipients=(hosts.backup,)).encrypt([b"by hand"]))
    assert hosts.admin.gpg("-d", given=message) == b"by hand"
    assert b"by hand" not in message


def test_a_fingerprint_is_taken_as_people_write_it(hosts: Hosts):
    spaced = "0x" + " ".join(
        hosts.backup[start : start + 4].lower() for start in range(0, len(hosts.backup), 4)
    )
    assert hosts.admin.cipher(recipients=(spaced,)).recipients == (hosts.backup,)


def test_each_of_several_recipients_can_read(hosts: Hosts):
    with keyring() as second:
        other = second.make_key("second-admin")
        second.give(hosts.server, other)
        message = hosts.server.cipher(recipients=(hosts.backup, other)).encrypt([b"for both"])
        both = (hosts.backup, other)
        hosts.admin.give(second, hosts.backup)
        assert second.cipher(recipients=both).decrypt(message) == b"for both"
        hosts.admin.gpg("--import", given=second.gpg("--export", other))
        assert hosts.admin.cipher(recipients=both).decrypt(message) == b"for both"


def test_a_secret_key_with_a_passphrase(hosts: Hosts):
    with keyring() as ring:
        key = ring.make_key("careful", passphrase="a passphrase of its own")
        message = ring.cipher(recipients=(key,)).encrypt([b"content"])
        with pytest.raises(CryptoError, match="secret key") as caught:
            ring.cipher(recipients=(key,), passphrase="a wrong one").decrypt(message)
        assert not isinstance(caught.value, NoSecretKeyError)
        right = ring.cipher(recipients=(key,), passphrase="a passphrase of its own")
        assert right.decrypt(message) == b"content"


@pytest.mark.parametrize(
    "places", [(0,), (10,), (60,), (-1,), (-20,)], ids=lambda places: str(places[0])
)
def test_a_message_that_was_altered_is_refused(hosts: Hosts, places: tuple[int, ...]):
    admin = hosts.admin.cipher(recipients=(hosts.backup,))
    message = bytearray(admin.encrypt([b"content" * 100]))
    for place in places:
        message[place] ^= 1
    with pytest.raises((DamagedError, CryptoError)):
        admin.decrypt(message)


def test_what_is_not_encrypted_is_refused(hosts: Hosts):
    admin = hosts.admin.cipher(recipients=(hosts.backup,))
    for message in (
        hosts.admin.gpg("--store", given=b"evil"),
        hosts.admin.gpg("--local-user", hosts.backup, "--sign", given=b"evil"),
    ):
        with pytest.raises(DamagedError):
            admin.decrypt(message)


def test_a_signed_message_is_proven(hosts: Hosts):
    server = hosts.server.cipher(recipients=(hosts.backup,), sign_with=hosts.signer)
    admin = hosts.admin.cipher(recipients=(hosts.backup,))
    admin._sign_with = hosts.signer  # the admin has the public key alone, and signs nothing
    signed = server.encrypt([b"snapshot"], sign=True)
    assert admin.decrypt(signed, signed=True) == b"snapshot"
    unsigned = server.encrypt([b"snapshot"])
    assert admin.decrypt(unsigned) == b"snapshot"
    with pytest.raises(DamagedError, match="not signed by"):
        admin.decrypt(unsigned, signed=True)


def test_a_foreign_signature_is_no_signature(hosts: Hosts):
    foreign = hosts.server.make_key("foreign", usage="sign")
    hosts.server.give(hosts.admin, foreign)
    by_other = hosts.server.cipher(recipients=(hosts.backup,), sign_with=foreign)
    message = by_other.encrypt([b"snapshot"], sign=True)
    admin = hosts.admin.cipher(recipients=(hosts.backup,))
    admin._sign_with = hosts.signer
    with pytest.raises(DamagedError, match="not signed by"):
        admin.decrypt(message, signed=True)


def test_a_signature_by_a_key_that_nobody_knows_is_no_signature(hosts: Hosts):
    with keyring() as stranger:
        hosts.admin.give(stranger, hosts.backup)
        unknown = stranger.make_key("stranger", usage="sign")
        message = stranger.cipher(recipients=(hosts.backup,), sign_with=unknown).encrypt(
            [b"snapshot"], sign=True
        )
        admin = hosts.admin.cipher(recipients=(hosts.backup,))
        admin._sign_with = hosts.signer
        with pytest.raises(DamagedError):
            admin.decrypt(message, signed=True)


def test_a_symmetric_message_is_signed_and_proven_too(hosts: Hosts):
    cipher = hosts.server.cipher(passphrase=PASSPHRASE, sign_with=hosts.signer)
    assert cipher.mode is CipherMode.PASSPHRASE
    signed = cipher.encrypt([b"snapshot"], sign=True)
    assert cipher.decrypt(signed, signed=True) == b"snapshot"
    with pytest.raises(DamagedError):
        cipher.decrypt(cipher.encrypt([b"snapshot"]), signed=True)


def test_what_a_key_signed_before_it_expired_stays_signed():
    with keyring() as ring:
        signer = ring.make_key("short-lived", usage="sign", expires="seconds=2")
        cipher = ring.cipher(passphrase=PASSPHRASE, sign_with=signer)
        message = cipher.encrypt([b"snapshot"], sign=True)
        time.sleep(3)
        assert cipher.decrypt(message, signed=True) == b"snapshot"
        with pytest.raises(CryptoError, match="could not encrypt"):
            cipher.encrypt([b"another"], sign=True)


def test_missing_keys_are_told_before_anything_is_done(hosts: Hosts):
    with pytest.raises(CryptoError, match=f"no public key {UNKNOWN}") as caught:
        hosts.server.cipher(recipients=(UNKNOWN,))
    assert "--import" in caught.value.hint
    with pytest.raises(CryptoError, match=f"no public key {UNKNOWN}"):
        hosts.server.cipher(recipients=(hosts.backup,), sign_with=UNKNOWN)
    with pytest.raises(CryptoError, match=f"no secret key {hosts.backup}"):
        hosts.server.cipher(recipients=(hosts.backup,), sign_with=hosts.backup).check_signing()


def test_key_files_are_imported_into_the_private_home(hosts: Hosts, tmp_path: Path):
    file = tmp_path / "backup.asc"
    file.write_bytes(hosts.admin.gpg("--armor", "--export", hosts.backup))
    config = EncryptionConfig(recipients=(hosts.backup,), key_files=(file,))
    for _ in range(2):
        cipher = open_cipher(config, environment=os.environ, state_dir=tmp_path / "state")
        assert not cipher.can_decrypt
        message = cipher.encrypt([b"content"])
        cipher.close()
    admin = hosts.admin.cipher(recipients=(hosts.backup,))
    assert admin.decrypt(message) == b"content"


def test_a_secret_key_that_others_can_read_is_refused(hosts: Hosts, tmp_path: Path):
    with tempfile.TemporaryDirectory(prefix="oc-") as name:
        Path(name).chmod(0o755)
        file = Path(name, "secret.asc")
        file.write_bytes(hosts.admin.gpg("--armor", "--export-secret-keys", hosts.backup))
        file.chmod(0o644)
        config = EncryptionConfig(recipients=(hosts.backup,), key_files=(file,))
        with pytest.raises(ConfigError, match="others can read it") as caught:
            open_cipher(config, environment=os.environ, state_dir=tmp_path / "state")
        assert caught.value.hint == f"Run: chmod 600 {file}"
        file.chmod(0o600)
        cipher = open_cipher(config, environment=os.environ, state_dir=tmp_path / "state")
        assert cipher.can_decrypt
        cipher.close()


@pytest.mark.parametrize("content", [b"", b"no key at all", None])
def test_key_files_without_keys_are_told(tmp_path: Path, content: bytes | None):
    file = tmp_path / "key.asc"
    if content is not None:
        file.write_bytes(content)
    config = EncryptionConfig(recipients=(UNKNOWN,), key_files=(file,))
    with pytest.raises(CryptoError, match="key_files") as caught:
        open_cipher(config, environment=os.environ, state_dir=tmp_path / "state")
    assert str(file) in str(caught.value)


def test_a_secret_key_that_gpg_cannot_keep_is_told(hosts: Hosts):
    """Its agent has a socket, whose path must be short; the public half alone would be taken."""
    with tempfile.TemporaryDirectory(prefix="oc-") as name:
        file = Path(name, "secret.asc")
        file.write_bytes(hosts.admin.gpg("--armor", "--export-secret-keys", hosts.backup))
        file.chmod(0o600)
        config = EncryptionConfig(recipients=(hosts.backup,), key_files=(file,))
        with pytest.raises(CryptoError, match="cannot keep this secret key") as caught:
            open_cipher(config, environment=os.environ, state_dir=Path(name, "x" * 100))
        assert "state_dir" in caught.value.hint

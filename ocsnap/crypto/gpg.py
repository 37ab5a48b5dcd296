"""The real gpg: keys through python-gnupg, messages from memory to memory."""

from __future__ import annotations

import logging
import os
import shlex
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import gnupg

from ocsnap.config import is_readable_by_others
from ocsnap.crypto.cipher import CipherMode
from ocsnap.crypto.envelope import open_envelope
from ocsnap.crypto.gpg_process import GpgProgram
from ocsnap.crypto.memory_file import MemoryFile
from ocsnap.crypto.passphrase import iterations
from ocsnap.errors import ConfigError, CryptoError, DamagedError, NoSecretKeyError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ocsnap.crypto.cipher import Buffer
    from ocsnap.crypto.statuses import Statuses
    from ocsnap.errors import OcsnapError

_GPGCONF: Final = "gpgconf"
_LONGEST_HOME_BYTES: Final = 85
"""A socket's path has at most 107 bytes (unix(7)); `/S.gpg-agent.extra` and its like follow."""

_LONG_HOME: Final = "Its path is too long for gpg's agent: set backup.state_dir to a shorter one."
_CHILD_ENVIRONMENT: Final = ("PATH", "HOME", "TMPDIR", "GPG_TTY", "XDG_RUNTIME_DIR")

# python-gnupg warns of every refusal in its own words; ocsnap raises an error for each.
logging.getLogger("gnupg").setLevel(logging.CRITICAL)


class Gpg:
    """A `Cipher` that runs one gpg process for each message."""

    def __init__(  # noqa: PLR0913 - keys and where they are, all by name
        self,
        *,
        home: Path | None,
        environment: Mapping[str, str],
        passphrase: str | None,
        private: bool = False,
        recipients: tuple[str, ...] = (),
        sign_with: str | None = None,
    ) -> None:
        """Find gpg and check the keys.

        Args:
            home: GnuPG folder; None: gpg's own choice.
            environment: variables of which gpg sees the few that it needs, never a secret.
            private: whether nobody else uses that folder, so that its agent is ended by `close`.
            passphrase: the repository's passphrase; with recipients, that of the secret keys.
            recipients: fingerprints to encrypt for; empty: with the passphrase alone.
            sign_with: fingerprint of the key that signs.

        Raises:
            CryptoError: gpg is missing, or a key is not in its folder.
        """
        self._gpg = _start(home, environment)
        self._program = GpgProgram(self._gpg.gpgbinary, self._gpg.gnupghome, self._gpg.env)
        self._private_home = home if private else None
        self._passphrase = passphrase
        self._recipients = tuple(_normal(fingerprint) for fingerprint in recipients)
        self._sign_with = _normal(sign_with) if sign_with else None
        self._home = home
        self._check_keys()
        self._can_decrypt = not self._recipients or self._has_secret_key()
        self._has_opened = False

    @property
    def mode(self) -> CipherMode:
        """How messages are locked."""
        return CipherMode.PUBLIC_KEY if self._recipients else CipherMode.PASSPHRASE

    @property
    def recipients(self) -> tuple[str, ...]:
        """Fingerprints of those who can read; empty with a passphrase."""
        return self._recipients

    @property
    def can_decrypt(self) -> bool:
        """Whether this host can read what it writes."""
        return self._can_decrypt

    @property
    def signer(self) -> str | None:
        """Fingerprint of the key whose signature snapshots must have."""
        return self._sign_with

    def check_signing(self) -> None:
        """See that snapshots can be signed here; see `Cipher.check_signing`."""
        signer = self._sign_with
        if signer and not self._gpg.list_keys(secret=True, keys=[signer]):
            where = self._where()
            raise CryptoError(f"gpg has no secret key {signer}{where}.", hint=self._hint())

    def close(self) -> None:
        """End the agent that gpg starts when it uses a secret key."""
        if self._private_home is not None and self._recipients:
            subprocess.run(  # noqa: S603 - a constant command
                [_GPGCONF, "--homedir", str(self._private_home), "--kill", "gpg-agent"],
                env=self._gpg.env,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
            )

    def encrypt(self, parts: Iterable[Buffer], *, sign: bool = False) -> memoryview:
        """Lock content; see `Cipher.encrypt`."""
        with MemoryFile() as content:
            content.append(parts)
            return self.encrypt_file(content, sign=sign)

    def encrypt_file(self, content: MemoryFile, *, sign: bool = False) -> memoryview:
        """Lock the content of a file; see `Cipher.encrypt_file`."""
        signer = self._sign_with if sign else None
        passphrase = self._passphrase if signer or not self._recipients else None
        ended = self._program.run(self._encrypting(signer), content, passphrase)
        if not ended.succeeded or not ended.statuses.encrypted:
            raise CryptoError(f"gpg could not encrypt: {ended.reason}.")
        return ended.output

    def decrypt(self, message: Buffer, *, signed: bool = False) -> memoryview:
        """Unlock a message; see `Cipher.decrypt`."""
        with MemoryFile() as content:
            content.append([message])
            return self.decrypt_file(content, signed=signed)

    def decrypt_file(
        self,
        message: MemoryFile,
        *,
        signed: bool = False,
        output: MemoryFile | None = None,
        proven: bool = True,
    ) -> memoryview:
        """Unlock the message in a file; see `Cipher.decrypt_file`."""
        if output is not None and not (proven or signed or self._recipients):
            content = open_envelope(message, self._passphrase or "", output)
            if content is not None:
                return content
        ended = self._program.run(self._decrypting(message), message, self._passphrase, output)
        statuses = ended.statuses
        if not self._recipients and statuses.locked_with_key:
            # Anybody can lock a message with a public key; the passphrase also proves the writer.
            raise DamagedError(
                "The message is locked with a key instead of the passphrase.",
                hint="Somebody else may have written it.",
            )
        if not ended.succeeded or not statuses.decrypted:
            raise self._failure(statuses, ended.reason)
        self._has_opened = True
        if signed and self._sign_with is not None and self._sign_with not in statuses.signers():
            raise DamagedError(
                f"The snapshot is not signed by {self._sign_with}.",
                hint="Somebody else may have written it. Do not restore it.",
            )
        return ended.output

    def _failure(self, statuses: Statuses, reason: str) -> OcsnapError:
        """Return why a message cannot be opened: for its own fault, or for that of our key."""
        failure = statuses.failure(reason)
        if not isinstance(failure, CryptoError):
            return failure
        foreign = isinstance(failure, NoSecretKeyError) and self._can_decrypt
        if self._has_opened or foreign:
            # The key is right. Whoever may write to the bucket can put there what it does not open,
            # and nobody shall be kept from his backups by that.
            return DamagedError(
                "gpg could not decrypt: the message is locked with another key than ours.",
                hint="Somebody else may have written it.",
            )
        return failure

    def _encrypting(self, signer: str | None) -> list[str]:
        # OpenPGP's own compression would cost eight times the time on what is compressed already.
        options = ["--compress-algo", "none", "--cipher-algo", "AES256", "--no-encrypt-to"]
        if signer:
            options += ["--local-user", signer, "--sign"]
        if self._recipients:
            options += ["--trust-model", "always", "--encrypt"]
            for recipient in self._recipients:
                options += ["--recipient", recipient]
        elif self._passphrase is not None:
            options += ["--s2k-cipher-algo", "AES256", "--s2k-digest-algo", "SHA512"]
            options += ["--s2k-mode", "3", "--s2k-count", str(iterations(self._passphrase))]
            options += ["--symmetric"]
            if not signer:
                # What has a name is a file to gpg, whose length it then writes once for all. Of
                # what comes without one it writes it every 8 KiB, as of a pipe.
                options += ["--set-filename", "", "--output", "-", "/dev/fd/0"]
        return options

    def _decrypting(self, message: MemoryFile) -> list[str]:
        # None is compressed, so none holds more than it is long, nor may a few bytes fill memory.
        return ["--max-output", str(message.size_bytes), "--trust-model", "always", "--decrypt"]

    def _check_keys(self) -> None:
        signer = (self._sign_with,) if self._sign_with else ()
        for fingerprint in (*self._recipients, *signer):
            if not self._gpg.list_keys(keys=[fingerprint]):
                where = self._where()
                raise CryptoError(f"gpg has no public key {fingerprint}{where}.", hint=self._hint())

    def _where(self) -> str:
        return f" in {self._home}" if self._home else ""

    def _hint(self) -> str:
        folder = f"--homedir {self._home} " if self._home else ""
        return f"Name its file in encryption.key_files, or run: gpg {folder}--import KEYFILE."

    def _has_secret_key(self) -> bool:
        return bool(self._gpg.list_keys(secret=True, keys=list(self._recipients)))


def private_home(state_dir: Path) -> Path:
    """Return ocsnap's own GnuPG folder, made where it is not there yet.

    Args:
        state_dir: `backup.state_dir`.

    Returns:
        A folder that only its owner can enter.
    """
    home = state_dir / "gnupg"
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    return home


def import_keys(home: Path, files: Iterable[Path], environment: Mapping[str, str]) -> None:
    """Import exported keys; those that are there already stay as they are.

    Args:
        home: the GnuPG folder.
        files: exported keys, armoured or binary.
        environment: as for `Gpg`.

    Raises:
        CryptoError: a file cannot be read, holds no key, or holds one that gpg cannot keep.
        ConfigError: it holds a secret key, and other users can read it.
    """
    gpg = _start(home, environment)
    for file in files:
        try:
            result = gpg.import_keys(file.read_bytes())
        except OSError as error:
            raise CryptoError(
                f"encryption.key_files: {file}: cannot be read: {error.strerror}."
            ) from error
        if not result.fingerprints:
            raise CryptoError(f"encryption.key_files: {file}: holds no OpenPGP key.")
        if result.sec_read and is_readable_by_others(file):
            raise ConfigError(
                f"encryption.key_files: {file}: holds a secret key, and others can read it.",
                hint=f"Run: chmod 600 {shlex.quote(str(file))}",
            )
        if result.sec_read > result.sec_imported + result.sec_dups:
            # gpg has taken the public half all the same, and would say that there is no secret key.
            raise CryptoError(
                f"encryption.key_files: {file}: gpg cannot keep this secret key in {home}.",
                hint=_LONG_HOME if len(os.fsencode(home)) > _LONGEST_HOME_BYTES else "",
            )


def fingerprint_of(file: Path, environment: Mapping[str, str]) -> str | None:
    """Return the fingerprint of the first key in a file; None: there is none.

    Args:
        file: an exported key.
        environment: as for `Gpg`.

    Raises:
        CryptoError: gpg cannot be run.
    """
    # gpg looks into no file without a folder of its own, be it an empty one.
    with tempfile.TemporaryDirectory(prefix="ocsnap-") as home:
        found = _start(Path(home), environment).scan_keys(str(file))
    return str(found.fingerprints[0]) if found.fingerprints else None


def _start(home: Path | None, environment: Mapping[str, str]) -> Any:  # noqa: ANN401
    child = {key: environment[key] for key in _CHILD_ENVIRONMENT if key in environment}
    try:
        gpg = gnupg.GPG(gnupghome=str(home) if home else None, env={**child, "LC_ALL": "C"})
    except (OSError, ValueError) as error:
        raise CryptoError(
            f"gpg cannot be run: {error}.", hint="Install it: apt-get install gnupg."
        ) from error
    return gpg


def _normal(fingerprint: str) -> str:
    return fingerprint.replace(" ", "").removeprefix("0x").upper()

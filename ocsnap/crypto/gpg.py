"""The real gpg, driven through python-gnupg."""

from __future__ import annotations

import contextlib
import copy
import fcntl
import logging
import subprocess
from typing import TYPE_CHECKING, Any, Final

import gnupg

from ocsnap.crypto.cipher import CipherMode
from ocsnap.crypto.passphrase import iterations
from ocsnap.crypto.statuses import Statuses
from ocsnap.errors import CryptoError, DamagedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from ocsnap.crypto.cipher import Buffer

PIPE_BYTES: Final = 1024 * 1024
"""The most that Linux gives an ordinary user (pipe(7), /proc/sys/fs/pipe-max-size)."""
CHUNK_BYTES: Final = 256 * 1024
_GPGCONF: Final = "gpgconf"
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
        self._private_home = home if private else None
        self._passphrase = passphrase
        self._recipients = tuple(_normal(fingerprint) for fingerprint in recipients)
        self._sign_with = _normal(sign_with) if sign_with else None
        self._check_keys(home)
        self._can_decrypt = not self._recipients or self._has_secret_key()

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

    def encrypt(self, parts: Iterable[Buffer], *, sign: bool = False) -> bytearray:
        """Lock content; see `Cipher.encrypt`."""
        output = _Output()
        gpg = self._call(output)
        signer = self._sign_with if sign else None
        result = _run(
            gpg.encrypt_file,
            _Parts(parts),
            list(self._recipients) or None,
            symmetric=not self._recipients,
            always_trust=True,
            armor=False,
            passphrase=self._on_the_wire() if signer or not self._recipients else None,
            sign=signer,
            extra_args=self._options(signer),
        )
        if not result.ok or result.returncode != 0:
            raise CryptoError(f"gpg could not encrypt: {_reason(result)}.")
        return output.data

    def decrypt(self, message: Buffer, *, signed: bool = False) -> bytearray:
        """Unlock a message; see `Cipher.decrypt`."""
        output = _Output()
        gpg = self._call(output)
        result = _run(
            gpg.decrypt_file, _Parts([message]), always_trust=True, passphrase=self._on_the_wire()
        )
        statuses = Statuses(result.stderr)
        if not self._recipients and statuses.locked_with_key:
            # Anybody can lock a message with a public key; the passphrase also proves the writer.
            raise DamagedError(
                "The message is locked with a key instead of the passphrase.",
                hint="Somebody else may have written it.",
            )
        if not result.ok or result.returncode != 0:
            raise statuses.failure(_reason(result))
        if signed and self._sign_with is not None and self._sign_with not in statuses.signers():
            raise DamagedError(
                f"The snapshot is not signed by {self._sign_with}.",
                hint="Somebody else may have written it. Do not restore it.",
            )
        return output.data

    def _on_the_wire(self) -> str | None:
        """Return the passphrase such that python-gnupg's encoding of it gives UTF-8."""
        return None if self._passphrase is None else self._passphrase.encode().decode("latin-1")

    def _call(self, output: _Output) -> Any:  # noqa: ANN401 - python-gnupg has no types
        """Return a copy of the wrapper for one call: its output callback is per object."""
        call = copy.copy(self._gpg)
        call.on_data = output
        return call

    def _options(self, signer: str | None) -> list[str]:
        # OpenPGP's own compression would cost eight times the time on what is compressed already.
        options = ["--compress-algo", "none", "--cipher-algo", "AES256", "--no-encrypt-to"]
        if signer:
            options += ["--local-user", signer]
        if not self._recipients and self._passphrase is not None:
            options += ["--s2k-cipher-algo", "AES256", "--s2k-digest-algo", "SHA512"]
            options += ["--s2k-mode", "3", "--s2k-count", str(iterations(self._passphrase))]
        return options

    def _check_keys(self, home: Path | None) -> None:
        where = f" in {home}" if home else ""
        command = f"gpg --homedir {home} --import KEYFILE" if home else "gpg --import KEYFILE"
        hint = f"Name its file in encryption.key_files, or run: {command}."
        for fingerprint in self._recipients:
            if not self._gpg.list_keys(keys=[fingerprint]):
                raise CryptoError(f"gpg has no public key {fingerprint}{where}.", hint=hint)
        if self._sign_with and not self._gpg.list_keys(secret=True, keys=[self._sign_with]):
            raise CryptoError(f"gpg has no secret key {self._sign_with}{where}.", hint=hint)

    def _has_secret_key(self) -> bool:
        return bool(self._gpg.list_keys(secret=True, keys=list(self._recipients)))


class _WidePiped(gnupg.GPG):  # type: ignore[misc] # python-gnupg has no types
    """python-gnupg with wider pipes: with 64 KiB the two processes wait for each other."""

    def _open_subprocess(self, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401
        process = super()._open_subprocess(*arguments, **options)
        for pipe in (process.stdin, process.stdout):
            with contextlib.suppress(OSError):  # a limit of the system: slower, not wrong
                fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        return process


class _Parts:
    """A file-like object that hands over pieces one by one and forgets them at once."""

    def __init__(self, parts: Iterable[Buffer]) -> None:
        self._parts: Iterator[Buffer] = iter(parts)

    def read(self, size: int = -1) -> Buffer:
        del size
        return next((part for part in self._parts if len(part)), b"")


class _Output:
    """Collects what gpg writes in one growing buffer."""

    def __init__(self) -> None:
        self.data = bytearray()

    def __call__(self, chunk: bytes) -> bool:
        self.data += chunk
        return False


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
        CryptoError: a file cannot be read or holds no key.
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


def _start(home: Path | None, environment: Mapping[str, str]) -> Any:  # noqa: ANN401
    child = {key: environment[key] for key in _CHILD_ENVIRONMENT if key in environment}
    try:
        gpg = _WidePiped(gnupghome=str(home) if home else None, env={**child, "LC_ALL": "C"})
    except (OSError, ValueError) as error:
        raise CryptoError(
            f"gpg cannot be run: {error}.", hint="Install it: apt-get install gnupg."
        ) from error
    # What gpg says of a damaged message may be no UTF-8, and must not end the thread that listens.
    gpg.encoding = "latin-1"
    gpg.buffer_size = CHUNK_BYTES
    return gpg


def _run(method: Any, *args: object, **options: object) -> Any:  # noqa: ANN401
    try:
        result = method(*args, **options)
    except OSError as error:
        raise CryptoError(f"gpg stopped before it had taken everything: {error}.") from error
    if result.on_data_failure is not None:
        raise result.on_data_failure
    return result


def _reason(result: Any) -> str:  # noqa: ANN401 - python-gnupg has no types
    said = [
        line.partition(": ")[2]
        for line in str(getattr(result, "stderr", "")).splitlines()
        if line.startswith("gpg: ")
    ]
    return (said[-1] if said else str(result.status) or "no reason given").rstrip(".")


def _normal(fingerprint: str) -> str:
    return fingerprint.replace(" ", "").removeprefix("0x").upper()

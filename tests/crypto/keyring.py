"""Keys made for one test, in a GnuPG folder of their own."""

from __future__ import annotations

import os
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ocsnap.crypto.gpg import Gpg

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass
class Keyring:
    """A GnuPG folder.

    Attributes:
        home: the folder.
    """

    home: Path

    def gpg(self, *arguments: str, given: bytes = b"", check: bool = True) -> bytes:
        """Run stock gpg."""
        ended = subprocess.run(
            ["gpg", "--homedir", str(self.home), "--batch", "--quiet", *arguments],
            input=given,
            capture_output=True,
            check=False,
        )
        if check:
            assert ended.returncode == 0, ended.stderr.decode()
        return ended.stdout

    def make_key(
        self, name: str, *, usage: str = "encrypt", passphrase: str = "", expires: str = "never"
    ) -> str:
        """Make a key and return its fingerprint.

        Args:
            name: any name.
            usage: `encrypt`, which gives a signing key with an encrypting subkey, or `sign`.
            passphrase: of the secret key; empty: none.
            expires: in gpg's notation.
        """
        kind, use = ("future-default", "default") if usage == "encrypt" else ("ed25519", "sign")
        self.gpg(
            *("--pinentry-mode", "loopback", "--passphrase", passphrase),
            *("--quick-gen-key", f"{name} <{name}@example.org>", kind, use, expires),
        )
        listed = self.gpg("--with-colons", "--list-keys", f"{name}@example.org").decode()
        return next(line.split(":")[9] for line in listed.splitlines() if line.startswith("fpr"))

    def give(self, other: Keyring, fingerprint: str, *, secret: bool = False) -> None:
        """Copy a key into another folder."""
        command = "--export-secret-keys" if secret else "--export"
        other.gpg("--import", given=self.gpg(command, fingerprint))

    def cipher(
        self,
        *,
        passphrase: str | None = None,
        recipients: tuple[str, ...] = (),
        sign_with: str | None = None,
    ) -> Gpg:
        return Gpg(
            home=self.home,
            environment=os.environ,
            passphrase=passphrase,
            recipients=recipients,
            sign_with=sign_with,
        )


@contextmanager
def keyring() -> Iterator[Keyring]:
    """Make a folder whose path is short enough for the agent's socket, and end its agent."""
    with tempfile.TemporaryDirectory(prefix="gpg-", dir="/tmp") as name:  # noqa: S108 - see above
        ring = Keyring(Path(name))
        try:
            yield ring
        finally:
            subprocess.run(
                ["gpgconf", "--homedir", name, "--kill", "all"], capture_output=True, check=True
            )

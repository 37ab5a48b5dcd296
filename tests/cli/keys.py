"""OpenPGP keys made by the real gpg, each in a folder of its own."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Key:
    """A key pair without a passphrase.

    Attributes:
        fingerprint: its fingerprint.
        public_file: its public half, exported.
        secret_file: both halves, exported.
    """

    fingerprint: str
    public_file: Path
    secret_file: Path


def new_key(folder: Path, user: str) -> Key:
    """Make a key in a folder, with a subkey for encryption."""
    home = folder / "home"
    home.mkdir(parents=True, mode=0o700)
    try:
        _gpg(home, "--quick-generate-key", user, "ed25519", "cert,sign", "never")
        listing = _gpg(home, "--list-keys", "--with-colons").decode()
        fingerprint = next(line for line in listing.splitlines() if line[:4] == "fpr:").split(":")[
            9
        ]
        _gpg(home, "--quick-add-key", fingerprint, "cv25519", "encr", "never")
        public, secret = folder / "public.asc", folder / "secret.asc"
        public.write_bytes(_gpg(home, "--armor", "--export", fingerprint))
        secret.write_bytes(_gpg(home, "--armor", "--export-secret-keys", fingerprint))
        secret.chmod(0o600)
    finally:
        subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=True)
    return Key(fingerprint, public, secret)


def _gpg(home: Path, *arguments: str) -> bytes:
    command = ["gpg", "--homedir", str(home), "--batch", "--pinentry-mode", "loopback"]
    done = subprocess.run(
        [*command, "--passphrase", "", *arguments],
        env={"PATH": os.environ["PATH"], "HOME": str(home), "LC_ALL": "C"},
        capture_output=True,
        check=True,
    )
    return done.stdout

"""Passphrases: where they come from, and how hard gpg must work to protect a weak one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ocsnap.config import read_private
from ocsnap.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ocsnap.config import EncryptionConfig

STRONG_CHARACTERS: Final = 32
"""A passphrase this long, with `STRONG_VARIETY` different characters, is taken for random: in
base64 it holds 192 bits, which no amount of key stretching would make any safer."""
STRONG_VARIETY: Final = 16

WEAK_CHARACTERS: Final = 20
"""A shorter passphrase, or one of fewer than `WEAK_VARIETY` different characters, may be guessed by
who has the bucket and time. Random ones of that length hold 100 bits and more."""
WEAK_VARIETY: Final = 10

FEWEST_ITERATIONS_BYTES: Final = 1_048_576
MOST_ITERATIONS_BYTES: Final = 65_011_712
"""Bytes that gpg hashes to turn a passphrase into a key: the largest count of RFC 4880, 3.7.1.3
costs 0.13 s a message, so it is kept for passphrases that need it."""


def read_passphrase(config: EncryptionConfig, environment: Mapping[str, str]) -> str | None:
    """Return the configured passphrase, None where there is none.

    Args:
        config: the section of the configuration.
        environment: the environment's variables.

    Returns:
        The passphrase without its line end.

    Raises:
        ConfigError: the file or the variable is missing, empty, or has a line break in it, or
            other users can read the file.
    """
    if config.passphrase_env is not None:
        source = f"The environment variable {config.passphrase_env}"
        text = environment.get(config.passphrase_env, "")
    elif config.passphrase_file is not None:
        key = "encryption.passphrase_file"
        source = f"{key}: {config.passphrase_file}"
        try:
            text = read_private(config.passphrase_file, key=key).decode("utf-8")
        except OSError as error:
            raise ConfigError(f"{source}: cannot be read: {error.strerror}.") from error
        except UnicodeDecodeError as error:
            raise ConfigError(f"{source}: is not UTF-8 text.") from error
    else:
        return None
    passphrase = text.removesuffix("\n").removesuffix("\r")
    if not passphrase:
        raise ConfigError(f"{source}: holds no passphrase.")
    if any(character in passphrase for character in "\r\n\0"):
        raise ConfigError(f"{source}: the passphrase has more than one line.")
    return passphrase


def iterations(passphrase: str) -> int:
    """Return the work that gpg is to put between a passphrase and its key.

    Args:
        passphrase: the passphrase.

    Returns:
        A number of bytes for gpg's `--s2k-count`.
    """
    strong = len(passphrase) >= STRONG_CHARACTERS and len(set(passphrase)) >= STRONG_VARIETY
    return FEWEST_ITERATIONS_BYTES if strong else MOST_ITERATIONS_BYTES


def weakness(passphrase: str) -> str | None:
    """Say why a passphrase may be guessed.

    Args:
        passphrase: the passphrase.

    Returns:
        A sentence; None: nobody guesses it.
    """
    if len(passphrase) >= WEAK_CHARACTERS and len(set(passphrase)) >= WEAK_VARIETY:
        return None
    return (
        f"The passphrase is weak ({len(passphrase)} characters, {len(set(passphrase))} different "
        "ones): who gets hold of the backups may guess it."
    )

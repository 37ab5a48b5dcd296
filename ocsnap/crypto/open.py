"""From the configuration to a cipher."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocsnap.crypto.gpg import Gpg, import_keys, private_home
from ocsnap.crypto.passphrase import read_passphrase

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ocsnap.config import EncryptionConfig
    from ocsnap.crypto.cipher import Cipher


def open_cipher(
    config: EncryptionConfig, *, environment: Mapping[str, str], state_dir: Path
) -> Cipher:
    """Return the configured cipher, its keys checked.

    Args:
        config: the section of the configuration.
        environment: the environment's variables; a passphrase may be among them.
        state_dir: folder for a private GnuPG folder where the configuration names none.

    Returns:
        A cipher ready for use.

    Raises:
        ConfigError: no passphrase where one is configured.
        CryptoError: gpg or a key is missing.
    """
    home = config.gnupg_home or private_home(state_dir)
    passphrase = read_passphrase(config, environment)
    if config.key_files:
        import_keys(home, config.key_files, environment)
    return Gpg(
        home=home,
        private=config.gnupg_home is None,
        environment=environment,
        passphrase=passphrase,
        recipients=config.recipients,
        sign_with=config.sign_with,
    )

"""The one TOML file: found, read, and checked as a whole before anything is touched."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

import msgspec

from ocsnap.config.private_file import read_private
from ocsnap.config.sections import Config, EncryptionConfig, RepositoryConfig
from ocsnap.config.wording import keys, plain, sections, word
from ocsnap.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

DEFAULT_PATH = Path("/etc/ocsnap/config.toml")
ENVIRONMENT_VARIABLE = "OCSNAP_CONFIG"

UNKNOWN_ROOT: Final = Path("/")
"""`owncloud.root` on a machine that has no configuration file, where nobody named it."""

_BEGIN: Final = "`ocsnap init --force` writes a new file; config.sample.toml explains each key."

_FINGERPRINT: Final = re.compile(r"(0x)?([0-9A-Fa-f]{40}|[0-9A-Fa-f]{64})")
"""RFC 4880, 12.2: 20 bytes; RFC 9580, 5.5.4: 32 bytes for keys of version 6."""


def locate(option: Path | None, environment: Mapping[str, str]) -> Path:
    """Return the file to read: the option, else `$OCSNAP_CONFIG`, else the default.

    Args:
        option: the file given on the command line.
        environment: the environment's variables.

    Returns:
        A path; whether it exists is not looked at.
    """
    if option is not None:
        return option
    named = environment.get(ENVIRONMENT_VARIABLE)
    return Path(named) if named else DEFAULT_PATH


def load(path: Path) -> Config:
    """Read and check the configuration.

    Args:
        path: a TOML file.

    Returns:
        The configuration, every value of the right type.

    Raises:
        ConfigError: the file is missing, unreadable, open to other users, no TOML, or has an
            unknown key, a wrong value or a contradiction; the message names the file and the key.
    """
    try:
        # Editors of other systems put a byte order mark before the text.
        text = read_private(path).decode("utf-8-sig")
        raw = tomllib.loads(text)
    except FileNotFoundError:
        raise ConfigError(
            f"{path}: there is no such file.",
            hint="Run ocsnap init, copy config.sample.toml there, or name another with -c FILE.",
        ) from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 text, from byte {error.start} on.") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: is not TOML: {error}.") from error
    return parse(raw, source=str(path))


def bare(raw: Mapping[str, Any]) -> Config:
    """Return the configuration of a machine that has no file, as the command line gives it.

    Args:
        raw: tables like those of the file; [owncloud] may be missing. Whose keys a repository is
            locked with need not be said: it says so itself, and nothing is written to it.

    Returns:
        The configuration.

    Raises:
        ConfigError: a value is wrong.
    """
    source = "The command line"
    raw = {"owncloud": {"root": str(UNKNOWN_ROOT)}, **raw}
    try:
        config = msgspec.convert(raw, Config, dec_hook=_decode_path)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{source}: {plain(str(error))}.") from None
    encryption = config.encryption
    if not (encryption.key_files or encryption.gnupg_home):
        _check_encryption(encryption, source)
    _check_url(config.repository.url, source)
    return config


def parse(raw: Mapping[str, Any], *, source: str) -> Config:
    """Check a parsed TOML document.

    Args:
        raw: the document.
        source: what to call it in messages, usually the file's name.

    Returns:
        The configuration.

    Raises:
        ConfigError: as for `load`.
    """
    if not raw:
        raise ConfigError(f"{source}: says nothing at all.", hint=_BEGIN)
    _refuse_unknownkeys(raw, source)
    try:
        config = msgspec.convert(raw, Config, dec_hook=_decode_path)
    except msgspec.ValidationError as error:
        reason = plain(str(error))
        hint = _BEGIN if reason.endswith(": missing") else ""
        raise ConfigError(f"{source}: {reason}.", hint=hint) from None
    _check_encryption(config.encryption, source)
    _check_url(config.repository.url, source)
    _check_object_lock(config.repository, source)
    return config


def _decode_path(wanted: type, value: object) -> object:
    if wanted is not Path or not isinstance(value, str):
        raise ValueError(f"must be a string, not {word(type(value).__name__)}")
    if not value:
        raise ValueError("must not be empty")
    if "\0" in value:
        raise ValueError("must not have a NUL character in it")
    path = Path(value)
    if not path.is_absolute():
        # cron starts programs in another folder than a shell does.
        raise ValueError(f"{value!r} must be an absolute path, beginning with /")
    return path


def _refuse_unknownkeys(raw: Mapping[str, Any], source: str) -> None:
    known = sections()
    for name, table in raw.items():
        if name not in known:
            raise ConfigError(f"{source}: {name}: unknown key.", hint=_known(known))
        if not isinstance(table, dict):
            raise ConfigError(f"{source}: {name}: must be a table, [{name}].")
        allowed = keys(known[name])
        for key in table:
            if key not in allowed:
                raise ConfigError(f"{source}: {name}.{key}: unknown key.", hint=_known(allowed))


def _known(names: Iterable[str]) -> str:
    return "Known are: " + ", ".join(names) + "."


def _check_encryption(encryption: EncryptionConfig, source: str) -> None:
    passphrases = [encryption.passphrase_file, encryption.passphrase_env]
    given = sum(value is not None for value in passphrases)
    if given > 1:
        raise ConfigError(
            f"{source}: encryption: passphrase_file and passphrase_env are both given.",
            hint="Keep one.",
        )
    if not given and not encryption.recipients:
        raise ConfigError(
            f"{source}: encryption: says nothing of the key.",
            hint="Set passphrase_file, passphrase_env or recipients.",
        )
    named = [("recipients", fingerprint) for fingerprint in encryption.recipients]
    if encryption.sign_with is not None:
        named.append(("sign_with", encryption.sign_with))
    for key, fingerprint in named:
        # A short id or an address may fit several keys, one of them an attacker's.
        if not _FINGERPRINT.fullmatch(fingerprint.replace(" ", "")):
            raise ConfigError(
                f"{source}: encryption.{key}: {fingerprint!r} is no whole fingerprint.",
                hint="See: gpg --fingerprint.",
            )


def _check_object_lock(repository: RepositoryConfig, source: str) -> None:
    mode, days = repository.object_lock_mode, repository.object_lock_days
    if (mode is None) != (days is None):
        raise ConfigError(
            f"{source}: repository.object_lock_mode and object_lock_days belong together.",
            hint="Set both, or none.",
        )
    if mode is not None and not repository.is_s3:
        raise ConfigError(
            f"{source}: repository.object_lock_mode: only objects in S3 can be locked.",
            hint="Take it and object_lock_days away.",
        )


def _check_url(url: str, source: str) -> None:
    scheme, _, place = url.partition("://")
    if scheme == "s3" and place.partition("/")[0]:
        return
    if scheme == "file" and place.startswith("/") and unquote(place).strip("/"):
        return
    raise ConfigError(
        f"{source}: repository.url: {url!r} is no place for backups.",
        hint="Write s3://bucket/prefix or file:///folder.",
    )

"""The one TOML file, read and checked as a whole before anything is touched.

Every key is described in `config.sample.toml`; a test keeps the two together.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, get_args
from urllib.parse import unquote

import msgspec

from ocsnap.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

DEFAULT_PATH = Path("/etc/ocsnap/config.toml")
ENVIRONMENT_VARIABLE = "OCSNAP_CONFIG"

Text = Annotated[str, msgspec.Meta(min_length=1)]
Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]
# TOML knows `inf`; users would be locked out for ever.
Patience = Annotated[float, msgspec.Meta(ge=0, le=3600)]
Command = Annotated[tuple[Text, ...], msgspec.Meta(min_length=1)]

_FINGERPRINT: Final = re.compile(r"(0x)?([0-9A-Fa-f]{40}|[0-9A-Fa-f]{64})")
"""RFC 4880, 12.2: 20 bytes; RFC 9580, 5.5.4: 32 bytes for keys of version 6."""

_TOML_WORDS: Final = {
    "str": "a string",
    "int": "an integer",
    "float": "a float",
    "bool": "true or false",
    "array": "an array",
    "list": "an array",
    "object": "a table",
    "dict": "a table",
    "datetime": "a date",
    "date": "a date",
    "time": "a time",
}


class _Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the file: an unknown key is an error, never ignored."""


class OwncloudConfig(_Section, frozen=True, kw_only=True):
    """Where the ownCloud is.

    Attributes:
        root: folder with occ, config/ and version.php.
        occ: the command that runs occ; None: `php <root>/occ` as the owner of config.php.
        php: the PHP interpreter.
        url: the address users type, for asking the web server whether it is really frozen.
    """

    root: Path
    occ: Command | None = None
    php: Text = "php"
    url: Text | None = None


class DatabaseConfig(_Section, frozen=True, kw_only=True):
    """Overrides of what config.php says of the database; None: as config.php says.

    Attributes:
        kind: the kind of server.
        host: host name or address.
        port: TCP port.
        socket: path of the server's unix socket; wins over host and port.
        user: user to log in as.
        password_file: file whose first line is the password.
        name: name of the database; for sqlite the path of the file.
        allow_old_tls: accept TLS 1.0 from a server that knows nothing better (MySQL 5.5).
    """

    kind: Literal["mysql", "sqlite3"] | None = None
    host: Text | None = None
    port: Port | None = None
    socket: Path | None = None
    user: Text | None = None
    password_file: Path | None = None
    name: Text | None = None
    allow_old_tls: bool = False


class RepositoryConfig(_Section, frozen=True, kw_only=True):
    """Where the backups go.

    Attributes:
        url: `s3://bucket/prefix` or `file:///folder`.
        region: S3 region.
        endpoint: address of an S3 store other than Amazon's; empty: Amazon's for the region.
        access_key_id: S3 key; None: boto3's own search (environment, ~/.aws, instance role).
        secret_access_key_file: file whose first line is the secret of that key.
        profile: a profile of ~/.aws/config.
        ca_file: certificates to trust instead of the system's, for stores with their own.
    """

    url: Text
    region: Text = "eu-central-1"
    endpoint: str = ""
    access_key_id: Text | None = None
    secret_access_key_file: Path | None = None
    profile: Text | None = None
    ca_file: Path | None = None


class EncryptionConfig(_Section, frozen=True, kw_only=True):
    """What the backups are locked with: a passphrase, or the public keys of recipients.

    Attributes:
        passphrase_file: file whose first line is the passphrase.
        passphrase_env: environment variable that holds the passphrase.
        recipients: fingerprints of the keys that can read the backups.
        sign_with: fingerprint of the key that signs snapshots.
        gnupg_home: GnuPG folder with the keys; None: a private one in `backup.state_dir`.
        key_files: exported keys to import into that folder.
    """

    passphrase_file: Path | None = None
    passphrase_env: Text | None = None
    recipients: tuple[Text, ...] = ()
    sign_with: Text | None = None
    gnupg_home: Path | None = None
    key_files: tuple[Path, ...] = ()


class BackupConfig(_Section, frozen=True, kw_only=True):
    """What is backed up and where ocsnap keeps its notes.

    Attributes:
        exclude: shell patterns of paths to leave out, relative to the data directory.
        state_dir: folder for the local cache, the lock and the lease.
        live_passes: how often at most the files are read before ownCloud is frozen.
        spool_dir: folder for what changed meanwhile, until it is uploaded; None: in `state_dir`.
        snapshot_command: makes a snapshot of the data directory's file system.
        snapshot_cleanup_command: removes it again.
        snapshot_path: where the data directory can be read as of that snapshot.
    """

    exclude: tuple[Text, ...] = ()
    state_dir: Path = Path("/var/lib/ocsnap")
    live_passes: Annotated[int, msgspec.Meta(ge=0, le=100)] = 5
    spool_dir: Path | None = None
    snapshot_command: tuple[Text, ...] = ()
    snapshot_cleanup_command: tuple[Text, ...] = ()
    snapshot_path: Path | None = None


class MaintenanceConfig(_Section, frozen=True, kw_only=True):
    """How ownCloud is frozen.

    Attributes:
        enabled: whether a backup puts ownCloud into maintenance; False: others see to it.
        drain_seconds: how long to wait for uploads and cron jobs that go on; seconds.
        settle_seconds: how long PHP may go on with the old config.php; seconds. None: as PHP's
            own settings say.
        web_seconds: how long to wait until the web server says that it is frozen; seconds.
    """

    enabled: bool = True
    drain_seconds: Patience = 30.0
    settle_seconds: Patience | None = None
    web_seconds: Patience = 65.0


class ScanConfig(_Section, frozen=True, kw_only=True):
    """What is looked at to find out what changed.

    Attributes:
        trust_etags: "auto": homes whose etag is as before are not walked; "never": all are.
        full_walk_days: after so many days a home is walked whatever its etag says; days.
    """

    trust_etags: Literal["auto", "never"] = "auto"
    full_walk_days: Annotated[float, msgspec.Meta(ge=0)] = 7.0


class Config(_Section, frozen=True, kw_only=True):
    """The whole file."""

    owncloud: OwncloudConfig
    repository: RepositoryConfig
    encryption: EncryptionConfig
    database: DatabaseConfig = DatabaseConfig()
    backup: BackupConfig = BackupConfig()
    maintenance: MaintenanceConfig = MaintenanceConfig()
    scan: ScanConfig = ScanConfig()


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
        ConfigError: the file is missing, unreadable, no TOML, or has an unknown key, a wrong
            value or a contradiction; the message names the file and the key.
    """
    try:
        # Editors of other systems put a byte order mark before the text.
        text = path.read_bytes().decode("utf-8-sig")
        raw = tomllib.loads(text)
    except FileNotFoundError:
        raise ConfigError(
            f"{path}: there is no such file.",
            hint="Copy config.sample.toml there, or name another with -c FILE.",
        ) from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 text, from byte {error.start} on.") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: is not TOML: {error}.") from error
    return parse(raw, source=str(path))


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
    _refuse_unknown_keys(raw, source)
    try:
        config = msgspec.convert(raw, Config, dec_hook=_decode_path)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{source}: {_plain(str(error))}.") from None
    _check_encryption(config.encryption, source)
    _check_url(config.repository.url, source)
    return config


def _decode_path(wanted: type, value: object) -> object:
    if wanted is not Path or not isinstance(value, str):
        raise ValueError(f"must be a string, not {_word(type(value).__name__)}")
    if not value:
        raise ValueError("must not be empty")
    if "\0" in value:
        raise ValueError("must not have a NUL character in it")
    path = Path(value)
    if not path.is_absolute():
        # cron starts programs in another folder than a shell does.
        raise ValueError(f"{value!r} must be an absolute path, beginning with /")
    return path


def _sections() -> dict[str, Any]:
    return {field.name: field.type for field in msgspec.structs.fields(Config)}


def _keys(section: Any) -> dict[str, Any]:  # noqa: ANN401 - a type, which msgspec gives as Any
    return {field.name: field.type for field in msgspec.structs.fields(section)}


def _refuse_unknown_keys(raw: Mapping[str, Any], source: str) -> None:
    sections = _sections()
    for name, table in raw.items():
        if name not in sections:
            raise ConfigError(f"{source}: {name}: unknown key.", hint=_known(sections))
        if not isinstance(table, dict):
            raise ConfigError(f"{source}: {name}: must be a table, [{name}].")
        keys = _keys(sections[name])
        for key in table:
            if key not in keys:
                raise ConfigError(f"{source}: {name}.{key}: unknown key.", hint=_known(keys))


def _known(names: Iterable[str]) -> str:
    return "Known are: " + ", ".join(names) + "."


def _plain(text: str) -> str:
    """Turn msgspec's `X - at `$.a.b`` into `a.b: X`, in TOML's words."""
    reason, _, place = text.rpartition(" - at `$")
    if not reason:
        reason, place = text, ""
    place = place.rstrip("`").lstrip(".")
    if missing := re.fullmatch(r"Object missing required field `(\w+)`", reason):
        return f"{place}.{missing[1]}: missing".lstrip(".")
    return f"{place}: {_reason(reason, place)}"


def _reason(reason: str, place: str) -> str:
    if wrong := re.fullmatch(r"Expected `(\w+)[^`]*`, got `(\w+)`", reason):
        return f"must be {_word(wrong[1])}, not {_word(wrong[2])}"
    if bound := re.fullmatch(r"Expected `\w+` ([<>])= ([\d.]+)", reason):
        return f"must be {'at most' if bound[1] == '<' else 'at least'} {bound[2]}"
    if re.fullmatch(r"Expected `\w+` of length >= 1", reason):
        return "must not be empty"
    if value := re.fullmatch(r"Invalid enum value (.*)", reason, re.DOTALL):
        return f"{value[1]} is none of {', '.join(_choices(place))}"
    return reason


def _word(name: str) -> str:
    return _TOML_WORDS.get(name, name)


def _choices(place: str) -> list[str]:
    section, _, key = place.partition(".")
    alternatives = get_args(_keys(_sections()[section])[key])
    choices = [choice for kind in alternatives for choice in get_args(kind) or (kind,)]
    return [choice for choice in choices if isinstance(choice, str)]


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

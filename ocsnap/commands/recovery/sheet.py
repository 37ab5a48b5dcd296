"""What stands on a recovery sheet."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ocsnap.config.text import config_text
from ocsnap.crypto.passphrase import read_passphrase
from ocsnap.errors import OwncloudError
from ocsnap.owncloud.command import child_environment
from ocsnap.owncloud.instance import Instance
from ocsnap.repository.rescue import kit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ocsnap.commands.context import Context
    from ocsnap.config import Config
    from ocsnap.config.text import Tables

_FOLDER: Final = "/etc/ocsnap"


@dataclass(frozen=True)
class Code:
    """A QR code.

    Attributes:
        title: what is in it.
        content: what a camera reads.
    """

    title: str
    content: str = field(repr=False)


@dataclass(frozen=True)
class Section:
    """A part of the sheet.

    Attributes:
        title: its head.
        lines: text to be read.
        exact: whether each character counts, so that they are printed in equal width.
    """

    title: str
    lines: tuple[str, ...] = field(repr=False)
    exact: bool = False


@dataclass(frozen=True)
class Sheet:
    """A recovery sheet.

    Attributes:
        host: the machine that is backed up.
        made: when the sheet was made; seconds since the epoch.
        sections: its text, from top to bottom.
        codes: its QR codes.
        passphrase: what stands on it as the passphrase; None in public-key mode.
    """

    host: str
    made: float
    sections: tuple[Section, ...]
    codes: tuple[Code, ...]
    passphrase: str | None = field(repr=False)


def make_sheet(context: Context) -> Sheet:
    """Put together what a restore on a bare machine needs.

    The secret of the storage's key is not on it: who finds the paper must not be able to fetch what
    it opens, and the store's own console gives out a new one.

    Args:
        context: the outside world.

    Raises:
        ConfigError: the passphrase cannot be read.
    """
    config = context.config
    passphrase = None
    if not config.encryption.recipients:
        environment = {**context.environment, **context.passphrase}
        passphrase = read_passphrase(config.encryption, environment)
    small = config_text(_tables(config), {}, head=())
    sections = [
        Section("Where the backups are", tuple(_place(config)), exact=True),
        _key(config, passphrase),
        Section("How to get everything back", tuple(_steps(context, config))),
        Section("ocsnap restore", tuple(_options(config)), exact=True),
    ]
    codes = [Code("/etc/ocsnap/config.toml, for later", small)]
    if passphrase is not None:
        codes.insert(0, Code("the passphrase", passphrase))
    return Sheet(context.host, context.clock.now(), tuple(sections), tuple(codes), passphrase)


def _place(config: Config) -> Iterator[str]:
    repository = config.repository
    yield repository.url
    if repository.is_s3:
        yield f"Store:  {repository.endpoint or 'Amazon S3'}, region {repository.region}"
        yield f"Key id: {repository.access_key_id or 'found by boto3, see ~/.aws'}"
        yield "Its secret is not on this paper: ____________________________________"


def _key(config: Config, passphrase: str | None) -> Section:
    if passphrase is not None:
        return Section("The passphrase that opens them", (passphrase,), exact=True)
    lines = ["Only these keys open them. Keep their secret parts, and passphrases, elsewhere:"]
    return Section("The keys that open them", (*lines, *config.encryption.recipients), exact=True)


def _steps(context: Context, config: Config) -> Iterator[str]:
    yield "1. On a new machine install ocsnap, PHP and a database server, with an empty database"
    yield "   and the account that config.php had."
    if config.encryption.recipients:
        yield "2. Bring the secret key, exported, as secret.asc."
    else:
        yield "2. Write the passphrase into a file named passphrase (or scan it)."
    if config.repository.access_key_id is not None:
        yield "   Write the secret of the storage's key into a file named s3-secret."
    yield "3. ocsnap snapshots, then ocsnap restore, each with what stands below. They say what is"
    yield f"   left to do, such as to unpack ownCloud {_version(context)}."
    script = kit.files()[0]
    yield "Without ocsnap: copy the repository, see that its rescue script has this SHA-256,"
    yield "   and run: python3 rescue/<SHA-256>-ocsnap-rescue.py restore REPOSITORY FOLDER"
    yield f"   {script.sha256}"


def _options(config: Config) -> Iterator[str]:
    """Yield what stands for the configuration file on a machine that has none."""
    repository = config.repository
    yield f"--repository {repository.url}"
    if repository.is_s3:
        yield f"--region {repository.region}"
        if repository.endpoint:
            yield f"--endpoint {repository.endpoint}"
        if repository.access_key_id is not None:
            yield f"--access-key-id {repository.access_key_id}"
            yield "--secret-access-key-file s3-secret"
    if config.encryption.recipients:
        yield "--key-file secret.asc"
    else:
        yield "--passphrase-file passphrase"


def _version(context: Context) -> str:
    environment = child_environment(context.environment)
    try:
        instance = Instance.discover(context.config.owncloud, environment, demand_data=False)
    except OwncloudError:
        return "of the version that they name"
    return instance.version


def _tables(config: Config) -> Tables:
    """Return the least configuration that a restore works with."""
    repository = config.repository
    place: dict[str, object] = {"url": repository.url}
    if repository.is_s3:
        place["region"] = repository.region
        if repository.endpoint:
            place["endpoint"] = repository.endpoint
        if repository.access_key_id is not None:
            place["access_key_id"] = repository.access_key_id
            place["secret_access_key_file"] = f"{_FOLDER}/s3-secret"
    key: dict[str, object] = {"passphrase_file": f"{_FOLDER}/passphrase"}
    if config.encryption.recipients:
        recipients = list(config.encryption.recipients)
        key = {"recipients": recipients, "key_files": [f"{_FOLDER}/secret-key.asc"]}
    return {
        "owncloud": {"root": str(config.owncloud.root)},
        "repository": place,
        "encryption": key,
    }

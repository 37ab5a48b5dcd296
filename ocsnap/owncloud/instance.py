"""One ownCloud on this machine: where its parts lie and how its database is reached."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ocsnap.errors import OwncloudError
from ocsnap.owncloud.command import DEFAULT_ENVIRONMENT
from ocsnap.owncloud.config_php import read_config_php

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ocsnap.config import OwncloudConfig

_SUPPORTED = ("mysql", "sqlite3")
_PREFIX = re.compile(r"[A-Za-z0-9_$]*\Z")
_VERSION = re.compile(r"^\s*\$OC_VersionString\s*=\s*['\"]([^'\"]+)['\"]", re.MULTILINE)
_VENDOR = re.compile(r"^\s*\$vendor\s*=\s*['\"]([^'\"]*)['\"]", re.MULTILINE)
_SSL_CA = 1009  # PDO::MYSQL_ATTR_SSL_CA of mysqlnd, PHP's own driver


@dataclass(frozen=True)
class DbHost:
    """Where the database server listens.

    Attributes:
        host: name or address. "localhost" means MySQL's default socket to PHP, not TCP.
        port: TCP port; None: the default.
        socket: path of a unix socket; wins over host and port.
    """

    host: str
    port: int | None = None
    socket: str | None = None

    @classmethod
    def parse(cls, text: str) -> DbHost:
        """Read config.php's `dbhost`.

        Args:
            text: `host`, `host:port`, `host:/socket/path`; an IPv6 address in brackets or alone.

        Returns:
            The parts.

        Raises:
            OwncloudError: what follows the colon is neither a port nor a path.
        """
        if text.startswith("[") and "]" in text:
            host, _, rest = text[1:].partition("]")
            rest = rest.removeprefix(":")
        elif _is_ipv6(text):
            host, rest = text, ""
        else:
            host, _, rest = text.partition(":")
        if rest.startswith("/"):
            return cls(host or "localhost", socket=rest)
        if rest.isascii() and rest.isdigit() and 0 < int(rest) < 65536:
            return cls(host or "localhost", port=int(rest))
        if rest:
            raise OwncloudError(
                f"config.php: dbhost: {text!r} is neither host, host:port nor host:/socket/path."
            )
        return cls(host or "localhost")


@dataclass(frozen=True)
class Instance:
    """What ocsnap needs to know of one ownCloud.

    Attributes:
        root: folder with occ and version.php.
        config_dir: folder of config.php and its overlays.
        config_path: config.php itself, links resolved.
        data_dir: `datadirectory`, which may lie outside the root; links resolved.
        version: of the code, such as "11.0.0".
        installed_version: of the database's structure, such as "11.0.0.0"; differs from
            `version` while an upgrade is pending.
        table_prefix: `dbtableprefix`, safe to put into SQL.
        dbtype: "mysql" or "sqlite3".
        dbhost: where the server listens.
        dbname: name of the database.
        dbuser: user to log in as.
        dbpassword: password of that user.
        db_ca_file: certificate authority of the server, from `dbdriveroptions`.
        owner_uid: user that owns config.php, as which occ must run.
        owner_gid: group of config.php.
        log_file: ownCloud's log.
        apps_paths: folders with apps.
        php: the PHP interpreter.
        settings: all of the merged config.php, secrets included.
    """

    root: Path
    config_dir: Path
    config_path: Path
    data_dir: Path
    version: str
    installed_version: str
    table_prefix: str
    dbtype: str
    dbhost: DbHost
    dbname: str
    dbuser: str
    dbpassword: str = field(repr=False)
    db_ca_file: Path | None
    owner_uid: int
    owner_gid: int
    log_file: Path
    apps_paths: tuple[Path, ...]
    php: str
    settings: dict[str, object] = field(repr=False, hash=False)

    @classmethod
    def discover(
        cls,
        config: OwncloudConfig,
        environment: Mapping[str, str] = DEFAULT_ENVIRONMENT,
        *,
        demand_data: bool = True,
        version: str | None = None,
    ) -> Instance:
        """Look at the ownCloud that the configuration names.

        Args:
            config: the table [owncloud].
            environment: the environment for PHP.
            demand_data: whether the data directory must be there; a restore may have to make it.
            version: ownCloud's version where its code need not be there yet.

        Returns:
            What stands in its files; neither occ nor the database is asked.

        Raises:
            OwncloudError: there is no ownCloud, it is not installed, or it keeps its files or
                its database where ocsnap cannot back them up.
        """
        root = config.root
        if version is None or (root / "version.php").exists():
            version = _code_version(root)
        settings = read_config_php(root, php=config.php, environment=environment)
        config_path = (root / "config" / "config.php").resolve()
        found = cls.of_settings(settings, config, config_path=config_path, version=version)
        if demand_data:
            _check_data_dir(found.data_dir)
        return found

    @classmethod
    def of_settings(
        cls,
        settings: dict[str, object],
        config: OwncloudConfig,
        *,
        config_path: Path,
        version: str,
    ) -> Instance:
        """Say what some settings mean, wherever their files lie.

        Args:
            settings: the merged settings.
            config: the table [owncloud].
            config_path: config.php, links resolved.
            version: ownCloud's version.

        Returns:
            The instance.

        Raises:
            OwncloudError: it is not installed, or keeps its files or its database where ocsnap
                cannot back them up.
        """
        root = config.root
        owner = config_path.stat()
        reader = _Settings(settings, config_path)
        _refuse_unsupported(reader)
        data_dir = reader.path("datadirectory", root / "data").resolve()
        return cls(
            root=root,
            config_dir=root / "config",
            config_path=config_path,
            data_dir=data_dir,
            version=version,
            installed_version=reader.text("version", version),
            table_prefix=_table_prefix(reader),
            dbtype=reader.text("dbtype", "sqlite3"),
            dbhost=DbHost.parse(reader.text("dbhost", "localhost")),
            dbname=reader.text("dbname", "owncloud"),
            dbuser=reader.text("dbuser", ""),
            dbpassword=reader.text("dbpassword", ""),
            db_ca_file=_ca_file(settings),
            owner_uid=owner.st_uid,
            owner_gid=owner.st_gid,
            log_file=reader.path("logfile", data_dir / "owncloud.log"),
            apps_paths=_apps_paths(settings, root),
            php=config.php,
            settings=settings,
        )

    @property
    def sqlite_path(self) -> Path:
        """The database's file, where the database is SQLite."""
        return self.data_dir / f"{self.dbname}.db"

    @property
    def has_accounts(self) -> bool:
        """Whether the database has the table `accounts`, which came with ownCloud 10."""
        major = self.installed_version.partition(".")[0]
        return major.isdigit() and int(major) >= 10


class _Settings:
    """Typed access to the merged settings; an empty value counts as absent, as in ownCloud."""

    def __init__(self, settings: Mapping[str, object], path: Path) -> None:
        self._settings = settings
        self.path_of_config = path

    def text(self, key: str, default: str) -> str:
        value = self._settings.get(key)
        if value is None or value == "":
            # An empty prefix is a choice; every other empty text stands for the default.
            return "" if value == "" and key == "dbtableprefix" else default
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise OwncloudError(f"{self.path_of_config}: {key}: must be a string.")
        return str(value)

    def path(self, key: str, default: Path) -> Path:
        path = Path(self.text(key, str(default)))
        if not path.is_absolute():
            raise OwncloudError(f"{self.path_of_config}: {key}: {path} is no absolute path.")
        return path

    def get(self, key: str) -> object:
        return self._settings.get(key)


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def _code_version(root: Path) -> str:
    hint = "Set owncloud.root to the folder that holds occ, version.php and config/."
    try:
        text = (root / "version.php").read_text("utf-8", "surrogateescape")
    except OSError as error:
        raise OwncloudError(
            f"{root}: is no ownCloud: version.php cannot be read: {error.strerror}.", hint=hint
        ) from error
    vendor, version = _VENDOR.search(text), _VERSION.search(text)
    if vendor is not None and vendor[1] == "nextcloud":
        raise OwncloudError(f"{root}: is a Nextcloud, and ocsnap backs up ownClouds.", hint=hint)
    if version is None:
        raise OwncloudError(f"{root / 'version.php'}: says no version.", hint=hint)
    return version[1]


def _refuse_unsupported(settings: _Settings) -> None:
    where = settings.path_of_config
    if not settings.get("installed"):
        raise OwncloudError(f"{where}: this ownCloud has not been set up yet.")
    dbtype = settings.text("dbtype", "sqlite3")
    if dbtype not in _SUPPORTED:
        raise OwncloudError(
            f"{where}: dbtype: ocsnap cannot back up a database of the type {dbtype!r}.",
            hint="Supported are mysql (MySQL and MariaDB) and sqlite3.",
        )


def _check_data_dir(data_dir: Path) -> None:
    if not data_dir.is_dir():
        raise OwncloudError(
            f"{data_dir}: the data directory is not there.",
            hint="Is its disk mounted? config.php names it as datadirectory.",
        )
    if not (data_dir / ".ocdata").exists():
        raise OwncloudError(
            f"{data_dir}: has no .ocdata, so it is not ownCloud's data directory.",
            hint="Is its disk mounted? ownCloud itself refuses to work without this file.",
        )


def _table_prefix(settings: _Settings) -> str:
    prefix = settings.text("dbtableprefix", "oc_")
    if not _PREFIX.match(prefix):
        raise OwncloudError(
            f"{settings.path_of_config}: dbtableprefix: {prefix!r} is no part of a table's name."
        )
    return prefix


def _ca_file(settings: Mapping[str, object]) -> Path | None:
    options = settings.get("dbdriveroptions")
    value = options.get(_SSL_CA) if isinstance(options, dict) else None
    return Path(value) if isinstance(value, str) and value else None


def _apps_paths(settings: Mapping[str, object], root: Path) -> tuple[Path, ...]:
    entries = settings.get("apps_paths")
    paths = [
        Path(str(entry["path"]))
        for entry in (entries if isinstance(entries, list) else [])
        if isinstance(entry, dict) and "path" in entry
    ]
    return tuple(paths) or (root / "apps",)

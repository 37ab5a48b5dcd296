"""The ownCloud of the configuration, with its database, ready to be worked on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ocsnap.config import read_private
from ocsnap.database.open import open_database
from ocsnap.database.settings import DatabaseSettings
from ocsnap.errors import ConfigError, DatabaseError
from ocsnap.owncloud.command import child_environment
from ocsnap.owncloud.homes import open_uploads
from ocsnap.owncloud.instance import Instance
from ocsnap.owncloud.locked_paths import locked_paths
from ocsnap.owncloud.maintenance import FreezeOptions, Maintenance
from ocsnap.owncloud.occ import Occ
from ocsnap.owncloud.special.findings import findings
from ocsnap.owncloud.web_server import WebServer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ocsnap.commands.context import Context
    from ocsnap.config import DatabaseConfig
    from ocsnap.database.database import Database
    from ocsnap.owncloud.finding import Finding


@dataclass(frozen=True)
class Site:
    """An ownCloud and its database.

    Attributes:
        instance: the ownCloud.
        settings: how its database is reached.
        database: its database.
        occ: its command line.
        maintenance: freezes it.
    """

    instance: Instance
    settings: DatabaseSettings
    database: Database
    occ: Occ
    maintenance: Maintenance


def open_site(context: Context, folder: Path, *, demand_data: bool = True) -> Site:
    """Find the configured ownCloud.

    Args:
        context: the outside world.
        folder: `backup.state_dir`.
        demand_data: whether its data directory must be there, which a restore cannot ask for.

    Returns:
        The site; neither occ nor the database has been asked anything.

    Raises:
        OwncloudError: there is no ownCloud that ocsnap can back up.
        ConfigError: the database's password cannot be read.
    """
    config = context.config
    environment = child_environment(context.environment)
    instance = Instance.discover(config.owncloud, environment, demand_data=demand_data)
    settings = database_settings(instance, config.database)
    # A lock that came back with a restore would block scans for ever (owncloud/core#25235).
    locks = f"{instance.table_prefix}file_locks"
    database = open_database(settings, scratch_dir=folder, structure_only=frozenset({locks}))

    def open_locks() -> list[str]:
        try:
            return open_uploads(database.query, instance.table_prefix, now=context.clock.now())
        except DatabaseError:
            if demand_data:
                raise
            return []  # a restore is there to mend this very database

    def paths_of(keys: Sequence[str]) -> dict[str, tuple[str, str]]:
        return locked_paths(database.query, instance, keys)

    occ = Occ.of(instance, config.owncloud, environment)
    patience = config.maintenance
    maintenance = Maintenance(
        instance,
        occ,
        state_dir=folder,
        clock=context.clock,
        monitor=context.monitor,
        options=FreezeOptions(
            settle_seconds=patience.settle_seconds,
            drain_seconds=patience.drain_seconds,
            web_seconds=patience.web_seconds,
        ),
        web=WebServer(config.owncloud.url) if config.owncloud.url else None,
        open_locks=open_locks,
        paths_of=paths_of,
    )
    return Site(instance, settings, database, occ, maintenance)


def site_findings(context: Context, site: Site, *, freezes: bool) -> list[Finding]:
    """Look for all that is special about the ownCloud, and prove that its database can be read.

    Args:
        context: the outside world.
        site: the ownCloud.
        freezes: whether a backup is to turn on maintenance mode.

    Returns:
        What a backup handles, leaves out or cannot do.

    Raises:
        DatabaseError: the database cannot be reached, or holds something that cannot be dumped.
        OcsnapError: it does not answer as it should.
    """
    tables = {table.name for table in site.database.check().tables}
    return findings(
        site.instance,
        site.database.query,
        tables,
        accept_objectstore=context.config.owncloud.accept_objectstore,
        freezes=freezes,
    )


def database_settings(instance: Instance, overrides: DatabaseConfig) -> DatabaseSettings:
    """Return how the database is reached: as config.php says, unless the configuration does.

    Args:
        instance: what config.php says.
        overrides: the section [database].

    Returns:
        The settings.

    Raises:
        ConfigError: `database.password_file` cannot be read.
    """
    kind = overrides.kind or ("sqlite3" if instance.dbtype == "sqlite3" else "mysql")
    password = instance.dbpassword
    if overrides.password_file is not None:
        password = first_line(overrides.password_file, "database.password_file")
    if kind == "sqlite3":
        return DatabaseSettings(
            kind="sqlite3",
            name=overrides.name or str(instance.sqlite_path),
            table_prefix=instance.table_prefix,
        )
    socket = overrides.socket
    if socket is None and overrides.host is None and instance.dbhost.socket:
        socket = Path(instance.dbhost.socket)
    return DatabaseSettings(
        kind="mysql",
        name=overrides.name or instance.dbname,
        host=overrides.host or instance.dbhost.host,
        port=overrides.port or instance.dbhost.port,
        socket=socket,
        user=overrides.user or instance.dbuser,
        password=password,
        table_prefix=instance.table_prefix,
        allow_old_tls=overrides.allow_old_tls,
        tls_ca=instance.db_ca_file,
        sessions=overrides.sessions,
    )


def first_line(path: Path, key: str) -> str:
    """Return the secret that a file holds in its first line.

    Args:
        path: the file.
        key: what named it, for messages.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        text = read_private(path, key=key).decode("utf-8")
    except OSError as error:
        raise ConfigError(f"{key}: {path}: cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{key}: {path}: is not UTF-8 text.") from error
    return text.partition("\n")[0].removesuffix("\r")

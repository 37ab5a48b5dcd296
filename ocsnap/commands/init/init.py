"""Sets ocsnap up: everything is proven before the configuration is written."""

from __future__ import annotations

import secrets
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ocsnap.commands.backup.sources import own_folders, refuse_inside
from ocsnap.commands.context import connect, state_dir
from ocsnap.commands.probe import probe
from ocsnap.commands.site import open_site, site_findings
from ocsnap.errors import NoRepositoryError, ObjectMissingError
from ocsnap.owncloud.special.findings import refuse, warnings
from ocsnap.repository import description as descriptions
from ocsnap.storage.factory import open_storage

if TYPE_CHECKING:
    from ocsnap.commands.context import Context
    from ocsnap.commands.probe import Probed
    from ocsnap.repository.description import Description
    from ocsnap.storage.count import Counting
    from ocsnap.storage.storage import Storage

_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: no two of its signs are taken for one another when read from paper."""

_GROUPS: Final = 16
_GROUP: Final = 4
"""16 groups of 4 signs of 5 bits are 320 bits, as many as `openssl rand -base64 40` has."""

_PRODUCTS: Final = {"mysql": "MySQL or MariaDB", "sqlite3": "SQLite"}


@dataclass(frozen=True)
class OwncloudFacts:
    """An ownCloud that can be backed up.

    Attributes:
        version: its version.
        data_dir: its data directory.
        database: what its database is, in words.
        tables: how many tables it has.
        maintenance: whether it is in maintenance at this moment.
        web_url: the address that it gives itself, or None.
        notes: what to know of the database.
    """

    version: str
    data_dir: str
    database: str
    tables: int
    maintenance: bool
    web_url: str | None
    notes: tuple[str, ...]


def new_passphrase() -> str:
    """Return a passphrase that nobody guesses and that can be typed from paper."""
    signs = [secrets.choice(_ALPHABET) for _ in range(_GROUPS * _GROUP)]
    groups = ("".join(signs[start : start + _GROUP]) for start in range(0, len(signs), _GROUP))
    return "-".join(groups)


def examine_owncloud(context: Context) -> OwncloudFacts:
    """See that ownCloud, its occ and its database answer, and that all tables can be read.

    Args:
        context: the outside world.

    Raises:
        OcsnapError: something of it does not work.
    """
    site = open_site(context, state_dir(context))
    refuse_inside(site.instance.data_dir, own_folders(context))
    info = site.database.check()
    found = site_findings(context, site, freezes=True)
    refuse(found)
    settings = site.settings
    where = settings.socket or settings.host or "localhost"
    place = settings.name if settings.kind == "sqlite3" else f"{settings.name} on {where}"
    url = site.instance.settings.get("overwrite.cli.url")
    return OwncloudFacts(
        version=site.instance.installed_version,
        data_dir=str(site.instance.data_dir),
        database=f"{_PRODUCTS[settings.kind]} {info.version}: {place}",
        tables=len(info.tables),
        maintenance=site.occ.maintenance(),
        web_url=url if isinstance(url, str) and url.startswith("http") else None,
        notes=(*info.notes, *warnings(found)),
    )


def examine_storage(context: Context) -> tuple[Probed, Description | None]:
    """See what the storage lets us do, and whether there is a repository already.

    Args:
        context: the outside world.

    Returns:
        What can be done, and what a repository that is there says of itself.

    Raises:
        OcsnapError: it cannot be listed, written or read.
    """
    with _opened_storage(context) as storage:
        found = _found(storage)
        return probe(storage, context.clock), found


def look_at_storage(context: Context) -> Description | None:
    """See that the storage can be listed; nothing is written.

    Args:
        context: the outside world.

    Returns:
        What a repository that is there says of itself.

    Raises:
        OcsnapError: it cannot be reached, listed or read.
    """
    with _opened_storage(context) as storage:
        storage.check()
        return _found(storage)


def _opened_storage(context: Context) -> closing[Counting]:
    config = context.config.repository
    return closing(open_storage(config, clock=context.clock, random=context.random))


def _found(storage: Storage) -> Description | None:
    try:
        return descriptions.decode(storage.get(descriptions.NAME))
    except (NoRepositoryError, ObjectMissingError):
        return None


def make_repository(context: Context) -> str:
    """Make the repository, or open the one that is there, which proves the key.

    Args:
        context: the outside world.

    Returns:
        Its id.

    Raises:
        OcsnapError: it cannot be made, or the key is not its.
    """
    with closing(connect(context, create=True).repository) as repository:
        return repository.id

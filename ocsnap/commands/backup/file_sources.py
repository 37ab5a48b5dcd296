"""Which folders a backup reads, and what of them it may take over unread."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ocsnap.commands.backup.sources import data_sources
from ocsnap.errors import LocalIOError
from ocsnap.owncloud.homes import homes
from ocsnap.owncloud.special.encryption import read_encryption

if TYPE_CHECKING:
    from ocsnap.commands.context import Context
    from ocsnap.commands.site import Site
    from ocsnap.repository.snapshot import Root
    from ocsnap.snapshot.archiver import Source

TRUSTED_FOLDERS: Final = frozenset({b"files", b"files_versions", b"files_trashbin"})
"""What a home's root etag covers: every change there through ownCloud gives it a new one. Uploads,
thumbnails and keys it does not cover (measured on ownCloud 11.0)."""

_DAY_SECONDS: Final = 86_400.0


def file_sources(context: Context, site: Site, read_at: Path | None = None) -> list[Source]:
    """List what is to be read; see `FilePasses.sources`.

    Args:
        context: the outside world.
        site: the ownCloud.
        read_at: where the data directory is read instead of its own place.

    Raises:
        LocalIOError: a home lies outside of the data directory, and so of `read_at`.
        DatabaseError: the database does not tell the homes.
    """
    database_file = site.instance.sqlite_path if site.settings.kind == "sqlite3" else None
    found = homes(site.database.query, site.instance)
    exclude = context.config.backup.exclude
    keys = read_encryption(site.database.query, site.instance.table_prefix)
    data_dir = site.instance.data_dir.resolve()
    listed = data_sources(data_dir, found, exclude, database_file, keys.key_root)
    if read_at is None:
        return listed
    return [_moved(source, data_dir, read_at) for source in listed]


def trusted_folders(context: Context, source: Source, previous: Root | None) -> frozenset[bytes]:
    """Return what of a home need not be walked.

    Args:
        context: the outside world.
        source: the home.
        previous: the root of the same home in the parent snapshot, or of the pass before.
    """
    scan = context.config.scan
    if scan.trust_etags == "never" or previous is None or source.etag is None:
        return frozenset()
    same = (
        previous.etag == source.etag
        and previous.path == (source.origin or source.path)
        and previous.rules == source.exclusion.digest
    )
    age_seconds = context.clock.now() - previous.walked
    young = 0 <= age_seconds < scan.full_walk_days * _DAY_SECONDS
    return TRUSTED_FOLDERS if same and young else frozenset()


def _moved(source: Source, data_dir: Path, read_at: Path) -> Source:
    """Let a source be read in a snapshot of the file system."""
    place = Path(os.fsdecode(source.path))
    if not place.is_relative_to(data_dir):
        raise LocalIOError(
            f"backup.snapshot_path: {place} lies outside of the data directory {data_dir}.",
            hint="Back up without a file system snapshot: it has not all homes.",
        )
    path = read_at / place.relative_to(data_dir)
    return source._replace(path=os.fsencode(path), origin=source.path)

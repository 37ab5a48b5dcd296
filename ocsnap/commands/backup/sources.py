"""What of an ownCloud is backed up: config, each user's home, the rest of the data directory."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from ocsnap.errors import ConfigError
from ocsnap.owncloud.kept_config import SPARE_NAME
from ocsnap.owncloud.special.encryption import KEY_FOLDER
from ocsnap.repository.snapshot import RootKind
from ocsnap.snapshot.archiver import Source
from ocsnap.snapshot.exclusion import Exclusion

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ocsnap.commands.context import Context
    from ocsnap.owncloud.homes import Home
    from ocsnap.owncloud.instance import Instance

ALWAYS_LEFT_OUT: Final = ("*.part",)
"""Uploads that were cut off: ownCloud never reads them again."""

KEPT_BY_RESTORES: Final = ("/.ocsnap-new-*", "/.ocsnap-old-*", "/*.db.before_*", "/.*.db.ocsnap-*")
"""What a restore builds in a data directory that is a mount point, and what it keeps there."""

LEFT_OUT_OF_HOMES: Final = ("cache", "uploads")
LEFT_OUT_OF_DATA: Final = ("owncloud.log*", "crash-*.log", "cron.lock", "updater-*")
"""What ownCloud makes again by itself, and its logs, which are not its users' data."""

WATCHED_FOLDER: Final = b"files"
"""What of a home users see; the trash bin and old versions come and go without them."""


def own_folders(context: Context) -> list[tuple[str, Path]]:
    """Return the folders that ocsnap itself writes to, each with the key that names it."""
    config = context.config
    folders = [("backup.state_dir", config.backup.state_dir)]
    if config.backup.spool_dir is not None:
        folders.append(("backup.spool_dir", config.backup.spool_dir))
    if config.repository.url.startswith("file://"):
        path = unquote(config.repository.url.removeprefix("file://"))
        folders.append(("repository.url", Path(path)))
    return folders


def refuse_inside(data_dir: Path, folders: Sequence[tuple[str, Path]]) -> None:
    """See that no backup contains the backups, which would double with every run.

    Args:
        data_dir: ownCloud's data directory.
        folders: folders of ocsnap's own, each with the key that names it.

    Raises:
        ConfigError: one lies in the data directory.
    """
    inside = data_dir.resolve()
    for key, folder in folders:
        if folder.resolve().is_relative_to(inside):
            raise ConfigError(
                f"{key}: {folder} lies in ownCloud's data directory.",
                hint="Name a folder outside of it.",
            )


def config_source(instance: Instance) -> Source:
    """Return the folder with config.php; a link to it (as container images have) is followed."""
    path = os.path.realpath(os.fsencode(instance.config_dir))
    exclusion = Exclusion((), paths=[os.fsencode(SPARE_NAME)])
    return Source(RootKind.CONFIG, "config", path, exclusion)


def data_sources(
    data_dir: Path,
    homes: Sequence[Home],
    exclude: Sequence[str],
    database_file: Path | None,
    key_root: str = "",
) -> list[Source]:
    """Return the data directory without its homes, then each home.

    Args:
        data_dir: ownCloud's data directory.
        homes: its homes, wherever they lie.
        exclude: the configured patterns.
        database_file: the file of an SQLite database, which is stored as a database.
        key_root: folder of the keys of server-side encryption below the data directory, where they
            are not in their usual places; keys are never left out.

    Returns:
        The folders to archive; together they are the data directory and all homes.
    """
    data_dir = data_dir.resolve()
    # A home may be a link to another disk: the link is data, what it leads to is the home.
    homes = [replace(home, path=home.path.resolve()) for home in homes]
    inside = [path for home in homes if (path := _below(home.path, data_dir)) is not None]
    database = [] if database_file is None else _database_files(database_file, data_dir)
    patterns = [*ALWAYS_LEFT_OUT, *exclude]
    always = [*KEPT_BY_RESTORES, *(f"/{name}" for name in LEFT_OUT_OF_DATA)]
    data = Source(
        RootKind.DATA,
        "data",
        os.fsencode(data_dir),
        Exclusion(
            [*patterns, *always],
            paths=inside + database,
            kept=[os.fsencode(name) for name in (KEY_FOLDER, key_root) if name],
        ),
    )
    return [data, *(_home_source(home, data_dir, patterns) for home in homes)]


def _home_source(home: Home, data_dir: Path, patterns: Sequence[str]) -> Source:
    below = _below(home.path, data_dir)
    exclusion = Exclusion(
        patterns,
        below=os.fsencode(home.user) if below is None else below,
        paths=[os.fsencode(name) for name in LEFT_OUT_OF_HOMES],
        kept=[os.fsencode(KEY_FOLDER)],
    )
    path = os.fsencode(home.path)
    return Source(RootKind.HOME, home.user, path, exclusion, home.root_etag, watched=WATCHED_FOLDER)


def _below(path: Path, folder: Path) -> bytes | None:
    return os.fsencode(path.relative_to(folder)) if path.is_relative_to(folder) else None


def _database_files(file: Path, data_dir: Path) -> list[bytes]:
    below = _below(file, data_dir)
    return (
        [] if below is None else [below + suffix for suffix in (b"", b"-wal", b"-shm", b"-journal")]
    )

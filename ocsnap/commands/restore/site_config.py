"""The restored configuration: with other paths where they are wanted, and in maintenance."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ocsnap.commands.restore.journal import ConfigFile
from ocsnap.errors import DamagedError, LocalIOError, OwncloudError
from ocsnap.owncloud.config_php import overlays, read_literals, read_single
from ocsnap.owncloud.durable_file import write_durably
from ocsnap.owncloud.php_export import with_settings
from ocsnap.owncloud.php_value import truth

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ocsnap.commands.context import Context

_NAME: Final = "config.php"
_MODE_KEY: Final = "maintenance"

Settings = dict[str, object]


@dataclass(frozen=True)
class SiteConfig:
    """What was made of a restored configuration.

    Attributes:
        settings: the merged settings.
        opened: the files as they are to be when maintenance is lifted.
    """

    settings: Settings
    opened: list[ConfigFile]


def adapt(
    context: Context,
    built: Path,
    place: Path,
    change: Callable[[Settings], Settings],
) -> SiteConfig:
    """Rewrite a configuration that was built beside its place, and turn maintenance on in it.

    Args:
        context: the outside world.
        built: the restored folder.
        place: where it will be.
        change: returns those of a file's settings that are to be others, config.php's first.

    Returns:
        The settings, and the files out of maintenance.

    Raises:
        DamagedError: there is no config.php in the snapshot.
        OwncloudError: a file cannot be understood.
        LocalIOError: a file cannot be written.
    """
    main = built / _NAME
    if not main.is_file():
        raise DamagedError(
            "The snapshot has no config.php, without which there is no ownCloud.",
            hint="Restore another snapshot, or the files alone with --data.",
        )
    folder = built.stat()
    merged: Settings = {}
    opened: list[ConfigFile] = []
    try:
        for path in (main, *overlays(main)):
            settings = _read(context, path)
            changed = change(settings)
            merged |= settings | changed
            if changed or path == main or _MODE_KEY in settings:
                opened.append(_freeze(context, path, place / path.name, changed, folder))
        os.utime(built, ns=(folder.st_atime_ns, folder.st_mtime_ns))
    except OSError as error:
        raise LocalIOError(f"{error.filename}: cannot be rewritten: {error.strerror}.") from error
    return SiteConfig(merged, opened)


def _freeze(
    context: Context, path: Path, place: Path, changed: Settings, folder: os.stat_result
) -> ConfigFile:
    found = path.stat()
    data = with_settings(path.read_bytes(), changed)
    opened = ConfigFile(
        path=os.fsencode(place),
        data=data,
        mode=stat.S_IMODE(found.st_mode),
        owner=(found.st_uid, found.st_gid),
        mtime_ns=None if changed else found.st_mtime_ns,
        folder_mtime_ns=folder.st_mtime_ns,
    )
    owner = opened.owner if context.superuser else None
    frozen = with_settings(data, {_MODE_KEY: True})
    write_durably(path, frozen, mode=opened.mode, owner=owner)
    settings = _read(context, path)
    # What the file says after all is the only proof that the lines behind it count.
    if not truth(settings.get(_MODE_KEY)) or any(settings[key] != changed[key] for key in changed):
        raise OwncloudError(
            f"{place}: does more than set values, so it cannot be rewritten.",
            hint="Restore elsewhere with --target, and put it in place by hand.",
        )
    return opened


def standing(path: Path) -> list[ConfigFile]:
    """Return config.php as it stands there now; nothing where there is none.

    Args:
        path: config.php.
    """
    try:
        path = path.resolve()
        data, found, folder = path.read_bytes(), path.stat(), path.parent.stat()
    except OSError:
        return []
    return [
        ConfigFile(
            path=os.fsencode(path),
            data=data,
            mode=stat.S_IMODE(found.st_mode),
            owner=(found.st_uid, found.st_gid),
            mtime_ns=found.st_mtime_ns,
            folder_mtime_ns=folder.st_mtime_ns,
        )
    ]


def put(files: list[ConfigFile], extra: Mapping[str, object], *, owners: bool) -> None:
    """Write a configuration in its place, out of maintenance.

    Args:
        files: the files, config.php first.
        extra: settings that config.php has besides.
        owners: whether owners can be set.

    Raises:
        LocalIOError: one cannot be written.
    """
    for number, file in enumerate(files):
        path = Path(os.fsdecode(file.path))
        added = {} if number else dict(extra)
        data = with_settings(file.data, added)
        try:
            if path.read_bytes() != data:
                owner = file.owner if owners else None
                write_durably(path, data, mode=file.mode, owner=owner)
            if file.mtime_ns is not None and not added:
                os.utime(path, ns=(file.mtime_ns, file.mtime_ns))
            times = (file.folder_mtime_ns, file.folder_mtime_ns)
            os.utime(path.parent, ns=times)
        except OSError as error:
            raise LocalIOError(f"{path}: cannot be written: {error.strerror}.") from error


def _read(context: Context, path: Path) -> Settings:
    try:
        return read_literals(path)
    except OwncloudError:
        # It does more than assign literals, and whoever wrote it into the repository would have
        # code of his own run by root, here and by every occ that follows.
        if path.stat().st_uid == 0 == os.geteuid():
            raise
        # PHP runs as the owner of the file, who may not look into the folder it was built in.
        with _copy(path) as copy:
            return read_single(copy, php=context.config.owncloud.php)


@contextmanager
def _copy(path: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="ocsnap-") as folder:
        copy = Path(folder) / path.name
        shutil.copyfile(path, copy)
        copy.chmod(0o600)
        if os.geteuid() == 0:
            found = path.stat()
            for name in (copy, Path(folder)):
                os.chown(name, found.st_uid, found.st_gid)
        yield copy

"""What is checked before anything is touched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ocsnap.commands.backup.file_system_snapshot import FileSystemSnapshot
from ocsnap.commands.backup.sources import own_folders, refuse_inside
from ocsnap.commands.site import open_site, site_findings
from ocsnap.errors import ConfigError
from ocsnap.owncloud.special.findings import refuse, warnings

if TYPE_CHECKING:
    from pathlib import Path

    from ocsnap.commands.backup.backup import BackupOptions
    from ocsnap.commands.context import Context
    from ocsnap.commands.site import Site


@dataclass(frozen=True)
class Preflight:
    """An ownCloud that can be backed up.

    Attributes:
        site: it.
        freezes: whether it is put into maintenance.
        snapshot: a snapshot of the file system, where one is wanted.
        notes: what is special about it.
    """

    site: Site
    freezes: bool
    snapshot: FileSystemSnapshot | None
    notes: tuple[str, ...]


def preflight(context: Context, options: BackupOptions, folder: Path) -> Preflight:
    """Find the ownCloud and see that it can be backed up; nothing of it is touched.

    Args:
        context: the outside world.
        options: what the command line changes.
        folder: `backup.state_dir`.

    Returns:
        What was found.

    Raises:
        OcsnapError: it cannot be backed up.
    """
    site = open_site(context, folder)
    refuse_inside(site.instance.data_dir, own_folders(context))
    wanted = options.maintenance
    freezes = context.config.maintenance.enabled if wanted is None else wanted
    found = site_findings(context, site, freezes=freezes)
    refuse(found)
    if freezes:
        site.occ.maintenance()  # what cannot be asked cannot be frozen after hours of uploads
    snapshot = _file_system_snapshot(context, options)
    return Preflight(site, freezes, snapshot, tuple(warnings(found)))


def _file_system_snapshot(context: Context, options: BackupOptions) -> FileSystemSnapshot | None:
    """Return the configured snapshot of the file system, the command line's if it gives one."""
    configured = context.config.backup
    command = options.snapshot_command or configured.snapshot_command
    cleanup = options.snapshot_cleanup_command or configured.snapshot_cleanup_command
    path = options.snapshot_path or configured.snapshot_path
    if not command and not cleanup and path is None:
        return None
    if not command or not cleanup or path is None:
        raise ConfigError(
            "backup.snapshot_command, snapshot_cleanup_command and snapshot_path belong together.",
            hint="Set all three of them, or none.",
        )
    return FileSystemSnapshot(
        command, cleanup, path, environment=context.environment, monitor=context.monitor
    )

"""What is seen to before anything of a restore into a site is begun."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from ocsnap.commands.restore.layout import Part
from ocsnap.commands.site import open_site
from ocsnap.errors import LocalIOError, OwncloudError, RefusedError

if TYPE_CHECKING:
    from ocsnap.commands.context import Context
    from ocsnap.commands.restore.report import RestoreOptions
    from ocsnap.repository.snapshot import Snapshot

_MOUNTS: Final = Path("/proc/self/mountinfo")
_MOUNT_POINT_FIELD: Final = 4
"""proc(5), /proc/pid/mountinfo: blanks and the like in it are written as octal escapes."""


def refuse_if_site_unfit(
    context: Context, folder: Path, options: RestoreOptions, snapshot: Snapshot
) -> None:
    """See that what is not restored fits what is.

    Args:
        context: the outside world, with the ownCloud that is restored.
        folder: `backup.state_dir`.
        options: what is restored.
        snapshot: the snapshot.

    Raises:
        OwncloudError: there is no ownCloud whose parts could be replaced.
        RefusedError: its data directory is another one now.
    """
    if Part.CONFIG in options.parts:
        return
    root = context.config.owncloud.root
    if not (root / "version.php").is_file():
        raise OwncloudError(
            f"{root}: there is no ownCloud to restore into.",
            hint=f"Put the code of ownCloud {snapshot.owncloud.version} there first, restore all"
            " without --db and --data, or restore elsewhere with --target.",
        )
    data_dir = str(open_site(context, folder, demand_data=False).instance.data_dir)
    if Part.DATA in options.parts and data_dir != snapshot.owncloud.data_dir:
        raise RefusedError(
            f"The data directory was {snapshot.owncloud.data_dir}, "
            f"but config.php now says {data_dir}.",
            hint="Restore elsewhere with --target, then move the files.",
        )


def refuse_inner_mounts(place: Path) -> None:
    """See that no other file system is mounted in a folder that is to be exchanged.

    Args:
        place: the folder; it may itself be a mount point.

    Raises:
        LocalIOError: one is: it would go along with the old folder.
    """
    inner = [path for path in _mount_points() if path != place and path.is_relative_to(place)]
    if inner:
        raise LocalIOError(
            f"{place} cannot be replaced: {inner[0]} in it is a mount point.",
            hint="Unmount it for the restore, or restore elsewhere with --target.",
        )


def _mount_points() -> list[Path]:
    try:
        lines = _MOUNTS.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return []
    fields = (line.split()[_MOUNT_POINT_FIELD] for line in lines)
    return [Path(_unescaped(text)) for text in fields]


def _unescaped(text: str) -> str:
    for code in ("040", "011", "012", "134"):
        text = text.replace(f"\\{code}", chr(int(code, 8)))
    return text

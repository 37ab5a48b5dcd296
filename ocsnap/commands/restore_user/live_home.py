"""The home of a user in the cloud that runs: where it is, whether it can be written, and made."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from ocsnap.commands.restore_user.folder import Folder
from ocsnap.errors import LocalIOError, OwncloudError, RefusedError
from ocsnap.owncloud.homes import home_paths

if TYPE_CHECKING:
    from ocsnap.commands.context import Context
    from ocsnap.commands.site import Site
    from ocsnap.owncloud.instance import Instance
    from ocsnap.repository.snapshot import Root, Snapshot
    from ocsnap.snapshot.listings import Listings

_ENCRYPTION = b"files_encryption"


def refuse_unfit(site: Site) -> None:
    """See that ownCloud will take in what is put into a home.

    Args:
        site: the ownCloud.

    Raises:
        OwncloudError: it is in maintenance mode, or does not answer.
    """
    if site.occ.maintenance():
        raise OwncloudError(
            "ownCloud is in maintenance mode, in which it takes in no files.",
            hint="Lift it first (occ maintenance:mode --off), or restore elsewhere with --to.",
        )


def refuse_encrypted(listings: Listings, home: Root) -> None:
    """See that files are stored as the users know them.

    With server-side encryption the keys of a file lie elsewhere, and must fit it.

    Args:
        listings: reads the snapshot.
        home: the user's home in it.

    Raises:
        RefusedError: the home has keys.
    """
    keys = listings.find(home.entry, [_ENCRYPTION])
    if keys is not None and keys.entries:
        raise RefusedError(
            "This user's files are encrypted by ownCloud itself: files and keys must fit, so single"
            " ones are not put back.",
            hint="Restore elsewhere with --to, or the whole site.",
        )


def home_today(site: Site, snapshot: Snapshot, root: Root) -> tuple[Path, bool]:
    """Return where a user's home is, or would be, and whether ownCloud knows the user.

    Args:
        site: the ownCloud.
        snapshot: what is restored.
        root: the user's home in it.
    """
    paths = home_paths(site.database.query, site.instance)
    known = paths.get(root.name)
    if known is not None:
        return known, True
    then = Path(os.fsdecode(root.path))
    old_data_dir = Path(snapshot.owncloud.data_dir)
    if then.is_relative_to(old_data_dir):
        return site.instance.data_dir / then.relative_to(old_data_dir), False
    return then, False


def open_home(context: Context, site: Site, path: Path) -> Folder | None:
    """Open a home.

    Args:
        context: the outside world.
        site: the ownCloud.
        path: where the home is.

    Returns:
        It; None where there is none.

    Raises:
        RefusedError: it belongs to somebody else than ownCloud.
        LocalIOError: it cannot be opened.
    """
    if not os.path.lexists(path):
        return None
    folder = Folder.open(path)
    try:
        if context.superuser:
            folder.refuse_unless_owned(files_owner(site.instance)[0])
    except BaseException:
        os.close(folder.descriptor)
        raise
    return folder


def files_owner(instance: Instance) -> tuple[int, int]:
    """Return whom ownCloud's files belong to: user and group.

    That is the owner of config.php, as which ownCloud runs. Where that is root, so that nobody but
    root can say where the data directory is, it is the owner of that.

    Args:
        instance: the ownCloud.

    Raises:
        LocalIOError: there is no data directory.
    """
    if instance.owner_uid != 0:
        return instance.owner_uid, instance.owner_gid
    with Folder.open(instance.data_dir) as folder:
        return folder.status.st_uid, folder.status.st_gid


def make_home(context: Context, site: Site, path: Path, root: Root) -> None:
    """Make the home of a user who has none.

    Args:
        context: the outside world.
        site: the ownCloud.
        path: where it is to be.
        root: the home in the snapshot, whose rights it gets.

    Raises:
        RefusedError: the folder above belongs to somebody else than ownCloud.
        LocalIOError: it cannot be made.
    """
    instance = site.instance
    owner = files_owner(instance) if context.superuser else None
    with Folder.open(path.parent) as parent:
        if owner is not None:
            parent.refuse_unless_owned(owner[0])
            owner = (owner[0], parent.status.st_gid)
        with parent.private() as private:
            try:
                parent.make(os.fsencode(path.name), stat.S_IMODE(root.entry.mode), owner, private)
            except OSError as error:
                raise LocalIOError(f"{path} cannot be made: {error.strerror}.") from error

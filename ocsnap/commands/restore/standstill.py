"""ownCloud standing still while a restore exchanges its parts."""

from __future__ import annotations

import os
import stat
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ocsnap.commands.site import open_site
from ocsnap.errors import MaintenanceLeftOnError, OwncloudError
from ocsnap.owncloud.durable_file import write_durably

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ocsnap.commands.context import Context
    from ocsnap.commands.site import Site


@dataclass(frozen=True)
class _Restored:
    """config.php as it came out of the repository."""

    path: Path
    data: bytes
    status: os.stat_result
    folder: os.stat_result


class Standstill:
    """Freezes what runs, before and after config.php was exchanged.

    A site that is broken cannot be frozen, and need not be: it is what the restore is for.
    """

    def __init__(self, context: Context, folder: Path, *, brings_config: bool) -> None:
        """Touch nothing yet.

        Args:
            context: the outside world.
            folder: `backup.state_dir`.
            brings_config: whether config.php will be exchanged.
        """
        self._context = context
        self._folder = folder
        self._brings_config = brings_config
        self._frozen: Site | None = None
        self._found_on = False
        self._exchanged = False
        self._restored: _Restored | None = None

    @contextmanager
    def before(self) -> Iterator[None]:
        """Freeze the ownCloud that stands there now; at the end it is as it was found.

        Raises:
            MaintenanceLeftOnError: it could not be lifted.
        """
        with ExitStack() as stack:
            self._freeze(stack)
            yield
        # Lifting wrote into config.php, which must be what was backed up, byte for byte.
        self._put_config_right()

    @contextmanager
    def after(self) -> Iterator[None]:
        """Keep what was exchanged frozen as well: the new config.php knows of no maintenance."""
        self._exchanged = True
        path = (self._context.config.owncloud.root / "config" / "config.php").resolve()
        if self._brings_config and path.is_file():
            self._restored = _Restored(path, path.read_bytes(), path.stat(), path.parent.stat())
        with ExitStack() as stack:
            if self._frozen is None:
                self._freeze(stack)
            elif self._brings_config:
                self._freeze_again(self._frozen)
            yield

    def _freeze(self, stack: ExitStack) -> None:
        try:
            site = open_site(self._context, self._folder, demand_data=False)
            if site.settings.kind == "sqlite3" and not Path(site.settings.name).is_file():
                # occ would make an empty one.
                raise OwncloudError(f"{site.settings.name}: there is no such database file.")
            # No guardian: it would open a cloud that is exchanged by half.
            freeze = stack.enter_context(site.maintenance.freeze(guarded=False))
        except OwncloudError as error:
            self._note(error)
        except MaintenanceLeftOnError as error:
            # An ocsnap that died left it so, and only a config.php that is whole can help.
            if not self._brings_config or self._exchanged:
                raise
            self._note(error)
        else:
            self._frozen = site
            self._found_on = freeze.found_on
            if freeze.found_on:
                # The restored config.php knows nothing of it.
                stack.callback(site.occ.set_maintenance, on=True)

    def _freeze_again(self, site: Site) -> None:
        try:
            site.occ.set_maintenance(on=True)
        except OwncloudError as error:
            self._note(error)

    def _put_config_right(self) -> None:
        if self._restored is None or self._found_on:
            return
        path, data, status = self._restored.path, self._restored.data, self._restored.status
        if path.read_bytes() != data:
            owner = (status.st_uid, status.st_gid) if self._context.superuser else None
            write_durably(path, data, mode=stat.S_IMODE(status.st_mode), owner=owner)
        # The times too: occ rewrites the file, and the copy beside it came and went.
        for place, times in ((path, status), (path.parent, self._restored.folder)):
            os.utime(place, ns=(times.st_atime_ns, times.st_mtime_ns))

    def _note(self, error: OwncloudError | MaintenanceLeftOnError) -> None:
        if self._brings_config and not self._exchanged:
            return  # it is tried again with the config.php that comes
        self._context.monitor.note(
            f"ownCloud was not put into maintenance: {error.message} "
            "Stop the web server if it runs."
        )

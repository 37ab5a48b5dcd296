"""The end of a restore: sync clients warned, maintenance lifted, the admin told the rest."""

from __future__ import annotations

import pwd
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from ocsnap.commands.restore.site_config import put
from ocsnap.commands.site import open_site
from ocsnap.errors import DatabaseError, MaintenanceLeftOnError, OwncloudError
from ocsnap.owncloud.config_php import read_config_php
from ocsnap.owncloud.deferred_signals import deferred_signals
from ocsnap.owncloud.lift import forget_lease
from ocsnap.owncloud.php_value import truth

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ocsnap.commands.context import Context
    from ocsnap.commands.restore.journal import ConfigFile, Journal

_FINGERPRINT_KEY: Final = "data-fingerprint"
_SINCE: Final = (9, 1)
"""`occ maintenance:data-fingerprint` came with ownCloud 9.1."""


@dataclass
class Closing:
    """How a restore ended.

    Attributes:
        is_open: whether users can work again.
        found_on: whether maintenance is left on because it was on before.
        awaits_code: whether it is left on because the code of ownCloud is not there yet.
        steps: what the admin has to do, in order.
        notes: sentences worth reading.
    """

    is_open: bool = False
    found_on: bool = False
    awaits_code: bool = False
    steps: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def at(context: Context, root: Path) -> Context:
    """Return a context whose ownCloud is another one.

    Args:
        context: the outside world.
        root: folder of ownCloud's code.
    """
    owncloud = context.config.owncloud
    if owncloud.root == root:
        return context
    # occ and the address are those of the configured one.
    owncloud = msgspec.structs.replace(owncloud, root=root, occ=None, url=None)
    return replace(context, config=msgspec.structs.replace(context.config, owncloud=owncloud))


def close(context: Context, state_dir: Path, journal: Journal) -> Closing:
    """Warn the sync clients and, where the configuration was exchanged, lift maintenance.

    May be called again after it was cut off.

    Args:
        context: the outside world, with the ownCloud that was restored.
        state_dir: ocsnap's folder.
        journal: the restore.

    Returns:
        How it ended. Where the configuration was not exchanged, whoever turned maintenance on
        lifts it, if `is_open`.

    Raises:
        LocalIOError: config.php cannot be written.
    """
    with deferred_signals():
        return _Closer(context, state_dir, journal).close()


class _Closer:
    def __init__(self, context: Context, state_dir: Path, journal: Journal) -> None:
        self._context = context
        self._state_dir = state_dir
        self._journal = journal
        self._closing = Closing(found_on=journal.found_on)

    def close(self) -> Closing:
        root, closing = Path(self._journal.root), self._closing
        code = (root / "version.php").is_file()
        warned = not self._journal.fingerprint or self._has_no_fingerprint()
        extra: dict[str, object] = {}
        if code and not warned:
            value = self._warn()
            warned = value is not None
            extra = {_FINGERPRINT_KEY: value} if warned else {}
        closing.awaits_code = not code
        closing.is_open = code and warned and not self._journal.found_on
        if self._journal.brings_config:
            self._end_maintenance(self._journal.opened, extra)
        closing.steps = [*self._steps(code=code, warned=warned)]
        return closing

    def _has_no_fingerprint(self) -> bool:
        numbers = tuple(int(part) for part in re.findall(r"\d+", self._journal.version)[:2])
        return numbers < _SINCE

    def _warn(self) -> object:
        """Return the new fingerprint, None where occ could not make one."""
        try:
            site = open_site(self._context, self._state_dir, demand_data=False)
            site.occ.data_fingerprint()
            return self._settings().get(_FINGERPRINT_KEY)
        except (OwncloudError, DatabaseError) as error:
            self._closing.notes.append(f"Sync clients were not warned: {error.message}")
            return None

    def _settings(self) -> Mapping[str, object]:
        config = self._context.config.owncloud
        return read_config_php(config.root, php=config.php)

    def _end_maintenance(self, files: list[ConfigFile], extra: Mapping[str, object]) -> None:
        if self._closing.is_open:
            put(files, extra, owners=self._context.superuser)
            self._prove()
        # It stands for the configuration that was there before.
        forget_lease(self._state_dir)

    def _prove(self) -> None:
        if truth(self._settings().get("maintenance")):
            # As it was when the snapshot was made.
            self._closing.is_open, self._closing.found_on = False, True
            return
        try:
            still_on = open_site(
                self._context, self._state_dir, demand_data=False
            ).occ.maintenance()
        except OwncloudError as error:
            self._closing.notes.append(f"occ does not answer after the restore: {error.message}")
            return
        if still_on:
            raise MaintenanceLeftOnError(
                f"All is restored, but {self._journal.root} is still in maintenance.",
                hint="A variable OC_maintenance may turn it on.",
            )

    # -- what is left to the admin -----------------------------------------------------------

    def _steps(self, *, code: bool, warned: bool) -> Iterator[str]:
        root = Path(self._journal.root)
        version = ".".join(self._journal.version.split(".")[:3])  # as releases are called
        occ = self._occ()
        if not code:
            yield (
                f"Unpack ownCloud {version} into {root}; the folder config there stays as it is."
                " Apps that did not come with it have to be installed again."
            )
            yield "Set up web server, PHP and cron for it, and let the data directory be readable."
        if not warned:
            yield (
                "Warn the sync clients, so that they delete no newer files:"
                f" {occ} maintenance:data-fingerprint"
            )
        if not self._closing.is_open and not self._closing.found_on:
            yield f"Lift maintenance: {occ} maintenance:mode --off"
        if self._closing.found_on:
            yield f"It was in maintenance before and is left so: {occ} maintenance:mode --off"
        yield f"Prove the files: {occ} files:checksums:verify"
        yield f"Then, and not before, since it forgets checksums: {occ} files:scan --all"
        yield "Try it. If it is not what you wanted: ocsnap restore --undo"
        yield "If it is, remove what was kept of the old one: ocsnap restore --forget-kept"

    def _occ(self) -> str:
        path = Path(self._journal.root) / "occ"
        try:
            owner = (path.parent / "config" / "config.php").stat().st_uid
            return f"sudo -u {pwd.getpwuid(owner).pw_name} php {path}"
        except (OSError, KeyError):
            return f"php {path}"

"""Lifts maintenance, by occ where it works, else by config.php itself, and proves it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from ocsnap.errors import BusyError, MaintenanceLeftOnError, OcsnapError, OwncloudError
from ocsnap.owncloud.command import DEFAULT_ENVIRONMENT
from ocsnap.owncloud.config_php import overlays, read_config_php, read_single
from ocsnap.owncloud.deferred_signals import deferred_signals
from ocsnap.owncloud.kept_config import KeptConfig
from ocsnap.owncloud.lease import read_lease, remove_lease
from ocsnap.owncloud.lift_lock import lift_lock
from ocsnap.owncloud.occ import Occ
from ocsnap.owncloud.php_value import truth
from ocsnap.owncloud.toggles import await_toggles, unfinished_toggles

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ocsnap.clock import Clock
    from ocsnap.monitor import Monitor
    from ocsnap.owncloud.lease import Lease

_SETTING = re.compile(
    rb"""((['"])maintenance\2\s*(?:=>|\]\s*=)\s*)(?:true|1|'[^']*'|"[^"]*")""", re.IGNORECASE
)


class Means(Enum):
    """What lifted maintenance."""

    OCC = "occ"
    EDIT = "an edit of config.php"
    COPY = "the copy of config.php"


@dataclass(frozen=True)
class Lifter:
    """Lifts maintenance of one ownCloud.

    Attributes:
        kept: config.php as it was before.
        occ: how occ is called.
        root: ownCloud's folder.
        php: the PHP interpreter.
        monitor: is told of everything unusual.
    """

    kept: KeptConfig
    occ: Occ
    root: Path
    php: str
    monitor: Monitor

    def turn_off(self) -> OwncloudError | None:
        """Ask occ to lift maintenance.

        Returns:
            Why occ could not, or None; either way `prove` has the last word.
        """
        try:
            self.occ.set_maintenance(on=False)
        except OwncloudError as error:
            return error
        return None

    def prove(self, occ_error: OwncloudError | None) -> Means:
        """Make sure that maintenance is off, and mend config.php where it is not.

        Args:
            occ_error: what `turn_off` returned.

        Returns:
            What lifted it in the end.

        Raises:
            MaintenanceLeftOnError: nothing helped.
        """
        if occ_error is not None:
            self.monitor.note(f"occ cannot lift maintenance: {occ_error.message}")
        try:
            # An overlay may hide what config.php says; on the day it is taken away ownCloud
            # would freeze, so config.php itself is looked at too.
            if occ_error is None and self._occ_says_off() and self._file_says_off():
                means = Means.OCC
            else:
                means = self._mend()
            self._check()
        except (OSError, OcsnapError) as error:
            raise self._left_on(str(error).rstrip(".")) from error
        if means is not Means.OCC:
            self.monitor.note(f"Maintenance was lifted by {means.value}.")
        return means

    def _occ_says_off(self) -> bool:
        try:
            return not self.occ.maintenance()
        except OwncloudError as error:
            self.monitor.note(f"occ does not answer after --off: {error.message}")
            return False

    def _file_says_off(self) -> bool:
        try:
            return not truth(self._file().get("maintenance"))
        except OwncloudError:
            return False

    def _mend(self) -> Means:
        try:
            before = self._file()
        except OwncloudError as error:
            self.monitor.note(f"config.php is broken: {error.message}")
            self.kept.put_back()
            return Means.COPY
        if not truth(before.get("maintenance")):
            return Means.OCC
        self.kept.replace(_SETTING.sub(rb"\g<1>false", self.kept.config_path.read_bytes()))
        if self._file_says_off() and _others(self._file()) == _others(before):
            return Means.EDIT
        self.kept.put_back()
        return Means.COPY

    def _check(self) -> None:
        settings = read_config_php(self.root, php=self.php, environment=self.occ.environment)
        if truth(settings.get("maintenance")):
            names = ", ".join(path.name for path in overlays(self.kept.config_path))
            raise OwncloudError(f"config.php or an overlay ({names or 'none'}) still turns it on.")
        try:
            still_on = self.occ.maintenance()
        except OwncloudError as error:
            # With the database down occ answers nothing; then what PHP reads is the proof.
            self.monitor.note(f"occ does not answer: {error.message}")
            return
        if still_on:
            raise OwncloudError("occ still says enabled, a variable OC_maintenance may be set.")

    def _file(self) -> dict[str, object]:
        return read_single(self.kept.config_path, php=self.php, environment=self.occ.environment)

    def _left_on(self, reason: str) -> MaintenanceLeftOnError:
        return MaintenanceLeftOnError(
            f"Maintenance mode of {self.root} could not be lifted, users are locked out: {reason}.",
            hint=f"Set 'maintenance' => false in {self.kept.config_path} by hand, or copy"
            f" {self.kept.copy} over it; then run ocsnap again.",
        )


def _others(settings: dict[str, object]) -> dict[str, object]:
    return {key: value for key, value in settings.items() if key != "maintenance"}


def lift(
    state_dir: Path,
    *,
    clock: Clock,
    monitor: Monitor,
    environment: Mapping[str, str] = DEFAULT_ENVIRONMENT,
    unguarded_too: bool = False,
) -> Means | None:
    """Lift the maintenance that a dead ocsnap left behind.

    A guardian that is doing so at this moment is waited for.

    Args:
        state_dir: ocsnap's folder, with the lease.
        clock: measures and waits.
        monitor: is told what was done.
        environment: the environment for occ and PHP.
        unguarded_too: lift also what was left on because ownCloud may be in pieces.

    Returns:
        What lifted it, or None where no lease was left.

    Raises:
        BusyError: the process that holds the lease is alive.
        MaintenanceLeftOnError: nothing helped, or it is left on with reason; the lease stays for
            the next try.
        LocalIOError: the lease cannot be read.
    """
    if read_lease(state_dir) is None:
        return None
    with lift_lock(state_dir, monitor):
        lease = read_lease(state_dir)
        if lease is None:
            return None
        demand_liftable(lease, unguarded_too=unguarded_too)
        monitor.note(f"An ocsnap that died left {lease.root} in maintenance: lifting it.")
        return lift_lease(state_dir, lease, clock, monitor, environment)


def demand_liftable(lease: Lease, *, unguarded_too: bool) -> None:
    """See that maintenance was left behind, and may be lifted.

    Args:
        lease: who turned it on.
        unguarded_too: as for `lift`.

    Raises:
        BusyError: the process that holds the lease is alive.
        MaintenanceLeftOnError: it is left on with reason.
    """
    if lease.is_alive():
        raise BusyError(
            f"Another ocsnap (process {lease.pid}) holds {lease.root} in maintenance.",
            hint="Wait for its end.",
        )
    if not (lease.guarded or unguarded_too):
        raise MaintenanceLeftOnError(
            f"A restore died while it exchanged parts of {lease.root}, which is still in"
            " maintenance: sync clients would delete what they do not find there.",
            hint="Run the restore again; or, if all is in its place, `ocsnap unlock`.",
        )


def lift_lease(
    state_dir: Path,
    lease: Lease,
    clock: Clock,
    monitor: Monitor,
    environment: Mapping[str, str],
) -> Means:
    """Lift the maintenance that a lease stands for, and remove the lease.

    Args:
        state_dir: ocsnap's folder.
        lease: the lease of a process that does not lift it any more.
        clock: measures and waits.
        monitor: is told of everything unusual.
        environment: the environment for occ and PHP.

    Returns:
        What lifted it.

    Raises:
        MaintenanceLeftOnError: nothing helped; the lease stays for the next try.
    """
    root, kept = Path(lease.root), _kept(lease)
    lifter = Lifter(kept, Occ(lease.occ, root, environment), root, lease.php, monitor)
    with deferred_signals():
        while True:
            # An occ --on of the dead may be at work still, and have the last word.
            unfinished = unfinished_toggles(root)
            means = lifter.prove(lifter.turn_off())
            if not unfinished:
                break
            await_toggles(root, clock)
        forget(state_dir, kept)
    return means


def forget(state_dir: Path, kept: KeptConfig) -> None:
    """Remove what was written down for lifting, since maintenance is off.

    Args:
        state_dir: ocsnap's folder.
        kept: the copies of config.php.
    """
    # The copies first: without the lease nobody would remember them, and secrets are in them.
    kept.discard()
    remove_lease(state_dir)


def forget_lease(state_dir: Path) -> None:
    """Remove a lease and its copies, since config.php was made right by other means.

    Args:
        state_dir: ocsnap's folder.

    Raises:
        LocalIOError: the lease cannot be read.
    """
    lease = read_lease(state_dir)
    if lease is not None:
        forget(state_dir, _kept(lease))


def _kept(lease: Lease) -> KeptConfig:
    spare = Path(lease.spare) if lease.spare else None
    config_path, copy = Path(lease.config_path), Path(lease.copy)
    return KeptConfig(config_path, copy, spare, lease.uid, lease.gid, lease.mode)

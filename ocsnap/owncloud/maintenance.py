"""The window in which ownCloud stands still: on, proven on, drained, off, proven off."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from ocsnap.owncloud.config_php import read_single
from ocsnap.owncloud.deferred_signals import deferred_signals
from ocsnap.owncloud.guard import Guard
from ocsnap.owncloud.guardian import LOG_NAME, PATIENCE_SECONDS
from ocsnap.owncloud.kept_config import KeptConfig
from ocsnap.owncloud.lease import Lease, write_lease
from ocsnap.owncloud.lift import Lifter, Means, forget, lift
from ocsnap.owncloud.standstill import Standstill
from ocsnap.process import process_start

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from ocsnap.clock import Clock
    from ocsnap.monitor import Monitor
    from ocsnap.owncloud.instance import Instance
    from ocsnap.owncloud.occ import Occ
    from ocsnap.owncloud.opcode_cache import OpcodeCache
    from ocsnap.owncloud.web_server import WebServer

_Result = TypeVar("_Result")


@dataclass(frozen=True)
class FreezeOptions:
    """How patient a freeze is.

    Attributes:
        settle_seconds: how long PHP may go on with the old config.php; None: as long as the
            settings of its opcode cache say.
        drain_seconds: how long to wait for uploads and background jobs that go on.
        web_seconds: how long to wait until the web server says that it is frozen.
    """

    settle_seconds: float | None = None
    drain_seconds: float = 30.0
    web_seconds: float = 65.0


@dataclass
class Freeze:
    """What happened in one window; all durations in seconds.

    Attributes:
        found_on: maintenance was on already, and is left on.
        on_seconds: occ's `--on`.
        settle_seconds: proving it, and waiting for the opcode cache and the web server.
        drain_seconds: waiting for uploads and background jobs.
        work_seconds: what was done inside.
        off_seconds: lifting it, without the proof, which users do not wait for.
        open_uploads: uploads that were still going on when draining ended: whose and what, as far
            as it is known, else the key of the lock.
        open_paths: the files of those that are known: the user (or the storage's id), and the
            path in the user's home, such as `files/Photos/a.jpg`; complete after the block.
        open_crons: background jobs that were still at work then.
        lifted_by: what lifted maintenance; None: nothing was lifted.
        keep_on: to be set inside the block: maintenance is left on at its end, and what is
            needed to lift it stays.
    """

    found_on: bool = False
    on_seconds: float = 0.0
    settle_seconds: float = 0.0
    drain_seconds: float = 0.0
    work_seconds: float = 0.0
    off_seconds: float = 0.0
    open_uploads: tuple[str, ...] = ()
    open_paths: tuple[tuple[str, str], ...] = ()
    open_crons: tuple[str, ...] = ()
    lifted_by: Means | None = None
    keep_on: bool = False

    @property
    def frozen_seconds(self) -> float:
        """How long users were locked out."""
        waiting = self.on_seconds + self.settle_seconds + self.drain_seconds
        return waiting + self.work_seconds + self.off_seconds


@dataclass(frozen=True)
class _Hold:
    """What lifts maintenance: this process, or the guardian where there is one."""

    lifter: Lifter
    guard: Guard | None


def _unknown(keys: Sequence[str]) -> Mapping[str, tuple[str, str]]:
    del keys
    return {}


class Maintenance:
    """Freezes one ownCloud."""

    def __init__(  # noqa: PLR0913 - each is a part of its own, given once
        self,
        instance: Instance,
        occ: Occ,
        *,
        state_dir: Path,
        clock: Clock,
        monitor: Monitor,
        options: FreezeOptions | None = None,
        web: WebServer | None = None,
        open_locks: Callable[[], Sequence[str]] = tuple,
        paths_of: Callable[[Sequence[str]], Mapping[str, tuple[str, str]]] = _unknown,
    ) -> None:
        """Take the parts; nothing is touched yet.

        Args:
            instance: the ownCloud.
            occ: how occ is called.
            state_dir: ocsnap's folder, for the lease and the copy of config.php.
            clock: measures and waits.
            monitor: is told of everything unusual.
            options: how patient a freeze is.
            web: the ownCloud's address, asked too where it is known.
            open_locks: names the uploads that go on at this moment.
            paths_of: says whose and which files such names stand for; asked after the window.
        """
        self._instance = instance
        self._occ = occ
        self._state_dir = state_dir
        self._clock = clock
        self._monitor = monitor
        self._options = options or FreezeOptions()
        self._web = web
        self._paths_of = paths_of
        self._standstill = Standstill(instance, occ, clock, monitor, web, open_locks)

    @contextmanager
    def freeze(self, *, guarded: bool = True) -> Iterator[Freeze]:
        """Keep ownCloud in maintenance for the length of a block.

        Maintenance is lifted whatever ends the block; a guardian sees to it should this process
        die. An ownCloud found in maintenance is left in maintenance, unless a dead ocsnap had left
        it so.

        Args:
            guarded: False where ownCloud is in pieces during the block, as in a restore: should
                this process die, maintenance stays on until somebody lifts it by hand, or until
                the next such block. Sync clients delete what they do not find on the server.

        Yields:
            The account of the window, complete after the block.

        Raises:
            OwncloudError: ownCloud cannot be frozen; it is as it was before.
            MaintenanceLeftOnError: maintenance could not be lifted.
            BusyError: another ocsnap holds it in maintenance.
            LocalIOError: config.php cannot be copied, or the lease not be written.
        """
        lift(
            self._state_dir,
            clock=self._clock,
            monitor=self._monitor,
            environment=self._occ.environment,
            unguarded_too=not guarded,
        )
        freeze = Freeze(found_on=self._occ.maintenance())
        if self._web is not None:
            self._web.in_maintenance()  # an address that does not answer is found out now
        cache = self._standstill.opcode_cache()
        if freeze.found_on:
            self._monitor.note("ownCloud was in maintenance already and is left so.")
            self._wait_until_frozen(freeze, cache)
            with self._measured_work(freeze):
                yield freeze
            self._name_open_files(freeze)
            return
        hold: _Hold | None = None
        try:
            with deferred_signals():
                hold = self._prepare(guarded=guarded)
                freeze.on_seconds, _ = self._timed(lambda: self._occ.set_maintenance(on=True))
            self._wait_until_frozen(freeze, cache)
            with self._measured_work(freeze):
                yield freeze
        finally:
            if hold is not None and not freeze.keep_on:
                with deferred_signals():
                    self._lift(hold, freeze)
        self._name_open_files(freeze)

    def _prepare(self, *, guarded: bool) -> _Hold:
        """Write down all that lifting needs, and post the guardian, before anything is changed."""
        instance, environment = self._instance, self._occ.environment
        # A config.php that is broken now must not become the copy that is put back.
        read_single(instance.config_path, php=instance.php, environment=environment)
        kept = KeptConfig.keep(instance.config_path, self._state_dir, self._monitor)
        try:
            write_lease(self._state_dir, self._lease(kept, guarded=guarded))
            guard = Guard.post(self._state_dir, environment) if guarded else None
        except BaseException:
            forget(self._state_dir, kept)
            raise
        lifter = Lifter(kept, self._occ, instance.root, instance.php, self._monitor)
        return _Hold(lifter, guard)

    def _lease(self, kept: KeptConfig, *, guarded: bool) -> Lease:
        return Lease(
            pid=os.getpid(),
            process_start=process_start(os.getpid()) or "",
            started_at=self._clock.now(),
            root=str(self._instance.root),
            config_path=str(kept.config_path),
            copy=str(kept.copy),
            spare=str(kept.spare or ""),
            uid=kept.uid,
            gid=kept.gid,
            mode=kept.mode,
            occ=self._occ.command,
            php=self._instance.php,
            guarded=guarded,
        )

    def _wait_until_frozen(self, freeze: Freeze, cache: OpcodeCache) -> None:
        freeze.settle_seconds, _ = self._timed(lambda: self._settle(freeze, cache))
        freeze.drain_seconds, (freeze.open_uploads, freeze.open_crons) = self._timed(
            lambda: self._standstill.drain(self._options.drain_seconds)
        )

    def _settle(self, freeze: Freeze, cache: OpcodeCache) -> None:
        if not freeze.found_on:
            began, now = self._clock.monotonic(), self._clock.now()
            seconds = self._options.settle_seconds
            wait_seconds = cache.settled_at(now) - now if seconds is None else seconds
            self._standstill.prove_on()
            self._clock.sleep(max(0.0, began + wait_seconds - self._clock.monotonic()))
        self._standstill.prove_over_the_web(self._options.web_seconds)

    def _name_open_files(self, freeze: Freeze) -> None:
        """Say which files were being written; users do not wait for this."""
        if freeze.open_uploads:
            paths = self._paths_of(freeze.open_uploads)
            freeze.open_paths = tuple(sorted(paths.values()))
            freeze.open_uploads = tuple(
                ": ".join(paths[key]) if key in paths else key for key in freeze.open_uploads
            )

    def _lift(self, hold: _Hold, freeze: Freeze) -> None:
        lifter = hold.lifter
        try:
            freeze.off_seconds, occ_error = self._timed(lifter.turn_off)
            proof_seconds, freeze.lifted_by = self._timed(lambda: lifter.prove(occ_error))
            forget(self._state_dir, lifter.kept)
        except BaseException:
            if hold.guard is not None and hold.guard.hand_over():
                self._monitor.note(
                    "The guardian goes on trying to lift maintenance mode, for"
                    f" {PATIENCE_SECONDS / 60:g} minutes: see {self._state_dir / LOG_NAME}."
                )
            raise
        if freeze.lifted_by is not Means.OCC:
            freeze.off_seconds += proof_seconds
        if hold.guard is not None and (status := hold.guard.dismiss()):
            self._monitor.note(f"The guardian had ended before its time, with status {status}.")

    @contextmanager
    def _measured_work(self, freeze: Freeze) -> Iterator[None]:
        began = self._clock.monotonic()
        try:
            yield
        finally:
            freeze.work_seconds = self._clock.monotonic() - began

    def _timed(self, action: Callable[[], _Result]) -> tuple[float, _Result]:
        began = self._clock.monotonic()
        result = action()
        return self._clock.monotonic() - began, result

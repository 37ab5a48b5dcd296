"""A backup that is struck at one step of its window: run as a program, so that it can be killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import msgspec

import ocsnap.owncloud.maintenance
from ocsnap.clock import SystemClock
from ocsnap.monitor import SilentMonitor
from ocsnap.owncloud.lease import write_lease
from ocsnap.owncloud.lift import forget
from ocsnap.owncloud.maintenance import FreezeOptions, Maintenance
from ocsnap.owncloud.occ import Occ
from tests.owncloud.conftest import Parts
from tests.owncloud.guardians import kill_guardians
from tests.servers.owncloud_site import Site

if TYPE_CHECKING:
    from ocsnap.owncloud.lease import Lease

UNGUARDED_STEPS = ("config.php copied, no lease yet", "lease written, no guardian yet")
STEPS = (
    "before --on",
    "during --on, before it writes",
    "during --on, after it wrote",
    "after --on",
    "settling",
    "draining",
    "inside",
    "during --off, before it writes",
    "during --off, after it wrote",
    "before the lease is removed",
    "after the lease is removed",
)
# occ cannot raise an exception in its caller.
OWN_STEPS = UNGUARDED_STEPS + tuple(step for step in STEPS if not step.startswith("during"))


class Orders(msgspec.Struct, frozen=True, kw_only=True):
    """What shall happen.

    Attributes:
        root: ownCloud's folder.
        state_dir: ocsnap's folder.
        step: when to strike.
        blow: how: a signal's name, "exception", "memory", "group" (SIGKILL to the process group),
            "both" (SIGKILL, and to the guardian before), "orphan" (SIGKILL, while a program that
            inherited all it could lives on).
        catches: whether SIGTERM ends it as it ends the command line: by an exception.
        cgroup: a folder of cgroup.procs to go into.
        guarded: whether a guardian watches.
    """

    root: str
    state_dir: str
    step: str
    blow: str
    catches: bool = True
    cgroup: str = ""
    guarded: bool = True


class StruckError(Exception):
    pass


class Striker:
    def __init__(self, orders: Orders) -> None:
        self.orders = orders
        self.struck = False

    def at(self, step: str) -> None:
        if step == self.orders.step and not self.struck:
            self.struck = True
            self._strike()

    def prepare_occ(self) -> None:
        """Let occ itself give the blow, in the middle of its work."""
        if not self.orders.step.startswith("during"):
            return
        name = self.orders.blow
        number = int(signal.Signals[name] if name in signal.Signals.__members__ else signal.SIGUSR1)
        value = "true" if "--on" in self.orders.step else "false"
        write = f"$config->set('maintenance', {value});"
        # The time that occ needs after the blow is what it outlives its caller by.
        shot = (
            "if (!is_file(__DIR__ . '/struck')) { touch(__DIR__ . '/struck');"
            f" posix_kill({os.getpid()}, {number}); usleep(300000); }}"
        )
        occ = Path(self.orders.root) / "occ"
        text = occ.read_text()
        assert write in text
        before = "before" in self.orders.step
        occ.write_text(text.replace(write, f"{shot} {write}" if before else f"{write} {shot}"))
        signal.signal(signal.SIGUSR1, lambda *_: self._strike())

    def _strike(self) -> None:
        blow = self.orders.blow
        if blow == "exception":
            raise StruckError
        if blow == "memory":
            hoard = []
            while True:
                hoard.append(bytearray(1 << 20))
        if blow == "group":
            os.killpg(0, signal.SIGKILL)
        if blow == "both":
            kill_guardians(Path(self.orders.state_dir))
        if blow == "orphan":
            subprocess.Popen(("sleep", "30"), close_fds=False, start_new_session=True)
        number = signal.Signals[blow] if blow in signal.Signals.__members__ else signal.SIGKILL
        os.kill(os.getpid(), number)


class StruckOcc(Occ):
    def set_maintenance(self, *, on: bool) -> None:
        if on:
            striker.at("before --on")
        super().set_maintenance(on=on)
        if on:
            striker.at("after --on")


class StruckClock(SystemClock):
    def sleep(self, seconds: float) -> None:
        striker.at("settling")
        super().sleep(seconds)


def open_locks() -> tuple[str, ...]:
    striker.at("draining")
    return ()


def forget_and_be_struck(*arguments: object) -> None:
    striker.at("before the lease is removed")
    forget(*arguments)  # type: ignore[arg-type]
    striker.at("after the lease is removed")


def write_lease_and_be_struck(state_dir: Path, lease: Lease) -> None:
    striker.at(UNGUARDED_STEPS[0])
    write_lease(state_dir, lease)
    striker.at(UNGUARDED_STEPS[1])


def interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def main(orders: Orders) -> None:
    if orders.cgroup:
        (Path(orders.cgroup) / "cgroup.procs").write_text(str(os.getpid()))
    if orders.catches:
        signal.signal(signal.SIGTERM, interrupt)
    root = Path(orders.root)
    parts = Parts.of(Site(root, root / "data", root / "data" / "owncloud.db", "oc_", (), {}))
    ocsnap.owncloud.maintenance.forget = forget_and_be_struck
    ocsnap.owncloud.maintenance.write_lease = write_lease_and_be_struck
    striker.prepare_occ()
    maintenance = Maintenance(
        parts.instance,
        StruckOcc(parts.occ.command, root),
        state_dir=Path(orders.state_dir),
        clock=StruckClock(),
        monitor=SilentMonitor(),
        options=FreezeOptions(settle_seconds=0.1, drain_seconds=0.0),
        open_locks=open_locks,
    )
    with maintenance.freeze(guarded=orders.guarded):
        striker.at("inside")
    if not orders.step.startswith("during"):
        assert striker.struck


if __name__ == "__main__":
    striker = Striker(msgspec.json.decode(sys.argv[1], type=Orders))
    main(striker.orders)

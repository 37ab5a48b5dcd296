"""A real systemd that has started as the first process of a machine of its own: of namespaces.

It has this machine's files, but sees no unit apart from those that it is given, no generator and no
network, and may write neither to /etc nor to the kernel's settings. Only root can have one.
"""

from __future__ import annotations

import os
import secrets
import shlex
import shutil
import subprocess
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_PROGRAM: Final = Path("/lib/systemd/systemd")
_STUBS: Final = (
    *("sysinit", "basic", "timers", "paths", "sockets", "slices", "shutdown", "umount", "final"),
    *("local-fs", "remote-fs", "network-online", "multi-user"),
)
"""What units wait for by default or by name; here it is there at once."""

_STARTED: Final = "started.target"
_WAIT_SECONDS: Final = 60.0


@dataclass(frozen=True)
class Systemd:
    """One that runs.

    Attributes:
        pid: its process, as this machine numbers it.
        units: the folder with the units.
    """

    pid: int
    units: Path

    def ctl(self, *arguments: str) -> str:
        """Call systemctl there; return what it says."""
        command = ["nsenter", "--target", str(self.pid), "--mount", "--pid", "systemctl"]
        done = subprocess.run(
            [*command, *arguments], capture_output=True, text=True, timeout=60, check=False
        )
        return done.stdout

    def show(self, unit: str, name: str) -> str:
        """Return a property of a unit."""
        return self.ctl("show", "--value", f"--property={name}", unit).strip()


@contextmanager
def running_systemd(folder: Path, units: Path) -> Iterator[Systemd]:
    """Start one; skip the test where that is not possible.

    Args:
        folder: for its own files; what systemd remembers beyond a boot is in `remembered`.
        units: the folder with units, in which `systemctl enable` has set its links.

    Yields:
        It, once it has started the units.
    """
    group = _control_group()
    try:
        script = _script(folder, units)
        command = ["unshare", "--mount", "--pid", "--uts", "--ipc", "--net", "--cgroup"]
        command += ["--fork", "--kill-child=KILL", "bash", "-c", script]
        join = f"echo $$ > {shlex.quote(str(group / 'cgroup.procs'))} && exec {shlex.join(command)}"
        with (folder / "systemd.log").open("wb") as log:
            process = subprocess.Popen(
                ["bash", "-c", join], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        try:
            yield _started(process, units, folder / "systemd.log")
        finally:
            process.kill()
            process.wait()
    finally:
        _remove(group)


def _script(folder: Path, units: Path) -> str:
    stubs, empty, remembered = (folder / name for name in ("stubs", "empty", "remembered"))
    for each in (stubs, empty, remembered):
        each.mkdir(exist_ok=True)
    for name in _STUBS:
        text = f"[Unit]\nDescription={name}\nDefaultDependencies=no\n"
        (stubs / f"{name}.target").write_text(text)
    wants = "Wants=multi-user.target timers.target"
    (stubs / _STARTED).write_text(f"[Unit]\nDefaultDependencies=no\n{wants}\n")
    environment = {
        "PATH": os.environ["PATH"],
        "container": "ocsnap-test",
        "SYSTEMD_UNIT_PATH": f"{units}:{stubs}",
        "SYSTEMD_GENERATOR_PATH": str(empty),
        "SYSTEMD_ENVIRONMENT_GENERATOR_PATH": str(empty),
    }
    variables = shlex.join(f"{name}={value}" for name, value in environment.items())
    return "\n".join(
        [
            "set -e",
            "mount --make-rprivate /",
            "umount --lazy --recursive /sys/fs/cgroup",
            "mount -t cgroup2 none /sys/fs/cgroup",
            "mount -t tmpfs tmpfs /run",
            "mkdir -p /run/systemd/system /run/lock",
            "mkdir -p /var/lib/systemd",
            f"mount --bind {shlex.quote(str(remembered))} /var/lib/systemd",
            "mount -t proc proc /proc",
            "mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys",
            "mount --bind /etc /etc && mount -o remount,bind,ro /etc",
            (
                f"exec env -i {variables} {_PROGRAM} --system --unit={_STARTED}"
                " --log-target=console --show-status=no"
            ),
        ]
    )


def _control_group() -> Path:
    if not _PROGRAM.exists() or shutil.which("nsenter") is None:
        pytest.skip("systemd or util-linux is not installed")
    mounts = (line.split() for line in Path("/proc/self/mounts").read_text().splitlines())
    places = [Path(fields[1]) for fields in mounts if fields[2] == "cgroup2"]
    if not places or os.geteuid() != 0:
        pytest.skip("only root, and only where there is cgroup2, may start a systemd")
    group = places[0] / f"ocsnap-test-{secrets.token_hex(4)}"
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"no control group can be made here: {error}")
    return group


def _started(process: subprocess.Popen[bytes], units: Path, log: Path) -> Systemd:
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    end = time.monotonic() + _WAIT_SECONDS
    while time.monotonic() < end:
        if process.poll() is not None:
            pytest.skip(f"systemd cannot run here: {log.read_text().strip()[-300:]}")
        with suppress(OSError):
            if found := children.read_text().split():
                running = Systemd(int(found[0]), units)
                if running.ctl("is-active", _STARTED).strip() == "active":
                    return running
        time.sleep(0.1)
    raise AssertionError(f"systemd does not start: {log.read_text()[-2000:]}")


def _remove(group: Path) -> None:
    """Remove a control group; the last of its processes may not have gone yet."""

    def gone() -> bool:
        for folder, _, _ in os.walk(group, topdown=False):
            with suppress(OSError):
                Path(folder).rmdir()
        return not group.exists()

    wait_for(gone, "the end of systemd's processes")


def wait_for(true: Callable[[], bool], what: str) -> None:
    """Wait until something is so."""
    end = time.monotonic() + _WAIT_SECONDS
    while not true():
        assert time.monotonic() < end, f"{what}: never came"
        time.sleep(0.1)

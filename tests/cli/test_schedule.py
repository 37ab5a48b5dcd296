"""Schedules: what is written is what systemd and cron take, and lets a backup do its work."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocsnap.commands.schedule.rhythm import Rhythm
from ocsnap.errors import RefusedError
from tests.cli.installation import install

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.installation import Installation

NOBODY = (65534, 65534)
UNITS = (
    "ocsnap-backup.service",
    "ocsnap-backup.timer",
    "ocsnap-unlock.service",
    "ocsnap-verify.service",
    "ocsnap-verify.timer",
)

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd is not installed"
)


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """The files of a machine that is not this one."""
    root = tmp_path / "machine"
    (root / "etc" / "cron.d").mkdir(parents=True)
    return root


def settings_of(unit: Path) -> dict[str, str]:
    lines = (line.partition("=") for line in unit.read_text().splitlines())
    return {name: value for name, sign, value in lines if sign}


@needs_systemd
def test_systemd_takes_the_units(installation: Installation, machine: Path):
    odd = installation.folder / "with space 100% $HOME"
    installation.set("backup", state_dir=str(odd))
    told = installation.json("schedule", "install", "--systemd", "--root", machine)
    folder = machine / "etc" / "systemd" / "system"
    files = sorted(path.name for path in folder.iterdir() if path.is_file())
    assert files == sorted(UNITS)
    assert told["schedule"]["backend"] == "systemd"
    assert [path.rpartition("/")[2] for path in told["schedule"]["files"]] == files
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *(folder / name for name in UNITS)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    for timer in ("backup", "verify"):
        assert (folder / "timers.target.wants" / f"ocsnap-{timer}.timer").is_symlink()
        assert settings_of(folder / f"ocsnap-{timer}.timer")["Persistent"] == "true"
    assert (folder / "multi-user.target.wants" / "ocsnap-unlock.service").is_symlink()
    unit = settings_of(folder / "ocsnap-backup.service")
    escaped = str(odd).replace("%", "%%")
    assert f'"-{escaped}"' in unit["ReadWritePaths"]
    lease = settings_of(folder / "ocsnap-unlock.service")["ConditionPathExists"]
    assert lease == f"{escaped}/maintenance.lease"
    assert all((folder / name).stat().st_mode & 0o777 == 0o644 for name in UNITS)


@needs_systemd
def test_the_units_are_hardened(installation: Installation, machine: Path):
    installation.json("schedule", "install", "--systemd", "--root", machine)
    for name in ("backup", "verify", "unlock"):
        unit = machine / "etc" / "systemd" / "system" / f"ocsnap-{name}.service"
        done = subprocess.run(
            ["systemd-analyze", "security", "--offline=true", "--threshold=40", unit],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout


def test_a_backup_can_do_its_work_with_what_its_unit_lets_it(open_folder: Path):
    """As systemd does it: all is read-only but what the unit names, and most rights are gone."""
    if shutil.which("unshare") is None or shutil.which("setpriv") is None:
        pytest.skip("util-linux is not installed")
    if subprocess.run(["unshare", "--mount", "true"], check=False).returncode:
        pytest.skip("no namespaces here")
    installation = install(open_folder, owner=NOBODY)
    machine = open_folder / "machine"
    installation.json("schedule", "install", "--systemd", "--root", machine)
    unit = settings_of(machine / "etc" / "systemd" / "system" / "ocsnap-backup.service")
    installation.repository.mkdir(mode=0o700)
    writable = [word.removeprefix("-") for word in unit["ReadWritePaths"].split()]
    # What this test made lies below a folder for temporary files, which is shared as a whole.
    writable = [path for path in writable if path.startswith(f"{open_folder}/")]
    kept = unit["CapabilityBoundingSet"].lower().replace("cap_", "+").split()
    bounds = ",".join(["-all", *kept])
    call = shlex.join(installation.command("--json", "backup"))
    script = "\n".join(
        [
            "set -e",
            *(f"mount --bind {shlex.quote(path)} {shlex.quote(path)}" for path in writable),
            "mount -o remount,bind,ro /",
            f"! touch {shlex.quote(str(open_folder / 'read-only'))} 2>/dev/null",
            f"exec setpriv --no-new-privs --inh-caps=-all --bounding-set={bounds} {call}",
        ]
    )
    done = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "sh", "-c", script],
        env=installation.environment,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, (done.stdout, done.stderr)
    assert '"errors": 0' in done.stdout
    assert installation.json("verify", "--read-data")["sound"]
    assert installation.site.config_path.stat().st_uid == NOBODY[0]
    assert b"'maintenance' => false" in installation.site.config_path.read_bytes()


def test_snapshots_of_file_systems_need_devices(installation: Installation, machine: Path):
    installation.set(
        "backup",
        snapshot_command=["/bin/true"],
        snapshot_cleanup_command=["/bin/true"],
        snapshot_path="/mnt/snapshot",
    )
    installation.json("schedule", "install", "--systemd", "--root", machine)
    unit = settings_of(machine / "etc" / "systemd" / "system" / "ocsnap-backup.service")
    assert "CapabilityBoundingSet" not in unit
    assert "PrivateDevices" not in unit
    assert unit["NoNewPrivileges"] == "yes"


def test_cron(installation: Installation, machine: Path):
    installation.folder.joinpath("100% sure").mkdir()
    config = installation.folder / "100% sure" / "ocsnap.toml"
    installation.command()
    shutil.copy(installation.config, config)
    installation.run("-c", config, "schedule", "install", "--daily", "23:50", "--root", machine)
    text = (machine / "etc" / "cron.d" / "ocsnap").read_text()
    lines = [line for line in text.splitlines() if " root " in line]
    assert [line.partition(" root ")[0] for line in lines] == [
        "50 23 * * *",
        "20 * * * *",
        "45 5 * * 0",
        "15 * * * *",
        "@reboot",
    ]
    # cron takes the backslash away and gives the rest to a shell.
    calls = [shlex.split(line.partition(" root ")[2].replace("\\%", "%")) for line in lines]
    ends = [call[call.index(str(config)) + 1 :] for call in calls]
    assert ends == [
        ["-q", "backup"],
        ["-q", "backup", "--if-older-than", "26h"],
        ["-q", "verify"],
        ["-q", "verify", "--if-older-than", "170h"],
        ["-q", "unlock", "--unattended"],
    ]
    quiet = subprocess.run(calls[0], env=installation.environment, capture_output=True, check=False)
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, b"", b"")
    for call in calls[1:]:
        done = subprocess.run(call, env=installation.environment, capture_output=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@pytest.mark.parametrize("command", ["verify", "drill"])
def test_checks_and_drills_that_were_missed_are_made_up_for(
    installation: Installation, command: str
):
    installation.json("backup")
    missed = ("--json", command, "--if-older-than", "20h")
    assert installation.run(*missed).json()["sound"], "there was none yet"
    skipped = installation.run(*missed).json()
    assert skipped == {"skipped": f"The last {command} is young enough."}
    record = installation.folder / "state" / "runs" / f"{command}.json"
    told = json.loads(record.read_text())
    record.write_text(json.dumps(told | {"started": told["started"] - 21 * 3600}))
    assert installation.run(*missed).json()["sound"]


def test_a_monthly_drill(installation: Installation, machine: Path):
    drill = ("schedule", "install", "--drill", "1 07:15", "--root", machine)
    if shutil.which("systemctl"):
        shown = installation.run(*drill, "--systemd").out
        assert "ocsnap: rehearse a restore, on day 1 of every month at 07:15" in shown
        folder = machine / "etc" / "systemd" / "system"
        assert settings_of(folder / "ocsnap-drill.timer")["OnCalendar"] == "*-*-01 07:15:00"
        assert settings_of(folder / "ocsnap-drill.service")["ExecStart"].endswith(" drill")
    lines = installation.json(*drill, "--cron")["schedule"]["lines"]
    (line,) = [line for line in lines if line.startswith("15 7 1 * * root ")]
    (missed,) = [line for line in lines if line.endswith("drill --if-older-than 746h")]
    assert missed.startswith("45 * * * * root ")
    assert installation.run("-q", "backup").status == 0
    call = shlex.split(line.partition(" root ")[2])
    done = subprocess.run(call, env=installation.environment, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_one_schedule_takes_the_place_of_the_other(installation: Installation, machine: Path):
    def left() -> list[str]:
        return sorted(path.name for path in machine.rglob("*") if path.is_file())

    assert installation.json("schedule", "show", "--root", machine) == {"schedule": None}
    installation.json("schedule", "install", "--cron", "--root", machine)
    assert left() == ["ocsnap"]
    if shutil.which("systemctl"):
        installation.json("schedule", "install", "--systemd", "--root", machine)
        assert left() == sorted(UNITS)
        installation.json(
            *("schedule", "install", "--systemd", "--verify", "never", "--hourly"),
            *("--root", machine),
        )
        assert left() == [name for name in UNITS if "verify" not in name]
        shown = installation.run("schedule", "show", "--root", machine).out
        assert "every hour at minute 7" in shown
    assert len(installation.json("schedule", "remove", "--root", machine)["removed"]) in {1, 3}
    assert [path for path in machine.rglob("*") if path.is_file() or path.is_symlink()] == []
    nothing = installation.run("schedule", "remove", "--root", machine)
    assert (nothing.status, nothing.out) == (0, "There is no schedule.\n")


def test_what_somebody_else_wrote_stays(installation: Installation, machine: Path):
    theirs = machine / "etc" / "cron.d" / "ocsnap"
    theirs.write_text("# by hand\n")
    refused = installation.run("schedule", "install", "--cron", "--root", machine)
    assert refused.status == 14
    assert installation.run("schedule", "remove", "--root", machine).status == 0
    assert installation.json("schedule", "show", "--root", machine) == {"schedule": None}
    assert theirs.read_text() == "# by hand\n"


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("--daily", "25:00"), 2),
        (("--daily", "2"), 2),
        (("--weekly", "someday 02:00"), 2),
        (("--verify", "often"), 2),
        (("--drill", "29 07:15"), 2),
        (("--drill", "sun 07:15"), 2),
        (("--daily", "02:00", "--hourly"), 2),
        (("--cron", "--systemd"), 2),
    ],
)
def test_times_that_are_none(
    installation: Installation, machine: Path, arguments: tuple[str, ...], status: int
):
    done = installation.run("schedule", "install", *arguments, "--root", machine)
    assert done.status == status, done
    assert [path for path in machine.rglob("*") if path.is_file()] == []


def test_a_machine_with_neither(installation: Installation, tmp_path: Path):
    (tmp_path / "empty").mkdir()
    done = installation.run("schedule", "install", "--root", tmp_path / "empty")
    assert done.status == 14
    assert "neither systemd nor cron" in done.err


def test_without_the_rights(installation: Installation, machine: Path):
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    shutil.rmtree(machine / "etc" / "cron.d")
    (machine / "etc" / "cron.d").write_text("in the way")
    done = installation.run("schedule", "install", "--cron", "--root", machine)
    assert done.status == 15
    assert "Run ocsnap as root" in done.err


@needs_systemd
@settings(max_examples=8, deadline=None)
@given(
    st.builds(
        Rhythm,
        minute=st.integers(0, 59),
        hour=st.none() | st.integers(0, 23),
        weekday=st.none() | st.integers(0, 6),
        monthday=st.none() | st.integers(1, 28),
    )
)
def test_every_time_is_one_for_systemd(rhythm: Rhythm):
    command = ["systemd-analyze", "calendar", rhythm.calendar]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_days_of_the_week_have_other_numbers_in_cron():
    assert Rhythm.weekly("Sun 04:30").crontab == "30 4 * * 0"
    assert Rhythm.weekly("monday 4:05").crontab == "5 4 * * 1"
    assert Rhythm.weekly("sat 00:00").calendar == "Sat *-*-* 00:00:00"
    with pytest.raises(RefusedError):
        Rhythm.daily("24:00")

"""The units of systemd: what runs as root is let do no more than it needs (systemd.exec(5))."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ocsnap.commands.schedule.plan import MARK

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from ocsnap.commands.schedule.plan import Job, Plan

PREFIX: Final = "ocsnap-"
UNLOCK: Final = f"{PREFIX}unlock.service"
DELAY: Final = "15min"
"""By up to so much a start is put off at random, that not all machines ask a store at once."""

CAPABILITIES: Final = (
    # Reading everybody's files, and putting config.php back as it was.
    *("CAP_DAC_READ_SEARCH", "CAP_DAC_OVERRIDE", "CAP_CHOWN", "CAP_FOWNER", "CAP_FSETID"),
    # occ runs as the owner of config.php, by runuser and so by PAM; it must be ended when it hangs.
    *("CAP_SETUID", "CAP_SETGID", "CAP_AUDIT_WRITE", "CAP_SYS_RESOURCE", "CAP_KILL"),
    # Which PHP processes work on this ownCloud.
    "CAP_SYS_PTRACE",
)

_AFTER: Final = "network-online.target mariadb.service mysql.service redis-server.service"

_ALWAYS: Final = (
    "UMask=0077",
    "NoNewPrivileges=yes",
    "LockPersonality=yes",
    "ProtectClock=yes",
    "ProtectHostname=yes",
    "ProtectKernelLogs=yes",
    "ProtectKernelTunables=yes",
    "RestrictRealtime=yes",
    "RestrictSUIDSGID=yes",
    "SystemCallArchitectures=native",
)
_WITHOUT_COMMANDS: Final = (
    "PrivateDevices=yes",
    "ProtectControlGroups=yes",
    "ProtectHome=read-only",
    "ProtectKernelModules=yes",
    "ProtectSystem=strict",
    "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK",
    "RestrictNamespaces=yes",
    "SystemCallFilter=@system-service",
    "SystemCallErrorNumber=EPERM",
)
"""MemoryDenyWriteExecute is not among them: PHP's compiler of regular expressions would fail."""


def units(plan: Plan) -> dict[str, str]:
    """Return the text of each unit by its name.

    Args:
        plan: the schedule.
    """
    made = {UNLOCK: _unlock(plan)}
    for job in plan.jobs:
        made[f"{PREFIX}{job.name}.service"] = _service(plan, job)
        made[f"{PREFIX}{job.name}.timer"] = _timer(job)
    return made


def starters(plan: Plan) -> list[str]:
    """Return the names of the units that systemd is told to start by itself."""
    return [UNLOCK, *(f"{PREFIX}{job.name}.timer" for job in plan.jobs)]


def _service(plan: Plan, job: Job) -> str:
    lines = [
        "[Unit]",
        f"Description=ocsnap: {job.purpose}",
        "Documentation=man:systemd.timer(5)",
        "Wants=network-online.target",
        f"After={_AFTER}",
        "",
        "[Service]",
        "Type=oneshot",
        f"ExecStart={_command(plan.command(job.name, *job.options))}",
        # Another one at work is no failure of this one: 12 is what it then ends with.
        "SuccessExitStatus=12",
        # When it is stopped or killed, its guardian must live on until ownCloud is open again.
        f"ExecStopPost=-{_command(plan.command('-q', 'unlock', '--unattended'))}",
        "KillMode=mixed",
        "TimeoutStopSec=5min",
        "Nice=10",
        "IOSchedulingClass=best-effort",
        "IOSchedulingPriority=7",
        *_hardening(plan),
    ]
    return _text(lines)


def _timer(job: Job) -> str:
    lines = [
        "[Unit]",
        f"Description=ocsnap: {job.purpose}, {job.rhythm.words}",
        "",
        "[Timer]",
        f"OnCalendar={job.rhythm.calendar}",
        f"RandomizedDelaySec={DELAY}",
        # What was missed while the machine was off is made up for when it comes up.
        "Persistent=true",
        "",
        "[Install]",
        "WantedBy=timers.target",
    ]
    return _text(lines)


def _unlock(plan: Plan) -> str:
    lines = [
        "[Unit]",
        "Description=ocsnap: lift the maintenance mode that a backup left on",
        f"ConditionPathExists={_escaped(str(plan.lease))}",
        f"After=local-fs.target remote-fs.target {_AFTER}",
        "",
        "[Service]",
        "Type=oneshot",
        f"ExecStart={_command(plan.command('unlock', '--unattended'))}",
        *_hardening(plan),
        "",
        "[Install]",
        "WantedBy=multi-user.target",
    ]
    return _text(lines)


def _hardening(plan: Plan) -> Iterator[str]:
    yield from _ALWAYS
    if plan.hosts_commands:
        # Commands that mount snapshots, stop services, copy elsewhere: only the admin knows.
        return
    yield from _WITHOUT_COMMANDS
    yield f"PrivateTmp={'no' if plan.temporary else 'yes'}"
    yield f"ReadWritePaths={_paths(plan.writable)}"
    yield f"CapabilityBoundingSet={' '.join(CAPABILITIES)}"


def _paths(paths: Iterable[Path]) -> str:
    # With a minus one that is not there is no error: a disk may come later.
    return " ".join(_quoted(f"-{path}") for path in paths)


def _command(words: Iterable[str]) -> str:
    return " ".join(_quoted(word).replace("$", "$$") for word in words)


def _quoted(word: str) -> str:
    escaped = _escaped(word)
    if escaped and not any(character in escaped for character in " \t\"'\\;"):
        return escaped
    inner = escaped.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{inner}"'


def _escaped(word: str) -> str:
    """Return a word that systemd takes as it is: `%` would be filled in."""
    return word.replace("%", "%%")


def _text(lines: Iterable[str]) -> str:
    return "\n".join([MARK, *lines]) + "\n"

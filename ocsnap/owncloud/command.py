"""Runs programs of the instance: as its owner, with a time-out and without our secrets."""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ocsnap.errors import OwncloudError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

DEFAULT_ENVIRONMENT: Mapping[str, str] = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
}
_PASSED_ON = frozenset({"PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "PHPRC", "PHP_INI_SCAN_DIR"})
_PASSED_ON_PREFIXES = ("OC_", "OWNCLOUD_")


@dataclass(frozen=True)
class Outcome:
    """What a program left behind.

    Attributes:
        status: its exit status; negative: the signal that ended it.
        stdout: all it wrote to standard output.
        stderr: all it wrote to standard error.
    """

    status: int
    stdout: bytes
    stderr: bytes


def child_environment(environment: Mapping[str, str], also: Sequence[str] = ()) -> dict[str, str]:
    """Choose what occ and PHP see of our environment: what ownCloud reads, and no secret of ours.

    Args:
        environment: the variables of this process.
        also: names of further variables to pass on.

    Returns:
        PATH, LANG and the like, and all that begins with `OC_` or `OWNCLOUD_`, since ownCloud
        takes settings from them (ownCloud 10, `lib/private/Config.php`, `ENV_PREFIX`).
    """
    passed = {
        name: value
        for name, value in environment.items()
        if name in _PASSED_ON or name in also or name.startswith(_PASSED_ON_PREFIXES)
    }
    return {**DEFAULT_ENVIRONMENT, **passed}


def as_owner(uid: int, gid: int) -> tuple[str, ...]:
    """Return what to put before a command so that it runs as a user.

    Code that the web server's user can write must never run as root, so config.php is read, and
    occ is called, as the owner of config.php.

    Args:
        uid: the user's id.
        gid: the id of the user's group, for a user without a name.

    Returns:
        Nothing where this process is that user, or is not root and so cannot change; else a
        call of `runuser`, or of `setpriv` for an id without a name (both of util-linux).
    """
    if os.geteuid() == uid or os.geteuid() != 0:
        return ()
    try:
        return ("runuser", "-u", pwd.getpwuid(uid).pw_name, "--")
    except KeyError:
        return ("setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups", "--")


def run(  # noqa: PLR0913 - all by name, and a process needs each of them
    command: Sequence[str],
    *,
    what: str,
    cwd: Path,
    environment: Mapping[str, str],
    stdin: bytes = b"",
    timeout_seconds: float,
) -> Outcome:
    """Run a program to its end.

    It gets a session of its own, so that Ctrl-C in our terminal does not end it halfway through
    rewriting config.php.

    Args:
        command: program and arguments.
        what: what messages call it.
        cwd: folder to run it in.
        environment: all of its environment.
        stdin: what it reads.
        timeout_seconds: after so many seconds it and its children are killed.

    Returns:
        Exit status and output.

    Raises:
        OwncloudError: it cannot be started, or takes too long.
    """
    try:
        process = subprocess.Popen(  # noqa: S603 - no shell; the command is the admin's own
            command,
            cwd=cwd,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise OwncloudError(
            f"{what}: {command[0]} cannot be started: {error.strerror}.",
            hint="Install it, or name another with owncloud.php or owncloud.occ.",
        ) from error
    with process:
        try:
            stdout, stderr = process.communicate(stdin, timeout=timeout_seconds)
        except BaseException as error:
            _kill_group(process)
            if isinstance(error, subprocess.TimeoutExpired):
                raise OwncloudError(
                    f"{what} did not end within {timeout_seconds:g} seconds.",
                    hint="Is the machine overloaded, or something that it waits for stuck?",
                ) from None
            raise
    return Outcome(process.returncode, stdout, stderr)


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill runuser and the PHP that it started; one left over would toggle the mode later."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        process.kill()
    process.wait()

"""A run that goes on without its terminal: `ocsnap backup --detach`."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final

from ocsnap.cli.output import print_json, print_text
from ocsnap.cli.program import program
from ocsnap.cli.session import session
from ocsnap.config import locate
from ocsnap.errors import BusyError, ExitStatus, LocalIOError

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Sequence
    from pathlib import Path

    from ocsnap.cli.options import GlobalOptions

_LOOK_SECONDS: Final = 0.1


def detach(options: GlobalOptions, command: str, arguments: Sequence[str]) -> int:
    """Start a command in a session of its own, and stay until its checks are over.

    What stands against the run is told here and now. After that it belongs to nobody's terminal:
    neither the end of an SSH session nor Ctrl-C reaches it.

    Args:
        options: what was said before the command's name.
        command: the command's name.
        arguments: what follows it.

    Returns:
        The exit status: 0 if it goes on, or has ended well already.

    Raises:
        ConfigError: the configuration is missing or wrong.
        BusyError: it is running already.
        LocalIOError: the log cannot be written.
    """
    from ocsnap.commands.context import state_dir  # noqa: PLC0415 - see session
    from ocsnap.commands.runs.record import RunState, read_record  # noqa: PLC0415 - see session

    config = locate(options.config, os.environ).absolute()
    call = [*program(), "-c", str(config), command, *arguments]
    with session(options) as world:
        folder = state_dir(world)
        record = read_record(folder, command)
        if record is not None and record.state is RunState.RUNNING:
            raise BusyError(
                f"A {command} is at work already: process {record.pid}.",
                hint="Follow it with `ocsnap status --follow`.",
            )
        log = folder / f"{command}.log"
        process = _start(call, {**world.environment, **world.passphrase}, log)
        world.monitor.step("Starting")
        while process.poll() is None:
            record = read_record(folder, command)
            if record is not None and record.pid == process.pid and record.step_number > 1:
                break
            world.clock.sleep(_LOOK_SECONDS)
    return _tell(options, process, log)


def _start(call: Sequence[str], environment: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    import subprocess  # noqa: PLC0415 - most starts do without

    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        if log.exists():
            log.replace(log.with_name(f"{log.name}.1"))
        output = os.open(log, flags, 0o600)
    except OSError as error:
        raise LocalIOError(f"{log}: cannot be written: {error.strerror}.") from error
    try:
        return subprocess.Popen(  # noqa: S603 - this very program, without a shell
            call,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    finally:
        os.close(output)


def _tell(options: GlobalOptions, process: subprocess.Popen[bytes], log: Path) -> int:
    status = process.returncode
    if status not in {None, ExitStatus.OK}:
        sys.stderr.write(log.read_text("utf-8", "replace"))
        return status if status > 0 else int(ExitStatus.INTERNAL)
    # It lives on, and is not ours to wait for: Popen would warn of it.
    process.returncode = 0
    if options.json:
        print_json({"pid": process.pid, "log": str(log), "running": status is None})
    else:
        doing = "goes on by itself" if status is None else "has ended well already"
        print_text(f"The run (process {process.pid}) {doing}. It writes to {log}.")
        print_text("Follow it with: ocsnap status --follow")
    return int(ExitStatus.OK)

"""From options to the world that a command works in, and back to text or JSON."""

from __future__ import annotations

import gc
import os
import random
import secrets
import socket
import sys
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

from ocsnap.cli.allocator import bound_memory
from ocsnap.cli.journal import is_journal
from ocsnap.cli.options import Verbosity
from ocsnap.clock import SystemClock
from ocsnap.config import load, locate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from ocsnap.cli.options import GlobalOptions
    from ocsnap.commands.context import Context
    from ocsnap.config import Config
    from ocsnap.config.sections import LogConfig
    from ocsnap.monitor import Monitor


@contextmanager
def session(options: GlobalOptions, *, local: bool = False) -> Iterator[Context]:
    """Read the configuration and give a command its world.

    Args:
        options: what was said before the command's name.
        local: whether the command looks only into ocsnap's own folder.

    Yields:
        The context.

    Raises:
        ConfigError: the configuration is missing or wrong.
    """
    file = locate(options.config, os.environ)
    # After a restore without a configuration file there is still none.
    local = local and options.config is None and (options.bare.is_said or not file.exists())
    given = options.bare.config(local=local)
    config = given or load(file)
    with session_of(options, config, adopts_recipients=given is not None) as world:
        yield world


@contextmanager
def session_of(
    options: GlobalOptions, config: Config, *, adopts_recipients: bool = False
) -> Iterator[Context]:
    """Give a command its world.

    Args:
        options: what was said before the command's name.
        config: the configuration, which need not stand in a file yet.
        adopts_recipients: see `Context`.

    Yields:
        The context.
    """
    # Importing the commands takes the longest part of a start; `--help` does without.
    from ocsnap.commands.context import Context  # noqa: PLC0415 - as above

    bound_memory()
    if not gc.isenabled():
        # What was imported stays to the end: nobody need look through it for garbage.
        gc.freeze()
        gc.enable()
    # Children inherit the environment, and none of them needs the passphrase.
    variable = config.encryption.passphrase_env
    taken = os.environ.pop(variable, None) if variable is not None else None
    passphrase = {} if variable is None or taken is None else {variable: taken}
    with _monitor(options) as monitor:
        yield Context(
            config=config,
            environment=dict(os.environ),
            clock=SystemClock(),
            random=random.SystemRandom(),
            monitor=_logged(monitor, config.log),
            host=socket.gethostname(),
            superuser=os.geteuid() == 0,
            passphrase=passphrase,
            adopts_recipients=adopts_recipients,
        )


def _logged(monitor: Monitor, config: LogConfig) -> Monitor:
    if config.json_file is None:
        return monitor
    from ocsnap.cli.json_log import JsonLog  # noqa: PLC0415 - only where it is wanted
    from ocsnap.cli.tee_monitor import TeeMonitor  # noqa: PLC0415 - the same

    return TeeMonitor(monitor, JsonLog(config.json_file, SystemClock(), secrets.token_hex(8)))


def _monitor(options: GlobalOptions) -> AbstractContextManager[Monitor]:
    if sys.stderr.isatty() and not options.json and options.verbosity is not Verbosity.QUIET:
        from ocsnap.cli.bar_monitor import BarMonitor  # noqa: PLC0415 - rich only for a terminal

        return BarMonitor(options.verbosity)
    from ocsnap.cli.log_monitor import LogMonitor  # noqa: PLC0415 - the other of the two

    verbosity = options.verbosity
    if options.json and verbosity is Verbosity.NORMAL:
        verbosity = Verbosity.QUIET
    journal = is_journal(sys.stderr, os.environ)
    return nullcontext(LogMonitor(verbosity, SystemClock(), journal=journal))

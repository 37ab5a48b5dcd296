"""A restore in a process of its own that is killed at a certain point: `python -m`.

Arguments: the configuration, the arguments of `ocsnap restore` as JSON, and where to die: the
number of a change of names, of a note in the journal or of a statement (`change:3`), before or
after it (`change:-3`), or the name of a step (`step:Restoring files`). Says how many there were.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ocsnap.cli import main as cli
from ocsnap.cli.log_monitor import LogMonitor
from ocsnap.commands.restore import journal, swap

if TYPE_CHECKING:
    from collections.abc import Callable

_WORDS = (b"RENAME", b"DROP", b"CREATE DATABASE", b"ALTER DATABASE")


class Death:
    """Counts changes, and ends the process at one of them."""

    def __init__(self, where: str) -> None:
        self.count = 0
        kind, _, point = where.partition(":")
        self._number = abs(int(point)) if kind == "change" else 0
        self._after = point.startswith("-")
        self._step = point if kind == "step" else None

    def around(self, act: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - passed on
            self.count += 1
            mine = self.count == self._number
            if mine and not self._after:
                self.die()
            result = act(*arguments, **named)
            if mine:
                self.die()
            return result

        return counted

    def step(self, name: str) -> None:
        if name == self._step:
            self.die()

    @staticmethod
    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)


def main(config: str, arguments: str, where: str) -> int:
    death = Death(where)
    journal.write = death.around(journal.write)
    swap.exchange = death.around(swap.exchange)
    Path.rename = death.around(Path.rename)  # type: ignore[method-assign]
    _watch_steps(death)
    _watch_statements(death)
    cli.register_commands()
    status = cli.run(["-c", config, "restore", *json.loads(arguments)])
    sys.stderr.write(f"\nchanges: {death.count}\n")
    return status


def _watch_steps(death: Death) -> None:
    step = LogMonitor.step

    def watched(monitor: LogMonitor, name: str, *, total_bytes: int | None = None) -> None:
        death.step(name)
        step(monitor, name, total_bytes=total_bytes)

    LogMonitor.step = watched  # type: ignore[method-assign]


def _watch_statements(death: Death) -> None:
    from ocsnap.database.mysql.session import Session

    execute = Session.execute
    counted = death.around(execute)

    def watched(session: Session, sql: str | bytes) -> int:
        text = sql.encode() if isinstance(sql, str) else sql
        act = counted if text.startswith(_WORDS) else execute
        return int(act(session, sql))

    Session.execute = watched  # type: ignore[method-assign]


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

"""The entry for cron: a file of its own in /etc/cron.d (crontab(5))."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final

from ocsnap.commands.schedule.plan import MARK

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ocsnap.commands.schedule.plan import Job, Plan

NAME: Final = "ocsnap"
"""cron overlooks files with a dot in their name."""

_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_BETWEEN_MINUTES: Final = 30
"""The look at what was missed comes at another minute than the run itself."""


def crontab(plan: Plan) -> str:
    """Return the text of the file.

    Args:
        plan: the schedule.
    """
    lines = [
        MARK,
        "# cron mails what is printed, and nothing is as long as all is well.",
        "SHELL=/bin/sh",
        f"PATH={_PATH}",
        *(line for job in plan.jobs for line in _lines(plan, job)),
        f"@reboot root {_command(plan, '-q', 'unlock', '--unattended')}",
    ]
    return "\n".join(lines) + "\n"


def _lines(plan: Plan, job: Job) -> Iterator[str]:
    yield f"# {job.purpose}, {job.rhythm.words}"
    yield f"{job.rhythm.crontab} root {_command(plan, '-q', job.name, *job.options)}"
    age = f"{job.rhythm.missed_hours}h"
    minute = (job.rhythm.minute + _BETWEEN_MINUTES) % 60
    command = _command(plan, "-q", job.name, *job.options, "--if-older-than", age)
    yield "# and what was missed, when the machine was off"
    yield f"{minute} * * * * root {command}"


def _command(plan: Plan, *arguments: str) -> str:
    # cron makes a line break of a percent sign, whatever quotes it stands in.
    return shlex.join(plan.command(*arguments)).replace("%", "\\%")

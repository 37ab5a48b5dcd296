"""Hooks: the admin's own commands before and after a step.

They get a JSON document on standard input and, of our environment, nothing that could be a secret.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ocsnap import __version__
from ocsnap.commands.document import document
from ocsnap.errors import HookError, OwncloudError
from ocsnap.monitor import Problem
from ocsnap.owncloud.command import DEFAULT_ENVIRONMENT, run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ocsnap.commands.context import Context

_PASSED_ON: Final = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "HOME", "USER", "LOGNAME", "SHELL")
"""Nothing else: settings of ownCloud (`OC_dbpassword`) and keys of S3 may stand in the others."""

_QUOTED_CHARACTERS: Final = 300


class HookPoint(StrEnum):
    """When a hook runs; the keys of the section [hooks]."""

    BEFORE_BACKUP = "before_backup"
    BEFORE_FREEZE = "before_freeze"
    WHILE_FROZEN = "while_frozen"
    AFTER_LIFT = "after_lift"
    AFTER_BACKUP = "after_backup"
    BEFORE_VERIFY = "before_verify"
    AFTER_VERIFY = "after_verify"
    BEFORE_PRUNE = "before_prune"
    AFTER_PRUNE = "after_prune"
    BEFORE_RESTORE = "before_restore"
    AFTER_RESTORE = "after_restore"
    BEFORE_DRILL = "before_drill"
    AFTER_DRILL = "after_drill"
    ON_FAILURE = "on_failure"
    ON_ALARM = "on_alarm"


def demand(context: Context, point: HookPoint, told: Mapping[str, Any] | None = None) -> None:
    """Run the hooks of a point, and do not go on unless all of them succeed.

    Args:
        context: the outside world.
        point: which ones.
        told: what they read besides the point, the host and the time.

    Raises:
        HookError: one failed; those behind it were not run.
    """
    for command in _commands(context, point):
        said = _failure(context, point, command, told or {})
        if said is not None:
            raise HookError(
                f"hooks.{point}: {said}", hint="Mend it, or take it out of the configuration."
            )


def attempt(
    context: Context, point: HookPoint, told: Mapping[str, Any] | None = None
) -> tuple[str, ...]:
    """Run the hooks of a point, all of them, whatever becomes of each.

    Args:
        context: the outside world; its monitor is told of failures.
        point: which ones.
        told: what they read besides the point, the host and the time.

    Returns:
        A sentence for each that failed.
    """
    failures = []
    for command in _commands(context, point):
        said = _failure(context, point, command, told or {})
        if said is not None:
            context.monitor.problem(Problem(f"hooks.{point}", said))
            failures.append(f"hooks.{point}: {said}")
    return tuple(failures)


def _commands(context: Context, point: HookPoint) -> Sequence[tuple[str, ...]]:
    commands: Sequence[tuple[str, ...]] = getattr(context.config.hooks, point.value)
    return commands


def _failure(
    context: Context, point: HookPoint, command: tuple[str, ...], told: Mapping[str, Any]
) -> str | None:
    """Run one hook; return what went wrong, None if nothing did."""
    hooks = context.config.hooks
    frozen = point is HookPoint.WHILE_FROZEN
    seconds = hooks.frozen_timeout_seconds if frozen else hooks.timeout_seconds
    read = {
        "hook": point.value,
        "host": context.host,
        "time": context.clock.now(),
        "program": __version__,
        **told,
    }
    passed = {name: context.environment[name] for name in _PASSED_ON if name in context.environment}
    try:
        outcome = run(
            command,
            what=command[0],
            cwd=Path("/"),
            environment={**DEFAULT_ENVIRONMENT, **passed, "OCSNAP_HOOK": point.value},
            stdin=msgspec.json.encode(document(read)),
            timeout_seconds=seconds,
        )
    except OwncloudError as error:
        return error.message
    if outcome.status == 0:
        return None
    said = (outcome.stderr.strip() or outcome.stdout.strip()).decode("utf-8", "replace")
    return (
        f"{command[0]} ended with status {outcome.status}: "
        f"{said[:_QUOTED_CHARACTERS] or 'it said nothing'}"
    )

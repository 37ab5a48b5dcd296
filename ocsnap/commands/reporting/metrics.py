"""Metrics for Prometheus, in a file that node_exporter's textfile collector reads.

Names and units follow prometheus.io/docs/practices/naming; the format is its text format 0.0.4.
What an earlier run wrote stays until the next one of its kind: a verify does not hide the backup.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from ocsnap.commands.context import state_dir
from ocsnap.commands.reporting.outcome import Operation
from ocsnap.errors import ExitStatus, OcsnapError
from ocsnap.monitor import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from ocsnap.commands.context import Context
    from ocsnap.commands.reporting.outcome import Outcome

_STATE: Final = "metrics.json"
_MODE: Final = 0o644
"""node_exporter runs as another user; there is no secret in it."""


class Metric(NamedTuple):
    """One metric; all of them are gauges.

    Attributes:
        name: its name.
        help: what it means.
        value: finds it in an outcome; None where that does not tell it.
    """

    name: str
    help: str
    value: Callable[[Outcome], float | None]


def _of_report(*path: str) -> Callable[[Outcome], float | None]:
    def find(outcome: Outcome) -> float | None:
        value: Any = outcome.report if outcome.operation is Operation.BACKUP else None
        for name in path:
            value = value.get(name) if isinstance(value, dict) else None
        return len(value) if isinstance(value, list | tuple) else value

    return find


def _is_good(outcome: Outcome) -> bool:
    return outcome.status is ExitStatus.OK


METRICS: Final = (
    Metric(
        "ocsnap_last_run_timestamp_seconds",
        "When the latest run of the operation ended, however it did.",
        lambda outcome: outcome.finished,
    ),
    Metric(
        "ocsnap_last_success_timestamp_seconds",
        "When the latest run with exit status 0 ended.",
        lambda outcome: outcome.finished if _is_good(outcome) else None,
    ),
    Metric(
        "ocsnap_last_run_exit_status",
        "Exit status of the latest run; see docs/exit-statuses.md.",
        lambda outcome: int(outcome.status),
    ),
    Metric(
        "ocsnap_last_run_duration_seconds",
        "How long the latest run took.",
        lambda outcome: outcome.finished - outcome.started,
    ),
    Metric(
        "ocsnap_maintenance_seconds",
        "How long the latest backup locked users out.",
        _of_report("window", "total_seconds"),
    ),
    Metric(
        "ocsnap_source_files",
        "Files and folders that the latest backup saw.",
        _of_report("statistics", "source_files"),
    ),
    Metric(
        "ocsnap_source_bytes",
        "Their sizes.",
        _of_report("statistics", "source_file_bytes"),
    ),
    Metric(
        "ocsnap_new_files",
        "Of these, how many were not in the snapshot before.",
        _of_report("statistics", "new_files"),
    ),
    Metric(
        "ocsnap_changed_files",
        "Files with another content than in the snapshot before.",
        _of_report("statistics", "changed_files"),
    ),
    Metric(
        "ocsnap_deleted_files",
        "Files and folders of the snapshot before that are gone.",
        _of_report("statistics", "deleted_files"),
    ),
    Metric(
        "ocsnap_unreadable_files",
        "Files that are not in the latest snapshot, or not whole.",
        _of_report("statistics", "errors"),
    ),
    Metric(
        "ocsnap_deduplicated_bytes",
        "Content of new and changed files that was stored already.",
        _of_report("statistics", "deduplicated_bytes"),
    ),
    Metric(
        "ocsnap_dump_bytes",
        "Length of the latest database dump.",
        _of_report("dump_bytes"),
    ),
    Metric(
        "ocsnap_put_bytes",
        "Bytes that the latest backup sent to the storage.",
        _of_report("put_bytes"),
    ),
    Metric(
        "ocsnap_repository_bytes",
        "Size of the repository after the latest backup.",
        _of_report("repository_bytes"),
    ),
    Metric(
        "ocsnap_alarms",
        "Alarms that the latest backup raised.",
        _of_report("alarms"),
    ),
    Metric(
        "ocsnap_open_alarms",
        "Snapshots whose alarms nobody has acknowledged.",
        _of_report("open_alarms"),
    ),
)

_Values = dict[str, dict[str, float]]
"""By the metric's name, the latest value of each operation."""


def write_metrics(context: Context, outcome: Outcome) -> None:
    """Write the file, where one is configured.

    Args:
        context: the outside world; its monitor is told if the file cannot be written.
        outcome: how the latest run ended.
    """
    told = {metric.name: metric.value(outcome) for metric in METRICS}
    _update(context, outcome.operation, told)


def write_open_alarms(context: Context, count: int) -> None:
    """Correct one figure between backups, so that whoever acknowledged an alarm has peace.

    Args:
        context: the outside world.
        count: snapshots whose alarms nobody has acknowledged.
    """
    _update(context, Operation.BACKUP, {"ocsnap_open_alarms": count})


def _update(context: Context, operation: Operation, told: Mapping[str, float | None]) -> None:
    target = context.config.metrics.textfile
    if target is None:
        return
    values: _Values = {}
    with _told(context, target):
        values = _known(state_dir(context) / _STATE)
    for name, value in told.items():
        if value is not None:
            values.setdefault(name, {})[operation.value] = value
    with _told(context, target):
        _replace(target, render(values).encode(), _MODE)
    # What watches must be told of a full disk, too: so this comes last.
    with _told(context, target):
        _replace(state_dir(context) / _STATE, msgspec.json.encode(values), 0o600)


@contextmanager
def _told(context: Context, target: Path) -> Iterator[None]:
    """Tell the monitor of what fails in the block."""
    try:
        yield
    except OcsnapError as error:
        context.monitor.problem(Problem("metrics.textfile", error.message))
    except OSError as error:
        reason = f"{error.filename or target} cannot be written: {error.strerror}"
        context.monitor.problem(Problem("metrics.textfile", reason))


def render(values: Mapping[str, Mapping[str, float]]) -> str:
    """Return the text that Prometheus reads.

    Args:
        values: by the metric's name, the value of each operation.
    """
    return "".join(f"{line}\n" for line in _lines(values))


def _lines(values: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    for metric in METRICS:
        samples = values.get(metric.name)
        if not samples:
            continue
        yield f"# HELP {metric.name} {metric.help}"
        yield f"# TYPE {metric.name} gauge"
        for operation, value in sorted(samples.items()):
            number = int(value) if float(value).is_integer() else value
            yield f'{metric.name}{{operation="{operation}"}} {number}'


def _known(state: Path) -> _Values:
    try:
        return msgspec.json.decode(state.read_bytes(), type=_Values)
    except (FileNotFoundError, msgspec.MsgspecError):
        return {}


def _replace(path: Path, content: bytes, mode: int) -> None:
    """Write a file so that a reader finds the old one or the new one; collectors read *.prom."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)  # whatever the umask
            file.write(content)
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise

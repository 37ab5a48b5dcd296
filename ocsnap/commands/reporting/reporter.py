"""Runs something and tells everybody who is configured how it ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar, runtime_checkable

from ocsnap.commands.document import document
from ocsnap.commands.reporting.hooks import HookPoint, attempt
from ocsnap.commands.reporting.metrics import write_metrics
from ocsnap.commands.reporting.notification import notify
from ocsnap.commands.reporting.outcome import Operation, Outcome
from ocsnap.commands.reporting.ping import Ping
from ocsnap.errors import ExitStatus, OcsnapError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ocsnap.commands.context import Context

Result = TypeVar("Result")

_AFTER: Final = {
    Operation.BACKUP: HookPoint.AFTER_BACKUP,
    Operation.VERIFY: HookPoint.AFTER_VERIFY,
    Operation.PRUNE: HookPoint.AFTER_PRUNE,
    Operation.RESTORE: HookPoint.AFTER_RESTORE,
    Operation.DRILL: HookPoint.AFTER_DRILL,
}


@runtime_checkable
class Recorder(Protocol):
    """A monitor that keeps a log for programs."""

    def record(self, event: str, fields: Mapping[str, Any]) -> None:
        """Write an event that is no progress: the begin and the end of a run."""
        ...


@dataclass(frozen=True)
class Told:
    """What a command says of its result.

    Attributes:
        status: what ocsnap should exit with.
        text: what a person should read.
        report: the figures, as `--json` prints them.
        failed_hooks: hooks that failed inside of the run.
    """

    status: ExitStatus
    text: str
    report: dict[str, Any]
    failed_hooks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reported(Generic[Result]):
    """A result that everybody was told of.

    Attributes:
        result: what the command returned.
        status: what ocsnap exits with, failed hooks considered.
    """

    result: Result
    status: ExitStatus


def reported(
    context: Context,
    operation: Operation,
    work: Callable[[], Result],
    describe: Callable[[Result], Told],
) -> Reported[Result]:
    """Run something; whatever becomes of it, hooks, watchers and people are told.

    Nothing of this fails the run: what cannot be sent is a problem for the monitor, and a hook
    that fails afterwards changes the exit status alone.

    Args:
        context: the outside world.
        operation: what is run.
        work: does it.
        describe: puts the result into words.

    Returns:
        The result, and the exit status.

    Raises:
        BaseException: whatever `work` raises.
    """
    run = _Run(context, operation)
    run.begin()
    try:
        result = work()
    except BaseException as error:
        run.end(_failed(error))
        raise
    return Reported(result, run.end(describe(result)))


@dataclass
class _Run:
    context: Context
    operation: Operation

    def begin(self) -> None:
        self._started = self.context.clock.now()
        self._ping = Ping(self.context, self.operation)
        self._record("begin", {"operation": self.operation.value, "host": self.context.host})
        self._ping.start()

    def end(self, told: Told) -> ExitStatus:
        outcome = self._outcome(told, told.status, told.failed_hooks)
        if outcome.is_void:
            self._record("end", outcome.document())
            self._ping.note(f"{outcome.title}\n\n{outcome.text}\n")
            return told.status
        failed = (*told.failed_hooks, *self._run_hooks(outcome))
        status = told.status
        if failed and status is ExitStatus.OK:
            status = ExitStatus.HOOK_FAILED
        outcome = self._outcome(told, status, failed)
        write_metrics(self.context, outcome)
        self._record("end", outcome.document())
        self._ping.end(outcome)
        notify(self.context, outcome)
        return status

    def _run_hooks(self, outcome: Outcome) -> tuple[str, ...]:
        document = outcome.document()
        failed: tuple[str, ...] = ()
        if outcome.report is not None:
            failed += attempt(self.context, _AFTER[self.operation], document)
        if outcome.status is ExitStatus.ALARM:
            failed += attempt(self.context, HookPoint.ON_ALARM, document)
        elif outcome.status is not ExitStatus.OK or failed:
            failed += attempt(self.context, HookPoint.ON_FAILURE, document)
        return failed

    def _outcome(self, told: Told, status: ExitStatus, failed: tuple[str, ...]) -> Outcome:
        return Outcome(
            operation=self.operation,
            host=self.context.host,
            started=self._started,
            finished=self.context.clock.now(),
            status=status,
            # Names from a disk may hold what no mail and no JSON can carry.
            text=str(document("\n".join([*failed, told.text]))),
            report=told.report or None,
            failed_hooks=failed,
        )

    def _record(self, event: str, fields: Mapping[str, Any]) -> None:
        if isinstance(self.context.monitor, Recorder):
            self.context.monitor.record(event, fields)


def _failed(error: BaseException) -> Told:
    if isinstance(error, OcsnapError):
        return Told(error.exit_status, str(error), {})
    if isinstance(error, KeyboardInterrupt):
        return Told(ExitStatus.INTERRUPTED, "Interrupted.", {})
    return Told(ExitStatus.INTERNAL, repr(error), {})

"""Notifications to people, by e-mail, chat or push, through apprise."""

from __future__ import annotations

import logging
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from ocsnap.errors import ExitStatus
from ocsnap.monitor import Problem

if TYPE_CHECKING:
    from pathlib import Path

    from ocsnap.commands.context import Context
    from ocsnap.commands.reporting.outcome import Outcome
    from ocsnap.config.sections import NotifyConfig

LONGEST_BODY: Final = 20_000


def notify(context: Context, outcome: Outcome) -> None:
    """Tell people how a run ended, if they want to know.

    Args:
        context: the outside world; its monitor is told of what could not be sent.
        outcome: how it ended.
    """
    if _is_wanted(context.config.notify, outcome.status):
        for reason in send(context, outcome.title, outcome.text, failed=outcome.status != 0):
            context.monitor.problem(Problem("notify", reason))


def send(context: Context, title: str, text: str, *, failed: bool) -> list[str]:
    """Send a message to everybody who is configured.

    Args:
        context: the outside world.
        title: its subject.
        text: its body.
        failed: whether it is bad news, which some services show in red.

    Returns:
        A sentence for each receiver that did not get it; none of them holds a URL, since there are
        passwords in those.
    """
    urls, obstacle = _receivers(context.config.notify)
    if obstacle is not None:
        return [obstacle]
    if not urls:
        return []
    import apprise  # noqa: PLC0415 - optional, and it takes a while to load

    # It would write to standard error, whole URLs among it.
    logging.getLogger("apprise").addHandler(logging.NullHandler())
    logging.getLogger("apprise").propagate = False
    kind = apprise.NotifyType.FAILURE if failed else apprise.NotifyType.SUCCESS
    failures = []
    for number, url in enumerate(urls, 1):
        name = f"Receiver {number} of {len(urls)} ({url.partition(':')[0]})"
        receiver = apprise.Apprise()
        if not receiver.add(url):
            failures.append(f"{name}: apprise does not understand its URL.")
        elif not _is_sent(receiver, title, text[:LONGEST_BODY], kind):
            failures.append(f"{name}: the message was not taken.")
    return failures


def receivers(config: NotifyConfig) -> int:
    """Return how many receivers are configured; those of a file that cannot be read are none."""
    return len(_receivers(config)[0])


def obstacle_of(config: NotifyConfig) -> str | None:
    """Return a sentence on why no message can be sent, whatever the receivers say; None: it can."""
    return _receivers(config)[1]


def _receivers(config: NotifyConfig) -> tuple[list[str], str | None]:
    """Return the URLs of all, and why none of them can be told."""
    try:
        urls = _urls(config)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        return [], f"notify.urls_file: cannot be read: {reason}."
    if urls and find_spec("apprise") is None:
        return urls, "The Python package apprise is not installed: see docs/packages.md."
    return urls, None


def _is_sent(receiver: Any, title: str, text: str, kind: Any) -> bool:  # noqa: ANN401 - apprise has no types
    import apprise  # noqa: PLC0415 - as above

    try:
        return bool(
            receiver.notify(
                body=text, title=title, notify_type=kind, body_format=apprise.NotifyFormat.TEXT
            )
        )
    except Exception:  # noqa: BLE001 - a hundred plugins of others; none may end a backup
        return False


def _is_wanted(config: NotifyConfig, status: ExitStatus) -> bool:
    if config.on == "always":
        return True
    return status is ExitStatus.ALARM if config.on == "alarm" else status is not ExitStatus.OK


def _urls(config: NotifyConfig) -> list[str]:
    return [*config.urls, *(_lines(config.urls_file) if config.urls_file else ())]


def _lines(file: Path) -> list[str]:
    lines = (line.strip() for line in file.read_text("utf-8").splitlines())
    return [line for line in lines if line and not line.startswith("#")]

"""`ocsnap notify`: does a message arrive, before one must?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ocsnap.commands.reporting.notification import receivers, send
from ocsnap.commands.reporting.outcome import Operation
from ocsnap.commands.reporting.ping import Ping
from ocsnap.errors import ConfigError

if TYPE_CHECKING:
    from ocsnap.commands.context import Context


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it.

    Attributes:
        receivers: how many receivers of messages are configured.
        watchers: keys of the watchers that were told.
        failures: a sentence for each that could not be told.
    """

    receivers: int
    watchers: tuple[str, ...]
    failures: tuple[str, ...]


def trial(context: Context) -> Trial:
    """Send a message to every receiver, and tell every watcher something that changes nothing.

    Args:
        context: the outside world.

    Returns:
        What came of it.

    Raises:
        ConfigError: nobody is configured.
    """
    known = [each for each in Operation if getattr(context.config.ping, each.value) is not None]
    notify = context.config.notify
    if not known and not notify.urls and notify.urls_file is None:
        raise ConfigError("Nobody is to be told anything.", hint="See [notify] and [ping].")
    title = f"ocsnap on {context.host}: a test"
    text = "This is a test: nothing happened. So messages of ocsnap arrive here."
    failures = send(context, title, text, failed=False)
    for operation in known:
        reason = Ping(context, operation).note(f"{title}\n\n{text}\n")
        failures += [f"ping.{operation.value}: {reason}"] if reason else []
    return Trial(
        receivers=receivers(notify),
        watchers=tuple(f"ping.{operation.value}" for operation in known),
        failures=tuple(failures),
    )

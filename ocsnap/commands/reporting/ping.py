"""Pings: a watcher elsewhere notices when backups fail, and also when they do not come at all.

The URLs are those of healthchecks.io and of whatever speaks its language: `<url>/start` at the
beginning, `<url>/<exit status>` at the end, the report as the body (healthchecks.io/docs/http_api).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from ocsnap.monitor import Problem

if TYPE_CHECKING:
    from ocsnap.commands.context import Context
    from ocsnap.commands.reporting.outcome import Operation, Outcome

ATTEMPTS: Final = 3
TIME_OUT_SECONDS: Final = 10.0
LONGEST_BODY_BYTES: Final = 100_000
"""What healthchecks.io keeps of a body."""

_PAUSE_SECONDS: Final = 1.0
_NOTE: Final = "log"
"""Healthchecks' endpoint that notes something and changes nothing."""


class Ping:
    """Tells one watcher of one run."""

    def __init__(self, context: Context, operation: Operation) -> None:
        """Find the URL in the section [ping].

        Args:
            context: the outside world.
            operation: what is run.
        """
        self._context = context
        self._key = f"ping.{operation.value}"
        self._place: str | None = getattr(context.config.ping, operation.value)
        # So the watcher can tell runs apart that overlap.
        self._run = f"{context.random.getrandbits(128):032x}"

    def start(self) -> None:
        """Tell that the run begins."""
        self._tell("start", "", attempts=1)  # the end matters more, and nothing shall wait here

    def end(self, outcome: Outcome) -> None:
        """Tell how it ended.

        Args:
            outcome: how.
        """
        body = f"{outcome.title}\n\n{outcome.text}\n"
        self._tell(str(int(outcome.status)), body, attempts=ATTEMPTS)

    def note(self, body: str) -> str | None:
        """Tell something that changes nothing.

        Args:
            body: what.

        Returns:
            Why it did not arrive; None if it did, or there is no watcher.
        """
        return self._send(_NOTE, body, attempts=ATTEMPTS)

    def _tell(self, ending: str, body: str, *, attempts: int) -> None:
        reason = self._send(ending, body, attempts=attempts)
        if reason is not None:
            self._context.monitor.problem(Problem(self._key, reason))

    def _send(self, ending: str, body: str, *, attempts: int) -> str | None:
        """Send it; return why that failed, None if it did not."""
        if self._place is None:
            return None
        # It takes longer to import than all else that a run without a watcher does here.
        import urllib.error  # noqa: PLC0415 - as above
        import urllib.request  # noqa: PLC0415 - as above

        try:
            url = _url(self._place)
            request = urllib.request.Request(  # noqa: S310 - the scheme is checked
                _completed(url, ending, self._run),
                data=body.encode("utf-8", "replace")[:LONGEST_BODY_BYTES],
                headers={"User-Agent": "ocsnap", "Content-Type": "text/plain; charset=utf-8"},
            )
        except (OSError, ValueError) as error:
            return f"{self._place if self._place.startswith('/') else 'the URL'}: {error}"
        for left in reversed(range(attempts)):
            try:
                with urllib.request.urlopen(request, timeout=TIME_OUT_SECONDS):  # noqa: S310 - as above
                    return None
            except urllib.error.HTTPError as error:
                error.close()
                said = f"HTTP status {error.code}"
                if error.code < 500 and error.code != 429:
                    left = 0  # noqa: PLW2901 - it will not get better
            except (OSError, ValueError) as error:
                said = str(getattr(error, "reason", error))
            if not left:
                break
            self._context.clock.sleep(_PAUSE_SECONDS)
        return f"{urlsplit(url).hostname} did not take it: {said}"


def _url(place: str) -> str:
    """Return the URL, read from a file where a file is named: it is a secret of a kind."""
    url = place
    if place.startswith("/"):
        url = Path(place).read_text("utf-8").partition("\n")[0].strip()
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise ValueError("it names no http or https URL")
    return url


def _completed(url: str, ending: str, run: str) -> str:
    parts = urlsplit(url)
    query = f"{parts.query}&rid={run}" if parts.query else f"rid={run}"
    return parts._replace(
        path=f"{parts.path.rstrip('/')}/{ending}", query=query, fragment=""
    ).geturl()

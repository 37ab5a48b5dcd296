"""Proves that ownCloud stands still, and waits for what had begun before it was frozen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ocsnap.errors import OwncloudError
from ocsnap.owncloud.config_php import overlays, read_config_php
from ocsnap.owncloud.cron import running_crons
from ocsnap.owncloud.opcode_cache import OpcodeCache
from ocsnap.owncloud.php_value import truth

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ocsnap.clock import Clock
    from ocsnap.monitor import Monitor
    from ocsnap.owncloud.instance import Instance
    from ocsnap.owncloud.occ import Occ
    from ocsnap.owncloud.web_server import WebServer

_POLL_SECONDS: Final = 0.25
_LONG_SECONDS: Final = 10


@dataclass(frozen=True)
class Standstill:
    """One ownCloud that shall stand still.

    Attributes:
        instance: the ownCloud.
        occ: how occ is called.
        clock: measures and waits.
        monitor: is told of everything unusual.
        web: the ownCloud's address, asked too where it is known.
        open_locks: names the uploads that go on at this moment.
    """

    instance: Instance
    occ: Occ
    clock: Clock
    monitor: Monitor
    web: WebServer | None
    open_locks: Callable[[], Sequence[str]]

    def opcode_cache(self) -> OpcodeCache:
        """Look at PHP's settings, and say what is wrong with them, before anything is frozen.

        Returns:
            What is known of PHP's opcode caches.
        """
        cache = OpcodeCache.find(self.instance.root)
        if cache.blind and self.web is None:
            names = ", ".join(str(path) for path in cache.blind)
            self.monitor.note(
                f"{names}: opcache.validate_timestamps is off, so maintenance mode may act only"
                " after PHP has been restarted. Set owncloud.url: then ocsnap sees whether it acts."
            )
        if cache.revalidate_seconds > _LONG_SECONDS:
            self.monitor.note(
                f"opcache.revalidate_freq is {cache.revalidate_seconds} seconds: ownCloud is frozen"
                " as long as that before a backup can go on. Set a smaller one in PHP's settings."
            )
        return cache

    def prove_on(self) -> None:
        """Ask occ and PHP whether maintenance mode is really on.

        Raises:
            OwncloudError: something defeats it.
        """
        environment = self.occ.environment
        settings = read_config_php(
            self.instance.root, php=self.instance.php, environment=environment
        )
        if self.occ.maintenance() and truth(settings.get("maintenance")):
            return
        guilty = [
            path.name
            for path in overlays(self.instance.config_path)
            if b"maintenance" in path.read_bytes()
        ]
        what = f"config/{guilty[-1]}" if guilty else "an environment variable OC_maintenance"
        raise OwncloudError(
            f"Maintenance mode cannot be turned on: {what} seems to override it.",
            hint="Take the setting `maintenance` out of there.",
        )

    def prove_over_the_web(self, seconds: float) -> None:
        """Ask the web server until it turns users away.

        Args:
            seconds: how long it may take.

        Raises:
            OwncloudError: it still lets them in.
        """
        if self.web is None:
            return
        deadline = self.clock.monotonic() + seconds
        failure = "its status.php or its WebDAV still let users in"
        while True:
            try:
                if self.web.in_maintenance():
                    return
            except OwncloudError as error:
                failure = error.message.rstrip(".")
            if self.clock.monotonic() >= deadline:
                raise OwncloudError(
                    f"The web server does not notice maintenance mode: {failure}.",
                    hint="Is owncloud.url this very ownCloud, is opcache.validate_timestamps on"
                    " and opcache.revalidate_freq small?",
                )
            self.clock.sleep(_POLL_SECONDS)

    def drain(self, seconds: float) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Wait for uploads and background jobs that had begun before: they go on nevertheless.

        Args:
            seconds: how long to wait at most.

        Returns:
            The keys of uploads' locks and the names of background jobs that are still there.
        """
        deadline = self.clock.monotonic() + seconds
        while True:
            uploads, crons = tuple(self.open_locks()), running_crons(self.instance.root)
            if not (uploads or crons):
                break
            if self.clock.monotonic() >= deadline:
                what = [f"{len(uploads)} uploads"] if uploads else []
                self.monitor.note(
                    f"{' and '.join([*what, *crons])} had not ended after {seconds:g} seconds;"
                    " the backup goes on without them."
                )
                break
            self.clock.sleep(_POLL_SECONDS)
        return uploads, crons

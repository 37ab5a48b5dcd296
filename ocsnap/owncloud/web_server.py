"""Asks ownCloud over the web whether it is frozen: PHP's opcode cache lags behind config.php."""

from __future__ import annotations

import json
from http import HTTPStatus
from urllib.parse import urlsplit

from ocsnap.errors import OwncloudError

_MAX_ANSWER_BYTES = 100_000


class WebServer:
    """One ownCloud's address."""

    def __init__(self, url: str, *, timeout_seconds: float = 10.0) -> None:
        """Check the address; nothing is asked yet.

        Args:
            url: what users type, with or without a slash at the end.
            timeout_seconds: how long one answer may take.

        Raises:
            OwncloudError: it is no web address.
        """
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.netloc:
            raise OwncloudError(f"owncloud.url: {url!r} is no web address.")
        self._base = url.rstrip("/")
        self._timeout_seconds = timeout_seconds
        # Most have no URL configured, and this import takes longer than reading config.php.
        import urllib.request  # noqa: PLC0415 - see above

        # The empty handler keeps proxies of the environment out of the way.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def in_maintenance(self) -> bool:
        """Return whether status.php says so and WebDAV really turns clients away.

        Raises:
            OwncloudError: the server does not answer, or not as an ownCloud does.
        """
        status, body = self._get("/status.php")
        try:
            answer = json.loads(body)
            says_so = answer["maintenance"] in {True, "true"}
        except (ValueError, KeyError, TypeError):
            raise OwncloudError(
                f"{self._base}/status.php: answers {status}, but not as ownCloud does.",
                hint="Is owncloud.url the address that users type?",
            ) from None
        if not says_so:
            return False
        status, _ = self._get("/remote.php/webdav/")
        return status == HTTPStatus.SERVICE_UNAVAILABLE

    def _get(self, path: str) -> tuple[int, bytes]:
        import urllib.error  # noqa: PLC0415 - see the constructor
        import urllib.request  # noqa: PLC0415 - see the constructor

        request = urllib.request.Request(  # noqa: S310 - the scheme is checked above
            self._base + path, headers={"User-Agent": "ocsnap", "Cache-Control": "no-cache"}
        )
        try:
            with self._opener.open(request, timeout=self._timeout_seconds) as answer:
                return answer.status, answer.read(_MAX_ANSWER_BYTES)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read(_MAX_ANSWER_BYTES)
        except OSError as error:
            reason = getattr(error, "reason", error)
            raise OwncloudError(
                f"{self._base}{path}: cannot be asked: {reason}.",
                hint="Correct owncloud.url, or leave it out to trust occ alone.",
            ) from error

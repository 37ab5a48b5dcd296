"""A line to a real S3 server on which things go wrong as planned: it damages, cuts, or answers
for the server what the server itself cannot be brought to say.

It passes requests on byte for byte, `Host` included, so that signatures hold.
"""

from __future__ import annotations

import http.client
import socket
import struct
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


RESET = -1
"""Stands for a status: the answer begins well, and the connection is reset."""

Forward: TypeAlias = "Callable[[Request], Answer]"
Happening: TypeAlias = "Callable[[Request, Forward], Answer | None]"
"""Gets a request and what passes it on, returns the answer; None: the line breaks."""


@dataclass
class RoughLine:
    """What happens to the next requests: each entry of `plan` is used up by one request.

    `resets` are methods and parts of paths: each one resets the connection of the next request of
    that kind when half of its body has come.
    """

    endpoint: str = ""
    resets: list[tuple[str, str]] = field(default_factory=list)
    plan: list[Happening] = field(default_factory=list)
    seen: list[Request] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def resets_next(self, method: str, path: str) -> bool:
        """Return whether this request's connection is to be reset, and use that up."""
        with self._lock:
            for kind in self.resets:
                if kind[0] == method and kind[1] in path:
                    self.resets.remove(kind)
                    return True
        return False


def smooth(request: Request, forward: Forward) -> Answer | None:
    return forward(request)


def damaged(request: Request, forward: Forward) -> Answer | None:
    body = bytes([request.body[0] ^ 1]) + request.body[1:]
    return forward(Request(request.method, request.path, request.headers, body))


def broken(request: Request, forward: Forward) -> Answer | None:
    return None


def answer_lost(request: Request, forward: Forward) -> Answer | None:
    forward(request)
    return None


def cut_short(request: Request, forward: Forward) -> Answer | None:
    """Promise the whole body, and send half of it."""
    answer = forward(request)
    return Answer(answer.status, answer.headers, answer.body[: len(answer.body) // 2])


def reset_amid(request: Request, forward: Forward) -> Answer | None:
    """Break off with a reset after half of the body."""
    answer = forward(request)
    return Answer(RESET, answer.headers, answer.body[: len(answer.body) // 2])


def damaged_answer(request: Request, forward: Forward) -> Answer | None:
    answer = forward(request)
    middle = len(answer.body) // 2
    flipped = bytes([answer.body[middle] ^ 1]) if answer.body else b""
    body = answer.body[:middle] + flipped + answer.body[middle + 1 :]
    return Answer(answer.status, answer.headers, body)


def too_slow(request: Request, forward: Forward) -> Answer | None:
    time.sleep(1.0)
    return None


def refused(status: int, code: str, more: str = "") -> Happening:
    """Answer as S3 does when something is wrong."""

    def refuse(request: Request, forward: Forward) -> Answer | None:
        body = f"<Error><Code>{code}</Code><Message>Said so.</Message>{more}</Error>".encode()
        body = b"" if request.method == "HEAD" else body
        return Answer(
            status, (("Content-Type", "application/xml"), ("Content-Length", str(len(body)))), body
        )

    return refuse


def said(status: int, body: bytes) -> Happening:
    """Answer with any body."""

    def say(request: Request, forward: Forward) -> Answer | None:
        return Answer(status, (("Content-Length", str(len(body))),), body)

    return say


def _send(handler: BaseHTTPRequestHandler, answer: Answer) -> None:
    reset = answer.status == RESET
    handler.send_response_only(200 if reset else answer.status)
    for name, value in answer.headers:
        if name.lower() not in {"transfer-encoding", "connection"}:
            handler.send_header(name, value)
    handler.send_header("Connection", "close")
    handler.end_headers()
    handler.wfile.write(answer.body)
    handler.wfile.flush()
    if reset:
        _reset(handler.connection)


def _reset(connection: socket.socket) -> None:
    # socket(7), SO_LINGER: closing with a time of 0 sends a reset.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@contextmanager
def rough_line(server_endpoint: str) -> Iterator[RoughLine]:
    """Run a line to the server at `server_endpoint`; it is smooth where nothing is planned."""
    line = RoughLine()
    target = urlsplit(server_endpoint)
    lock = threading.Lock()

    def forward(request: Request) -> Answer:
        connection = http.client.HTTPConnection(target.hostname or "", target.port, timeout=20)
        try:
            connection.putrequest(
                request.method, request.path, skip_host=True, skip_accept_encoding=True
            )
            for name, value in request.headers.items():
                if name.lower() not in {"expect", "connection"}:
                    connection.putheader(name, value)
            connection.endheaders(request.body)
            answer = connection.getresponse()
            return Answer(answer.status, tuple(answer.getheaders()), answer.read())
        finally:
            connection.close()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_request(self) -> None:
            self.close_connection = True
            length = int(self.headers.get("Content-Length", 0))
            if line.resets_next(self.command, self.path):
                self.rfile.read(length // 2)
                _reset(self.connection)
                return
            body = self.rfile.read(length)
            request = Request(self.command, self.path, dict(self.headers.items()), body)
            with lock:
                line.seen.append(request)
                happen = line.plan.pop(0) if line.plan else smooth
            answer = happen(request, forward)
            if answer is None:
                return
            _send(self, answer)

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = handle_request  # noqa: N815 # named by http.server

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 # its own name
            """Say nothing."""

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.daemon_threads = False
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    line.endpoint = f"http://127.0.0.1:{httpd.server_address[1]}"
    try:
        yield line
    finally:
        httpd.shutdown()
        httpd.server_close()
        thread.join()

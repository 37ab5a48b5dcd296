"""A line to a server that lets through only so many bytes a second, as an upload at home does."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_PIECE_BYTES = 16_384


@contextmanager
def slow_line(host: str, port: int, *, bytes_per_second: int) -> Iterator[int]:
    """Pass connections on to a server; what clients send goes slowly, answers go at once.

    Args:
        host: the server's address.
        port: the server's port.
        bytes_per_second: of all connections together.

    Yields:
        The port on 127.0.0.1 to connect to instead.
    """
    line = _Line(bytes_per_second)
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        threading.Thread(target=_accept, args=(listener, host, port, line), daemon=True).start()
        yield listener.getsockname()[1]


class _Line:
    def __init__(self, bytes_per_second: int) -> None:
        self._lock = threading.Lock()
        self._bytes_per_second = bytes_per_second
        self._free_at = 0.0

    def wait(self, size_bytes: int) -> None:
        """Wait until so many bytes are through."""
        with self._lock:
            begins = max(self._free_at, time.monotonic())
            self._free_at = begins + size_bytes / self._bytes_per_second
            wait_seconds = self._free_at - time.monotonic()
        time.sleep(max(wait_seconds, 0))


def _accept(listener: socket.socket, host: str, port: int, line: _Line) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return  # closed: the benchmark is at its end
        server = socket.create_connection((host, port))
        for source, target, slow in ((client, server, line), (server, client, None)):
            threading.Thread(target=_pump, args=(source, target, slow), daemon=True).start()


def _pump(source: socket.socket, target: socket.socket, line: _Line | None) -> None:
    try:
        while piece := source.recv(_PIECE_BYTES):
            if line is not None:
                line.wait(len(piece))
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        # One side hung up; the other has to know.
        source.close()
        target.close()

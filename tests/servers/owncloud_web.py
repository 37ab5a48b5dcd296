"""The web server of the stand-in ownCloud: PHP's own, with a real opcode cache where wanted."""

from __future__ import annotations

import socket
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.servers.database_server import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_START_SECONDS = 15.0


@contextmanager
def running_web(root: Path, *, opcache_seconds: int | None = None) -> Iterator[str]:
    """Serve an ownCloud on 127.0.0.1.

    Args:
        root: ownCloud's folder.
        opcache_seconds: after how many seconds the opcode cache looks at files again; None: no
            cache. It takes in only files that are older than two seconds, as everywhere.

    Yields:
        Its address.
    """
    port = free_port()
    enabled = int(opcache_seconds is not None)
    command = (
        *("php", "-d", f"opcache.enable_cli={enabled}", "-d", f"opcache.enable={enabled}"),
        *("-d", f"opcache.revalidate_freq={opcache_seconds or 0}"),
        *("-S", f"127.0.0.1:{port}", "-t", str(root)),
    )
    with (root.parent / "web.log").open("ab") as log:
        process = subprocess.Popen(command, cwd=root, stdout=log, stderr=log)
    try:
        _wait(port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("PHP's web server does not start")

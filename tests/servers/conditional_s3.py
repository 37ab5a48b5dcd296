"""A real S3 server on loopback that knows conditional puts: moto's, in a process of its own.

`rclone serve s3` takes the condition and overwrites all the same; this one answers as Amazon does.
"""

from __future__ import annotations

import secrets
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.servers.s3 import S3Server

if TYPE_CHECKING:
    from collections.abc import Iterator

START_TIMEOUT_SECONDS = 60


@contextmanager
def running_conditional_s3(folder: Path) -> Iterator[S3Server]:
    """Run a server that keeps everything in memory; it takes any key."""
    ready = folder / "port"
    log = folder / "moto.log"
    command = [sys.executable, "-m", "tests.servers.conditional_s3", str(ready)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=Path(__file__).parents[2],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        endpoint = f"http://127.0.0.1:{_port(process, ready, log)}"
        key = secrets.token_hex(10), secrets.token_hex(20)
        # The one region whose buckets need not name it.
        yield S3Server(endpoint, *key, folder, region="us-east-1")
    finally:
        process.kill()
        process.wait()


def _port(process: subprocess.Popen[bytes], ready: Path, log: Path) -> int:
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if ready.exists():
            return int(ready.read_text())
        time.sleep(0.02)
    raise RuntimeError(f"moto did not start: {log.read_text()}")


def serve(ready: Path) -> None:
    """Serve one request after the other, so that a condition and its put are one step."""
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    server = make_server("127.0.0.1", 0, DomainDispatcherApplication(create_backend_app))
    written = ready.with_suffix(".new")
    written.write_text(str(server.server_port))
    written.rename(ready)
    server.serve_forever()


if __name__ == "__main__":
    serve(Path(sys.argv[1]))

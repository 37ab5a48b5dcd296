"""Debian's MariaDB server, started by a test in a folder of its own."""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.servers.database_server import DatabaseServer, environment, running_server, user_option

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

__all__ = ["DatabaseServer", "running_mariadb"]


@contextmanager
def running_mariadb(folder: Path, options: Sequence[str] = ()) -> Iterator[DatabaseServer]:
    """Make a data folder in `folder`, start MariaDB on it, and end it afterwards."""
    data = folder / "data"
    subprocess.run(
        [
            "mariadb-install-db",
            "--no-defaults",
            f"--datadir={data}",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            "--skip-name-resolve",
            *user_option(),
        ],
        env=environment(folder),
        check=True,
        capture_output=True,
    )
    command = ["/usr/sbin/mariadbd", "--no-defaults", f"--datadir={data}", *options]
    with running_server(command, kind="mariadb", folder=folder) as server:
        yield server

"""A database server that a test started: how to reach it, and how it is started and ended."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pymysql

from ocsnap.database.settings import DatabaseSettings
from tests.servers.owncloud_database import MysqlLogin

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

START_SECONDS = 60.0
STOP_SECONDS = 30.0

OPTIONS = (
    "--skip-name-resolve",
    "--bind-address=127.0.0.1",
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-fast-shutdown=2",
    "--innodb-buffer-pool-size=128M",
    "--sync-binlog=0",
    "--character-set-server=utf8mb4",
    "--log-bin-trust-function-creators=1",
    "--max-allowed-packet=16M",
)


@dataclass(frozen=True)
class DatabaseServer:
    """A running server.

    Attributes:
        kind: "mariadb" or "mysql".
        socket: its unix socket.
        port: its port on 127.0.0.1.
        user: an account that may do everything.
        password: the password of that account.
        process: the server's process id.
    """

    kind: str
    socket: Path
    port: int
    user: str
    password: str = field(repr=False)
    process: int

    def connect(self, database: str | None = None, **options: object) -> pymysql.Connection[Any]:
        """Open a connection of its own, in autocommit mode."""
        usual: dict[str, Any] = {"charset": "utf8mb4", "autocommit": True, "ssl_disabled": True}
        return pymysql.connect(
            unix_socket=str(self.socket),
            user=self.user,
            password=self.password,
            database=database,
            **(usual | options),
        )

    def run(self, database: str | None, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements one after the other; return the rows of the last one."""
        with self.connect(database) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall())

    def new_database(self, charset: str = "utf8mb4", collation: str | None = None) -> str:
        """Create an empty database under a name nobody else uses."""
        name = f"oc_{secrets.token_hex(6)}"
        collate = f" COLLATE {collation}" if collation else ""
        self.run(None, f"CREATE DATABASE `{name}` CHARACTER SET {charset}{collate}")
        return name

    def databases(self, prefix: str = "") -> list[str]:
        """Return the names of all databases that begin with `prefix`."""
        return [row[0] for row in self.run(None, "SHOW DATABASES") if row[0].startswith(prefix)]

    def settings(self, name: str, **changes: object) -> DatabaseSettings:
        """Return what ocsnap needs to reach the database `name`."""
        values: dict[str, Any] = {
            "kind": "mysql",
            "name": name,
            "socket": self.socket,
            "user": self.user,
            "password": self.password,
        }
        return DatabaseSettings(**(values | changes))

    def login(self, name: str, *, tcp: bool = False) -> MysqlLogin:
        """Return what ownCloud needs to reach the database `name`, by its socket or by TCP."""
        socket = None if tcp else self.socket
        return MysqlLogin(name, self.user, self.password, port=self.port, socket=socket)


def user_option() -> list[str]:
    """Return the option that lets a server run as the present user, root included."""
    return ["--user=root"] if os.geteuid() == 0 else []


def environment(folder: Path) -> dict[str, str]:
    """Return the environment of a server: with a folder of its own for temporary files.

    MariaDB deletes all temporary tables that it finds when it starts, those of the servers beside
    it in /tmp too.
    """
    own = folder / "tmp"
    own.mkdir(exist_ok=True)
    return {**os.environ, "TMPDIR": str(own)}


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running_server(command: Sequence[str], *, kind: str, folder: Path) -> Iterator[DatabaseServer]:
    """Start a server on a data folder that is made already and end it afterwards.

    Args:
        command: the program and the options it needs beside those every server gets.
        kind: "mariadb" or "mysql".
        folder: where its log goes.
    """
    # A unix socket's path may have 107 bytes at most; pytest's folders are longer at times.
    socket_folder = Path(tempfile.mkdtemp(prefix="oc-"))
    port = free_port()
    arguments = [
        *command,
        *OPTIONS,
        *user_option(),
        f"--socket={socket_folder / 's'}",
        f"--port={port}",
        f"--pid-file={folder / 'pid'}",
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            arguments,
            env=environment(folder),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        server = _first_server(kind, socket_folder / "s", port, process.pid)
        _wait_until_ready(server, process, folder / "log")
        yield _with_password(server)
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        shutil.rmtree(socket_folder)


def _first_server(kind: str, path: Path, port: int, process: int) -> DatabaseServer:
    return DatabaseServer(kind, path, port, user="root", password="", process=process)


def _wait_until_ready(server: DatabaseServer, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while True:
        try:
            with socket.socket(socket.AF_UNIX) as probe:
                probe.connect(str(server.socket))
            server.connect().close()
        except (OSError, pymysql.err.OperationalError) as error:
            if process.poll() is not None or time.monotonic() > end:
                text = log.read_text(errors="replace")[-3000:]
                raise RuntimeError(
                    f"the database server does not start: {error}\n{text}"
                ) from error
            time.sleep(0.05)
        else:
            return


def _with_password(server: DatabaseServer) -> DatabaseServer:
    password = secrets.token_urlsafe(12)
    server.run(
        None,
        "DELETE FROM mysql.user WHERE User = ''",
        "FLUSH PRIVILEGES",
        "CREATE USER 'admin'@'localhost' IDENTIFIED BY '" + password + "'",
        "CREATE USER 'admin'@'127.0.0.1' IDENTIFIED BY '" + password + "'",
        "GRANT ALL PRIVILEGES ON *.* TO 'admin'@'localhost' WITH GRANT OPTION",
        "GRANT ALL PRIVILEGES ON *.* TO 'admin'@'127.0.0.1' WITH GRANT OPTION",
    )
    return DatabaseServer(
        server.kind,
        server.socket,
        server.port,
        user="admin",
        password=password,
        process=server.process,
    )

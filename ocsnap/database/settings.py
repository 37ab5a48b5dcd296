"""How to reach a database: the outcome of config.php and of the overrides in ocsnap's file."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path  # noqa: TC003 - msgspec reads the types when a restore is written down
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class DatabaseSettings:
    """Where a database is and how to log in.

    Attributes:
        kind: the kind of server.
        name: name of the database; for sqlite3 the path of its file.
        host: host name or address; None or "localhost" without a port: the usual unix sockets
            of this machine are tried first, as PHP does.
        port: TCP port; None: 3306.
        socket: path of the server's unix socket; wins over host and port.
        user: account to log in as.
        password: its password; never shown.
        table_prefix: what the names of ownCloud's tables begin with.
        allow_old_tls: accept TLS 1.0 and its ciphers (MySQL 5.5 knows nothing better).
        tls_ca: certificates that the server's must be signed by; None: TLS without proof of who
            answers, as MySQL's own clients do.
        sessions: how many sessions read, or load, at once.
    """

    kind: Literal["mysql", "sqlite3"]
    name: str
    host: str | None = None
    port: int | None = None
    socket: Path | None = None
    user: str = ""
    password: str = field(default="", repr=False)
    table_prefix: str = "oc_"
    allow_old_tls: bool = False
    tls_ca: Path | None = None
    sessions: int = 1

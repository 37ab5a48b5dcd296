"""Connections: by socket, loopback or network, with the TLS that each of them needs."""

from __future__ import annotations

import socket
import ssl
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pymysql
from pymysql import converters

from ocsnap.database.mysql.failures import refused_connection, unreachable

if TYPE_CHECKING:
    from ocsnap.database.settings import DatabaseSettings

DEFAULT_PORT = 3306
CONNECT_SECONDS = 15
QUERY_SECONDS = 300

# Where Debian, Red Hat and MySQL's own packages put it; PHP's "localhost" means such a socket.
USUAL_SOCKETS = (
    Path("/run/mysqld/mysqld.sock"),
    Path("/var/run/mysqld/mysqld.sock"),
    Path("/var/lib/mysql/mysql.sock"),
    Path("/tmp/mysql.sock"),  # noqa: S108 - MySQL's compiled-in default, only ever connected to
)


def connect(
    settings: DatabaseSettings, *, database: str | None, raw: bool
) -> pymysql.Connection[Any]:
    """Open a connection, in autocommit mode, with names and text in utf8mb4.

    Args:
        settings: where to go and how to log in.
        database: the database to use; None: none.
        raw: all values as the server sent them, as bytes, and no limit on the time an answer may
            take; else Python's types.

    Returns:
        The open connection.

    Raises:
        DatabaseError: the server is out of reach, or rejects the account or the database.
    """
    where = _place(settings)
    options: dict[str, Any] = {
        "user": settings.user,
        # As bytes, since PyMySQL takes text for latin1.
        "password": settings.password.encode(),
        "database": database,
        "charset": "utf8mb4",
        "autocommit": True,
        "use_unicode": not raw,
        # Only names the certificate that TLS expects: the socket is connected already.
        "host": where[0] if isinstance(where, tuple) else "localhost",
    }
    if raw:
        options["conv"] = converters.encoders
    else:
        options["read_timeout"] = QUERY_SECONDS
    place = where if isinstance(where, str) else f"{where[0]}:{where[1]}"
    try:
        return _open(where, options, settings)
    except pymysql.err.MySQLError as error:
        raise refused_connection(error, settings, place) from error
    except OSError as error:
        raise unreachable(error, place) from error


def _open(
    where: str | tuple[str, int], options: dict[str, Any], settings: DatabaseSettings
) -> pymysql.Connection[Any]:
    if isinstance(where, str) or _is_loopback(where[0]):
        try:
            return _log_in(where, options, {"ssl_disabled": True}, None)
        except RuntimeError:
            # MySQL 8's caching_sha2_password wants a secure channel for its first login; PyMySQL
            # says so with a RuntimeError where the package cryptography is not installed.
            return _log_in(where, options, {}, None)
    if settings.tls_ca is not None:
        return _log_in(where, options, {"ssl": _tls_context(settings)}, None)
    # Given as an argument a context would make TLS obligatory; a server without any is fine here.
    return _log_in(where, options, {}, _tls_context(settings) if settings.allow_old_tls else None)


def _log_in(
    where: str | tuple[str, int],
    options: dict[str, Any],
    tls: dict[str, Any],
    context: ssl.SSLContext | None,
) -> pymysql.Connection[Any]:
    connection: Any = pymysql.Connection(**options, **tls, defer_connect=True)
    if context is not None:
        connection.ctx = context
    # PyMySQL leaves its socket open when nobody answers, so it is handed one that is connected.
    channel = _channel(where)
    if isinstance(where, str):
        connection._secure = True  # noqa: SLF001 - what PyMySQL sets for its own unix sockets
    connection.connect(channel)
    opened: pymysql.Connection[Any] = connection
    return opened


def _channel(where: str | tuple[str, int]) -> socket.socket:
    if not isinstance(where, str):
        channel = socket.create_connection(where, CONNECT_SECONDS)
        channel.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        channel.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        return channel
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        channel.settimeout(CONNECT_SECONDS)
        channel.connect(where)
    except OSError:
        channel.close()
        raise
    return channel


def _tls_context(settings: DatabaseSettings) -> ssl.SSLContext:
    context = ssl.create_default_context(
        cafile=None if settings.tls_ca is None else str(settings.tls_ca)
    )
    if settings.tls_ca is None:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if settings.allow_old_tls:
        # What MySQL 5.5's yaSSL speaks: TLS 1.0 with ciphers and a handshake OpenSSL 3 turns off.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = ssl.TLSVersion.TLSv1
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.options |= getattr(ssl, "OP_LEGACY_SERVER_CONNECT", 0x4)
    return context


def _place(settings: DatabaseSettings) -> str | tuple[str, int]:
    if settings.socket is not None:
        return str(settings.socket)
    host = settings.host or "localhost"
    if host == "localhost" and settings.port in (None, DEFAULT_PORT):
        for path in USUAL_SOCKETS:
            if path.is_socket():
                return str(path)
    return host, settings.port or DEFAULT_PORT


def _is_loopback(host: str) -> bool:
    return host in {"localhost", "::1"} or host.startswith("127.")

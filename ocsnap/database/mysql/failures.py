"""What a server's refusals mean, said so that an admin knows what to do."""

from __future__ import annotations

import ssl
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pymysql
from pymysql.constants import CR, ER

from ocsnap.errors import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ocsnap.database.settings import DatabaseSettings

# MySQL 8 names what was SUPER before; both come as this error (Server Error Reference, 1227).
NEEDS_SUPER = ER.SPECIFIC_ACCESS_DENIED_ERROR
DEFINITION_CHANGED = ER.TABLE_DEF_CHANGED
_LOST = {CR.CR_SERVER_GONE_ERROR, CR.CR_SERVER_LOST, 0}
_PLUGIN = {CR.CR_AUTH_PLUGIN_CANNOT_LOAD, ER.NOT_SUPPORTED_AUTH_MODE}


def code_of(error: BaseException) -> int:
    """Return the server's or client's error number, 0 where there is none."""
    if isinstance(error, pymysql.err.MySQLError) and error.args:
        number = error.args[0]
        return number if isinstance(number, int) else 0
    return 0


def words_of(error: BaseException) -> str:
    """Return the server's own words, without a full stop at the end."""
    return str(error.args[-1] if error.args else error).strip().rstrip(".")


@contextmanager
def explained(action: str) -> Iterator[None]:
    """Turn a failure of the server inside the context into a `DatabaseError`.

    Args:
        action: what was being done, as in "dumping the table `t`".

    Raises:
        DatabaseError: with the server's own words and what to do where that is known.
    """
    try:
        yield
    except pymysql.err.MySQLError as error:
        raise DatabaseError(
            f"The database server failed while {action}: {words_of(error)} ({code_of(error)}).",
            hint=_hint(code_of(error)),
        ) from error


def _hint(code: int) -> str:
    if code in _LOST:
        return "The connection was lost: look into the server's error log."
    if code == ER.LOCK_WAIT_TIMEOUT:
        return "Another session holds a lock on the table: see SHOW FULL PROCESSLIST."
    if code == NEEDS_SUPER:
        return "Name an account with that privilege as [database] user and password_file."
    if code in {ER.TABLEACCESS_DENIED_ERROR, ER.COLUMNACCESS_DENIED_ERROR}:
        return "Grant it to the account, or name another as [database] user and password_file."
    if code == ER.NET_PACKET_TOO_LARGE:
        return "Raise max_allowed_packet on the server."
    return ""


def refused_connection(error: Exception, settings: DatabaseSettings, place: str) -> DatabaseError:
    """Say why no connection came about.

    Args:
        error: what PyMySQL raised.
        settings: where the connection was to go.
        place: the socket or host and port that was tried.

    Returns:
        The error to raise; the password is in no part of it.
    """
    code = code_of(error)
    words = words_of(error)
    if code == ER.ACCESS_DENIED_ERROR:
        return DatabaseError(
            f"The database server at {place} rejects the user {settings.user!r} or its password.",
            hint="Check dbuser and dbpassword in config.php, or [database] user and password_file.",
        )
    if code in {ER.BAD_DB_ERROR, ER.DBACCESS_DENIED_ERROR}:
        return DatabaseError(
            f"The database server at {place} shows the user {settings.user!r} no database "
            f"{settings.name!r}.",
            hint="Check dbname in config.php, or [database] name, and the user's grants.",
        )
    original = getattr(error, "original_exception", None)
    if isinstance(original, OSError):
        return unreachable(original, place)
    if code in _PLUGIN:
        return DatabaseError(
            f"The database server at {place} wants a way to log in that is not known: {words}.",
            hint="Give the account a password by mysql_native_password or caching_sha2_password.",
        )
    return DatabaseError(f"The database server at {place} refuses: {words} ({code}).")


def unreachable(error: OSError, place: str) -> DatabaseError:
    """Say why nobody answers, or no secure channel came about.

    Args:
        error: what the operating system or OpenSSL said.
        place: the socket or host and port that was tried.
    """
    if isinstance(error, ssl.SSLError):
        return _refused_tls(error, place)
    return DatabaseError(
        f"No database server answers at {place}: {error.strerror or error}.",
        hint="Is it running? Check dbhost in config.php, or [database] host, port and socket.",
    )


def _refused_tls(original: ssl.SSLError, place: str) -> DatabaseError:
    if isinstance(original, ssl.SSLCertVerificationError):
        return DatabaseError(
            f"The certificate of the database server at {place} is not signed by a trusted one: "
            f"{original.verify_message}.",
            hint="Check the CA file that was named for it.",
        )
    return DatabaseError(
        f"No TLS connection to the database server at {place}: {original.reason or original}.",
        hint="For an old server (MySQL 5.5) set [database] allow_old_tls = true.",
    )

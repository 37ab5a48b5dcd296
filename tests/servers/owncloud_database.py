"""The database of the stand-in ownCloud: SQLite or MySQL, with ownCloud's own tables."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pymysql

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path
    from typing import TypeAlias

    Connection: TypeAlias = sqlite3.Connection | pymysql.Connection[Any]


@dataclass(frozen=True)
class MysqlLogin:
    """Where the MySQL server is, and the database to use, which must be there.

    Attributes:
        name: name of the database.
        user: user to log in as.
        password: password of that user.
        host: host name or address.
        port: TCP port.
        socket: unix socket; wins over host and port.
    """

    name: str
    user: str
    password: str = field(repr=False)
    host: str = "127.0.0.1"
    port: int = 3306
    socket: Path | None = None

    @property
    def dbhost(self) -> str:
        """The same as config.php writes it."""
        return f"localhost:{self.socket}" if self.socket else f"{self.host}:{self.port}"


# {id} is a key that counts up, {options} what stands behind a table's columns.
_TABLES = """
CREATE TABLE {p}storages (numeric_id {id}, id VARCHAR(64), available INTEGER DEFAULT 1 NOT NULL,
  last_checked INTEGER, UNIQUE (id)) {options};
CREATE TABLE {p}mimetypes (id {id}, mimetype VARCHAR(255) DEFAULT '' NOT NULL) {options};
CREATE TABLE {p}filecache (fileid {id}, storage INTEGER DEFAULT 0 NOT NULL, path VARCHAR(4000),
  path_hash VARCHAR(32) DEFAULT '' NOT NULL, parent BIGINT DEFAULT 0 NOT NULL, name VARCHAR(250),
  mimetype INTEGER DEFAULT 0 NOT NULL, mimepart INTEGER DEFAULT 0 NOT NULL,
  size BIGINT DEFAULT 0 NOT NULL, mtime BIGINT DEFAULT 0 NOT NULL,
  storage_mtime BIGINT DEFAULT 0 NOT NULL, encrypted INTEGER DEFAULT 0 NOT NULL,
  unencrypted_size BIGINT DEFAULT 0 NOT NULL, etag VARCHAR(40), permissions INTEGER DEFAULT 0,
  checksum VARCHAR(255), UNIQUE (storage, path_hash)) {options};
CREATE INDEX {p}fs_parent_name_hash ON {p}filecache (parent, name);
CREATE TABLE {p}mounts (id {id}, storage_id INTEGER NOT NULL, root_id INTEGER NOT NULL,
  user_id VARCHAR(64) NOT NULL, mount_point VARCHAR(4000) NOT NULL) {options};
CREATE TABLE {p}appconfig (appid VARCHAR(32) DEFAULT '' NOT NULL,
  configkey VARCHAR(64) DEFAULT '' NOT NULL, configvalue {longtext},
  PRIMARY KEY (appid, configkey)) {options};
CREATE TABLE {p}preferences (userid VARCHAR(64) DEFAULT '' NOT NULL,
  appid VARCHAR(32) DEFAULT '' NOT NULL, configkey VARCHAR(64) DEFAULT '' NOT NULL,
  configvalue {longtext}, PRIMARY KEY (userid, appid, configkey)) {options};
CREATE TABLE {p}users (uid VARCHAR(64) DEFAULT '' NOT NULL PRIMARY KEY, displayname VARCHAR(64),
  password VARCHAR(255) DEFAULT '' NOT NULL) {options};
CREATE TABLE {p}accounts (id {id}, email VARCHAR(255), user_id VARCHAR(255) NOT NULL,
  lower_user_id VARCHAR(255) NOT NULL, display_name VARCHAR(255), quota VARCHAR(32),
  last_login INTEGER DEFAULT 0 NOT NULL, backend VARCHAR(64) NOT NULL, home VARCHAR(1024) NOT NULL,
  state SMALLINT DEFAULT 0 NOT NULL, creation_time INTEGER DEFAULT 0 NOT NULL) {options};
CREATE TABLE {p}file_locks (id {id}, `lock` INTEGER DEFAULT 0 NOT NULL, `key` VARCHAR(64) NOT NULL,
  ttl INTEGER DEFAULT -1 NOT NULL, UNIQUE (`key`)) {options};
CREATE TABLE {p}jobs (id {id}, class VARCHAR(255) DEFAULT '' NOT NULL,
  argument VARCHAR(4000) DEFAULT '' NOT NULL, last_run INTEGER DEFAULT 0, last_checked INTEGER
  DEFAULT 0, reserved_at INTEGER DEFAULT 0, execution_duration INTEGER DEFAULT -1 NOT NULL)
  {options};
CREATE TABLE {p}share (id {id}, share_type SMALLINT DEFAULT 0 NOT NULL, share_with VARCHAR(255),
  uid_owner VARCHAR(64) DEFAULT '' NOT NULL, item_type VARCHAR(64) DEFAULT '' NOT NULL,
  item_source VARCHAR(255), file_source BIGINT, file_target VARCHAR(512),
  permissions SMALLINT DEFAULT 0 NOT NULL, stime BIGINT DEFAULT 0 NOT NULL) {options};
CREATE TABLE {p}files_trash (auto_id {id}, id VARCHAR(250) DEFAULT '' NOT NULL,
  user VARCHAR(64) DEFAULT '' NOT NULL, timestamp VARCHAR(12) DEFAULT '' NOT NULL,
  location VARCHAR(512) DEFAULT '' NOT NULL, type VARCHAR(4), mime VARCHAR(255)) {options};
CREATE TABLE {p}persistent_locks (id {id}, file_id {reference} NOT NULL,
  owner_account_id {account}, owner VARCHAR(100), timeout INTEGER NOT NULL,
  created_at INTEGER NOT NULL, token VARCHAR(1024) NOT NULL, token_hash VARCHAR(32) NOT NULL,
  scope SMALLINT NOT NULL, depth SMALLINT NOT NULL, UNIQUE (token_hash),
  FOREIGN KEY (file_id) REFERENCES {p}filecache (fileid) ON DELETE CASCADE,
  FOREIGN KEY (owner_account_id) REFERENCES {p}accounts (id) ON DELETE CASCADE) {options};
CREATE TABLE {p}migrations (app VARCHAR(177) NOT NULL, version VARCHAR(14) NOT NULL,
  PRIMARY KEY (app, version)) {migrations}
"""
_MYSQL = {
    "id": "BIGINT AUTO_INCREMENT NOT NULL PRIMARY KEY",
    "reference": "BIGINT",
    "account": "BIGINT",
    "longtext": "LONGTEXT",
    "options": "ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin",
    "migrations": "ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4",
}
_SQLITE = {
    "id": "INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL",
    "reference": "INTEGER",
    "account": "INTEGER",
    "longtext": "CLOB",
    "options": "",
    "migrations": "",
}


class SiteDatabase:
    """One connection; statements are written with `?` and `oc_` and fit both servers.

    Attributes:
        kind: "sqlite3" or "mysql", config.php's `dbtype`.
        prefix: what tables' names begin with.
    """

    def __init__(self, connection: Connection, kind: str, prefix: str) -> None:
        self._connection = connection
        self.kind = kind
        self.prefix = prefix

    def create_tables(self) -> None:
        """Create the tables that the stand-in needs, empty."""
        words = _MYSQL if self.kind == "mysql" else _SQLITE
        for statement in _TABLES.format(p=self.prefix, **words).split(";"):
            self.run(statement)

    def run(self, sql: str, *parameters: object) -> int:
        """Run one statement; return the last key that counted up."""
        with closing(self._connection.cursor()) as cursor:
            cursor.execute(self._fit(sql), parameters)
            return int(cursor.lastrowid or 0)

    def run_many(self, sql: str, rows: Iterable[Sequence[object]]) -> None:
        """Run one statement for many rows."""
        with closing(self._connection.cursor()) as cursor:
            cursor.executemany(self._fit(sql), list(rows))

    def rows(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Return the rows of a SELECT."""
        with closing(self._connection.cursor()) as cursor:
            cursor.execute(self._fit(sql), parameters)
            return [tuple(row) for row in cursor.fetchall()]

    def __call__(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Answer a query of the library, which knows the prefix itself."""
        with closing(self._connection.cursor()) as cursor:
            cursor.execute(sql, tuple(parameters))
            return [tuple(row) for row in cursor.fetchall()]

    def _fit(self, sql: str) -> str:
        sql = sql.replace("oc_", self.prefix)
        return sql.replace("?", "%s") if self.kind == "mysql" else sql


@contextmanager
def connected(place: Path | MysqlLogin, prefix: str = "oc_") -> Iterator[SiteDatabase]:
    """Open the database in one transaction, committed at the end.

    Args:
        place: an SQLite file, or a MySQL server.
        prefix: what tables' names begin with.
    """
    connection: Connection
    if isinstance(place, MysqlLogin):
        connection = pymysql.connect(
            host=place.host,
            port=place.port,
            unix_socket=str(place.socket) if place.socket else None,
            user=place.user,
            password=place.password,
            database=place.name,
            charset="utf8mb4",
            ssl_disabled=True,
        )
        kind = "mysql"
    else:
        connection = sqlite3.connect(place)
        connection.execute("PRAGMA synchronous = OFF")
        kind = "sqlite3"
    with closing(connection):
        yield SiteDatabase(connection, kind, prefix)
        connection.commit()

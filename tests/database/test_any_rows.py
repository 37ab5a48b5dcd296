"""Any table with any rows comes back as it was, to the bit, on both servers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.database.dumps import differing_rows, load, name, show_create, take

if TYPE_CHECKING:
    from tests.servers.database_server import DatabaseServer

ODD_NAMES = (
    *("plain", "two words", "back`tick", "per%cent", "üñï", "sla/sh", "semi;colon", ".dot"),
    *("new\nline", 'quo"te', "it's", "$$", "comma,", "back\\slash", "--", "select", "a" * 64),
)


@dataclass(frozen=True)
class ColumnType:
    sql: str
    values: st.SearchStrategy[str]


def _text(charset: str, codec: str, characters: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return characters.map(
        lambda text: (
            f"CONVERT(_{charset} 0x{text.encode(codec).hex()} USING {charset})" if text else "''"
        )
    )


def _quoted(values: st.SearchStrategy[object]) -> st.SearchStrategy[str]:
    return values.map(lambda value: f"'{value}'")


def _hexadecimal(longest: int) -> st.SearchStrategy[str]:
    return st.binary(max_size=longest).map(lambda value: f"x'{value.hex()}'")


BMP = st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"]), max_size=40)
ANY = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
# Characters whose second byte in Shift JIS is a backslash, and others.
JAPANESE = st.text("ソ表能あア\\'\n\0 a", max_size=20)
LATIN = st.text(st.characters(codec="cp1252"), max_size=40)
SPECIAL = st.text("\\'\"\n\r\0\x1a;,)(`%_ \t$", max_size=30)
DATES = st.sampled_from(["0000-00-00", "2024-00-00", "1000-01-01", "9999-12-31", "2024-02-29"])
TIMES = st.sampled_from(["-838:59:59", "838:59:59", "00:00:00", "12:34:56"])
MOMENTS = st.sampled_from(["0000-00-00 00:00:00", "1970-01-01 00:00:01", "2038-01-19 03:14:07"])

TYPES = (
    ColumnType("TINYINT", st.integers(-128, 127).map(str)),
    ColumnType("INT(11) ZEROFILL", st.integers(0, 2**32 - 1).map(str)),
    ColumnType("BIGINT(20) UNSIGNED", st.integers(0, 2**64 - 1).map(str)),
    ColumnType("BIGINT", st.integers(-(2**63), 2**63 - 1).map(str)),
    ColumnType("DECIMAL(65,30)", st.decimals(-(10**34), 10**34, places=30).map(lambda d: f"{d:f}")),
    ColumnType("DECIMAL(10,0)", st.integers(-(10**10) + 1, 10**10 - 1).map(str)),
    ColumnType("FLOAT", _quoted(st.floats(width=32, allow_nan=False, allow_infinity=False))),
    ColumnType("FLOAT(9,3)", _quoted(st.floats(-999999, 999999, width=32))),
    ColumnType("DOUBLE", _quoted(st.floats(allow_nan=False, allow_infinity=False))),
    ColumnType("DOUBLE(20,5)", _quoted(st.floats(-(10**14), 10**14))),
    ColumnType("BIT(1)", st.integers(0, 1).map(str)),
    ColumnType("BIT(64)", st.integers(0, 2**64 - 1).map(str)),
    ColumnType("YEAR(4)", st.sampled_from(["0000", "1901", "2155"]).map(lambda y: f"'{y}'")),
    ColumnType("DATE", _quoted(DATES)),
    ColumnType("TIME", _quoted(TIMES)),
    ColumnType("DATETIME", _quoted(MOMENTS)),
    ColumnType("TIMESTAMP", _quoted(MOMENTS)),
    ColumnType("CHAR(40) CHARACTER SET latin1", _text("latin1", "cp1252", LATIN)),
    ColumnType("VARCHAR(40) CHARACTER SET utf8mb4", _text("utf8mb4", "utf-8", ANY)),
    ColumnType("VARCHAR(40) CHARACTER SET utf8", _text("utf8", "utf-8", BMP)),
    ColumnType("VARCHAR(40) CHARACTER SET ucs2", _text("ucs2", "utf-16-be", BMP)),
    ColumnType("VARCHAR(40) CHARACTER SET utf16", _text("utf16", "utf-16-be", ANY)),
    ColumnType("VARCHAR(40) CHARACTER SET sjis", _text("sjis", "shift_jis", JAPANESE)),
    ColumnType("VARCHAR(40) COLLATE utf8mb4_bin", _text("utf8mb4", "utf-8", SPECIAL)),
    ColumnType("TEXT CHARACTER SET latin1", _text("latin1", "cp1252", LATIN)),
    ColumnType("LONGTEXT CHARACTER SET utf8mb4", _text("utf8mb4", "utf-8", ANY | SPECIAL)),
    ColumnType("BINARY(9)", _hexadecimal(9)),
    ColumnType("VARBINARY(50)", _hexadecimal(50)),
    ColumnType("BLOB", _hexadecimal(300)),
    ColumnType("LONGBLOB", _hexadecimal(300)),
    ColumnType("ENUM('a','','it''s')", st.sampled_from(["0", "1", "2", "3"])),
    ColumnType("ENUM('0','1') CHARACTER SET latin1", st.sampled_from(["0", "1", "2"])),
    ColumnType("SET('x','ü','z z')", st.integers(0, 7).map(str)),
    ColumnType("POINT", st.just("POINT(1.5, -2)")),
)
MARIADB_TYPES = (
    ColumnType("JSON", st.sampled_from(['\'{"a": [1, null, "\\\\\\\\ü"]}\'', "'[]'"])),
    ColumnType("UUID", st.uuids().map(lambda value: f"'{value}'")),
    ColumnType("INET6", st.ip_addresses(v=6).map(lambda value: f"'{value}'")),
    ColumnType("DATETIME(6)", st.just("'2024-02-29 12:34:56.000001'")),
    ColumnType("TIME(3)", st.just("'-00:00:00.001'")),
    ColumnType("TIMESTAMP(6)", st.just("'2024-03-31 01:30:00.999999'")),
    ColumnType("INT GENERATED ALWAYS AS (7) VIRTUAL", st.just("DEFAULT")),
    ColumnType("INT GENERATED ALWAYS AS (7) STORED", st.just("DEFAULT")),
    ColumnType("INT INVISIBLE DEFAULT 3", st.integers(0, 9).map(str)),
    ColumnType("LONGTEXT COMPRESSED", _text("utf8mb4", "utf-8", ANY)),
)


@dataclass(frozen=True)
class Table:
    name: str
    engine: str
    charset: str
    has_key: bool
    columns: tuple[tuple[str, str], ...]
    rows: tuple[tuple[str, ...], ...]

    def statements(self) -> list[str]:
        columns = ["id INT NOT NULL", *(f"{name(n)} {sql} " for n, sql in self.columns)]
        if self.has_key:
            columns.append("PRIMARY KEY (id)")
        create = (
            f"CREATE TABLE {name(self.name)} ({', '.join(columns)})"
            f" ENGINE={self.engine} DEFAULT CHARSET={self.charset}"
        )
        if not self.rows:
            return [create]
        listed = ", ".join(["id", *(name(n) for n, _ in self.columns)])
        rows = ", ".join(
            f"({number}, {', '.join(row)})" for number, row in enumerate(self.rows, start=-1)
        )
        return [create, f"INSERT INTO {name(self.name)} ({listed}) VALUES {rows}"]


def _column(kind: ColumnType) -> tuple[str, st.SearchStrategy[str]]:
    if "GENERATED" in kind.sql:
        return kind.sql, kind.values
    return f"{kind.sql} NULL", st.just("NULL") | kind.values


@st.composite
def tables(draw: st.DrawFn, *, mariadb: bool) -> Table:
    known = [*TYPES, *MARIADB_TYPES] if mariadb else [*TYPES]
    chosen = draw(st.lists(st.sampled_from(known), min_size=1, max_size=10))
    names = draw(
        st.lists(
            st.sampled_from(ODD_NAMES), min_size=len(chosen), max_size=len(chosen), unique=True
        )
    )
    columns = [_column(kind) for kind in chosen]
    rows = draw(st.lists(st.tuples(*(values for _, values in columns)), max_size=8))
    return Table(
        name=draw(st.sampled_from(ODD_NAMES)),
        engine=draw(st.sampled_from(["InnoDB", "InnoDB", "MyISAM"])),
        charset=draw(st.sampled_from(["utf8mb4", "latin1"])),
        has_key=draw(st.booleans()),
        columns=tuple(zip(names, (sql for sql, _ in columns), strict=True)),
        rows=tuple(rows),
    )


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_table_comes_back_as_it_was(server: DatabaseServer, data: st.DataObject) -> None:
    table = data.draw(tables(mariadb=server.kind == "mariadb"))
    source = server.new_database()
    copy = f"{source}_copy"
    try:
        server.run(source, "SET sql_mode = '', time_zone = '+00:00'", *table.statements())
        dump = take(server.settings(source))
        report = load(server.settings(copy), dump)
        assert report.rows == len(table.rows)
        assert differing_rows(server, source, copy, table.name, "id") == 0
        assert show_create(server, copy, table.name) == show_create(server, source, table.name)
        # No line break in a value survives as one: that is what keeps deltas small.
        text = dump[dump.manifest.tables[0].stream]
        lines = text.split(b"\n")
        assert sum(line.startswith(b"(") for line in lines) == len(table.rows)
        assert not {0, 0x0D, 0x1A} & set(text)
    finally:
        server.run(None, f"DROP DATABASE IF EXISTS {copy}", f"DROP DATABASE {source}")

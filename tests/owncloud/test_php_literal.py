from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocsnap.errors import OwncloudError
from ocsnap.owncloud.php_literal import parse_assignments
from ocsnap.owncloud.php_serialized import unserialize
from tests.owncloud.php import Php, running_php

if TYPE_CHECKING:
    from collections.abc import Iterator

FILE = Path("/srv/cloud/config/config.php")
KEYS = st.integers(-(2**63), 2**63 - 1) | st.binary(max_size=12)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.binary(max_size=40)
    | st.text(alphabet="'\"\\$\n\t{}aä€😀?><//#*", max_size=20).map(str.encode)
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.dictionaries(KEYS, inner, max_size=5), max_leaves=15
)


@pytest.fixture(scope="module")
def exporter() -> Iterator[Php]:
    with running_php("return var_export(unserialize($question), true);") as php:
        yield php


@pytest.fixture(scope="module")
def evaluator() -> Iterator[Php]:
    with running_php("eval($question); return serialize($CONFIG);") as php:
        yield php


def serialized(value: object) -> bytes:
    match value:
        case None:
            return b"N;"
        case bool():
            return b"b:%d;" % value
        case int():
            return b"i:%d;" % value
        case float():
            return b"d:%s;" % repr(value).upper().encode()
        case bytes():
            return b's:%d:"%s";' % (len(value), value)
        case dict():
            pairs = b"".join(serialized(key) + serialized(item) for key, item in value.items())
            return b"a:%d:{%s}" % (len(value), pairs)
    raise TypeError(value)


@settings(max_examples=300, deadline=None)
@given(value=st.dictionaries(KEYS, VALUES, max_size=8))
def test_own_parser_reads_what_var_export_writes_as_php_does(
    exporter: Php, evaluator: Php, value: dict[object, object]
):
    exported = exporter.ask(serialized(value))
    source = b"$CONFIG = " + exported + b";"
    by_php = unserialize(evaluator.ask(source))
    own = parse_assignments(b"<?php\n" + source + b"\n", FILE)
    # By their texts, since Python takes 1, 1.0 and True for the same.
    assert repr(own) == repr({"CONFIG": by_php})


@pytest.mark.parametrize(
    "expression",
    [
        "[]",
        "array()",
        "[1, 2, 3,]",
        "array(3 => 'a', 'b', '7' => 'c', 'd', '08' => 'e', '-0' => 'f', '-7' => 'g')",
        "[true => 1, null => 2, 1.7 => 3, false => 4]",
        r"""['a\'b', 'a\\b', 'a\nb', "a\nb\t\e\v\f\r\0\x41\101\$x\"\\\q\u{20ac}\u{1F600}"]""",
        "[0x1F, 0b101, 0o17, 017, 1_000_000, 0, -0, +5, - -5]",
        "[1.5, .5, 1., 1e3, 1E-3, 1_0.5, -0.0, 9223372036854775808, 0x8000000000000000]",
        "[PHP_INT_MAX, PHP_INT_MIN, -9223372036854775807-1, PHP_INT_MAX + 1, INF, -INF]",
        "[60 * 60 * 24, 2 + 3 * 4, (2 + 3) * 4, 7 - 2 - 1]",
        "['a' . 'b' . 7, 'x' . \"y\" . PHP_EOL . DIRECTORY_SEPARATOR]",
        "[TRUE, False, NULL, \\true]",
        "[ // one\n 1, # two ?\n 2, /* three\n 'x' */ 3 ]",
        "array('nested' => array(array(), ['x' => [null]]))",
        "[PDO::MYSQL_ATTR_SSL_CA => '/ca.pem', \\PDO::MYSQL_ATTR_INIT_COMMAND => 'SET x']",
        "['ends' => 'here'] ?>\n",
        "[9999999999999999999999999999, '" + "x" * 100_000 + "']",
        '["{ $", "a $ b", "5$", "\\$a {\\$b}"]',
        "'no array'",
    ],
)
def test_own_parser_agrees_with_php_on_what_people_write(evaluator: Php, expression: str):
    source = f"$CONFIG = {expression}".encode()
    end = b"" if source.endswith(b"?>\n") else b";"
    by_php = evaluator.ask(source + (end or b"<?php "))
    assert not by_php.startswith(b"refused")
    own = parse_assignments(b"<?php " + source + end, FILE)["CONFIG"]
    assert repr(own) == repr(unserialize(by_php))


def test_elements_can_be_set_one_by_one(evaluator: Php):
    source = b"$CONFIG['a']['b'] = 1; $CONFIG['a'][] = 2; $CONFIG[] = 3; $CONFIG['a']['b'] = 4;"
    by_php = unserialize(evaluator.ask(source))
    assert parse_assignments(b"<?php\n" + source, FILE)["CONFIG"] == by_php


def test_the_files_own_place_can_be_used():
    source = b"<?php $a = __DIR__ . '/../data'; $b = __FILE__;"
    assert parse_assignments(source, FILE) == {"a": "/srv/cloud/config/../data", "b": str(FILE)}


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (b"", "is empty"),
        (b" \n ", "is empty"),
        (b"CONFIG = 1", "does not begin with <?php"),
        (b"<?php\n$CONFIG = array (\n  'a' => 1,\n", "line 4: the file ends in the middle"),
        (b"<?php\n$CONFIG = array (\n  'a' => 'cut", "line 3: a string does not end"),
        (b"<?php\n/* cut", "line 2: a comment does not end"),
        (b"<?php\n$CONFIG = array (\n)", "line 3: the file ends"),
        (b"<?php\n$CONFIG = getenv('X');", "line 2: getenv is neither"),
        (b'<?php\n\n$CONFIG = "a $b";', "line 3: a string has a variable"),
        (b'<?php $CONFIG = "{$b}";', "a string has a variable"),
        (b"<?php $CONFIG = $other;", "expected a value"),
        (b"<?php if (true) { $CONFIG = []; }", "expected a variable"),
        (b"<?php $CONFIG = (object) [];", "neither a literal"),
        (b"<?php $CONFIG = <<<EOT\nx\nEOT;\n", "expected a value"),
        (b"<?php $CONFIG = 08;", "is no number"),
        (b"<?php $CONFIG = ['a' => 1;", "expected"),
        (b"<?php $CONFIG = 'a' . [];", "can be joined"),
        (b"<?php $CONFIG = 1; $CONFIG['a'] = 2;", "no array"),
        (b"<?php $CONFIG = " + b"[" * 5000 + b"]" * 5000 + b";", "levels are nested"),
        (b'<?php $CONFIG = "\\u{FFFFFFFFFF}";', "beyond Unicode"),
        (b"<?php $CONFIG = [INF => 1];", "cannot be a key"),
    ],
)
def test_all_else_is_refused_with_file_and_line(source: bytes, reason: str):
    with pytest.raises(OwncloudError, match=r"config\.php") as caught:
        parse_assignments(source, FILE)
    assert reason in caught.value.message


@settings(max_examples=300, deadline=None)
@given(
    pieces=st.lists(
        st.sampled_from(
            [
                "$CONFIG",
                "=",
                "array",
                "(",
                ")",
                "[",
                "]",
                "=>",
                ",",
                ";",
                "'",
                '"',
                "'a'",
                '"b"',
                "0x",
                "08",
                "1e999",
                "9",
                "-",
                "+",
                "*",
                ".",
                "/*",
                "//",
                "\n",
                "?>",
                "\\",
                "true",
                "PHP_INT_MAX",
                "INF",
                "NAN",
                "\\u{110000}",
                '"\\u{D800}"',
                "__DIR__",
                "#",
                "{",
                "é",
            ]
        )
        | st.text(max_size=3),
        max_size=25,
    )
)
def test_anything_is_either_read_or_refused(pieces: list[str]):
    source = "<?php $CONFIG = " + "".join(pieces)
    try:
        variables = parse_assignments(source.encode("utf-8", "surrogatepass"), FILE)
    except OwncloudError as error:
        variables = {}
        assert error.message.startswith(str(FILE))  # noqa: PT017 - reading it is as good an outcome
    assert all(isinstance(name, str) for name in variables)


@given(data=st.binary(max_size=60), cut=st.integers(0, 60))
@settings(max_examples=200, deadline=None)
def test_a_cut_serialized_value_is_an_error_never_a_wrong_value(data: bytes, cut: int):
    whole = serialized({b"a": data, b"b": {0: True, 1: None, 2: 1.5}})
    assert unserialize(whole) == {
        "a": data.decode("utf-8", "surrogateescape"),
        "b": [True, None, 1.5],
    }
    with pytest.raises(ValueError):
        unserialize(whole[: min(cut, len(whole) - 1)])

"""Other paths, in texts and in PHP."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocsnap.owncloud.config_php import read_literals
from ocsnap.owncloud.php_export import php_export, with_settings
from ocsnap.owncloud.relocation import Relocation, known_ids, stored_id

if TYPE_CHECKING:
    from pathlib import Path

MOVED = Relocation.of({"/srv/oc": "/new", "/srv/oc/data": "/disk", "/srv/oc/stay": "/srv/oc/stay"})
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("/srv/oc", "/new"),
        ("/srv/oc/", "/new/"),
        ("/srv/oc/apps", "/new/apps"),
        ("/srv/oc/data/u1", "/disk/u1"),
        ("/srv/oc/database", "/new/database"),
        ("/srv/oc/stay/x", "/srv/oc/stay/x"),
        ("/srv/ocean", "/srv/ocean"),
        ("srv/oc", "srv/oc"),
        ("", ""),
    ],
)
def test_the_longest_folder_decides_and_names_that_only_begin_alike_stay(before: str, after: str):
    assert MOVED.text(before) == after
    assert MOVED.value({"a": [before, 1, True, None]}) == {"a": [after, 1, True, None]}


def test_ids_of_storages_long_and_short():
    long = "/srv/oc/data/" + "x" * 60
    known = known_ids(["/srv/oc/data", long], ["u1"])
    assert MOVED.storage_id("local::/srv/oc/data/", known) == "local::/disk/"
    assert MOVED.storage_id("home::u1", known) == "home::u1"
    assert MOVED.storage_id("local::/elsewhere/", known) == "local::/elsewhere/"
    moved = MOVED.storage_id(stored_id(f"local::{long}/"), known)
    assert moved == stored_id(f"local::{MOVED.text(long)}/")
    assert MOVED.storage_id("0" * 32, known) == "0" * 32


def test_nothing_has_moved_where_all_paths_are_the_same():
    assert not Relocation.of({"/a": "/a"}).moved
    assert MOVED.moved


@given(VALUES)
def test_ocsnap_reads_what_it_has_written(tmp_path_factory: pytest.TempPathFactory, value: object):
    path = tmp_path_factory.getbasetemp() / "written.php"
    path.write_bytes(with_settings(b"<?php\n$CONFIG = array();\n", {"key": value}))
    found = read_literals(path)["key"]
    assert found == value or _is_same_array(found, value)


def _is_same_array(found: object, value: object) -> bool:
    """PHP has one kind of array: {} is [], {"0": x} is [x], a key "7" is a number."""
    return json.dumps(_as_pairs(found)) == json.dumps(_as_pairs(value))


def _as_pairs(value: object) -> object:
    if isinstance(value, list):
        value = dict(enumerate(value))
    if isinstance(value, dict):
        return [[str(key), _as_pairs(item)] for key, item in value.items()]
    return value


@pytest.mark.parametrize("end", ["", "\n", "?>", "?>\n", " ?>\n\n", "// the last word ?>"])
def test_php_itself_takes_what_stands_behind_and_prints_nothing(tmp_path: Path, end: str):
    path = tmp_path / "config.php"
    begun = f"<?php\n$CONFIG = array('a' => 1, 'b' => 'x');{end}"
    text = with_settings(begun.encode(), {"a": "it's \\ here", "c": [True, {"d": None}]})
    path.write_bytes(text)
    done = subprocess.run(
        ["php", "-r", f"include '{path}'; echo json_encode($CONFIG);"],
        capture_output=True,
        text=True,
        check=True,
    )
    wanted = {"a": "it's \\ here", "b": "x", "c": [True, {"d": None}]}
    assert json.loads(done.stdout) == wanted
    assert read_literals(path) == wanted


def test_nothing_new_leaves_the_file_as_it_is():
    assert with_settings(b"<?php // ?>", {}) == b"<?php // ?>"
    assert php_export("a'b\\c") == "'a\\'b\\\\c'"

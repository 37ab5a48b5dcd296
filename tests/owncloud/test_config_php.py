from __future__ import annotations

import fcntl
import os
import random
import threading
from typing import TYPE_CHECKING

import pytest

from ocsnap.errors import OwncloudError
from ocsnap.owncloud.config_php import natural_order, overlays, read_config_php, read_single
from tests.owncloud.php import running_php

if TYPE_CHECKING:
    from pathlib import Path

NO_PHP = "there-is-no-such-php"
WITH_AND_WITHOUT_PHP = pytest.mark.parametrize("php", ["php", NO_PHP])


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "config").mkdir()
    return tmp_path / "config" / "config.php"


def read(config: Path, php: str) -> dict[str, object]:
    return read_config_php(config.parent.parent, php=php)


@WITH_AND_WITHOUT_PHP
def test_values_of_every_type_are_read(config: Path, php: str):
    config.write_bytes(
        b"<?php\n$CONFIG = array (\n  'a' => true, 'b' => 7, 'c' => 1.5, 'd' => NULL,\n"
        b"  'list' => array (0 => 'x', 1 => 'y'), 'map' => [1009 => '/ca.pem'], 'none' => [],\n"
        b"  'text' => 'it\\'s \xe2\x82\xac \\\\', 'bytes' => 'M\xfcller',\n);\n"
    )
    assert read(config, php) == {
        "a": True,
        "b": 7,
        "c": 1.5,
        "d": None,
        "list": ["x", "y"],
        "map": {1009: "/ca.pem"},
        "none": [],
        "text": "it's € \\",
        "bytes": "M\udcfcller",
    }


@WITH_AND_WITHOUT_PHP
def test_overlays_win_in_natural_order_and_replace_arrays_whole(config: Path, php: str):
    config.write_text("<?php $CONFIG = ['a' => 'main', 'b' => 'main', 'list' => [1, 2, 3]];")
    for name, value in (("10", "ten"), ("9", "nine"), ("100", "hundred")):
        overlay = config.with_name(f"{name}.config.php")
        overlay.write_text(f"<?php $CONFIG = ['a' => '{value}', 'list' => ['{value}']];")
    config.with_name(".hidden.config.php").write_text("<?php $CONFIG = ['a' => 'hidden'];")
    config.with_name("config.sample.php").write_text("<?php $CONFIG = ['a' => 'sample'];")
    config.with_name("empty.config.php").write_text("<?php\n")
    assert read(config, php) == {"a": "hundred", "b": "main", "list": ["hundred"]}


@WITH_AND_WITHOUT_PHP
def test_one_file_can_be_read_without_its_overlays(config: Path, php: str):
    config.write_text("<?php $CONFIG = ['a' => 'main'];")
    config.with_name("x.config.php").write_text("<?php $CONFIG = ['a' => 'overlay'];")
    assert read_single(config, php=php) == {"a": "main"}


@WITH_AND_WITHOUT_PHP
@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("", "cut"),
        ("<?php\n", "cut"),
        ("<?php\n$CONFIG = array (\n  'a' => 'b',\n  'c", "line 4"),
        ("<?php\n$CONFIG = array (\n  'a' => 'b',\n", "line"),
        ("<?php\n$CONFIG = 'no array';\n", "cut"),
        ("<?php\n$OTHER = [];\n", "cut"),
    ],
)
def test_a_cut_or_empty_config_is_a_clear_error(config: Path, php: str, source: str, reason: str):
    config.write_text(source)
    with pytest.raises(OwncloudError, match=r"config\.php") as caught:
        read(config, php)
    assert reason in caught.value.message
    assert caught.value.hint


@WITH_AND_WITHOUT_PHP
def test_a_broken_overlay_is_named(config: Path, php: str):
    config.write_text("<?php $CONFIG = ['a' => 1];")
    config.with_name("bad.config.php").write_text("<?php\n\n$CONFIG = ['a' => ;")
    with pytest.raises(OwncloudError, match=r"bad\.config\.php, line 3"):
        read(config, php)


@WITH_AND_WITHOUT_PHP
def test_a_missing_config_is_a_clear_error(config: Path, php: str):
    with pytest.raises(OwncloudError, match=r"config\.php: cannot be read: No such file"):
        read(config, php)


def test_php_reads_what_the_own_parser_cannot(config: Path):
    config.write_text(
        "warming up <?php echo 'noise'; trigger_error('more noise');\n"
        "$CONFIG = ['a' => strtoupper('x'), 'object' => new stdClass, 'files' => [STDIN]];"
    )
    assert read(config, "php") == {"a": "X", "object": None, "files": [None]}
    with pytest.raises(OwncloudError):
        read(config, NO_PHP)


def test_a_config_that_ends_php_is_an_error(config: Path):
    config.write_text("<?php exit(0);")
    with pytest.raises(OwncloudError, match=r"config\.php"):
        read(config, "php")


def test_a_php_that_cannot_run_is_no_php(config: Path, tmp_path: Path):
    broken = tmp_path / "php"
    broken.write_text("#!/bin/sh\necho 'php: error while loading shared libraries' >&2\nexit 127\n")
    broken.chmod(0o755)
    config.write_text("<?php $CONFIG = ['a' => 1];")
    assert read(config, str(broken)) == {"a": 1}


@WITH_AND_WITHOUT_PHP
def test_reading_waits_while_owncloud_writes(config: Path, php: str):
    config.write_text("<?php $CONFIG = ['a' => 'cut")
    with config.open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)

        def finish() -> None:
            file.write("<?php $CONFIG = ['a' => 'whole'];")
            file.flush()
            fcntl.flock(file, fcntl.LOCK_UN)

        writer = threading.Timer(0.4, finish)
        writer.start()
        try:
            assert read(config, php) == {"a": "whole"}
        finally:
            writer.join()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_root_never_runs_the_code_of_another_user(public_folder: Path):
    config = public_folder / "config" / "config.php"
    config.parent.mkdir()
    config.write_text("<?php $CONFIG = ['uid' => posix_geteuid(), 'gids' => posix_getgroups()];")
    os.chown(config, 33, 33)
    config.chmod(0o640)
    assert read(config, "php") == {"uid": 33, "gids": [33]}
    os.chown(config, 54321, 54321)
    assert read(config, "php")["uid"] == 54321


def test_names_are_ordered_as_php_orders_them():
    rng = random.Random(1)
    names = list({"".join(rng.choices("ab1.2-_Z93", k=rng.randrange(1, 8))) for _ in range(300)})
    names = [name for name in names if not name.startswith("0")]
    with running_php("$n = explode(' ', $question); natsort($n); return implode(' ', $n);") as php:
        by_php = php.ask(" ".join(names).encode()).decode().split(" ")
    assert sorted(names, key=natural_order) == by_php


def test_overlays_are_listed_in_the_order_of_merging(config: Path):
    for name in ("b.config.php", "a10.config.php", "a9.config.php", ".x.config.php", "a.php"):
        config.with_name(name).touch()
    found = [path.name for path in overlays(config)]
    assert found == ["a9.config.php", "a10.config.php", "b.config.php"]

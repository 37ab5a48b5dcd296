"""The configuration: the sample tells the truth, and every mistake is told in one clear line."""

from __future__ import annotations

import math
import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocsnap.config import DEFAULT_PATH, Config, load, locate, parse
from ocsnap.errors import ConfigError

SAMPLE = Path(__file__).parents[1] / "config.sample.toml"
FINGERPRINT = "0123456789ABCDEF0123456789ABCDEF01234567"
SNAPSHOT = {
    "snapshot_command": ["/usr/local/sbin/make-snapshot"],
    "snapshot_cleanup_command": ["/usr/local/sbin/remove-snapshot"],
    "snapshot_path": "/mnt/snapshot/owncloud/data",
}
OBJECT_LOCK = {"object_lock_mode": "compliance", "object_lock_days": 30}
NO_FINGERPRINT = "encryption.{}: '{}' is no whole fingerprint. See: gpg --fingerprint."
SMALLEST: dict[str, dict[str, Any]] = {
    "owncloud": {"root": "/var/www/owncloud"},
    "repository": {"url": "file:///srv/backup"},
    "encryption": {"passphrase_file": "/etc/ocsnap/passphrase"},
}


def shown_keys() -> list[tuple[str, str, str]]:
    """Return section, key and line of every key in the sample."""
    section = ""
    found = []
    for line in SAMPLE.read_text().splitlines():
        if head := re.fullmatch(r"\[(\w+)\]", line):
            section = head[1]
        elif key := re.fullmatch(r"#?(\w+) = .+", line):
            found.append((section, key[1], line))
    return found


def known_fields() -> dict[tuple[str, str], msgspec.structs.FieldInfo]:
    return {
        (section.name, field.name): field
        for section in msgspec.structs.fields(Config)
        for field in msgspec.structs.fields(section.type)
    }


def with_key(section: str, key: str, value: object) -> dict[str, dict[str, Any]]:
    document = {name: dict(table) for name, table in SMALLEST.items()}
    document.setdefault(section, {})[key] = value
    return document


def refusal(document: dict[str, Any]) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(document, source="c.toml")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def private(folder: Path, content: bytes) -> Path:
    """Write a configuration that nobody else can read."""
    path = folder / "c.toml"
    path.touch(mode=0o600)
    path.write_bytes(content)
    return path


def test_the_sample_is_a_working_configuration(tmp_path: Path):
    config = load(private(tmp_path, SAMPLE.read_bytes()))
    assert config.repository.url == "s3://oc-backup/cloud"
    assert config.repository.region == "eu-central-1"


def test_the_sample_shows_every_key_once_and_no_other():
    shown = [(section, key) for section, key, _ in shown_keys()]
    assert sorted(shown) == sorted(known_fields())


@pytest.mark.parametrize(("section", "key", "line"), shown_keys())
def test_what_the_sample_shows_is_the_default_or_a_sound_example(section: str, key: str, line: str):
    commented = line.startswith("#")
    value = tomllib.loads(line.removeprefix("#"))[key]
    document = with_key(section, key, value)
    if key == "passphrase_env":
        del document["encryption"]["passphrase_file"]
    if key.startswith("object_lock_"):
        document["repository"] |= {"url": "s3://b", **OBJECT_LOCK, key: value}
    if key.startswith("snapshot_"):
        document["backup"] = {**SNAPSHOT, key: value}  # they belong together
    parsed = getattr(getattr(parse(document, source="sample"), section), key)
    default = known_fields()[section, key].default
    if default is msgspec.NODEFAULT:
        assert not commented, "a key that must be there is not commented"
    elif default not in (None, ()):
        assert commented
        assert parsed == default, "a default is shown as it is"


def test_defaults_need_three_lines():
    config = parse(SMALLEST, source="c.toml")
    assert config.owncloud.occ is None
    assert config.database.kind is None
    assert config.backup.state_dir == Path("/var/lib/ocsnap")


@pytest.mark.parametrize("key", OBJECT_LOCK)
def test_the_keys_of_an_object_lock_belong_together(key: str):
    repository = {"url": "s3://b", key: OBJECT_LOCK[key]}
    assert "belong together" in refusal({**SMALLEST, "repository": repository})


def test_objects_on_a_disk_cannot_be_locked():
    repository = {**SMALLEST["repository"], **OBJECT_LOCK}
    assert "only objects in S3" in refusal({**SMALLEST, "repository": repository})


def test_public_key_mode_needs_no_passphrase():
    document = {**SMALLEST, "encryption": {"recipients": [FINGERPRINT], "sign_with": FINGERPRINT}}
    assert parse(document, source="c.toml").encryption.recipients == (FINGERPRINT,)


def test_fingerprints_may_be_written_as_gpg_shows_them():
    shown = "0123 4567 89AB CDEF 0123  4567 89AB CDEF 0123 4567"
    document = {**SMALLEST, "encryption": {"recipients": [shown, "0x" + FINGERPRINT]}}
    assert len(parse(document, source="c.toml").encryption.recipients) == 2


@pytest.mark.parametrize(
    ("section", "key", "value", "message"),
    [
        (
            "owncloud",
            "path",
            "/x",
            "owncloud.path: unknown key. Known are: root, occ, php, url, accept_objectstore.",
        ),
        ("owncloud", "root", 3, "owncloud.root: must be a string, not an integer."),
        ("owncloud", "root", "", "owncloud.root: must not be empty."),
        ("owncloud", "root", "a\0b", "owncloud.root: must not have a NUL character in it."),
        (
            "owncloud",
            "root",
            "www",
            "owncloud.root: 'www' must be an absolute path, beginning with /.",
        ),
        ("owncloud", "occ", "php occ", "owncloud.occ: must be an array, not a string."),
        ("owncloud", "occ", [], "owncloud.occ: must not be empty."),
        ("owncloud", "occ", ["php", 1], "owncloud.occ[1]: must be a string, not an integer."),
        ("owncloud", "url", "", "owncloud.url: must not be empty."),
        ("database", "kind", "pgsql", "database.kind: 'pgsql' is none of mysql, sqlite3."),
        ("database", "port", "3306", "database.port: must be an integer, not a string."),
        ("database", "port", 0, "database.port: must be at least 1."),
        ("database", "port", 65536, "database.port: must be at most 65535."),
        (
            "database",
            "allow_old_tls",
            1,
            "database.allow_old_tls: must be true or false, not an integer.",
        ),
        ("repository", "region", False, "repository.region: must be a string, not true or false."),
        (
            "encryption",
            "key_files",
            ["/a", "b"],
            "encryption.key_files[1]: 'b' must be an absolute path, beginning with /.",
        ),
        (
            "encryption",
            "recipients",
            ["a@example.org"],
            NO_FINGERPRINT.format("recipients", "a@example.org"),
        ),
        (
            "encryption",
            "sign_with",
            FINGERPRINT[-16:],
            NO_FINGERPRINT.format("sign_with", FINGERPRINT[-16:]),
        ),
        (
            "encryption",
            "passphrase_env",
            "X",
            "encryption: passphrase_file and passphrase_env are both given. Keep one.",
        ),
        ("scan", "trust_etags", "always", "scan.trust_etags: 'always' is none of auto, never."),
        ("maintenance", "web_seconds", -1, "maintenance.web_seconds: must be at least 0.0."),
        (
            "maintenance",
            "drain_seconds",
            math.inf,
            "maintenance.drain_seconds: must be at most 3600.0.",
        ),
        (
            "maintenance",
            "web_seconds",
            "1",
            "maintenance.web_seconds: must be a float, not a string.",
        ),
        (
            "prune",
            "keep_within",
            "30 days",
            "prune.keep_within: must be a time such as 36h, 30d, 8w, 6m, 2y or 1y6m.",
        ),
        ("backup", "exclude", [""], "backup.exclude[0]: must not be empty."),
        ("backup", "state_dir", {}, "backup.state_dir: must be a string, not a table."),
    ],
)
def test_a_wrong_value_is_named_with_its_key(section: str, key: str, value: object, message: str):
    assert refusal(with_key(section, key, value)) == f"c.toml: {message}"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "oc-backup",
        "http://host/x",
        "s3://",
        "s3:///prefix",
        "file://",
        "file:///",
        "file://x/y",
    ],
)
def test_a_place_that_is_none_is_refused(url: str):
    assert "c.toml: repository.url: " in refusal(with_key("repository", "url", url))


@pytest.mark.parametrize("url", ["s3://b", "s3://b/", "s3://b/a/b", "file:///x", "file:///a%20b"])
def test_a_place_that_is_one_is_taken(url: str):
    assert parse(with_key("repository", "url", url), source="c").repository.url == url


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({}, "says nothing at all. `ocsnap init --force` writes a new file;"),
        ({"owncloud": {}}, "owncloud.root: missing. `ocsnap init --force` writes"),
        ({"owncloud": "/x"}, "owncloud: must be a table, [owncloud]."),
        ({"owncloud": [{"root": "/x"}]}, "owncloud: must be a table, [owncloud]."),
        ({**SMALLEST, "restore": {}}, "restore: unknown key. Known are: owncloud, repository,"),
        ({**SMALLEST, "encryption": {}}, "encryption: says nothing of the key. Set passphrase_"),
    ],
)
def test_what_is_missing_or_too_much_is_named(document: dict[str, Any], message: str):
    assert refusal(document).startswith(f"c.toml: {message}")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[owncloud]\nroot = \n", "is not TOML: Invalid value (at line 2, column 8)."),
        (b"[owncloud]\nroot = '\xff'\n", "is not UTF-8 text, from byte 19 on."),
        (
            b"",
            (
                "says nothing at all. `ocsnap init --force` writes a new file; config.sample.toml "
                "explains each key."
            ),
        ),
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, content: bytes, message: str):
    path = private(tmp_path, content)
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert str(caught.value) == f"{path}: {message}"


def test_a_missing_file_is_named_with_a_way_out(tmp_path: Path):
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "none.toml")
    assert caught.value.message == f"{tmp_path}/none.toml: there is no such file."
    assert "config.sample.toml" in caught.value.hint


def test_a_folder_is_no_file(tmp_path: Path):
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load(tmp_path)


def test_a_byte_order_mark_does_no_harm(tmp_path: Path):
    plain = load(private(tmp_path, SAMPLE.read_bytes()))
    assert load(private(tmp_path, b"\xef\xbb\xbf" + SAMPLE.read_bytes())) == plain


def test_the_option_wins_over_the_environment_and_that_over_the_default():
    environment = {"OCSNAP_CONFIG": "/from/environment"}
    assert locate(Path("/from/option"), environment) == Path("/from/option")
    assert locate(None, environment) == Path("/from/environment")
    assert locate(None, {"OCSNAP_CONFIG": ""}) == locate(None, {}) == DEFAULT_PATH


@given(
    st.sampled_from(sorted(known_fields())),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.dates(),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
        max_leaves=3,
    ),
)
def test_any_value_is_taken_or_refused_by_name(place: tuple[str, str], value: object):
    section, key = place
    refused = ""
    try:
        parse(with_key(section, key, value), source="c.toml")
    except ConfigError as error:
        refused = str(error)
    assert not refused or refused.startswith(f"c.toml: {section}")

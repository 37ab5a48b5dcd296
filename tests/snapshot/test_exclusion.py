from __future__ import annotations

from fnmatch import translate
from re import fullmatch
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocsnap.snapshot.exclusion import Exclusion

if TYPE_CHECKING:
    from pathlib import Path

    from tests.snapshot.studio import Studio


def matches(pattern: str, path: str, *, below: str = "") -> bool:
    folder, slash, name = path.rpartition("/")
    exclusion = Exclusion([pattern], below=below.encode())
    return exclusion.matches((folder + slash).encode(), name.encode())


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        # A pattern without a slash: any name at any depth.
        ("*.part", "a.part", True),
        ("*.part", "u1/files/a.part", True),
        ("*.part", "a.party", False),
        ("*.part", "a.part/b", False),  # but what is left out has nothing below it
        ("cache", "u1/cache", True),
        ("cache", "u1/my cache", False),
        ("cache/", "u1/cache", True),
        ("?", "a", True),
        ("?", "ab", False),
        ("", "a", False),
        ("/", "a", False),
        # One with a slash: the whole path.
        ("/cache", "cache", True),
        ("/cache", "u1/cache", False),
        ("u1/cache", "u1/cache", True),
        ("u1/cache", "u2/u1/cache", False),
        ("*/cache", "u1/cache", True),
        ("*/cache", "u1/files/cache", False),
        ("**/cache", "cache", True),
        ("**/cache", "u1/files/cache", True),
        ("u1/**", "u1/files/a", True),
        ("u1/**", "u1", False),
        ("u1/**/a", "u1/a", True),
        ("u1/**/a", "u1/b/c/a", True),
        ("u1/**/a", "u2/a", False),
        ("u1/*.txt", "u1/a/b.txt", False),
        # Sets.
        ("[abc]", "b", True),
        ("[a-c]x", "bx", True),
        ("[!a-c]x", "bx", False),
        ("[!a-c]x", "dx", True),
        ("[^a-c]x", "bx", False),
        ("[^a-c]x", "dx", True),
        ("u1[!x]a", "u1/a", False),
        ("[[]x", "[x", True),
        ("[]]x", "]x", True),
        ("[a&&b]", "&", True),
        ("[z-a]", "m", False),
        ("[!]", "[!]", True),
        ("[", "[", True),
        ("[ä]", "ä", True),
        ("[ä]", "ö", False),
        ("[!ä]", "ö", True),
        ("[\\]", "\\", True),
        # Everything else stands for itself.
        ("a.b", "axb", False),
        ("a+(b)|c$", "a+(b)|c$", True),
        ("Ünïcode*", "Ünïcode name", True),
        ("*", "two\nlines", True),
        ("/**", "two\nlines/a", True),
    ],
)
def test_patterns(pattern: str, path: str, *, expected: bool):
    assert matches(pattern, path) is expected


def test_names_need_not_be_text():
    exclusion = Exclusion(["*.part"])
    assert exclusion.matches(b"", b"\xff\xfe.part")
    assert not exclusion.matches(b"\xff/", b"\xff")
    assert Exclusion(["\udcff*"]).matches(b"", b"\xff name")


def test_patterns_with_a_slash_begin_at_the_data_directory():
    assert matches("/u1/files/a", "files/a", below="u1")
    assert not matches("/files/a", "files/a", below="u1")
    assert matches("a", "files/a", below="u1")


def test_paths_are_taken_as_they_are():
    exclusion = Exclusion([], paths=[b"u1/*"])
    assert exclusion.matches(b"u1/", b"*")
    assert not exclusion.matches(b"u1/", b"a")


def test_other_rules_have_another_digest():
    rules = [
        Exclusion([]),
        Exclusion(["a"]),
        Exclusion(["a", "b"]),
        Exclusion(["ab"]),
        Exclusion(["a"], below=b"u1"),
        Exclusion(["a"], paths=[b"u1"]),
    ]
    assert len({each.digest for each in rules}) == len(rules)
    assert (
        Exclusion(["a"], paths=[b"x", b"y"]).digest == Exclusion(["a"], paths=[b"y", b"x"]).digest
    )


LETTERS = st.text("ab.*?", min_size=1, max_size=6)


@given(LETTERS, st.text("ab.", min_size=1, max_size=6))
def test_names_match_as_in_a_shell(pattern: str, name: str):
    """Python's own fnmatch is the model, for `*` and `?` in names."""
    expected = fullmatch(translate(pattern), name) is not None
    assert matches(pattern, f"folder/{name}") is expected


@given(st.text(max_size=12), st.text(max_size=12))
def test_no_pattern_breaks_it(pattern: str, name: str):
    assert matches(pattern, f"folder/{name}") in {True, False}


def test_what_is_left_out_is_left_out_with_all_below(studio: Studio, folder: Path, tmp_path: Path):
    for name in ("files/a", "files/b.part", "cache/c", "cache/deep/d"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    studio.backup(folder)
    studio.exclude = ["*.part", "/cache"]
    backup = studio.backup(folder)
    assert backup.statistics.deleted_files == 5
    assert backup.statistics.files_read == 0
    studio.restore(backup.stored, tmp_path / "target")
    back = sorted(str(p.relative_to(tmp_path / "target")) for p in (tmp_path / "target").rglob("*"))
    assert back == ["files", "files/a"]


def test_what_is_kept_is_kept_with_the_way_to_it():
    patterns = ["*.iso", "/own", "keys", "**/x"]
    exclusion = Exclusion(patterns, kept=[b"own/keys"], paths=[b"own/keys/never"])
    for folder, name, expected in (
        (b"", b"own", False),
        (b"own/", b"keys", False),
        (b"own/keys/", b"a.iso", False),
        (b"own/keys/deep/", b"x", False),
        (b"own/", b"a.iso", True),
        (b"own/", b"keys2", False),
        (b"other/", b"keys", True),
        (b"own/keys/", b"never", True),
    ):
        assert exclusion.matches(folder, name) is expected, (folder, name)
    assert exclusion.digest != Exclusion(patterns, paths=[b"own/keys/never"]).digest

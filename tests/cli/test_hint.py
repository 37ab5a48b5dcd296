from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from ocsnap.cli.hint import runnable
from ocsnap.cli.main import named_config, register_commands, run
from ocsnap.config import DEFAULT_PATH

ODD = Path("/srv/the cloud's/ocsnap.toml")


def test_a_hint_calls_ocsnap_as_it_was_called():
    hint = "Put all back with `ocsnap restore --undo`, or run: ocsnap recovery-sheet --confirm."
    quoted = shlex.quote(str(ODD))
    assert runnable(hint, ODD) == (
        f"Put all back with `ocsnap -c {quoted} restore --undo`, "
        f"or run: ocsnap -c {quoted} recovery-sheet --confirm."
    )


@pytest.mark.parametrize("config", [None, DEFAULT_PATH])
def test_where_no_file_was_named_none_is_needed(config: Path | None):
    assert runnable("Run: ocsnap verify.", config) == "Run: ocsnap verify."


@pytest.mark.parametrize("words", ["An ocsnap that died", "See ocsnap.json", "the ocsnap at work"])
def test_what_is_no_call_stays(words: str):
    assert runnable(words, ODD) == words


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("-c a.toml backup", "a.toml"),
        ("--json --config=a.toml backup", "a.toml"),
        ("-ca.toml backup", "a.toml"),
        ("--state-dir -c --config a.toml backup", "a.toml"),
        ("backup -c a.toml", None),
        ("--repository file:///a find -c", None),
        ("-c", "."),
        ("", None),
    ],
)
def test_the_file_is_found_on_the_command_line(line: str, found: str | None):
    assert named_config(line.split()) == (None if found is None else Path(found))


def test_an_error_says_it_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    config = tmp_path / "no config.toml"
    register_commands()
    assert run(["-c", str(config), "snapshots"]) == 4
    assert f"Run ocsnap -c '{config}' init, " in capsys.readouterr().err

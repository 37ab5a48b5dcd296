"""The completions of the shells: asked as a shell asks them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pexpect
import pytest

from ocsnap.cli.command_tree import pages
from ocsnap.cli.completion_script import Shell, completion_script
from ocsnap.cli.main import register_commands

if TYPE_CHECKING:
    from pathlib import Path

ASK = """
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); _ocsnap
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def script() -> str:
    return completion_script(Shell.BASH, [*pages(register_commands())])


def offered(script: str, *words: str) -> list[str]:
    done = subprocess.run(
        ["bash", "-uc", script + ASK, "bash", *words], check=True, capture_output=True, text=True
    )
    assert done.stderr == ""
    return done.stdout.split()


def test_bash_offers_commands_and_options(script: str):
    assert offered(script, "ocsnap", "rest") == ["restore"]
    assert offered(script, "ocsnap", "schedule", "") == ["install", "show", "remove"]
    assert offered(script, "ocsnap", "schedule", "install", "--da") == ["--daily"]
    assert offered(script, "ocsnap", "backup", "--json", "--det") == ["--detach"]
    assert "--dry-run" in offered(script, "ocsnap", "-c", "backup", "restore", "--d")
    assert offered(script, "ocsnap", "completion", "z") == ["zsh"]
    assert offered(script, "ocsnap", "-c", "/etc/host") == offered(script, "ocsnap", "/etc/host")
    assert "/etc/hosts" in offered(script, "ocsnap", "-c", "/etc/host")


def test_every_command_and_every_option_is_offered_once(script: str):
    for page in pages(register_commands()):
        found = offered(script, "ocsnap", *page.words, "-")
        assert len(found) == len(set(found))
        names = {name for each in page.parameters if not each.is_argument for name in each.names}
        assert names <= set(found), page.words


def test_fish_and_zsh_get_scripts_of_their_own():
    found = [*pages(register_commands())]
    fish = completion_script(Shell.FISH, found)
    assert "-l detach" in fish
    for line in fish.splitlines()[1:]:
        assert line.count("'") % 2 == line.count("\\'") % 2, line
    assert completion_script(Shell.ZSH, found).startswith("#compdef ocsnap\n")


def test_the_command_prints_them_without_a_configuration():
    command = [sys.executable, "-m", "ocsnap", "completion", "bash"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert "complete -o filenames -F _ocsnap ocsnap" in done.stdout
    assert done.stderr == ""


def test_a_real_zsh_completes(tmp_path: Path):
    if shutil.which("zsh") is None:
        pytest.skip("zsh is not installed: make packages installs it")
    script = completion_script(Shell.ZSH, [*pages(register_commands())])
    (tmp_path / "_ocsnap").write_text(script)
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "TERM": "dumb"}
    shell = pexpect.spawn(
        "zsh", ["-f", "-i"], encoding="utf-8", timeout=60, dimensions=(40, 150), env=environment
    )
    with shell:
        shell.sendline(f"fpath=({tmp_path} $fpath); autoload -U compinit; compinit -u -D")
        shell.sendline("ocsnap() { print got $#:$*; }; print rea''dy")
        shell.expect("ready")
        shell.send("ocsnap recov\t\r")
        shell.expect("got 1:recovery-sheet")
        shell.send("ocsnap schedule install --dai\t\r")
        shell.expect("got 3:schedule install --daily")


def test_a_real_fish_completes(tmp_path: Path):
    if shutil.which("fish") is None:
        pytest.skip("fish is not installed: make packages installs it")
    script = tmp_path / "ocsnap.fish"
    script.write_text(completion_script(Shell.FISH, [*pages(register_commands())]))

    def found(line: str) -> list[str]:
        done = subprocess.run(
            ["fish", "--no-config", "-c", f"source {script}; complete -C '{line}'"],
            check=True,
            capture_output=True,
            text=True,
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        )
        return [offer.partition("\t")[0] for offer in done.stdout.splitlines()]

    assert found("ocsnap recov") == ["recovery-sheet"]
    assert found("ocsnap schedule inst") == ["install"]
    assert found("ocsnap backup --det") == ["--detach"]
    assert set(found("ocsnap completion ")) >= {"bash", "zsh", "fish"}

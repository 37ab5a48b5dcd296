from __future__ import annotations

import re

import pytest
from typer.testing import CliRunner

from ocsnap.cli.command_tree import CommandPage, pages
from ocsnap.cli.main import register_commands

PAGES = list(pages(register_commands()))
EXAMPLE = re.compile(r"^ +((?:sudo )?ocsnap .+)$", re.MULTILINE)


def shown(words: tuple[str, ...], columns: int) -> str:
    result = CliRunner().invoke(
        register_commands(), [*words, "--help"], terminal_width=columns, color=False
    )
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize("columns", [80, 100])
@pytest.mark.parametrize("page", PAGES, ids=lambda page: "-".join(page.words))
def test_help_cuts_nothing_and_shows_examples_that_can_be_copied(page: CommandPage, columns: int):
    said = shown(page.words, columns)
    lines = said.splitlines()
    assert max(map(len, lines)) <= columns
    for name in page.commands:
        summary = next(each.summary for each in PAGES if each.words == (*page.words, name))
        assert any(line.split(maxsplit=1) == [name, summary] for line in lines), name
    examples = EXAMPLE.findall(page.text)
    assert examples
    assert set(examples) <= {line.strip() for line in lines}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: "-".join(page.words))
def test_every_option_is_explained_and_names_its_value(page: CommandPage):
    for parameter in page.parameters:
        assert parameter.help.endswith((".", "]")), parameter
        assert not re.search(r"[<>]|\bstr\b", parameter.value), parameter

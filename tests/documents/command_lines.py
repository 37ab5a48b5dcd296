"""Whether command lines, as documents show them, are such that ocsnap would take them."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Any

import typer
from typer.exceptions import TyperException

from ocsnap.cli.main import register_commands, shared_first

if TYPE_CHECKING:
    from collections.abc import Iterator

_SEPARATORS = frozenset({"|", "||", "&&", ";", "&", ">", ">>", "2>&1", ">>/run/ocsnap.log"})
_ENDS_NOTHING = frozenset({"--help", "-h", "--version"})


def refusal(words: list[str]) -> str | None:
    """Return why ocsnap would not take these words behind its name; None: it would."""
    if _ENDS_NOTHING & set(words):
        words = [word for word in words if word not in _ENDS_NOTHING]
        words = words if words != ["COMMAND"] else []
        if not words:
            return None
    command: Any = typer.main.get_command(register_commands())
    context, rest, name = None, shared_first(words), "ocsnap"
    try:
        while True:
            context = command.make_context(name, list(rest), parent=context)
            if not hasattr(command, "commands"):
                return None
            left = [*context._protected_args, *context.args]
            if not left:
                return None
            name, command, rest = command.resolve_command(context, left)
    except TyperException as error:
        return error.format_message()
    except typer.Exit:  # without arguments it shows its help
        return None


def in_shell(text: str) -> Iterator[list[str]]:
    """Find the calls of ocsnap in lines of a shell, each as the words behind `ocsnap`."""
    for line in re.sub(r"\\\n\s*", " ", text).splitlines():
        try:
            words = shlex.split(line.strip().removeprefix("$ "), comments=True)
        except ValueError:
            continue  # text, not a command
        yield from _calls(words)


def _calls(words: list[str]) -> Iterator[list[str]]:
    starts = [
        number
        for number, word in enumerate(words)
        if (word == "ocsnap" or word.endswith("/bin/ocsnap"))
        and (number == 0 or words[number - 1] in {"sudo", "root", "exec", "ocsnap", "then", "&&"})
        and words[number + 1 : number + 2] not in (["ocsnap"], ["/usr/local/bin/"])
    ]
    for start in starts:
        call = []
        for word in words[start + 1 :]:
            if word in _SEPARATORS or word.startswith((">", "2>")):
                break
            call.append(word.rstrip(";"))
        yield call

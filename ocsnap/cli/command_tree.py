"""All commands with their options, as what describes them needs them.

Completions, the manual page and the reference in the documentation are made of this, so that they
cannot tell anything else than `--help` does.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, NamedTuple

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator


class Parameter(NamedTuple):
    """An option, or an argument.

    Attributes:
        names: how an option is written, long and short; of an argument its one name.
        value: what stands for its value, such as FILE; empty where it takes none.
        help: what it does, in one sentence; may be empty.
        is_argument: whether it is an argument.
        required: whether the command does nothing without it.
        choices: the only values that it takes; empty: any.
    """

    names: tuple[str, ...]
    value: str
    help: str
    is_argument: bool
    required: bool
    choices: tuple[str, ...]


class CommandPage(NamedTuple):
    """What there is to say of one command.

    Attributes:
        words: how it is called, without the program; nothing for the program itself.
        text: all of its help, its first paragraph the summary.
        parameters: in the order of `--help`.
        commands: names of the commands that it consists of.
    """

    words: tuple[str, ...]
    text: str
    parameters: tuple[Parameter, ...]
    commands: tuple[str, ...]

    @property
    def summary(self) -> str:
        """The first paragraph, on one line."""
        return " ".join(self.text.partition("\n\n")[0].split())


def pages(app: typer.Typer) -> Iterator[CommandPage]:
    """Yield the program itself, then each command, in the order of `--help`.

    Args:
        app: the program, with all commands registered.
    """
    yield from _pages(typer.main.get_command(app), None, ())


def _pages(command: Any, parent: Any, words: tuple[str, ...]) -> Iterator[CommandPage]:  # noqa: ANN401 - typer hides click's types
    context = typer.Context(command, info_name=words[-1] if words else "ocsnap", parent=parent)
    below = getattr(command, "commands", {})
    visible = {name: sub for name, sub in below.items() if not sub.hidden}
    yield CommandPage(
        words=words,
        text=inspect.cleandoc(command.help or ""),
        parameters=tuple(_parameters(command, context)),
        commands=tuple(visible),
    )
    for name, sub in visible.items():
        yield from _pages(sub, context, (*words, name))


def _parameters(command: Any, context: typer.Context) -> Iterator[Parameter]:  # noqa: ANN401 - the same
    for parameter in command.get_params(context):
        if getattr(parameter, "hidden", False):
            continue
        is_argument = parameter.param_type_name == "argument"
        names = [*parameter.opts, *parameter.secondary_opts]
        names.sort(key=lambda name: not name.startswith("--"))
        takes_value = is_argument or not (parameter.is_flag or parameter.count)
        yield Parameter(
            names=tuple(names),
            value=parameter.make_metavar(ctx=context) if takes_value else "",
            help=" ".join((parameter.help or "").split()),
            is_argument=is_argument,
            required=parameter.required,
            choices=tuple(getattr(parameter.type, "choices", ())),
        )

"""`ocsnap completion` on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ocsnap.cli.completion_script import Shell, completion_script
from ocsnap.cli.output import print_json, print_text
from ocsnap.errors import ExitStatus

if TYPE_CHECKING:
    from ocsnap.cli.options import GlobalOptions


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("completion")(completion)


def completion(
    context: typer.Context,
    shell: Annotated[Shell, typer.Argument(metavar="bash|zsh|fish", help="The shell.")],
) -> int:
    """Print a script that lets a shell complete commands.

    Examples:

        ocsnap completion bash > /etc/bash_completion.d/ocsnap

        ocsnap completion zsh > /usr/local/share/zsh/site-functions/_ocsnap

        ocsnap completion fish > /etc/fish/completions/ocsnap.fish
    """
    from ocsnap.cli.command_tree import pages  # noqa: PLC0415 - only this one needs it
    from ocsnap.cli.main import register_commands  # noqa: PLC0415 - it imports this

    options: GlobalOptions = context.obj
    script = completion_script(shell, [*pages(register_commands())])
    if options.json:
        print_json({"shell": shell, "script": script})
    else:
        print_text(script.rstrip("\n"))
    return int(ExitStatus.OK)

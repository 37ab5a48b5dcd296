"""`ocsnap`: the outermost frame, and the only one that exits."""

from __future__ import annotations

import gc
import io
import itertools
import os
import signal
import sys
import traceback
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, NoReturn

import typer
from typer.exceptions import TyperException

from ocsnap import __version__
from ocsnap.cli.bare import Bare
from ocsnap.cli.command_modules import MODULES
from ocsnap.cli.options import GlobalOptions, Verbosity
from ocsnap.cli.output import print_failure
from ocsnap.errors import ExitStatus, OcsnapError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_GARBAGE_OBJECTS: Final = 20_000
"""How many objects more than before make Python look for those that hold only each other."""

_NO_COMMAND: Final = "Missing command."
"""What typer says then."""

_SHARED: Final = frozenset({"--json", "-q", "--quiet", "-v", "--verbose"})
_SHARED_WITH_VALUE: Final = frozenset(
    {
        "--repository",
        "--region",
        "--endpoint",
        "--profile",
        "--access-key-id",
        "--secret-access-key-file",
        "--ca-file",
        "--passphrase-file",
        "--key-file",
        "--state-dir",
    }
)

_CONFIG: Final = frozenset({"-c", "--config"})

app = typer.Typer(
    name="ocsnap",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:  # noqa: FBT001 - typer calls it so
    if wanted:
        from ocsnap.cli.versions import versions  # noqa: PLC0415 - asks gpg and librsync

        typer.echo(f"ocsnap {__version__}")
        for name, version in versions():
            typer.echo(f"{name} {version}")
        raise typer.Exit


@app.callback(epilog="Exit statuses: see docs/exit-statuses.md, or the end of man ocsnap.")
def global_options(  # noqa: PLR0913 - one parameter for each option
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", "-c", metavar="FILE", help="The configuration.", show_default=False
        ),
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document instead of text.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say only what is wrong.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say more.")] = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_show_version,
            is_eager=True,
            help="Show the version, and those of what ocsnap uses.",
        ),
    ] = False,
    repository: Annotated[
        str | None,
        typer.Option(
            "--repository",
            metavar="URL",
            help="Where the backups are: s3://bucket/prefix or file:///folder.",
        ),
    ] = None,
    region: Annotated[
        str | None, typer.Option("--region", metavar="REGION", help="The bucket's region.")
    ] = None,
    endpoint: Annotated[
        str | None,
        typer.Option(
            "--endpoint", metavar="URL", help="The address of a store that is not Amazon's."
        ),
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option(
            "--profile",
            metavar="PROFILE",
            help="A profile in ~/.aws that has the store's access key.",
        ),
    ] = None,
    access_key_id: Annotated[
        str | None,
        typer.Option(
            "--access-key-id",
            metavar="ID",
            help="The store's access key; else the environment, ~/.aws or the machine has it.",
        ),
    ] = None,
    secret_access_key_file: Annotated[
        Path | None,
        typer.Option(
            "--secret-access-key-file",
            metavar="FILE",
            help="A file with the secret of that access key.",
        ),
    ] = None,
    ca_file: Annotated[
        Path | None,
        typer.Option(
            "--ca-file", metavar="FILE", help="Certificates of a store that signs its own."
        ),
    ] = None,
    passphrase_file: Annotated[
        Path | None,
        typer.Option("--passphrase-file", metavar="FILE", help="A file with the passphrase."),
    ] = None,
    key_file: Annotated[
        list[Path] | None,
        typer.Option(
            "--key-file", metavar="FILE", help="An exported secret key; may be given several times."
        ),
    ] = None,
    state_dir: Annotated[
        Path | None,
        typer.Option(
            "--state-dir",
            metavar="FOLDER",
            help="The folder for ocsnap's own notes, in place of /var/lib/ocsnap.",
        ),
    ] = None,
) -> None:
    """Back up an ownCloud consistently, encrypted, and restore it.

    The configuration is the file given with -c, else $OCSNAP_CONFIG, else /etc/ocsnap/config.toml.
    With --repository there is none: the options from there on say where the backups are and what
    opens them. All options but -c may also stand behind the command.

    Examples:

        ocsnap init

        ocsnap backup --dry-run

        ocsnap -c /etc/ocsnap/test.toml snapshots

        ocsnap restore --help
    """
    del version
    verbosity = Verbosity.QUIET if quiet else Verbosity.VERBOSE if verbose else Verbosity.NORMAL
    bare = Bare(
        repository=repository,
        region=region,
        endpoint=endpoint,
        profile=profile,
        access_key_id=access_key_id,
        secret_access_key_file=secret_access_key_file,
        ca_file=ca_file,
        passphrase_file=passphrase_file,
        key_files=tuple(key_file or ()),
        state_dir=state_dir,
    )
    context.obj = GlobalOptions(config=config, json=json, verbosity=verbosity, bare=bare)


def register_commands(only: str = "") -> typer.Typer:
    """Add the commands, each once.

    Args:
        only: a command; all are added where there is none of this name. A tenth of a second goes
            into those that are not called.

    Returns:
        The program with its commands.
    """
    for module in [MODULES[only]] if only in MODULES else MODULES.values():
        _register(module)
    return app


@cache
def _register(module: str) -> None:
    import_module(f"ocsnap.cli.{module}").register(app)


def named_command(arguments: list[str]) -> str:
    """Return the word of a command line that names the command, empty where there is none."""
    words = (word for word, _ in _up_to_command(arguments) if not word.startswith("-"))
    return next(words, "")


def named_config(arguments: list[str]) -> Path | None:
    """Return the file that a command line names with `-c`; None: it names none."""
    for word, following in _up_to_command(arguments):
        name, equals, value = word.partition("=")
        if word in _CONFIG:
            return Path(following)
        if name == "--config" and equals:
            return Path(value)
        if word.startswith("-c"):
            return Path(word.removeprefix("-c"))
    return None


def _up_to_command(arguments: list[str]) -> Iterator[tuple[str, str]]:
    """Yield each option before the command with the word that it takes, then the command."""
    waiting = iter(arguments)
    for word in waiting:
        takes_word = word in _SHARED_WITH_VALUE or word in _CONFIG
        yield word, next(waiting, "") if takes_word else ""
        if not word.startswith("-"):
            return


def run(arguments: list[str]) -> int:
    """Run one command.

    Args:
        arguments: the command line without the program's name.

    Returns:
        The exit status.
    """
    arguments = shared_first(arguments)
    json = "--json" in arguments
    try:
        status = int(app(arguments, prog_name="ocsnap", standalone_mode=False) or 0)
    except OcsnapError as error:
        from ocsnap.cli.hint import runnable  # noqa: PLC0415 - only failures need it

        hint = runnable(error.hint, named_config(arguments))
        print_failure(error.exit_status, error.message, hint, json=json)
        return int(error.exit_status)
    except TyperException as error:
        _print_misuse(error, json=json)
        return int(ExitStatus.USAGE)
    except (KeyboardInterrupt, typer.Abort):
        status = int(ExitStatus.INTERRUPTED)
    except Exception as error:  # noqa: BLE001 - the outermost frame: a script must still get JSON
        traceback.print_exc()
        if json:
            print_failure(ExitStatus.INTERNAL, repr(error), "See the traceback.", json=True)
        return int(ExitStatus.INTERNAL)
    if status == ExitStatus.INTERRUPTED:
        # typer makes a status of the interruption and says nothing.
        print_failure(ExitStatus.INTERRUPTED, "Interrupted.", "", json=json)
    return status


def _print_misuse(error: TyperException, *, json: bool) -> None:
    message = error.format_message()
    context = getattr(error, "ctx", None)
    if message == _NO_COMMAND and context is not None and not json:
        # Who says nothing wants to know what there is.
        sys.stderr.write(f"{context.get_help()}\n")
    else:
        print_failure(ExitStatus.USAGE, message, "See: ocsnap --help.", json=json)


def shared_first(arguments: list[str]) -> list[str]:
    """Put the options that every command shares in front, wherever they stand."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    shared, others = [], []
    waiting = iter(arguments[:end])
    for argument in waiting:
        name, equals, _ = argument.partition("=")
        if argument in _SHARED or (name in _SHARED_WITH_VALUE and equals):
            shared.append(argument)
        elif name in _SHARED_WITH_VALUE:
            shared += [argument, *itertools.islice(waiting, 1)]
        else:
            others.append(argument)
    return [*shared, *others, *arguments[end:]]


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    del number, frame
    raise KeyboardInterrupt


def _speak_utf8() -> None:
    """Begin anew where the locale has an older charset: ownCloud's names are UTF-8 everywhere."""
    if sys.getfilesystemencoding() != "utf-8":
        os.environ["PYTHONUTF8"] = "1"
        # -P: not from the folder that it happens to be called in, which may be anybody's.
        command = [sys.executable, "-P", "-m", "ocsnap", *sys.argv[1:]]
        os.execv(sys.executable, command)  # noqa: S606 - this very program, without a shell


def main() -> NoReturn:
    """Run the command line and exit."""
    _speak_utf8()
    os.umask(0o077)
    for number in (signal.SIGTERM, signal.SIGHUP):
        # What is ignored stays so: nohup means that the end of the terminal shall end nothing.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A terminal or a locale that has not all characters of users' names stops nothing.
        sys.stdout.reconfigure(errors="backslashreplace")
    gc.disable()  # until all is imported: see session
    gc.set_threshold(_GARBAGE_OBJECTS)
    register_commands(named_command(sys.argv[1:]))
    sys.exit(run(sys.argv[1:]))

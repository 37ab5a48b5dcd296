"""`ocsnap init` on the command line."""

from __future__ import annotations

import os
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ocsnap.cli.options import Verbosity
from ocsnap.cli.output import print_json, print_text
from ocsnap.cli.question import is_confirmed, secret_answer, tell
from ocsnap.cli.session import session_of
from ocsnap.cli.setup.foresee import foresee
from ocsnap.cli.setup.from_duply import demand_key, duply_answers, duply_lines
from ocsnap.cli.setup.interview import Trial, complete, free_config_path, interview
from ocsnap.cli.setup.sheet_text import ask_to_confirm, show_sheet
from ocsnap.config import DEFAULT_PATH
from ocsnap.errors import ConfigError, ExitStatus, RefusedError

if TYPE_CHECKING:
    from ocsnap.cli.options import GlobalOptions
    from ocsnap.commands.context import Context
    from ocsnap.commands.duply.translation import Carried
    from ocsnap.commands.init.answers import Answers
    from ocsnap.commands.init.new_files import NewFiles

_MACHINE: Final = Path("/")
_CLOCK_SECONDS: Final = 60.0


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("init")(init)


def init(
    context: typer.Context,
    owncloud: Annotated[
        Path | None,
        typer.Option(
            "--owncloud", metavar="FOLDER", help="The folder with occ; else it is looked for."
        ),
    ] = None,
    web_url: Annotated[
        str | None, typer.Option("--web-url", metavar="URL", help="The address that users type.")
    ] = None,
    recipient: Annotated[
        list[str] | None,
        typer.Option(
            "--recipient",
            metavar="FINGERPRINT",
            help="Fingerprint of a public key; its secret key reads the backups.",
        ),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            "--exclude",
            metavar="PATTERN",
            help="Pattern of what to leave out; may be given several times.",
        ),
    ] = None,
    sheet: Annotated[
        Path | None,
        typer.Option("--sheet", metavar="FILE", help="Where to write the recovery sheet, a PDF."),
    ] = None,
    from_duply: Annotated[
        str | None,
        typer.Option(
            "--from-duply", metavar="PROFILE", help="Take over what this profile of duply says."
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a configuration; the old one is kept.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", "-n", help="Look at ownCloud; say what would be written."),
    ] = False,
) -> int:
    """Set ocsnap up: key, repository and configuration.

    Everything is tried out first. Asks for what the options leave open. Where the backups go, the
    store's key, the passphrase's file and keys are said by the options that every command has
    (ocsnap --help). The configuration goes where -c says, else to /etc/ocsnap/config.toml, and
    secrets into files beside it that only their owner can read.

    At the end stands the recovery sheet: print it. Without it the backups are worthless when this
    machine is lost.

    Examples:

        ocsnap init

        ocsnap init --from-duply cloud --dry-run

        ocsnap init --yes --repository file:///srv/backup/cloud

        ocsnap init --repository s3://oc-backup/cloud --region eu-central-1
    """
    from ocsnap.commands.init.answers import Answers  # noqa: PLC0415 - see session
    from ocsnap.owncloud.search import find_roots  # noqa: PLC0415 - see session

    options: GlobalOptions = context.obj
    said = options.bare
    answers = Answers(
        root=_absolute(owncloud),
        web_url=web_url,
        url=said.repository,
        region=said.region,
        endpoint=said.endpoint,
        access_key_id=said.access_key_id,
        secret_file=_absolute(said.secret_access_key_file),
        profile=said.profile,
        ca_file=_absolute(said.ca_file),
        passphrase_file=_absolute(said.passphrase_file),
        recipients=tuple(recipient or ()),
        key_files=tuple(path.absolute() for path in said.key_files),
        exclude=tuple(exclude or ()),
        state_dir=_absolute(said.state_dir),
    )
    carried: tuple[Carried, ...] = ()
    if from_duply is not None:
        roots = find_roots(_MACHINE)
        answers, carried = duply_answers(from_duply, answers, roots, os.environ)
        if yes:
            demand_key(answers, carried)
    if dry_run:
        return foresee(options, answers, carried, sheet=sheet, force=force)
    return set_up(options, answers, carried, sheet=sheet, force=force, yes=yes)


def set_up(
    options: GlobalOptions,
    answers: Answers,
    carried: tuple[Carried, ...] = (),
    *,
    sheet: Path | None,
    force: bool,
    yes: bool,
) -> int:
    """Do what `init` does, with the answers that are known.

    Args:
        options: what was said before the command's name.
        answers: what the options say.
        carried: what became of each key of a duply profile.
        sheet: where to write the recovery sheet; None: beside the configuration.
        force: replace a configuration.
        yes: ask nothing.

    Returns:
        The exit status.

    Raises:
        RefusedError: a configuration is there, or something is missing and nobody can be asked.
        OcsnapError: something does not work; nothing was left behind.
    """
    from ocsnap.commands.init.new_files import NewFiles  # noqa: PLC0415 - see session
    from ocsnap.owncloud.search import find_roots  # noqa: PLC0415 - see session

    asks = not yes and sys.stdin.isatty()
    if not yes and not asks:
        raise RefusedError(
            "Nobody can be asked without a terminal.", hint="Give all options, and --yes."
        )
    config_path = free_config_path(options, force=force)
    if carried and not options.json:
        # At once: what is refused or asked next follows from it.
        (tell if asks else print_text)("\n".join(duply_lines(carried)))
    # Nothing may be drawn over the questions.
    options = replace(options, verbosity=Verbosity.QUIET) if asks else options
    trial = Trial.beside(config_path, options, answers)
    found = [] if answers.root is not None else find_roots(_MACHINE)
    answers = interview(answers, trial, found) if asks else complete(answers, found)
    if not asks:
        trial.owncloud(answers)
    with NewFiles() as files:
        _write_secret(answers, trial, files)
        return _finish(options, answers, carried, trial, files, config_path, sheet, asks=asks)


def _write_secret(answers: Answers, trial: Trial, files: NewFiles) -> None:
    if answers.access_key_id is None:
        return
    if answers.secret is not None:
        files.write(trial.secret_file, answers.secret + "\n")
    elif not trial.secret_file.is_file():
        raise RefusedError(
            f"{trial.secret_file}, with the secret of the storage's key, is not there.",
            hint="Write it, or name it with --secret-access-key-file.",
        )


def _finish(  # noqa: PLR0913 - what all of it needs, by name where it could be mistaken
    options: GlobalOptions,
    answers: Answers,
    carried: tuple[Carried, ...],
    trial: Trial,
    files: NewFiles,
    config_path: Path,
    sheet: Path | None,
    *,
    asks: bool,
) -> int:
    from ocsnap.commands.init.answers import NOTES  # noqa: PLC0415 - see session
    from ocsnap.commands.init.init import make_repository  # noqa: PLC0415 - see session
    from ocsnap.commands.recovery.pdf import write_pdf  # noqa: PLC0415 - see session
    from ocsnap.commands.recovery.sheet import make_sheet  # noqa: PLC0415 - see session
    from ocsnap.config.text import config_text  # noqa: PLC0415 - see session

    tables = answers.tables(passphrase_file=trial.passphrase_file, secret_file=trial.secret_file)
    text = config_text(tables, NOTES | answers.notes)
    with session_of(options, trial.config(answers)) as world:
        notes = _try_storage(world, answers, trial, files, asks=asks)
        if config_path.exists():
            kept = files.set_aside(config_path, world.clock.now())
            notes.append(f"The configuration that was there is kept as {kept}.")
        files.write(config_path, text)
        made = [str(path) for path in files.made]
        # Even if an error follows: something may be locked with it from here on.
        files.keep(trial.passphrase_file)
        repository = make_repository(world)
        files.keep_all()
        page = make_sheet(world)
        sheet = (sheet or config_path.with_name("recovery-sheet.pdf")).absolute()
        write_pdf(page, sheet)
        confirmed = False
        if asks:
            show_sheet(page)
            tell(f"The same, to be printed, is in {sheet}. Delete it when it is on paper.")
            confirmed = ask_to_confirm(world)
    if options.json:
        told: dict[str, object] = {"config": str(config_path), "repository": repository}
        told |= {"made": made, **({"duply": carried} if carried else {})}
        print_json({**told, "sheet": str(sheet), "confirmed": confirmed, "notes": notes})
    elif asks or options.verbosity is not Verbosity.QUIET:
        print_text("\n".join(_lines(config_path, made, sheet, notes, confirmed=confirmed)))
    return int(ExitStatus.REFUSED if asks and not confirmed else ExitStatus.OK)


def _try_storage(
    world: Context, answers: Answers, trial: Trial, files: NewFiles, *, asks: bool
) -> list[str]:
    """Try the storage out, and see that there is a passphrase where one is needed."""
    from ocsnap.commands.init.init import examine_storage, new_passphrase  # noqa: PLC0415 - as above
    from ocsnap.crypto.passphrase import read_passphrase  # noqa: PLC0415 - as above

    probed, found = examine_storage(world)
    notes = []
    if not probed.deletes:
        notes.append("The key may not delete objects: nothing can be pruned with it.")
    if probed.ahead_seconds is not None and abs(probed.ahead_seconds) > _CLOCK_SECONDS:
        notes.append(
            f"This machine's clock and the storage's differ: {probed.ahead_seconds:.0f} s."
        )
    if found is not None:
        notes.append("There is a repository already, and it is used.")
    if answers.recipients:
        return notes
    if trial.passphrase_file.exists():
        notes.append(f"The passphrase in {trial.passphrase_file}, which was there, is used.")
        passphrase = read_passphrase(world.config.encryption, {})
        return [*notes, *_weak(passphrase, known=found is not None)]
    passphrase = answers.passphrase
    if passphrase is None and found is not None and found.cipher == "passphrase":
        if not asks:
            raise RefusedError(
                f"There is a repository at {answers.url} already.",
                hint="Give its passphrase with --passphrase-file, or name another place.",
            )
        passphrase = secret_answer("There is a repository already. Its passphrase (is not shown)")
        if not passphrase:
            raise ConfigError("The passphrase is empty.")
    elif passphrase is not None and asks and found is None:
        passphrase = _stronger(passphrase, world)
    files.write(trial.passphrase_file, (passphrase or new_passphrase()) + "\n")
    return [*notes, *_weak(passphrase, known=found is not None)]


def _stronger(passphrase: str, world: Context) -> str | None:
    """Return a passphrase that was carried over; None: a strong one shall be made instead."""
    from ocsnap.crypto.passphrase import weakness  # noqa: PLC0415 - see session

    weak = weakness(passphrase)
    if weak is None or not is_confirmed([weak], "Make a strong one instead?", world.monitor):
        return passphrase
    return None


def _weak(passphrase: str | None, *, known: bool) -> list[str]:
    """Warn of a passphrase that somebody chose; the repository may be locked with it already."""
    from ocsnap.crypto.passphrase import weakness  # noqa: PLC0415 - see session

    weak = None if passphrase is None else weakness(passphrase)
    if weak is None:
        return []
    cure = "Before the first backup, begin anew without it: then init makes a strong one."
    return [f"{weak} {'' if known else cure}".rstrip()]


def _lines(
    config_path: Path, made: list[str], sheet: Path, notes: list[str], *, confirmed: bool
) -> list[str]:
    usual = config_path == DEFAULT_PATH
    call = "ocsnap" if usual else f"ocsnap -c {shlex.quote(str(config_path))}"
    lines = [f"Note: {note}" for note in notes]
    lines += [f"Made {path}" for path in made]
    lines.append(f"Made {sheet}")
    if not confirmed:
        lines.append(
            f"NOT CONFIRMED: print the recovery sheet, then: {call} recovery-sheet --confirm"
        )
    steps = ("backup", "verify", "schedule install", "doctor")
    return [*lines, "Next:", *(f"  {call} {step}" for step in steps)]


def _absolute(path: Path | None) -> Path | None:
    return None if path is None else path.expanduser().absolute()

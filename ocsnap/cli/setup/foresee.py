"""`ocsnap init --dry-run`: what would be written, and whether ownCloud can be backed up."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ocsnap.cli.output import print_json, print_text
from ocsnap.cli.session import session_of
from ocsnap.cli.setup.from_duply import duply_lines
from ocsnap.cli.setup.interview import Trial, complete, free_config_path
from ocsnap.errors import ExitStatus

if TYPE_CHECKING:
    from ocsnap.cli.options import GlobalOptions
    from ocsnap.commands.duply.translation import Carried
    from ocsnap.commands.init.answers import Answers

_MACHINE: Final = Path("/")


def foresee(
    options: GlobalOptions,
    answers: Answers,
    carried: tuple[Carried, ...],
    *,
    sheet: Path | None,
    force: bool,
) -> int:
    """Look at ownCloud, occ and the database, and tell what `init` would write.

    Args:
        options: what was said before the command's name.
        answers: what the options say; nothing is asked.
        carried: what became of each key of a duply profile.
        sheet: where the recovery sheet would go; None: beside the configuration.
        force: replace a configuration.

    Returns:
        The exit status.

    Raises:
        RefusedError: a configuration is there, or something is missing.
        OcsnapError: ownCloud cannot be backed up.
    """
    from ocsnap.commands.init.answers import NOTES  # noqa: PLC0415 - see session
    from ocsnap.config.text import config_text  # noqa: PLC0415 - see session
    from ocsnap.owncloud.search import find_roots  # noqa: PLC0415 - see session

    config_path = free_config_path(options, force=force)
    trial = Trial.beside(config_path, options, answers)
    answers = complete(answers, [] if answers.root is not None else find_roots(_MACHINE))
    with tempfile.TemporaryDirectory(prefix="ocsnap-init-") as folder:
        trial.owncloud(replace(answers, state_dir=Path(folder)))
        is_there = _has_repository(options, answers, trial, Path(folder))
    tables = answers.tables(passphrase_file=trial.passphrase_file, secret_file=trial.secret_file)
    text = config_text(tables, NOTES | answers.notes)
    files = [config_path, sheet or config_path.with_name("recovery-sheet.pdf")]
    if not answers.recipients and not trial.passphrase_file.exists():
        files.insert(0, trial.passphrase_file)
    if answers.access_key_id is not None and answers.secret is not None:
        files.insert(0, trial.secret_file)
    if options.json:
        told: dict[str, object] = {"dry_run": True, "repository": answers.url, "config": text}
        told |= {"writes": [str(path) for path in files], "is_there": is_there}
        print_json(told | ({"duply": carried} if carried else {}))
        return int(ExitStatus.OK)
    lines = [*duply_lines(carried)] if carried else []
    lines += [f"Would write {path}" for path in files]
    lines += [f"The configuration, {config_path}:"]
    lines += [f"    {line}".rstrip() for line in text.splitlines()]
    act = "use the repository that is there" if is_there else "make a repository"
    lines += [f"{answers.url} can be listed. Would try to write there, and {act}."]
    print_text("\n".join([*lines, "Nothing was done."]))
    return int(ExitStatus.OK)


def _has_repository(options: GlobalOptions, answers: Answers, trial: Trial, folder: Path) -> bool:
    """Look whether the storage can be reached, and has a repository already."""
    from ocsnap.commands.init.init import look_at_storage  # noqa: PLC0415 - see session

    if answers.access_key_id is not None and answers.secret is not None:
        trial = replace(trial, secret_file=folder / "s3-secret")
        trial.secret_file.touch(mode=0o600)
        trial.secret_file.write_text(answers.secret + "\n", "utf-8")
    with session_of(options, trial.config(replace(answers, state_dir=folder))) as world:
        return look_at_storage(world) is not None

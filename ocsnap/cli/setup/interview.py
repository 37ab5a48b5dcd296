"""Asks for what the options of `ocsnap init` have not said; each answer is tried out at once."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ocsnap.cli.question import answer, secret_answer, tell
from ocsnap.cli.session import session_of
from ocsnap.config import locate, parse
from ocsnap.errors import OcsnapError, OwncloudError, RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ocsnap.cli.options import GlobalOptions
    from ocsnap.commands.init.answers import Answers
    from ocsnap.commands.init.init import OwncloudFacts
    from ocsnap.config import Config

_NOWHERE: Final = Path("/nonexistent")
_NONE: Final = "-"
"""What stands for no answer where an empty one stands for the default."""


@dataclass(frozen=True)
class Trial:
    """Tries answers out.

    Attributes:
        options: what was said before the command's name.
        passphrase_file: where the passphrase will be.
        secret_file: where the secret of the storage's key will be.
    """

    options: GlobalOptions
    passphrase_file: Path
    secret_file: Path

    @classmethod
    def beside(cls, config_path: Path, options: GlobalOptions, answers: Answers) -> Trial:
        """Return one whose secrets will be beside the configuration, where nothing else is said."""
        return cls(
            options,
            passphrase_file=answers.passphrase_file or config_path.with_name("passphrase"),
            secret_file=answers.secret_file or config_path.with_name("s3-secret"),
        )

    def config(self, answers: Answers) -> Config:
        """Return the configuration that the answers make.

        Raises:
            ConfigError: they make none.
        """
        tables = answers.tables(passphrase_file=self.passphrase_file, secret_file=self.secret_file)
        return parse(tables, source="init")

    def owncloud(self, answers: Answers) -> OwncloudFacts:
        """Look at the ownCloud.

        Raises:
            OcsnapError: it cannot be backed up.
        """
        from ocsnap.commands.init.init import examine_owncloud  # noqa: PLC0415 - see session

        # The rest is not known yet, and does not matter here.
        whole = replace(answers, url=answers.url or f"file://{_NOWHERE}")
        with session_of(self.options, self.config(whole)) as world:
            return examine_owncloud(world)


def free_config_path(options: GlobalOptions, *, force: bool) -> Path:
    """Return where the configuration will be.

    Args:
        options: what was said before the command's name.
        force: whether one that is there is replaced.

    Raises:
        RefusedError: one is there.
    """
    path = locate(options.config, os.environ).absolute()
    if path.exists() and not force:
        raise RefusedError(
            f"{path} is there already.",
            hint="Change it by hand, or give --force: then it is kept under another name.",
        )
    return path


def complete(answers: Answers, found: list[Path]) -> Answers:
    """See that nothing is missing; the only ownCloud that there is, is meant.

    Args:
        answers: what the options say.
        found: the ownClouds of this machine.

    Returns:
        All answers.

    Raises:
        RefusedError: one is missing.
    """
    if answers.root is None:
        if not found:
            raise RefusedError("No ownCloud was found.", hint="Name its folder with --owncloud.")
        if len(found) > 1:
            names = ", ".join(str(path) for path in found)
            raise RefusedError(f"There are several ownClouds: {names}.", hint="Give --owncloud.")
        answers = replace(answers, root=found[0])
    if answers.url is None:
        raise RefusedError("Where to is not said.", hint="Give --repository.")
    return answers


def interview(answers: Answers, trial: Trial, found: list[Path]) -> Answers:
    """Ask for what is not said yet.

    Args:
        answers: what the options say.
        trial: tries answers out.
        found: the ownClouds of this machine.

    Returns:
        All answers.

    Raises:
        RefusedError: nobody answers any more.
    """
    answers = _owncloud(answers, trial, found)
    answers = _storage(answers)
    return _key(answers)


def _owncloud(answers: Answers, trial: Trial, found: list[Path]) -> Answers:
    tell("1. ownCloud")
    if len(found) > 1 and answers.root is None:
        tell("Found: " + ", ".join(str(path) for path in found))
    default = str(found[0]) if found else ""

    def ask(asked: Answers) -> Answers:
        return replace(
            asked, root=_path(answer("Where is ownCloud (the folder with occ)", default))
        )

    def look(asked: Answers) -> OwncloudFacts:
        return trial.owncloud(asked)

    asked, facts = _until(answers, ask, look, known=answers.root is not None)
    tell(f"   ownCloud {facts.version}, data in {facts.data_dir}")
    tell(f"   {facts.database}: {facts.tables} tables, all can be read; occ answers.")
    for note in facts.notes:
        tell(f"   Note: {note}")
    if asked.web_url is not None:
        return asked
    tell("   With its web address ocsnap also asks the web server whether it is frozen.")
    return replace(asked, web_url=_web_url(facts.web_url or _NONE))


def _web_url(default: str) -> str | None:
    from ocsnap.owncloud.web_server import WebServer  # noqa: PLC0415 - see session

    while True:
        url = answer(f"The address that users type, or {_NONE} for none", default)
        if url == _NONE:
            return None
        try:
            WebServer(url).in_maintenance()
        except OwncloudError as error:
            tell(f"   {error}")
            default = _NONE
        else:
            return url


def _storage(answers: Answers) -> Answers:
    if answers.url is not None:
        return answers
    tell("2. The place for the backups")
    tell("   s3://bucket/prefix, or file:///folder for another disk of this machine")
    asked = replace(answers, url=answer("Where to"))
    if not asked.is_s3:
        return asked
    endpoint = asked.endpoint or answer(f"Address of the store, or {_NONE} for Amazon's", _NONE)
    asked = replace(asked, endpoint=None if endpoint == _NONE else endpoint)
    asked = replace(asked, region=asked.region or answer("Region", "eu-central-1"))
    if asked.access_key_id is None and asked.profile is None:
        key = answer(f"Access key id, or {_NONE} to let boto3 look for one", _NONE)
        asked = replace(asked, access_key_id=None if key == _NONE else key)
    if asked.access_key_id is not None and asked.secret is None and not _is_file(asked.secret_file):
        asked = replace(asked, secret=secret_answer("Its secret (is not shown)"))
    return asked


def _key(answers: Answers) -> Answers:
    if answers.recipients or answers.passphrase is not None or _is_file(answers.passphrase_file):
        return answers
    tell("3. The key that opens the backups")
    tell("   passphrase: one is made now; this machine can read its own backups")
    tell("   keys: OpenPGP keys; this machine cannot read what it has written")
    while True:
        kind = answer("Which", "passphrase")
        if kind == "passphrase":
            return answers
        if kind == "keys":
            break
        tell("   Say passphrase or keys.")
    fingerprints = answer("Whole fingerprints, with commas between them")
    files = answer("Files with their exported public parts, with commas between them")
    return replace(
        answers,
        recipients=tuple(text.strip() for text in fingerprints.split(",")),
        key_files=tuple(_path(text.strip()) for text in files.split(",")),
    )


def _until(
    answers: Answers,
    ask: Callable[[Answers], Answers],
    look: Callable[[Answers], OwncloudFacts],
    *,
    known: bool,
) -> tuple[Answers, OwncloudFacts]:
    """Ask again as long as the answer does not work; what an option said is not asked again."""
    while True:
        try:
            asked = answers if known else ask(answers)
            return asked, look(asked)
        except RefusedError:
            raise
        except OcsnapError as error:
            if known:
                raise
            tell(f"   {error}")


def _path(text: str) -> Path:
    return Path(text).expanduser().absolute()


def _is_file(path: Path | None) -> bool:
    return path is not None and path.is_file()

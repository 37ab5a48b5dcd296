"""ownCloud's own command line: what it is asked, and what its answers and failures mean."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ocsnap.errors import OwncloudError
from ocsnap.owncloud.command import DEFAULT_ENVIRONMENT, Outcome, as_owner, run
from ocsnap.owncloud.foreign_code import refuse_foreign_code

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ocsnap.config import OwncloudConfig
    from ocsnap.owncloud.instance import Instance

_DEFAULT_TIMEOUT_SECONDS = 60.0
_SCAN_TIMEOUT_SECONDS = 24 * 3600.0  # a home of a million files takes hours
_MODE = re.compile(r"^Maintenance mode is currently (enabled|disabled)\s*$", re.MULTILINE)
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_QUOTED_CHARACTERS = 300
# Lines that occ writes beside the matter, or that only announce the next one.
_NOISE = (
    "ownCloud is in maintenance mode",
    "ownCloud or one of the apps require upgrade",
    "You may use your browser or the occ upgrade command",
    "An unhandled exception has been thrown:",
    "Please also consider to stop the web server",
    "Maintenance mode ",
)
_HINTS = (
    (
        "Console has to be executed with the user",
        "Run ocsnap as root or as that user, or correct owncloud.occ.",
    ),
    ("ParseError", "A PHP file cannot be read, config.php may have been cut by a full disk."),
    ("Parse error", "A PHP file cannot be read, config.php may have been cut by a full disk."),
    ("syntax error", "A PHP file cannot be read, config.php may have been cut by a full disk."),
    ("SQLSTATE", "Is the database server running, and does config.php reach it?"),
    ("to the database", "Is the database server running, and does config.php reach it?"),
    ("data directory", "Is the disk with the data directory mounted?"),
    ("config_is_read_only", "Take config_is_read_only out of config.php."),
    ("config", "The owner of config.php must be able to write it."),
    ("Could not open input file", "Is owncloud.root the folder that holds occ?"),
)


@dataclass(frozen=True)
class Occ:
    """Calls occ.

    Attributes:
        command: the program and the arguments that go before occ's own.
        root: ownCloud's folder, in which occ runs.
        environment: all of its environment.
        timeout_seconds: how long one call may take.
    """

    command: tuple[str, ...]
    root: Path
    environment: Mapping[str, str] = field(default_factory=lambda: DEFAULT_ENVIRONMENT, repr=False)
    timeout_seconds: float = _DEFAULT_TIMEOUT_SECONDS

    @classmethod
    def of(
        cls,
        instance: Instance,
        config: OwncloudConfig,
        environment: Mapping[str, str] = DEFAULT_ENVIRONMENT,
    ) -> Occ:
        """Choose how occ is called.

        Args:
            instance: the instance.
            config: the table [owncloud]; its `occ` wins.
            environment: the environment for occ.

        Returns:
            An Occ that runs as the owner of config.php unless the configuration says otherwise.

        Raises:
            OwncloudError: that owner is root, and another user can change what would run.
        """
        if config.occ:
            return cls(config.occ, instance.root, environment)
        php = shutil.which(config.php, path=environment.get("PATH")) or config.php
        code = [instance.config_path, *(instance.root / name for name in ("occ", "lib", "apps"))]
        refuse_foreign_code(instance.owner_uid, code)
        owner = as_owner(instance.owner_uid, instance.owner_gid)
        return cls((*owner, php, str(instance.root / "occ")), instance.root, environment)

    def maintenance(self) -> bool:
        """Ask whether maintenance mode is on.

        Returns:
            What occ says; that is config.php with overlays and environment, not the web server.

        Raises:
            OwncloudError: occ fails or says neither.
        """
        # 9.1 prints the notice of maintenance mode on stdout, so the answer is looked for.
        answer = _MODE.search(self._call("maintenance:mode"))
        if answer is None:
            raise OwncloudError("occ maintenance:mode says neither enabled nor disabled.")
        return answer[1] == "enabled"

    def set_maintenance(self, *, on: bool) -> None:
        """Turn maintenance mode on or off, and believe nothing: occ may say so and fail.

        Args:
            on: the mode that is wanted.

        Raises:
            OwncloudError: occ itself says that it failed.
        """
        self._call("maintenance:mode", "--on" if on else "--off")

    def status(self) -> dict[str, object]:
        """Ask for the version.

        Returns:
            The keys of `occ status`, such as `installed`, `version`, `versionstring`, `edition`.

        Raises:
            OwncloudError: occ fails, or its answer is no JSON.
        """
        answer = self._call("status", "--output=json")
        # While an upgrade is pending two lines of text stand before the JSON.
        for line in answer.splitlines():
            if line.startswith("{"):
                try:
                    status = json.loads(line)
                except ValueError as error:
                    raise OwncloudError("occ status: the answer is no JSON.") from error
                return dict(status)
        raise OwncloudError("occ status: there is no JSON in the answer.")

    def data_fingerprint(self) -> None:
        """Tell sync clients that the data is older than they know (ownCloud 9.1 and later).

        Raises:
            OwncloudError: occ fails, or does not know the command.
        """
        self._call("maintenance:data-fingerprint", stdin=b"yes\n")

    def scan_files(self, path: str) -> None:
        """Let ownCloud take in what was put into a home past it.

        Args:
            path: user and path in the home, such as `u1/files/Documents`; a user alone: the home.

        Raises:
            OwncloudError: occ fails, knows no such user, or is in maintenance mode, in which it
                has not this command.
        """
        patient = replace(self, timeout_seconds=_SCAN_TIMEOUT_SECONDS)
        patient._call("files:scan", f"--path={path}")  # noqa: SLF001 - it is one of us

    def _call(self, *arguments: str, stdin: bytes = b"") -> str:
        outcome = run(
            (*self.command, "--no-ansi", *arguments),
            what=f"occ {' '.join(arguments)}",
            cwd=self.root,
            environment=self.environment,
            stdin=stdin,
            timeout_seconds=self.timeout_seconds,
        )
        if outcome.status != 0:
            raise _failure(arguments, outcome)
        return outcome.stdout.decode("utf-8", "replace")


def _failure(arguments: tuple[str, ...], outcome: Outcome) -> OwncloudError:
    """Quote the first line that says something; the stack trace below it may hold a password."""
    said = _first_meaningful(outcome.stdout) or _first_meaningful(outcome.stderr) or "nothing"
    hint = next((hint for mark, hint in _HINTS if mark in said), "Call it by hand to see more.")
    how = f"with status {outcome.status}" if outcome.status >= 0 else "by a signal"
    return OwncloudError(f"occ {' '.join(arguments)} ended {how}: {said.rstrip('.')}.", hint=hint)


def _first_meaningful(output: bytes) -> str:
    text = _COLOUR.sub("", output.decode("utf-8", "replace"))
    lines = (line.strip() for line in text.splitlines())
    found = next((line for line in lines if line and not line.startswith(_NOISE)), "")
    return found[:_QUOTED_CHARACTERS]

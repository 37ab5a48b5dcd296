"""What is to run, when, and what it needs of the machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

import msgspec

from ocsnap.commands.context import state_dir
from ocsnap.commands.site import database_settings
from ocsnap.owncloud.command import child_environment
from ocsnap.owncloud.instance import Instance
from ocsnap.owncloud.lease import LEASE_NAME

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ocsnap.commands.context import Context
    from ocsnap.commands.schedule.rhythm import Rhythm
    from ocsnap.config.sections import HooksConfig

MARK: Final = "# Written by `ocsnap schedule install`; `ocsnap schedule remove` takes it away."
"""First line of every file that is ours."""

_TEMPORARY: Final = ("/tmp", "/var/tmp")  # noqa: S108 - named, not used


@dataclass(frozen=True)
class Job:
    """One command that comes again.

    Attributes:
        name: the command of ocsnap.
        purpose: what it is for, in a few words.
        rhythm: when it runs.
        options: what follows the command.
    """

    name: str
    purpose: str
    rhythm: Rhythm
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """A whole schedule.

    Attributes:
        program: how ocsnap is called, absolute.
        config: the configuration file, absolute.
        jobs: what comes again.
        lease: the file that is there as long as maintenance may have been left on.
        writable: folders that the jobs write to, and the programs that they call.
        temporary: whether something lies in a folder for temporary files, which must be shared.
        hosts_commands: whether the admin's own commands run inside (hooks, snapshots of file
            systems), of which nobody knows what they need.
    """

    program: tuple[str, ...]
    config: Path
    jobs: tuple[Job, ...]
    lease: Path
    writable: tuple[Path, ...]
    temporary: bool
    hosts_commands: bool

    def command(self, *arguments: str) -> tuple[str, ...]:
        """Return a call of ocsnap with this configuration."""
        return (*self.program, "-c", str(self.config), *arguments)


def make_plan(
    context: Context, program: tuple[str, ...], config: Path, jobs: tuple[Job, ...]
) -> Plan:
    """Find out what the jobs need.

    Args:
        context: the outside world.
        program: how ocsnap is called.
        config: the configuration file.
        jobs: what is to run.

    Raises:
        OwncloudError: there is no ownCloud that could be backed up.
    """
    settings = context.config
    environment = child_environment(context.environment)
    instance = Instance.discover(settings.owncloud, environment)
    database = database_settings(instance, settings.database)
    # systemd opens only what is there when the unit starts, so it is made now.
    folder = state_dir(context)
    # occ rewrites config.php and writes into the log; the guardian puts a copy beside config.php.
    writable = [instance.config_path.parent, instance.log_file.parent, folder]
    if settings.backup.spool_dir is not None:
        settings.backup.spool_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        writable.append(settings.backup.spool_dir)
    if settings.encryption.gnupg_home is not None:
        writable.append(settings.encryption.gnupg_home)
    logs = (settings.log.json_file, settings.metrics.textfile)
    writable += [file.parent for file in logs if file is not None]
    if database.kind == "sqlite3":
        writable.append(Path(database.name).parent)
    if settings.repository.url.startswith("file://"):
        writable.append(Path(unquote(settings.repository.url.removeprefix("file://"))))
    read = [instance.root, instance.data_dir, config]
    if database.socket is not None:
        read.append(database.socket)
    temporary = any(_is_temporary(path) for path in (*writable, *read))
    shared = [Path(folder) for folder in _TEMPORARY] if temporary else []
    return Plan(
        program=program,
        config=config,
        jobs=jobs,
        lease=folder / LEASE_NAME,
        writable=(*_outermost(path.resolve() for path in writable), *shared),
        temporary=temporary,
        hosts_commands=bool(settings.backup.snapshot_command) or _has_hooks(settings.hooks),
    )


def _has_hooks(hooks: HooksConfig) -> bool:
    return any(isinstance(value, tuple) and value for value in msgspec.structs.astuple(hooks))


def _outermost(paths: Iterable[Path]) -> tuple[Path, ...]:
    kept: list[Path] = []
    for path in sorted(set(paths)):
        if not any(path.is_relative_to(other) for other in kept):
            kept.append(path)
    return tuple(kept)


def _is_temporary(path: Path) -> bool:
    return any(path.is_relative_to(folder) for folder in _TEMPORARY)

"""Looks at this machine: the configuration's files, programs, folders."""

from __future__ import annotations

import os
import shutil
import stat
from typing import TYPE_CHECKING, Final

from ocsnap.commands.doctor.finding import green, red, yellow
from ocsnap.commands.reporting.notification import obstacle_of, receivers
from ocsnap.commands.restore.journal import read_all, unfinished
from ocsnap.commands.run_lock import lock_holder
from ocsnap.librsync.binding import library
from ocsnap.librsync.signer import is_compiled
from ocsnap.owncloud.lease import read_lease
from ocsnap.units import GIB, MIB, size

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ocsnap.commands.doctor.finding import Said
    from ocsnap.commands.doctor.patient import Patient

_LEAST_ROOM_BYTES: Final = 64 * MIB
_ENOUGH_ROOM_BYTES: Final = GIB
"""The spool takes what changes while ownCloud is frozen, and the cache some per mille of all."""


def rights(patient: Patient) -> Iterator[Said]:
    """Look at who can read and change the configuration and its secrets."""
    config = patient.context.config
    found = list(_open_to_others(patient.config_path, stat.S_IWGRP | stat.S_IWOTH, "change"))
    secrets = [
        config.encryption.passphrase_file,
        config.repository.secret_access_key_file,
        config.database.password_file,
        config.notify.urls_file,
    ]
    for path in secrets:
        if path is not None:
            # The group may read it, as docs/configuration.md says.
            found += _open_to_others(path, stat.S_IWGRP | stat.S_IRWXO, "read or change")
    yield from found
    if not found:
        yield green("Only their owner can read the secrets and change the configuration.")


def _open_to_others(path: Path, bits: int, what: str) -> Iterator[Said]:
    try:
        found = path.stat()
    except FileNotFoundError:
        yield red(f"{path} is not there.", "Put it there, or correct the configuration.")
        return
    except OSError as error:
        yield red(f"{path} cannot be looked at: {error.strerror}.", "Run ocsnap as root.")
        return
    if found.st_uid not in {0, os.geteuid()}:
        yield red(f"{path} belongs to another user.", f"chown {os.geteuid()} {path}")
    elif stat.S_IMODE(found.st_mode) & bits:
        yield red(f"Other users can {what} {path}.", f"chmod 600 {path}")


def superuser(patient: Patient) -> Iterator[Said]:
    """Look at who runs this."""
    if patient.context.superuser:
        yield green("Runs as root, so it can read every file and restore owners.")
    else:
        yield yellow(
            "Does not run as root: files of other users may stay out, and owners are not restored.",
            "Run ocsnap as root.",
        )


def programs(patient: Patient) -> Iterator[Said]:
    """Look at what ocsnap calls and is linked with."""
    del patient
    if shutil.which("gpg") is None:
        yield red("gpg is not installed.", "apt-get install gnupg")
        return
    library()
    if is_compiled():
        yield green("gpg, librsync and the compiled part are there.")
    else:
        yield yellow(
            "The compiled part is missing: signatures take five times as long.",
            "Install a C compiler and Python's headers, then ocsnap again.",
        )


def room(patient: Patient) -> Iterator[Said]:
    """Look at the disks that ocsnap writes notes and the spool to."""
    spool = patient.context.config.backup.spool_dir
    for key, folder in (("backup.state_dir", patient.folder), ("backup.spool_dir", spool)):
        if folder is None:
            continue
        if not folder.exists():
            yield green(f"{key}: {folder} is made by the first backup.")
            continue
        free_bytes = shutil.disk_usage(folder).free
        text = f"{key}: {folder} has {size(free_bytes)} left."
        if free_bytes < _LEAST_ROOM_BYTES:
            yield red(text, "Make room: a backup needs some while ownCloud is frozen.")
        elif free_bytes < _ENOUGH_ROOM_BYTES:
            yield yellow(text, f"Make room: {size(_ENOUGH_ROOM_BYTES)} are enough for most clouds.")
        else:
            yield green(text)


def messages(patient: Patient) -> Iterator[Said]:
    """Look whether those can be told who are configured; nothing is sent."""
    config = patient.context.config
    obstacle = obstacle_of(config.notify)
    count = receivers(config.notify)
    if obstacle is not None:
        yield red(obstacle, "Mend [notify], then try it: ocsnap notify")
    elif count:
        yield green(f"Receivers of messages: {count}. To try them: ocsnap notify.")
    watchers = {
        "ping.backup": config.ping.backup,
        "metrics.textfile": config.metrics.textfile,
        "hooks.on_failure": config.hooks.on_failure,
    }
    told = [key for key, value in watchers.items() if value]
    if told:
        yield green(f"Who watches is told by: {', '.join(told)}.")
    elif not count:
        yield yellow(
            "Nobody is told when a backup fails, or when none is made any more.",
            "Set notify.urls, ping.backup or metrics.textfile: docs/monitoring.md",
        )


def locks(patient: Patient) -> Iterator[Said]:
    """Look for runs that go on, and for what a dead one has left."""
    died = unfinished(read_all(patient.folder))
    if died is not None and lock_holder(patient.folder) is None:
        yield red(
            f"A restore of {died.root} died half-way, and users are locked out.",
            "Run: ocsnap restore --undo for the old site, or --resume for the new one",
        )
        return
    lease = read_lease(patient.folder)
    if lease is not None and not lease.is_alive():
        yield red(
            f"An ocsnap that died has left {lease.root} in maintenance.", "Run: ocsnap unlock"
        )
        return
    holder = lock_holder(patient.folder)
    yield green("No other ocsnap is at work." if holder is None else f"At work: {holder}.")

"""Looks at the storage, the key, and the backups that are there."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from ocsnap.commands.context import state_dir
from ocsnap.commands.doctor.finding import green, red, yellow
from ocsnap.commands.probe import probe
from ocsnap.commands.recovery.confirmation import confirmed_at
from ocsnap.commands.runs.record import RunState, read_record
from ocsnap.commands.schedule.schedule import Backend, Machine
from ocsnap.crypto import CipherMode, open_cipher
from ocsnap.crypto.passphrase import read_passphrase, weakness
from ocsnap.errors import CryptoError, DamagedError, NoRepositoryError
from ocsnap.repository.description import NAME as DESCRIPTION
from ocsnap.repository.identity import read_description
from ocsnap.repository.lock_survey import FOLDER as LOCKS
from ocsnap.repository.lock_survey import Surveyor
from ocsnap.repository.snapshot import FOLDER, time_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ocsnap.commands.doctor.finding import Said
    from ocsnap.commands.doctor.patient import Patient

_SKEW_SECONDS: Final = 60.0
_WRONG_SECONDS: Final = 600.0
"""Amazon turns away what is signed 15 minutes off (S3 API Reference, RequestTimeTooSkewed)."""

_VERIFIED_SECONDS: Final = 31 * 86_400.0
_REHEARSED_SECONDS: Final = 92 * 86_400.0
_TRIAL: Final = b"Can what is locked be opened again?"


def storage(patient: Patient) -> Iterator[Said]:
    """List, put, get and delete."""
    url = patient.context.config.repository.url
    found = probe(patient.storage, patient.context.clock)
    yield green(f"{url} can be listed, written and read.")
    if found.deletes:
        yield green("Objects can be deleted, as `ocsnap prune` must.")
    else:
        yield yellow(
            "Objects cannot be deleted: safe from who breaks in here, but nothing can be pruned.",
            "Prune from another machine, with another key.",
        )
    skew = found.ahead_seconds
    if skew is None or abs(skew) <= _SKEW_SECONDS:
        yield green("This machine's clock and the storage's agree.")
    else:
        way = "ahead" if skew > 0 else "behind"
        text = f"This machine's clock is {abs(skew):.0f} s {way} of the storage's."
        wrong = abs(skew) >= _WRONG_SECONDS
        yield (red if wrong else yellow)(text, "Set it: timedatectl set-ntp true")


def key(patient: Patient) -> Iterator[Said]:
    """Lock something, and open it again where that must be possible."""
    context = patient.context
    environment = {**context.environment, **context.passphrase}
    cipher = open_cipher(
        context.config.encryption, environment=environment, state_dir=patient.folder
    )
    try:
        locked = cipher.encrypt([_TRIAL], sign=True)
        if cipher.can_decrypt and bytes(cipher.decrypt(locked, signed=True)) != _TRIAL:
            raise CryptoError("gpg does not give back what it was given.")
        if cipher.mode is CipherMode.PASSPHRASE:
            yield green("gpg locks and opens with the passphrase.")
            weak = weakness(read_passphrase(context.config.encryption, environment) or "")
            if weak is not None:
                yield yellow(weak, "Begin a new repository with a better one: ocsnap init --force")
        elif cipher.can_decrypt:
            yield yellow(
                "The secret key is on this machine: who breaks in reads all backups.",
                "Keep it elsewhere, and bring it for a restore.",
            )
        else:
            yield green("gpg locks with public keys; the secret one is not on this machine.")
    finally:
        cipher.close()


def repository(patient: Patient) -> Iterator[Said]:
    """Open the repository, which proves the passphrase."""
    try:
        opened = patient.repository
    except NoRepositoryError:
        yield yellow("There is no repository yet.", "The first backup makes it: ocsnap backup")
        return
    if opened.description_fault is not None:
        yield red(f"{DESCRIPTION}: {opened.description_fault}.", "Run: ocsnap repair")
    yield green(f"The repository {opened.id[:8]} opens with this key.")


def others(patient: Patient) -> Iterator[Said]:
    """Look at who is at work on the repository, from whatever machine."""
    try:
        described = read_description(patient.storage)
    except (DamagedError, NoRepositoryError):
        return  # which is said where the repository is opened
    times = {info.name: info.modified or 0.0 for info in patient.storage.list(LOCKS)}
    # That the two clocks agree well enough was seen before.
    now = patient.context.clock.now()
    survey = Surveyor(patient.storage, described.repository, holder="").survey(times, now)
    for other in survey.others:
        yield green(f"At work on the repository: {other.describe()}.")
    if not survey.others:
        yield green("Nobody is at work on the repository.")


def snapshots(patient: Patient) -> Iterator[Said]:
    """Look at when the last snapshot was made, and how the last run ended."""
    last = read_record(state_dir(patient.context), "backup")
    if last is not None and last.state is RunState.FAILED:
        yield red(f"The last backup failed: {last.message}", "Mend it, then: ocsnap backup")
    elif last is not None and last.state is RunState.DIED:
        yield red("The last backup was killed.", "Run it again: ocsnap backup")
    names = [info.name for info in patient.storage.list(FOLDER)]
    if not names:
        yield red("There is no snapshot.", "Make the first one: ocsnap backup")
        return
    started = max(time_of(name) for name in names)
    age = patient.context.clock.now() - started
    text = f"{len(names)} snapshots, the last of {_moment(started)}."
    if age > patient.max_age_seconds:
        yield red(f"{text} That is too old.", "Is the schedule at work? ocsnap schedule show")
    else:
        yield green(text)


def verified(patient: Patient) -> Iterator[Said]:
    """Look at when the backups were last verified on this machine."""
    yield _last_run(patient, "verify", "The backups were", "verified", _VERIFIED_SECONDS)


def rehearsed(patient: Patient) -> Iterator[Said]:
    """Look at when a restore was last rehearsed on this machine."""
    yield _last_run(patient, "drill", "A restore was", "rehearsed", _REHEARSED_SECONDS)


def _last_run(patient: Patient, command: str, what: str, done: str, most_seconds: float) -> Said:
    """Say when a command last found all well, and whether that is long ago."""
    record = read_record(patient.folder, command)
    cure = f"Run: ocsnap {command}"
    if record is not None and record.state is RunState.FAILED:
        text = f"The last {command} ended with {record.exit_status}. {record.message}"
        return red(text.rstrip(), cure)
    if record is None or record.last_good is None:
        return yellow(f"{what} never {done} on this machine.", cure)
    text = f"{what} {done} {_moment(record.last_good)}."
    old = patient.context.clock.now() - record.last_good > most_seconds
    return yellow(text, cure) if old else green(text)


def schedule(patient: Patient) -> Iterator[Said]:
    """Look whether backups come by themselves."""
    found = Machine(patient.machine).installed()
    if found is None:
        yield red("No schedule is installed.", "Run: ocsnap schedule install")
    elif found.active is False:
        yield red(
            "The timers are there, but systemd does not wait for them.",
            "Run: ocsnap schedule install",
        )
    elif found.backend is Backend.SYSTEMD and found.active is None:
        yield red(
            "There are timers for systemd, which does not run here.",
            "Run: ocsnap schedule install --cron",
        )
    else:
        yield green(f"Backups come by themselves, by {found.backend}: {found.lines[0]}")


def sheet(patient: Patient) -> Iterator[Said]:
    """Look whether somebody has said that the recovery sheet is on paper."""
    moment = confirmed_at(patient.context)
    if moment is None:
        yield red(
            "Nobody has confirmed that the recovery sheet is on paper: without it the backups are "
            "worthless when this machine is lost.",
            "Run: ocsnap recovery-sheet; then with --confirm",
        )
    else:
        yield green(f"The recovery sheet was confirmed {_moment(moment)}.")


def _moment(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC).astimezone():%Y-%m-%d %H:%M}"

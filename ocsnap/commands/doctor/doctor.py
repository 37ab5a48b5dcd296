"""Runs all checks, one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ocsnap.commands.doctor import backups, host, owncloud
from ocsnap.commands.doctor.finding import Check, Finding, Light
from ocsnap.errors import OcsnapError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ocsnap.commands.doctor.patient import Patient

CHECKS: Final = (
    Check("rights", host.rights),
    Check("user", host.superuser),
    Check("programs", host.programs),
    Check("room", host.room),
    Check("locks", host.locks, needs=("room",)),
    Check("ownCloud", owncloud.instance, needs=("room",)),
    Check("occ", owncloud.occ, needs=("ownCloud",)),
    Check("settings", owncloud.settings, needs=("ownCloud",)),
    Check("opcode cache", owncloud.opcode_cache, needs=("ownCloud",)),
    Check("web server", owncloud.web),
    Check("database", owncloud.database, needs=("ownCloud",)),
    Check("special", owncloud.special, needs=("ownCloud", "database")),
    Check("storage", backups.storage),
    Check("key", backups.key, needs=("programs", "room")),
    Check("repository", backups.repository, needs=("storage", "key")),
    Check("repository locks", backups.others, needs=("storage",)),
    Check("snapshots", backups.snapshots, needs=("storage",)),
    Check("verified", backups.verified, needs=("room",)),
    Check("rehearsed", backups.rehearsed, needs=("room",)),
    Check("schedule", backups.schedule),
    Check("messages", host.messages),
    Check("recovery sheet", backups.sheet, needs=("key",)),
)
"""A new one: write what looks, in the file it belongs to, and name it here."""


def examine(patient: Patient) -> Iterator[Finding]:
    """Look at everything; what is found comes at once, so that it can be shown as it goes.

    Args:
        patient: the machine with its ocsnap.

    Yields:
        One finding or more for each check.
    """
    bad: set[str] = set()
    for check in CHECKS:
        blocked = [name for name in check.needs if name in bad]
        if blocked:
            bad.add(check.name)
            text = f"Not looked at, because of: {', '.join(blocked)}."
            yield Finding(check=check.name, light=Light.GREY, text=text)
            continue
        for finding in _look(check, patient):
            if finding.light is Light.RED:
                bad.add(check.name)
            yield finding


def _look(check: Check, patient: Patient) -> Iterator[Finding]:
    patient.context.monitor.step(f"Looking at: {check.name}")
    try:
        for said in check.look(patient):
            yield Finding(check=check.name, light=said.light, text=said.text, advice=said.advice)
    except OcsnapError as error:
        yield Finding(check=check.name, light=Light.RED, text=error.message, advice=error.hint)

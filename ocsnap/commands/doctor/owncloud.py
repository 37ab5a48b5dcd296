"""Looks at ownCloud, its settings, its web server and its database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocsnap.commands.backup.sources import own_folders, refuse_inside
from ocsnap.commands.doctor.finding import green, red, yellow
from ocsnap.commands.run_lock import lock_holder
from ocsnap.commands.site import site_findings
from ocsnap.owncloud.config_php import overlays, read_single
from ocsnap.owncloud.finding import Severity
from ocsnap.owncloud.opcode_cache import OpcodeCache
from ocsnap.owncloud.php_value import truth
from ocsnap.owncloud.web_server import WebServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ocsnap.commands.doctor.finding import Said
    from ocsnap.commands.doctor.patient import Patient


def instance(patient: Patient) -> Iterator[Said]:
    """Look at config.php and what it names."""
    found = patient.site.instance
    refuse_inside(found.data_dir, own_folders(patient.context))
    yield green(f"ownCloud {found.installed_version} in {found.root}, data in {found.data_dir}.")
    if found.installed_version.partition(".")[0] != found.version.partition(".")[0]:
        yield yellow("An upgrade of ownCloud is pending.", "Finish it: occ upgrade")


def occ(patient: Patient) -> Iterator[Said]:
    """Call occ as a backup does."""
    if not patient.site.occ.maintenance():
        yield green("occ answers, and ownCloud is open.")
    elif (holder := lock_holder(patient.folder)) is not None:
        yield green(f"occ answers; ownCloud is frozen for {holder}.")
    else:
        yield red(
            "ownCloud is in maintenance: users are locked out.",
            "If nobody works on it: ocsnap unlock, or occ maintenance:mode --off",
        )


def settings(patient: Patient) -> Iterator[Said]:
    """Look for files that are merged over config.php and overrule maintenance mode."""
    found = patient.site.instance
    paths = overlays(found.config_path)
    bad = []
    for path in paths:
        values = read_single(path, php=found.php, environment=patient.site.occ.environment)
        if "maintenance" in values:
            bad.append((path, truth(values["maintenance"])))
    for path, on in bad:
        what = "never opens" if on else "cannot be frozen"
        yield red(
            f"{path} sets maintenance, so ownCloud {what}.", "Take the line out of that file."
        )
    if not bad:
        names = ", ".join(path.name for path in paths)
        yield green(f"Merged over config.php: {names}." if names else "config.php stands alone.")


def opcode_cache(patient: Patient) -> Iterator[Said]:
    """Look at how long PHP goes on with an old config.php."""
    found = OpcodeCache.find(patient.site.instance.root, machine=patient.machine)
    if not found.blind:
        seconds = found.revalidate_seconds
        yield green(f"PHP sees a changed config.php within {seconds} s.")
        return
    names = ", ".join(str(path) for path in found.blind)
    text = f"PHP never looks at config.php again ({names}: opcache.validate_timestamps=0)"
    if patient.context.config.owncloud.url is None:
        yield red(f"{text}, so nobody knows whether it is frozen.", "Set owncloud.url.")
    else:
        yield yellow(f"{text}; the web server is asked instead.", "Set it to 1 for ownCloud.")


def web(patient: Patient) -> Iterator[Said]:
    """Ask the web server."""
    url = patient.context.config.owncloud.url
    if url is None:
        yield yellow(
            "Only occ is asked whether ownCloud is frozen, not the web server.", "Set owncloud.url."
        )
        return
    WebServer(url).in_maintenance()
    yield green(f"{url} answers as an ownCloud.")


def special(patient: Patient) -> Iterator[Said]:
    """Look for what is special about this ownCloud."""
    freezes = patient.context.config.maintenance.enabled
    found = site_findings(patient.context, patient.site, freezes=freezes)
    for finding in found:
        if finding.severity is Severity.NOTE:
            yield green(finding.text)
        else:
            say = red if finding.severity is Severity.REFUSAL else yellow
            yield say(finding.text, finding.hint or "See docs/special-setups.md.")
    if not found:
        yield green("Nothing is special: no object store, encryption, or external storage.")


def database(patient: Patient) -> Iterator[Said]:
    """Log in, and read of every table."""
    info = patient.site.database.check()
    yield green(f"{info.kind} {info.version}: all of {len(info.tables)} tables can be read.")
    blocked = [table for table in info.tables if not table.transactional]
    if info.kind == "mysql" and blocked:
        names = ", ".join(f"{table.name} ({table.engine})" for table in blocked)
        yield yellow(
            f"These are dumped while ownCloud is frozen: {names}.",
            "ALTER TABLE name ENGINE=InnoDB makes the lock-out shorter.",
        )
    for note in info.notes:
        yield yellow(note, "See docs/configuration.md on the account for backups.")

"""All that is special about one ownCloud."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocsnap.errors import OwncloudError
from ocsnap.owncloud.finding import Finding, Severity
from ocsnap.owncloud.homes import home_paths
from ocsnap.owncloud.special.code import code
from ocsnap.owncloud.special.encryption import encryption
from ocsnap.owncloud.special.external_storage import external_storages
from ocsnap.owncloud.special.object_store import object_store

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from ocsnap.owncloud.homes import Query
    from ocsnap.owncloud.instance import Instance


def findings(
    instance: Instance,
    query: Query,
    tables: Collection[str],
    *,
    accept_objectstore: bool = False,
    freezes: bool = True,
) -> list[Finding]:
    """Look for all that a backup handles, leaves out or cannot do.

    Args:
        instance: the ownCloud.
        query: asks its database.
        tables: names of the tables that there are.
        accept_objectstore: whether a backup without the users' files is wanted.
        freezes: whether a backup is to turn on maintenance mode.

    Returns:
        What was found, refusals first.

    Raises:
        OcsnapError: the database does not answer.
    """
    found = [
        *object_store(instance, accepted=accept_objectstore),
        *_read_only_config(instance, freezes=freezes),
        *external_storages(instance, query, tables),
        *encryption(instance, query),
        *code(instance),
        *_homes_elsewhere(instance, query),
    ]
    order = [Severity.REFUSAL, Severity.WARNING, Severity.NOTE]
    return sorted(found, key=lambda finding: order.index(finding.severity))


def refuse(found: Iterable[Finding]) -> None:
    """Stop where a backup would not be worth its name.

    Args:
        found: what `findings` returned.

    Raises:
        OwncloudError: there is a refusal among it.
    """
    for finding in found:
        if finding.severity is Severity.REFUSAL:
            raise OwncloudError(finding.text, hint=finding.hint)


def warnings(found: Iterable[Finding]) -> list[str]:
    """Return what every report has to say: what is not in the backup."""
    return [str(finding) for finding in found if finding.severity is Severity.WARNING]


def _read_only_config(instance: Instance, *, freezes: bool) -> Iterator[Finding]:
    if instance.settings.get("config_is_read_only") and freezes:
        yield Finding(
            severity=Severity.REFUSAL,
            topic="read-only-config",
            text="config.php: config_is_read_only is set, so occ cannot turn on maintenance mode.",
            hint="Take it out, or freeze ownCloud by other means and set maintenance.enabled = "
            "false.",
        )


def _homes_elsewhere(instance: Instance, query: Query) -> Iterator[Finding]:
    elsewhere = [
        user
        for user, path in home_paths(query, instance).items()
        if path.is_dir() and not path.resolve().is_relative_to(instance.data_dir)
    ]
    if elsewhere:
        yield Finding(
            severity=Severity.NOTE,
            topic="homes",
            text=f"{len(elsewhere)} homes lie outside of the data directory, "
            f"{min(elsewhere)}'s among them; they are in the backup.",
        )

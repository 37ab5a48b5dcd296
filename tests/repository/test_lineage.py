"""Which snapshots are of the same ownCloud: machines that share a folder's name, or got another."""

from __future__ import annotations

import pytest

from ocsnap.commands.snapshots import choose, own
from ocsnap.errors import NoSnapshotError
from ocsnap.repository.lineage import latest_of_each, lineage
from tests.repository.test_retention import DAY, NOW, snapshot

ROOT = "/var/www/owncloud"


def made(*hosts: str, root: str = ROOT, days_ago: int = 100) -> list:
    """Return a snapshot of each host, a day after the other."""
    first = NOW - days_ago * DAY
    return [snapshot(first + day * DAY, host=host, root=root) for day, host in enumerate(hosts)]


IN_TURNS = made("alpha", "beta", "alpha", "beta", "beta", "alpha", "beta")
RENAMED = made("old", "old", "new", "new")
CONTAINERS = made("3f1c", "99ab", "0d4e", "77aa")


@pytest.mark.parametrize("host", ["alpha", "beta"])
def test_two_machines_at_work_are_two_ownclouds(host: str) -> None:
    mine = lineage(IN_TURNS, root=ROOT, host=host)
    assert {stored.snapshot.host for stored in mine} == {host}
    assert choose(IN_TURNS, "latest", root=ROOT, host=host) is mine[-1]


@pytest.mark.parametrize("snapshots", [RENAMED, CONTAINERS])
@pytest.mark.parametrize("host", [None, "the next name"])
def test_a_machine_with_a_new_name_goes_on(snapshots: list, host: str | None) -> None:
    host = host or snapshots[-1].snapshot.host
    assert lineage(snapshots, root=ROOT, host=host) == snapshots
    assert choose(snapshots, "latest", root=ROOT, host=host) is snapshots[-1]


def test_a_second_machine_leaves_the_first_alone_from_its_second_backup_on() -> None:
    snapshots = made("alpha", "alpha", "beta", "alpha", "beta")
    for host in ("alpha", "beta"):
        assert {s.snapshot.host for s in lineage(snapshots, root=ROOT, host=host)} == {host}


@pytest.mark.parametrize("root", [ROOT, "/srv/new"])
def test_a_bare_machine_is_given_neither_of_two(root: str) -> None:
    with pytest.raises(NoSnapshotError, match="snapshots of 2 ownClouds") as refused:
        choose(IN_TURNS, "latest", root=root, host="bare")
    for latest in IN_TURNS[-2:]:
        assert f"{latest.short_id} for {ROOT} on {latest.snapshot.host}" in refused.value.hint
        assert choose(IN_TURNS, latest.short_id, root=root, host="bare") is latest


def test_a_bare_machine_is_given_the_only_one_whatever_it_was_called() -> None:
    assert choose(RENAMED, "latest", root="/srv/new", host="bare") is RENAMED[-1]
    assert own(RENAMED, root="/srv/new", host="bare") == RENAMED


def test_each_ownclouds_latest_is_told() -> None:
    other = made("alpha", root="/srv/other", days_ago=10)
    assert latest_of_each([*IN_TURNS, *other]) == [IN_TURNS[-2], IN_TURNS[-1], *other]
    assert latest_of_each(RENAMED) == RENAMED[-1:]
    assert latest_of_each([]) == []

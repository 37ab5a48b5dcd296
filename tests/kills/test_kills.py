"""Killed at every named step: nothing is lost, nobody is locked out, nothing is sent twice."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from ocsnap.commands.snapshots import snapshots
from tests.commands.host import make_host
from tests.kills.aftermath import (
    assert_lifted,
    assert_no_garbage,
    assert_nobody_suffers,
    assert_nothing_is_stored_twice,
    assert_recovers,
    assert_snapshots_are_sound,
    is_frozen,
    lease_exists,
)
from tests.kills.points import BACKUP, FIRST_BACKUP, PRUNE, RESTORE
from tests.kills.victim import (
    PACK_BYTES,
    backup,
    killed_at,
    place_of,
    prune_most,
    restore_all,
    shrink,
    work,
)
from tests.snapshot.likeness import differences

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.commands.host import Host
    from tests.kills.points import Point


ALL = "OCSNAP_ALL_KILLS" in os.environ
"""`make soak` takes every point, the suite some of them."""

MOST_SNAPSHOTS = 10


@pytest.mark.parametrize(
    "point", [*FIRST_BACKUP, *BACKUP, *RESTORE, *PRUNE], ids=lambda point: point.name
)
def test_every_point_is_a_function_that_there_is(point: Point):
    place, name = place_of(point)
    assert callable(getattr(place, name))


@pytest.fixture(autouse=True, scope="module")
def small_packs() -> Iterator[None]:
    import ocsnap.repository.writer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ocsnap.repository.writer, "_TARGETS", dict(PACK_BYTES))
        yield


_shared: list[Host] = []


@pytest.fixture
def host(tmp_path_factory: pytest.TempPathFactory) -> Host:
    """A host with backups, the same for some tests: what is there to be looked through grows."""
    if not _shared or len(snapshots(_shared[0].context())) > MOST_SNAPSHOTS:
        _shared[:] = [make_host(tmp_path_factory.mktemp("kills"))]
        _shared[0].backup()
    return _shared[0]


@pytest.mark.parametrize("point", BACKUP[:: 1 if ALL else 2], ids=lambda point: point.name)
def test_a_backup_that_is_killed(host: Host, point: Point):
    work(host)
    assert killed_at(point, host, backup), "the run never came there"
    assert_lifted(host)
    assert_snapshots_are_sound(host)
    assert_recovers(host)
    assert_nothing_is_stored_twice(host)


@pytest.mark.parametrize("point", FIRST_BACKUP[:: 1 if ALL else 2], ids=lambda point: point.name)
def test_a_first_backup_that_is_killed(tmp_path: Path, point: Point):
    host = make_host(tmp_path)
    assert killed_at(point, host, backup), "the run never came there"
    assert_lifted(host)
    assert_recovers(host)
    assert_nothing_is_stored_twice(host)
    assert_no_garbage(host)


@pytest.mark.parametrize("point", RESTORE[:: 1 if ALL else 3], ids=lambda point: point.name)
def test_a_restore_that_is_killed(host: Host, point: Point):
    """The next restore goes on by itself; what was left frozen in pieces stays so until then."""
    work(host)
    host.backup()
    wanted = host.portrait()
    work(host)
    assert killed_at(point, host, restore_all), "the run never came there"
    if not lease_exists(host):
        assert not is_frozen(host)
    restore_all(host)
    assert_lifted(host)
    assert not lease_exists(host)
    assert differences(wanted, host.portrait()) == []
    assert_snapshots_are_sound(host)
    assert_recovers(host)
    assert_nothing_is_stored_twice(host)


@pytest.mark.parametrize("point", PRUNE[:: 1 if ALL else 3], ids=lambda point: point.name)
def test_a_prune_that_is_killed(tmp_path: Path, point: Point):
    host = make_host(tmp_path)
    for _ in range(4):
        backup(host)
        shrink(host)
    assert killed_at(point, host, prune_most), "the run never came there"
    assert_nobody_suffers(host)
    assert_recovers(host)
    assert_no_garbage(host)

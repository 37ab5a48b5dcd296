"""Which snapshots stay: a policy without clock, storage or key."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocsnap.errors import ConfigError
from ocsnap.repository.retention import (
    DAMAGED,
    FUTURE,
    LAST_COMPLETE,
    PINNED,
    KeepRules,
    Retention,
    parse_duration,
)
from ocsnap.repository.snapshot import Snapshot, StoredSnapshot, snapshot_name
from tests.snapshot.studio import OWNCLOUD

if TYPE_CHECKING:
    from collections.abc import Iterable

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def utc(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def snapshot(
    moment: datetime, *, errors: int = 0, host: str = "cloud", root: str = "/srv/oc"
) -> StoredSnapshot:
    started = moment.timestamp()
    digest = hashlib.sha256(f"{started} {host} {root}".encode()).hexdigest()
    return StoredSnapshot(
        id=digest,
        name=snapshot_name(started, digest),
        snapshot=Snapshot(
            repository="0" * 32,
            started=started,
            finished=started + 60,
            host=host,
            program="test",
            parent=None,
            owncloud=msgspec.structs.replace(OWNCLOUD, root=root),
            roots=[],
            errors=errors,
        ),
    )


def kept(
    snapshots: Iterable[StoredSnapshot], rules: KeepRules, **more: object
) -> dict[datetime, tuple[str, ...]]:
    retention = Retention(rules, **{"now": NOW.timestamp(), "calendar": utc} | more)
    return {
        utc(verdict.stored.snapshot.started): verdict.reasons
        for verdict in retention.judge(snapshots)
        if verdict.stays
    }


DAILY = [snapshot(NOW - number * DAY) for number in range(500)]


def test_the_last_ones_stay():
    found = kept(DAILY, KeepRules(last=3))
    assert found == {
        NOW: ("last 1 of 3",),
        NOW - DAY: ("last 2 of 3",),
        NOW - 2 * DAY: ("last 3 of 3",),
    }


def test_each_period_is_stood_for_by_its_newest():
    moments = [NOW.replace(hour=hour, minute=minute) for hour in (9, 10, 11) for minute in (5, 55)]
    snapshots = [snapshot(moment) for moment in moments]
    assert [*kept(snapshots, KeepRules(hourly=2))] == [moments[3], moments[5]]
    assert [*kept(snapshots, KeepRules(daily=2))] == [moments[5]]


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        (KeepRules(daily=2), ["2026-11-23", "2026-11-24"]),
        (KeepRules(weekly=2), ["2026-11-22", "2026-11-24"]),  # Sunday, and today
        (KeepRules(monthly=3), ["2026-09-30", "2026-10-31", "2026-11-24"]),
        (KeepRules(yearly=9), ["2025-12-31", "2026-11-24"]),
        (KeepRules(within_seconds=2 * 86_400), ["2026-11-22", "2026-11-23", "2026-11-24"]),
        (KeepRules(within_seconds=0), ["2026-11-24"]),
    ],
)
def test_of_daily_backups_stay(rules: KeepRules, expected: list[str]):
    assert [f"{moment:%Y-%m-%d}" for moment in kept(DAILY, rules)] == expected


def test_reasons_of_several_rules_add_up():
    rules = KeepRules(last=1, hourly=1, daily=1, weekly=1, monthly=1, yearly=1, within_seconds=1)
    assert kept(DAILY, rules)[NOW] == (
        "last 1 of 1",
        "hour 2026-11-24 12:00+0000",
        "day 2026-11-24",
        "week 2026-W48",
        "month 2026-11",
        "year 2026",
        "recent enough",
    )


def test_a_year_of_weeks_that_begins_in_the_year_before():
    found = kept([snapshot(datetime(2027, 1, 1, tzinfo=UTC))], KeepRules(weekly=1, yearly=1))
    assert [*found.values()] == [(FUTURE,)]
    rules = KeepRules(weekly=1)
    late = datetime(2027, 2, 1, tzinfo=UTC).timestamp()
    (reasons,) = kept([snapshot(datetime(2027, 1, 1, tzinfo=UTC))], rules, now=late).values()
    assert reasons == ("week 2026-W53",)


def test_days_are_those_of_the_calendar_that_is_given():
    evening = [snapshot(datetime(2026, 11, 20, hour, tzinfo=UTC)) for hour in (21, 22, 23)]
    berlin = ZoneInfo("Europe/Berlin")  # an hour ahead: 23:00 is of the next day there

    def local(seconds: float) -> datetime:
        return datetime.fromtimestamp(seconds, berlin)

    assert len(kept(evening, KeepRules(daily=5))) == 1
    assert [moment.hour for moment in kept(evening, KeepRules(daily=5), calendar=local)] == [22, 23]


def test_the_hour_that_comes_twice_is_two_hours():
    """2026-10-25: at three o'clock Berlin's clocks go back to two."""
    both = [snapshot(datetime(2026, 10, 25, hour, 30, tzinfo=UTC)) for hour in (0, 1)]

    def local(seconds: float) -> datetime:
        return datetime.fromtimestamp(seconds, ZoneInfo("Europe/Berlin"))

    assert len(kept(both, KeepRules(hourly=5), calendar=local)) == 2


def test_pins_stay_and_take_no_other_s_place():
    pinned = {DAILY[7].id}
    found = kept(DAILY, KeepRules(last=2), pinned=pinned)
    assert len(found) == 3
    assert found[NOW - 7 * DAY] == (PINNED,)


def test_every_owncloud_of_every_host_is_judged_by_itself():
    places = [("a", "/srv/oc"), ("b", "/srv/oc"), ("a", "/srv/other")]
    snapshots = [
        snapshot(NOW - number * DAY, host=host, root=root)
        for host, root in places
        for number in range(3)
    ]
    retention = Retention(KeepRules(last=1), NOW.timestamp(), utc)
    verdicts = retention.judge(snapshots)
    assert len(verdicts) == 9
    staying = [verdict.stored.snapshot for verdict in verdicts if verdict.stays]
    assert sorted((each.host, each.owncloud.root) for each in staying) == sorted(places)
    assert all(each.started == NOW.timestamp() for each in staying)


def test_the_last_one_without_errors_stays():
    snapshots = [snapshot(NOW - number * DAY, errors=number < 5) for number in range(9)]
    found = kept(snapshots, KeepRules(last=2))
    assert found == {
        NOW: ("last 1 of 2",),
        NOW - DAY: ("last 2 of 2",),
        NOW - 5 * DAY: (LAST_COMPLETE,),
    }
    assert len(kept(snapshots, KeepRules(last=6))) == 6


def test_a_damaged_one_stays_and_takes_no_whole_one_s_place():
    damaged = {DAILY[0].id, DAILY[2].id}
    found = kept(DAILY, KeepRules(last=2), damaged=damaged)
    assert found == {
        NOW: (DAMAGED,),
        NOW - DAY: ("last 1 of 2",),
        NOW - 2 * DAY: (DAMAGED,),
        NOW - 3 * DAY: ("last 2 of 2",),
    }


def test_damaged_ones_go_where_that_is_wanted_but_not_a_pinned_one():
    damaged = {DAILY[0].id, DAILY[2].id}
    found = kept(
        DAILY, KeepRules(last=1), damaged=damaged, remove_damaged=True, pinned={DAILY[2].id}
    )
    assert [*found] == [NOW - 2 * DAY, NOW - DAY]


def test_a_clock_that_was_wrong_pushes_nothing_out():
    ahead = snapshot(NOW + 400 * DAY)
    found = kept([*DAILY, ahead], KeepRules(last=1, within_seconds=0))
    assert found == {NOW: ("last 1 of 1", "recent enough"), NOW + 400 * DAY: (FUTURE,)}
    assert len(kept([*DAILY, snapshot(NOW + HOUR)], KeepRules(last=1))) == 1


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("36h", 36 * 3600),
        ("30d", 30 * 86_400),
        ("2w", 14 * 86_400),
        ("1m", 31 * 86_400),
        ("1y6m", (366 + 6 * 31) * 86_400),
        ("0d", 0),
    ],
)
def test_durations(text: str, seconds: float):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "30", "d", "30 d", "-1d", "1.5d", "3x", "1d,2h", "1d\n"])
def test_no_durations(text: str):
    with pytest.raises(ConfigError, match="is no duration"):
        parse_duration(text)


counts = st.integers(0, 6)
moments = st.integers(0, 3 * 365 * 24).map(lambda hours: NOW + 30 * DAY - hours * HOUR)
histories = st.lists(
    st.builds(snapshot, moments, errors=st.integers(0, 1), host=st.sampled_from("ab")),
    max_size=60,
    unique_by=lambda stored: stored.id,
)


@given(
    histories,
    st.builds(KeepRules, counts, counts, counts, counts, counts, counts).filter(
        lambda rules: not rules.keep_nothing
    ),
    st.data(),
)
def test_what_always_holds(snapshots: list[StoredSnapshot], rules: KeepRules, data: st.DataObject):
    ids = [stored.id for stored in snapshots]
    chosen = st.sets(st.sampled_from(ids)) if ids else st.just(set())
    pinned, damaged = data.draw(chosen), data.draw(chosen)
    retention = Retention(rules, NOW.timestamp(), utc, pinned, damaged)
    verdicts = retention.judge(snapshots)
    assert sorted(verdict.stored.id for verdict in verdicts) == sorted(ids)
    stays = {verdict.stored.id for verdict in verdicts if verdict.stays}
    assert pinned <= stays
    assert damaged <= stays
    for host in "ab":
        mine = [stored for stored in snapshots if stored.snapshot.host == host]
        past = [stored for stored in mine if stored.snapshot.started <= (NOW + DAY).timestamp()]
        whole = [stored for stored in past if stored.id not in damaged]
        newest = max(whole, key=lambda stored: (stored.snapshot.started, stored.name), default=None)
        assert newest is None or newest.id in stays, "the newest whole one stays"
        complete = {stored.id for stored in whole if not stored.snapshot.errors}
        assert not complete or complete & stays, "one without errors stays"
    # What stays now would stay again: pruning twice removes no more than once.
    again = retention.judge([stored for stored in snapshots if stored.id in stays])
    assert all(verdict.stays for verdict in again)
    # More of anything never keeps less.
    more = Retention(
        KeepRules(rules.last + 1, rules.hourly, rules.daily, rules.weekly, rules.monthly + 2),
        NOW.timestamp(),
        utc,
        pinned,
        damaged,
    )
    fewer_years = Retention(
        KeepRules(rules.last, rules.hourly, rules.daily, rules.weekly, rules.monthly),
        NOW.timestamp(),
        utc,
        pinned,
        damaged,
    )
    if not fewer_years.rules.keep_nothing:
        some = {verdict.stored.id for verdict in fewer_years.judge(snapshots) if verdict.stays}
        many = {verdict.stored.id for verdict in more.judge(snapshots) if verdict.stays}
        complete_only = {
            verdict.stored.id
            for verdict in fewer_years.judge(snapshots)
            if verdict.reasons == (LAST_COMPLETE,)
        }
        assert some - complete_only <= many

"""Local time as spans of instants, against the zone data's own conversion."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, datetime, timedelta
from importlib import resources
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.areas import ZONES
from campaigns.clocks import (
    DAY,
    SECOND,
    Clocks,
    intersect,
    merge,
    packaged_zone,
    to_instant,
    to_microseconds,
)
from campaigns.opening import Window

CLOCKS = Clocks()
HISTORIC = sorted({zone for zones in ZONES.values() for zone in zones} | {"America/Noronha"})
INSTANTS = st.datetimes(
    min_value=datetime(1985, 1, 1),  # noqa: DTZ001  # hypothesis adds the zone
    max_value=datetime(2030, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)


def spans_of(zone: str, day: datetime, window: str) -> list[tuple[datetime, datetime]]:
    """Cut the spans of a window on a local day out of the UTC days around it."""
    found = []
    utc_day = to_microseconds(day) // DAY
    for number in (utc_day - 1, utc_day, utc_day + 1):
        for part in CLOCKS.parts(zone, number):
            if part.day == day.date():
                found += part.spans([Window.model_validate(window)])
    return [(to_instant(start), to_instant(end)) for start, end in merge(found)]


def utc(text: str) -> datetime:
    """Read an instant written without its UTC offset."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@given(INSTANTS, st.sampled_from([*HISTORIC, "Australia/Lord_Howe", "Asia/Kathmandu"]))
def test_a_part_shows_the_date_and_time_that_the_zone_shows(at: datetime, zone: str) -> None:
    """Whatever the instant, its part gives the local date and wall time of the zone data."""
    local = at.astimezone(packaged_zone(zone))
    part = CLOCKS.part_at(zone, to_microseconds(at))
    assert part.day == local.date()
    wall = timedelta(microseconds=to_microseconds(at) - part.midnight)
    assert wall == local.replace(tzinfo=None) - datetime.combine(local, datetime.min.time())


@given(INSTANTS, st.sampled_from(HISTORIC))
def test_parts_cover_a_day_without_holes(at: datetime, zone: str) -> None:
    """The parts of a UTC day follow each other from its first microsecond to its last."""
    number = to_microseconds(at) // DAY
    parts = CLOCKS.parts(zone, number)
    assert parts[0].start == number * DAY
    assert parts[-1].end == (number + 1) * DAY
    assert all(a.end == b.start for a, b in pairwise(parts))


def test_hours_that_a_clock_skips_yield_nothing() -> None:
    """São Paulo skipped 00:00-01:00 on 2018-11-04: a window inside it is empty that day."""
    assert spans_of("America/Sao_Paulo", utc("2018-11-04"), "00:00-01:00") == []
    assert spans_of("America/Sao_Paulo", utc("2018-11-03"), "00:00-01:00") != []


def test_a_window_that_begins_in_a_gap_begins_after_it() -> None:
    """A window from 00:30 opens when the clock jumps to 01:00, not an hour off."""
    spans = spans_of("America/Sao_Paulo", utc("2018-11-04"), "00:30-09:00")
    assert spans == [(utc("2018-11-04T03:00"), utc("2018-11-04T11:00"))]


def test_hours_that_a_clock_repeats_are_open_twice() -> None:
    """On 2018-02-17 São Paulo lived 23:00-24:00 twice; 23:00-23:30 is open both times."""
    spans = spans_of("America/Sao_Paulo", utc("2018-02-17"), "23:00-23:30")
    assert spans == [
        (utc("2018-02-18T01:00"), utc("2018-02-18T01:30")),
        (utc("2018-02-18T02:00"), utc("2018-02-18T02:30")),
    ]


def test_the_same_wall_time_is_another_instant_after_the_change() -> None:
    """09:00 of São Paulo is 12:00 UTC in winter and 11:00 UTC in the summer of 2018."""
    before = spans_of("America/Sao_Paulo", utc("2018-11-03"), "09:00-20:00")
    after = spans_of("America/Sao_Paulo", utc("2018-11-04"), "09:00-20:00")
    assert [span[0].hour for span in (*before, *after)] == [12, 11]


@given(INSTANTS)
def test_microseconds_and_instants_are_each_others_inverse(at: datetime) -> None:
    """An instant survives the way to microseconds and back."""
    assert to_instant(to_microseconds(at)) == at


def test_local_time_alone_is_refused() -> None:
    """A time without an offset names no instant."""
    with pytest.raises(ValueError, match="offset"):
        to_microseconds(datetime(2026, 1, 1))  # noqa: DTZ001  # the point of the test


@pytest.mark.parametrize("name", ["America/Atlantis", "", "America", "../zones", "/etc/passwd"])
def test_an_unknown_zone_is_one_clear_error(name: str) -> None:
    """A name that is no zone raises ValueError, whatever the file system would say."""
    with pytest.raises(ValueError, match="no time zone"):
        packaged_zone(name)


def test_zones_come_from_the_package_and_not_from_the_system(tmp_path: Path) -> None:
    """A wrong or old copy of the zone data on the machine changes no answer."""
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    wrong = tmp_path / "America" / "Belem"
    wrong.parent.mkdir()
    wrong.write_bytes(resources.files("tzdata").joinpath("zoneinfo/Asia/Tokyo").read_bytes())
    packaged_zone.cache_clear()
    zoneinfo.reset_tzpath([tmp_path])
    try:
        assert noon.astimezone(zoneinfo.ZoneInfo.no_cache("America/Belem")).hour == 21
        assert noon.astimezone(packaged_zone("America/Belem")).hour == 9
    finally:
        zoneinfo.reset_tzpath()


SPANS = st.lists(
    st.tuples(st.integers(0, 40), st.integers(1, 10)).map(lambda pair: (pair[0], sum(pair))),
    max_size=6,
)


@given(SPANS, SPANS)
def test_intersecting_spans_is_intersecting_their_points(
    first: list[tuple[int, int]], second: list[tuple[int, int]]
) -> None:
    """A point is in the intersection exactly if it is in both, and merging loses none."""

    def points(spans: list[tuple[int, int]]) -> set[int]:
        return {point for start, end in spans for point in range(start, end)}

    assert points(merge(first)) == points(first)
    assert points(intersect(merge(first), merge(second))) == points(first) & points(second)


def test_a_change_is_found_to_the_second() -> None:
    """The part of the old offset ends exactly where the new one begins."""
    parts = CLOCKS.parts("America/Sao_Paulo", to_microseconds(utc("2018-11-04")) // DAY)
    assert utc("2018-11-04T03:00") in {to_instant(part.start) for part in parts}
    assert all(part.start % SECOND == 0 for part in parts)

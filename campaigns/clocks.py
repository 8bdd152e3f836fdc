"""Local time as exact spans of instants, for any zone data: gaps, folds and odd offsets included.

A UTC day is cut into parts in which a zone's clock runs on evenly and shows one date. Inside a part
local time is UTC plus a constant, so a window of local time becomes spans of instants by adding and
clipping alone: wall times that a zone skips yield nothing, wall times that it repeats yield two
spans. Instants are whole microseconds since 1970 (UTC).

Zone data come from the `tzdata` package, not from the system, whose copy may be years older: the
version in a verdict is the version that decided.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from importlib import import_module, resources
from typing import NamedTuple
from zoneinfo import ZoneInfo

from campaigns.opening import Window

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY = _EPOCH.date().toordinal()
_ONE = timedelta(microseconds=1)
_KEPT_PARTS = 50_000

#: Start, included, and end, not included.
Span = tuple[int, int]


def to_microseconds(at: datetime) -> int:
    """Count the microseconds since 1970 of an instant; ValueError where it has no offset."""
    if at.tzinfo is None:
        raise ValueError("an instant needs an offset: local time alone names no instant")
    return (at - _EPOCH) // _ONE


def to_instant(microseconds: int) -> datetime:
    """Give the instant, in UTC; the inverse of `to_microseconds`."""
    return _EPOCH + timedelta(microseconds=microseconds)


@lru_cache(maxsize=64)
def packaged_zone(name: str) -> tzinfo:
    """Load a zone from the `tzdata` package. ValueError where there is none of that name."""
    *folders, leaf = name.split("/")
    source = resources.files("tzdata").joinpath("zoneinfo")
    try:
        with source.joinpath(*folders, leaf).open("rb") as file:
            return ZoneInfo.from_file(file, key=name)
    except (OSError, ValueError):
        raise ValueError(f"there is no time zone {name!r}") from None


def zone_data_version() -> str:
    """Give the version of the zone data, such as `2026f`."""
    return str(import_module("tzdata").IANA_VERSION)


class Part(NamedTuple):
    """A stretch of a UTC day in which a zone shows one date and its clock runs on evenly.

    `midnight` is the instant at which that clock would have shown 00:00 of `day`; it may lie
    before `start`.
    """

    day: date
    start: int
    end: int
    midnight: int

    def spans(self, windows: Iterable[Window]) -> list[Span]:
        """Cut local windows of this day out of the part."""
        found = []
        for window in windows:
            start = max(self.start, self.midnight + window.opens * MINUTE)
            end = min(self.end, self.midnight + window.closes * MINUTE)
            if start < end:
                found.append((start, end))
        return found


class Clocks:
    """The clocks of all zones, by one source of zone data; remembers what it has worked out.

    Threads may share it: an entry that two of them work out at once comes out the same.
    """

    def __init__(self, source: Callable[[str], tzinfo] = packaged_zone) -> None:
        self._source = source
        self._parts: dict[tuple[str, int], tuple[Part, ...]] = {}

    def zone(self, name: str) -> tzinfo:
        """Give the zone of that name. ValueError where there is none."""
        return self._source(name)

    def parts(self, zone: str, utc_day: int) -> tuple[Part, ...]:
        """Cut a UTC day (days since 1970) into parts, in order and without holes."""
        key = (zone, utc_day)
        found = self._parts.get(key)
        if found is None:
            if len(self._parts) >= _KEPT_PARTS:
                self._parts.clear()
            found = self._parts[key] = tuple(self._cut(self._source(zone), utc_day * DAY))
        return found

    def part_at(self, zone: str, microseconds: int) -> Part:
        """Give the part that holds an instant."""
        parts = self.parts(zone, microseconds // DAY)
        return next(part for part in parts if microseconds < part.end)

    def _cut(self, zone: tzinfo, start: int) -> Iterable[Part]:
        for begin, end, offset in _even(zone, start, start + DAY):
            at = begin
            while at < end:
                ordinal, into = divmod(at + offset, DAY)
                midnight = at - into
                until = min(end, midnight + DAY)
                yield Part(date.fromordinal(_EPOCH_DAY + ordinal), at, until, midnight)
                at = until


def _offset(zone: tzinfo, at: int) -> int:
    offset = to_instant(at).astimezone(zone).utcoffset()
    return (offset or timedelta()) // _ONE


def _even(zone: tzinfo, start: int, end: int) -> Iterable[tuple[int, int, int]]:
    """Yield start, end and offset of the stretches of one offset; changes found to the second."""
    begin, offset = start, _offset(zone, start)
    for hour in range(start + HOUR, end + 1, HOUR):
        there = _offset(zone, hour)
        if there == offset:
            continue
        before, after = hour - HOUR, hour
        while after - before > SECOND:
            middle = (before + after) // 2 // SECOND * SECOND
            if _offset(zone, middle) == offset:
                before = middle
            else:
                after = middle
        if begin < after < end:
            yield begin, after, offset
            begin, offset = after, there
    yield begin, end, offset


def intersect(first: Iterable[Span], second: Iterable[Span]) -> list[Span]:
    """Give the spans that lie in both; each side in order and without overlaps."""
    left, right = list(first), list(second)
    found: list[Span] = []
    i = j = 0
    while i < len(left) and j < len(right):
        start, end = max(left[i][0], right[j][0]), min(left[i][1], right[j][1])
        if start < end:
            found.append((start, end))
        if left[i][1] < right[j][1]:
            i += 1
        else:
            j += 1
    return found


def merge(spans: Iterable[Span]) -> list[Span]:
    """Put spans in order and join those that touch or overlap."""
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged

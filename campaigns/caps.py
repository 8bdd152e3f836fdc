"""How often one person and one number may be called: pure, from the calls that were made.

Days, weeks (from Monday) and months are those of the number's own calendar; `rolling_24h` and
`min_gap` follow the clock. Where several caps hold, the one that lasts longest decides.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from campaigns.areas import zones
from campaigns.clocks import packaged_zone
from campaigns.definition import Frozen

DAY = 86_400.0
LONGEST = 32 * DAY
"""Seconds of history that the caps of a month need."""


class Caps(Frozen):
    """Most calls in a stretch of time; None: no cap. `min_gap` is in seconds."""

    total: int | None = None
    per_day: int | None = None
    rolling_24h: int | None = None
    per_week: int | None = None
    per_month: int | None = None
    min_gap: float | None = None

    @property
    def is_open(self) -> bool:
        """Whether there is no cap at all."""
        return self == Caps()


class CapAnswer(Frozen):
    """Whether one more call is within the caps; else until when not (None: never again)."""

    allowed: bool = True
    wait_until: float | None = None
    why: str = ""


_WITHIN = CapAnswer()


def _local(at: float, zone: tzinfo) -> datetime:
    return datetime.fromtimestamp(at, UTC).astimezone(zone)


def _midnight(day: date, zone: tzinfo) -> float:
    return datetime.combine(day, time(), zone).timestamp()


def _since(calls: Sequence[float], start: float) -> int:
    """Count the calls after `start`, itself included."""
    return len(calls) - bisect_right(calls, start - 1e-6)


def check(caps: Caps, calls: Sequence[float], now: float, zone: tzinfo) -> CapAnswer:
    """Judge one more call at `now`, after `calls` (instants in seconds, in ascending order)."""
    if not calls or caps.is_open:
        return _WITHIN
    if caps.total is not None and len(calls) >= caps.total:
        return CapAnswer(allowed=False, why="cap_total")
    waits: list[tuple[float, str]] = []
    today = _local(now, zone).date()
    monday = today - timedelta(days=today.weekday())
    first = today.replace(day=1)
    for cap, start, end, why in (
        (caps.per_day, today, today + timedelta(days=1), "cap_per_day"),
        (caps.per_week, monday, monday + timedelta(days=7), "cap_per_week"),
        (caps.per_month, first, (first + timedelta(days=32)).replace(day=1), "cap_per_month"),
    ):
        if cap is not None and _since(calls, _midnight(start, zone)) >= cap:
            waits.append((_midnight(end, zone), why))
    # A call that was made exactly a day ago has left the stretch, else the wait below never ends.
    if caps.rolling_24h is not None and _since(calls, now - DAY + 2e-6) >= caps.rolling_24h:
        waits.append((calls[-caps.rolling_24h] + DAY, "cap_rolling_24h"))
    if caps.min_gap is not None and calls[-1] + caps.min_gap > now:
        waits.append((calls[-1] + caps.min_gap, "min_gap"))
    if not waits:
        return _WITHIN
    until, why = max(waits)
    return CapAnswer(allowed=False, wait_until=until, why=why)


def local_zone(e164: str) -> tzinfo:
    """Return the zone of a Brazilian number's own calendar."""
    return packaged_zone(zones(e164[3:5])[0])


DAYPARTS = (time(0), time(12), time(18))
"""Starts of morning, afternoon and evening."""


def next_daypart(at: float, zone: tzinfo) -> float:
    """Return when the part of the day after the one of `at` begins, in the number's own time."""
    local = _local(at, zone)
    later = [start for start in DAYPARTS if start > local.time()]
    day = local.date() if later else local.date() + timedelta(days=1)
    start = later[0] if later else DAYPARTS[0]
    return datetime.combine(day, start, zone).timestamp()

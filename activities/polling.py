"""When to ask the API about calls, and how: pure.

One request for a page of the report answers for up to 200 calls; one GET answers for one. Where
live calls are dense the report is cheaper, a few old ones are cheaper alone. The plan is the cut
through the calls, from old to young, that needs the fewest requests.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import NamedTuple

PAGE = 200
FASTEST = 0.5
SLOWEST = 5.0
AGE_SHARE = 0.1
"""A call is asked about again after this share of its age, within the two bounds above."""
DENSEST = 0.2
"""Seconds between two reads of a report where each of its pages shows many ends."""
CHEAP = 0.1
"""Requests for each end up to which a report is read as often as that."""
FIRST = 0.5
"""Seconds after a call was placed until it is worth asking about."""
READING_SHARE = 2.0
"""Seconds between the beginnings of two such reads for each that the last one took."""
ROWS_READ = 12_000.0
"""Rows of the report that are read in a second at most: a long one is read less often."""


class Live(NamedTuple):
    """A call under way: its place in time (seconds on one clock) and whether a GET is due."""

    key: str
    created: float
    due: bool


@dataclass(frozen=True)
class PollPlan:
    """Read the report for calls created in `window` (None: not at all); ask for `singles` alone."""

    window: tuple[float, float] | None
    singles: tuple[str, ...]


_CREATED = attrgetter("created")


def interval(age: float) -> float:
    """Return seconds until a call of this age is worth asking about again."""
    return min(max(AGE_SHARE * age, FASTEST), SLOWEST)


def pause(rows: int, *, ended: int = 0, took: float = 0.0) -> float:
    """Return the least seconds between the beginnings of two reads of a report of so many rows.

    `ended` is how many ends the last one has shown, in `took` seconds. Each leaves a channel idle
    until it is seen: where every page shows many, looking sooner costs little, but reading must
    leave time for the rest.
    """
    often = math.ceil(max(rows, 1) / PAGE) <= CHEAP * ended
    least = max(DENSEST, min(took * READING_SHARE, FASTEST)) if often else FASTEST
    return min(max(rows / ROWS_READ, least), SLOWEST)


def plan(calls: Sequence[Live], rows_per_second: float) -> PollPlan:
    """Return the cheapest way to hear about every call that is due.

    `calls` may come in any order. `rows_per_second` is how dense the account's report is; the calls
    themselves are the least that it holds. The window begins with the youngest call that is due:
    nothing is to be heard of those that were created after it.
    """
    young_first = sorted(calls, key=_CREATED, reverse=True)
    due = [index for index, call in enumerate(young_first) if call.due]
    if not due:
        return PollPlan(None, ())
    youngest = due[0]
    best, cut = len(due), -1
    later_due = len(due)
    for index in due:
        later_due -= 1
        span = max(young_first[youngest].created - young_first[index].created, 0.0)
        rows = max(index + 1 - youngest, rows_per_second * span)
        cost = math.ceil(max(rows, 1) / PAGE) + later_due
        if cost <= best:
            best, cut = cost, index
    if cut < 0:
        return PollPlan(None, tuple(young_first[index].key for index in due))
    singles = tuple(young_first[index].key for index in due if index > cut)
    return PollPlan((young_first[cut].created, young_first[youngest].created), singles)

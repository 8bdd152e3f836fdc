"""When a place may be called, as a piecewise constant function of time.

A `Timeline` belongs to one set of hours rules, one margin and the zones of one place. Between two
of its boundaries (an edge of any rule's hours, a local midnight, the last start that still ends in
time) nothing changes, so the answer of a stretch is worked out once and then found by bisection.

A call may start at `t` if all rules are open at `t` and stay open until `t` + margin, and `t` is
neither before the campaign's own start nor after its own end.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, Generic, Literal, NamedTuple, TypeVar

from campaigns.clocks import DAY, Clocks, Part, Span, intersect, merge, to_instant
from campaigns.opening import CallingHours, Window

HORIZON_DAYS: Final = 416
"""How far ahead an opening is looked for. A place that stays closed for longer never opens."""

_BLOCK_DAYS: Final = 32
_BLOCK: Final = _BLOCK_DAYS * DAY
_KEPT_BLOCKS: Final = 60
_KEPT_DAYS: Final = 90
_WHOLE_DAY: Final = (Window(opens=0, closes=24 * 60),)

T = TypeVar("T")


def _never_closed(_: date) -> None:
    return None


@dataclass(frozen=True, slots=True)
class HoursRule:
    """Hours that hold in each of `zones` at once; `hours` None denies every call.

    `closed` names what closes a whole local day, such as a holiday. Outside its dates of validity
    the rule leaves everything open.
    """

    id: str
    zones: tuple[str, ...]
    hours: CallingHours | None
    closed: Callable[[date], str | None] = _never_closed
    valid_from: date | None = None
    valid_until: date | None = None

    def in_force(self, day: date) -> bool:
        """Whether the rule holds on a local day."""
        if self.valid_from is not None and day < self.valid_from:
            return False
        return self.valid_until is None or day <= self.valid_until

    def windows(self, day: date) -> tuple[Window, ...]:
        """Give the local windows that the rule leaves open on a day."""
        if not self.in_force(day):
            return _WHOLE_DAY
        if self.hours is None or not (windows := self.hours.windows(day.weekday())):
            return ()
        return () if self.closed(day) else windows


#: A rule that is closed, and the local day and zone in which it is.
Shut = tuple[HoursRule, date, str]


class Stretch(NamedTuple):
    """What holds from one boundary to the next; instants in microseconds since 1970 (UTC).

    `last` is the last instant at which a call may start, where one may (None: no end in sight).
    `next` is the next instant at which one may start, where none may now (None: never). `closed`
    are the rules that are shut, each with the local day and zone in which it is. Where none is and
    no call may start, the margin forbids it: `shutting` are the rules that a call would run into.
    `edge` is the edge of the campaign's own period that forbids it: `start` where it has not begun,
    `over` where it has ended, `end` where it ends before the hours open again.
    """

    start: int
    open: bool
    last: int | None
    next: int | None
    closed: tuple[Shut, ...] = ()
    shutting: tuple[Shut, ...] = ()
    edge: Literal["", "start", "over", "end"] = ""


class _Day(Generic[T]):
    """One UTC day: its boundaries, and the answer of each stretch once it was asked for."""

    __slots__ = ("answers", "bounds")

    def __init__(self, bounds: list[int]) -> None:
        self.bounds = bounds
        self.answers: list[T | None] = [None] * len(bounds)


class Timeline(Generic[T]):
    """Answers for one place; `answer` turns a stretch into whatever the caller wants to hand out.

    Threads may share it: what two of them work out at once comes out the same.
    """

    def __init__(
        self,
        rules: Sequence[HoursRule],
        clocks: Clocks,
        zones: Sequence[str],
        margin: timedelta,
        answer: Callable[[Stretch], T],
        *,
        begins: int | None = None,
        ends: int | None = None,
    ) -> None:
        self._rules = tuple(rules)
        self._zones = tuple({*zones, *(zone for rule in rules for zone in rule.zones)})
        self._clocks = clocks
        self._margin = max(1, margin // timedelta(microseconds=1))  # the close itself is closed
        self._answer = answer
        self._begins = begins
        self._ends = ends
        self._blocks: dict[int, tuple[Span, ...]] = {}
        self._days: dict[int, _Day[T]] = {}

    def at(self, microseconds: int) -> T:
        """Give the answer that holds at an instant."""
        day = self._days.get(microseconds // DAY)
        if day is None:
            day = self._day(microseconds // DAY)
        place = bisect_right(day.bounds, microseconds) - 1
        answer = day.answers[place]
        if answer is None:
            answer = day.answers[place] = self._answer(self.stretch(day.bounds[place]))
        return answer

    def stretch(self, at: int) -> Stretch:
        """Work out what holds at an instant, and until when."""
        if self._ends is not None and at > self._ends:
            return Stretch(at, False, None, None, edge="over")
        if self._begins is not None and at < self._begins:
            first = self._hours(self._begins)
            opens = self._begins if first.open else first.next
            return self._until_the_end(Stretch(at, False, None, opens, edge="start"))
        return self._until_the_end(self._hours(at))

    def _until_the_end(self, stretch: Stretch) -> Stretch:
        """Cut what the hours allow at the campaign's own end."""
        if self._ends is None:
            return stretch
        if stretch.open:
            last = self._ends if stretch.last is None else min(stretch.last, self._ends)
            return stretch._replace(last=last)
        if stretch.next is not None and stretch.next > self._ends:
            return stretch._replace(next=None, edge="end")
        return stretch

    def _hours(self, at: int) -> Stretch:
        """Work out what the rules say of an instant, whatever the campaign's own period."""
        last = following = closes = None
        is_open = False
        for start, end in self._ahead(at):
            if end is None:
                is_open, following = start <= at, max(start, at)
                break
            if start + self._margin > end or end - self._margin < at:
                closes = end if start <= at else closes
                continue  # too short for a call, or too late in it
            if start <= at:
                is_open, last = True, end - self._margin
            else:
                following = start
            break
        if is_open:
            return Stretch(at, True, last, None)
        closed = tuple(self._closed(at))
        shutting = () if closed or closes is None else tuple(self._closed(closes))
        return Stretch(at, False, None, following, closed, shutting)

    def _closed(self, at: int) -> Iterator[Shut]:
        for rule in self._rules:
            for zone in rule.zones:
                part = self._clocks.part_at(zone, at)
                spans = part.spans(rule.windows(part.day))
                if not any(start <= at < end for start, end in spans):
                    yield rule, part.day, zone
                    break

    def _day(self, utc_day: int) -> _Day[T]:
        begin, end = utc_day * DAY, (utc_day + 1) * DAY
        bounds = {part.start for zone in self._zones for part in self._clocks.parts(zone, utc_day)}
        for rule in self._rules:
            for zone in rule.zones:
                for span in _spans(rule, self._clocks.parts(zone, utc_day)):
                    bounds.update(span)
        if self._begins is not None:
            bounds.add(self._begins)
        if self._ends is not None:
            bounds.add(self._ends + 1)
        for start, close in self._ahead(begin):
            if start >= end + self._margin or close is None:
                break
            bounds.add(close - self._margin + 1)
        if len(self._days) >= _KEPT_DAYS:
            self._days = {}
        day = self._days[utc_day] = _Day(sorted(b for b in bounds if begin <= b < end))
        return day

    def _ahead(self, at: int) -> Iterator[tuple[int, int | None]]:
        """Yield the open spans that end after `at`, joined; None: none within the horizon."""
        held: Span | None = None
        first = at // _BLOCK
        for number in range(first, first + HORIZON_DAYS // _BLOCK_DAYS + 1):
            for start, end in self._block(number):
                if held is not None and held[1] == start:
                    held = (held[0], end)
                    continue
                if held is not None and held[1] > at:
                    yield held
                held = (start, end)
            if held is None and self._shut_for_good(number * _BLOCK_DAYS):
                return
        if held is None or held[1] <= at:
            return
        beyond = first + HORIZON_DAYS // _BLOCK_DAYS + 1
        start, end = held
        if end == beyond * _BLOCK:  # cut by the horizon, or ending there by chance
            end = next((close for opens, close in self._block(beyond) if opens == end), end)
        yield start, None if end == (beyond + 1) * _BLOCK else end

    def _block(self, number: int) -> tuple[Span, ...]:
        found = self._blocks.get(number)
        if found is None:
            first = number * _BLOCK_DAYS
            spans = (self._open(day) for day in range(first, first + _BLOCK_DAYS))
            if len(self._blocks) >= _KEPT_BLOCKS:
                self._blocks = {}
            found = self._blocks[number] = tuple(merge(span for day in spans for span in day))
        return found

    def _open(self, utc_day: int) -> list[Span]:
        spans: list[Span] = [(utc_day * DAY, (utc_day + 1) * DAY)]
        for rule in self._rules:
            for zone in rule.zones:
                parts = self._clocks.parts(zone, utc_day)
                spans = intersect(spans, _spans(rule, parts))
                if not spans:
                    return spans
        return spans

    def _shut_for_good(self, utc_day: int) -> bool:
        """Whether some rule denies from this day on without an end: looking further is idle."""
        day = to_instant(utc_day * DAY).date()
        return any(
            rule.hours is None
            and rule.valid_until is None
            and (rule.valid_from is None or rule.valid_from < day)
            for rule in self._rules
        )


def _spans(rule: HoursRule, parts: Sequence[Part]) -> list[Span]:
    return merge(span for part in parts for span in part.spans(rule.windows(part.day)))

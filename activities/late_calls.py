"""Calls that surface after their attempt was judged `not_placed`: each is looked for by its number.

Such an attempt was proven absent as far as the API's report can prove it, and its contact is dialed
under a new key. Should its call come up all the same, the person may be called twice: the sooner it
is seen, the shorter that is. The windows that are read for calls under way show it only while they
reach the time at which it was made; here each number is asked for by itself, at growing intervals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog

from activities.plans import TrackRules
from activities.reports import AT_ONCE, side_by_side
from activities.skew import Skew, bounds
from campaigns.keys import key_in
from store import giving_up
from store.engine import Store
from store.giving_up import GivenUp
from zenvia import errors
from zenvia.client import VoiceClient

WATCHED = 3_600.0
"""Seconds after it was given up for which an attempt's call may still surface."""
FIRST_LOOK = 5.0
"""Seconds until the first look at least; each further one is as long after it again."""
PAUSE = 1.0
"""Seconds between two looks, each of which asks for `AT_ONCE` numbers at most."""
MARGIN = 60.0
"""Seconds by which a window is wider than clocks that are known ask for."""

_log = structlog.get_logger("discador.tracking")


@dataclass
class LateCalls:
    """What is watched of one run's lane. A worker that takes it over reads it from the store."""

    store: Store
    client: VoiceClient
    run_id: str
    lane: int
    _watched: dict[str, tuple[GivenUp, float]] = field(default_factory=dict)
    """By key: the attempt, and when to look for its call."""
    _not_before: float = 0.0
    _loaded: bool = False

    @property
    def next_look(self) -> float | None:
        """When the next one is to be looked for."""
        first = min((at for _, at in self._watched.values()), default=None)
        return None if first is None else max(first, self._not_before)

    async def watch(self, keys: Sequence[str], rules: TrackRules) -> None:
        """Take up attempts that have just been judged `not_placed`."""
        self._take_up(await giving_up.given_up(self.store, keys), rules)

    async def look_for(
        self, now: float, *, rules: TrackRules, skew: Skew | None
    ) -> list[tuple[str, int]]:
        """Look for those that are due; return keys with the ids of their calls.

        Each is looked for until it is found or `WATCHED` seconds are over. What cannot be read now
        is read the next time.
        """
        if not self._loaded:
            since = now - WATCHED
            rows = await giving_up.given_up_since(self.store, self.run_id, self.lane, since)
            self._take_up(rows, rules)
            self._loaded = True
        if now < self._not_before:
            return []
        due = [item for item, at in self._watched.values() if at <= now][:AT_ONCE]
        if due:
            self._not_before = now + PAUSE
        found = await side_by_side(self._find(item, now, rules, skew) for item in due)
        for item, call in zip(due, found, strict=True):
            if call is not None or now - item.ended_at > WATCHED:
                del self._watched[item.key]
            else:
                self._watched[item.key] = item, _following(item, now, rules)
        return [(item.key, call) for item, call in zip(due, found, strict=True) if call is not None]

    def _take_up(self, items: Sequence[GivenUp], rules: TrackRules) -> None:
        now = self.store.now()
        for item in items:
            self._watched.setdefault(item.key, (item, _following(item, now, rules)))

    async def _find(
        self, item: GivenUp, now: float, rules: TrackRules, skew: Skew | None
    ) -> int | None:
        """Return the id of an attempt's call, None where the report has none."""
        low, high = bounds(skew, MARGIN)
        dialed = rules.contact_leg == "origem"
        try:
            rows = self.client.iter_call_report(
                datetime.fromtimestamp(item.posting_at + low, UTC),
                datetime.fromtimestamp(now + high, UTC),
                origem=item.e164 if dialed else None,
                destino=None if dialed else item.e164,
            )
            async for call in rows:
                if key_in(call.tags) == item.key:
                    return call.id
        except errors.VoiceError as error:
            _log.warning("late_look_failed", attempt=item.key, error=str(error))
        return None


def _following(item: GivenUp, now: float, rules: TrackRules) -> float:
    """Return when to look next: as long after it was given up again as it is now, and no sooner."""
    waited = max(rules.quiet / 2, FIRST_LOOK)
    while item.ended_at + waited <= now:
        waited *= 2
    return item.ended_at + waited

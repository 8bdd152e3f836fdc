"""May this contact be called now? The campaign's hours, rules and caps, as `reserve` asks."""

from __future__ import annotations

from datetime import UTC, datetime

from campaigns.areas import is_area_code
from campaigns.attempts import Outcome
from campaigns.caps import LONGEST, Caps, check, local_zone
from campaigns.definition import Campaign
from campaigns.explain import HoursOracle, Terms
from campaigns.numbers import may_be_dialed
from campaigns.period import Period
from campaigns.verdict import END_AT
from store.gate import Candidate, GateAnswer

FOREVER = 4_000_000_000.0
"""Seconds of history where a cap has no end."""

LOOK_AGAIN = 60.0

_CLOSED = GateAnswer(allowed=False, wait_until=None, why="never_dial")


class CampaignGate:
    """The gate of one campaign in one version of its rules.

    `calling_hours: always` opens it only while the API is on this machine: a campaign that was
    checked against a sandbox must not follow a worker to the real service.
    """

    def __init__(self, definition: Campaign, *, loopback: bool) -> None:
        self._always = definition.calling_hours == "always"
        self._loopback = loopback
        terms = Terms.of(definition)
        self._oracle = HoursOracle(terms)
        self._asks = not self._always or terms.period != Period()
        contact, number = definition.limits.per_contact, definition.limits.per_number
        self._contact_caps = Caps(
            per_day=contact.per_day,
            rolling_24h=contact.rolling_24h,
            per_week=contact.per_week,
            per_month=contact.per_month,
            min_gap=contact.min_gap.total_seconds() if contact.min_gap else None,
        )
        self._own_caps = Caps(total=number.total, rolling_24h=number.rolling_24h)
        self._number_caps: dict[tuple[str, int], Caps] = {}
        self.history = FOREVER if number.total is not None else LONGEST
        written = number.model_dump(exclude_none=True)
        if self._always and not written and self._contact_caps.is_open:
            self.history = 0.0

    def __call__(self, candidate: Candidate, now: float, /) -> GateAnswer:
        """Judge a candidate: never-dial first, then the period and the hours, then the caps."""
        if not may_be_dialed(candidate.e164):
            return _CLOSED
        if self._always and not self._loopback:
            return GateAnswer(
                allowed=False, wait_until=now + LOOK_AGAIN, why="always_needs_loopback"
            )
        until = None
        if self._asks:
            verdict = self._oracle.at_seconds(candidate.e164[3:5], now, candidate.kind)
            if not verdict.callable:
                wait = None if verdict.next is None else verdict.next.timestamp()
                over = wait is None and verdict.why == END_AT
                return GateAnswer(
                    allowed=False,
                    wait_until=wait,
                    why=verdict.why,
                    outcome=Outcome.EXPIRED if over else Outcome.NOT_ALLOWED,
                )
            if verdict.callable_until is not None:
                until = verdict.callable_until.timestamp()
        if not self.history:
            return GateAnswer(until=until)
        zone = local_zone(candidate.e164)
        for caps, calls in (
            (self._caps_of(candidate.e164[3:5], now), candidate.number_calls),
            (self._contact_caps, candidate.contact_calls),
        ):
            answer = check(caps, calls, now, zone)
            if not answer.allowed:
                return GateAnswer(allowed=False, wait_until=answer.wait_until, why=answer.why)
        return GateAnswer(until=until)

    def _caps_of(self, ddd: str, now: float) -> Caps:
        """Return the caps on a number: as written, narrowed by law, polite where nothing is."""
        assert is_area_code(ddd)
        day = datetime.fromtimestamp(now, UTC).date()
        known = self._number_caps.get((ddd, day.toordinal()))
        if known is None:
            limits = self._oracle.limits(ddd, day)
            known = Caps(
                total=self._own_caps.total,
                rolling_24h=self._own_caps.rolling_24h,
                per_day=limits.per_day,
                per_week=limits.per_week,
                per_month=limits.per_month,
                min_gap=limits.min_gap.total_seconds() if limits.min_gap else None,
            )
            self._number_caps[ddd, day.toordinal()] = known
        return known

"""What guards decide: pure, from counters that the store keeps.

A guard is `ok`, `warning` or `open`; open means that the run is paused by it. Times are seconds
since 1970, money is in the units of `campaigns.costs`.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from math import floor
from typing import Final, Literal

from pydantic import Field

from campaigns.clocks import packaged_zone
from campaigns.costs import LegKind, leg_kind, units, worst_cases
from campaigns.definition import Campaign
from campaigns.guards import LAW_CALLS, LAW_SHARE, Failures, ShortCalls
from campaigns.numbers import PhoneNumber, normalise
from campaigns.scalars import Frozen

GuardName = Literal["budget", "no_balance", "failures", "short_calls"]
GuardState = Literal["ok", "warning", "open"]

DAY_ZONE: Final = "America/Sao_Paulo"
"""Whose midnight ends the day of a caller ID: the regulator counts in Brasília's time."""

LAW_STOP: Final = LAW_CALLS * 9 // 10
"""Calls of a day from which the law's share pauses a run whatever a person has said."""


class Watch(Frozen):
    """What of a campaign its guards need. `bina` is the caller ID that contacts are shown."""

    bina: str = ""
    budget: int | None = None
    worst: dict[LegKind, int] = Field(default_factory=dict)
    """The most that a call costs, by kind of the contact's number; empty without a budget."""
    failures: Failures | None = None
    short_calls: ShortCalls | None = None

    @property
    def dearest(self) -> int:
        """The most that any call of the campaign costs."""
        return max(self.worst.values(), default=0)

    @property
    def is_needed(self) -> bool:
        """Whether a turn has anything to look at before it reserves."""
        return bool(self.budget is not None or self.failures or self.short_calls)


class Verdict(Frozen):
    """What a guard says. `until` is when the run goes on by itself; None: by hand."""

    state: GuardState = "ok"
    reason: str = ""
    until: float | None = None


_OK: Final = Verdict()


def watch_of(campaign: Campaign, *, loopback: bool) -> Watch:
    """Return what the guards of a campaign need.

    With the real API the short calls of a day are watched even where nothing is written; a local
    one has no regulator.
    """
    call, guards = campaign.call, campaign.guards
    worst: dict[LegKind, int] = {}
    if guards.budget is not None and call.max_duration is not None:
        worst = worst_cases(
            guards.budget.price,
            leg_kind(call.connect_to),
            max_duration=call.max_duration,
            detection=call.detecta_caixa_origem,
        )
    return Watch(
        bina=_shown(call.bina_origem if call.contact_leg == "origem" else call.bina_destino),
        budget=None if guards.budget is None else units(guards.budget.total_brl),
        worst=dict(worst),
        failures=guards.failures,
        short_calls=guards.short_calls or (None if loopback else ShortCalls()),
    )


def _shown(text: str | None) -> str:
    """Return a caller ID in one spelling; empty where the provider chooses it."""
    number = normalise(text or "")
    return number.e164 if isinstance(number, PhoneNumber) else (text or "").strip()


def local_day(at: float) -> date:
    """Return the day that a call of this instant counts to."""
    return _day_of(floor(at))


@lru_cache(maxsize=4_096)
def _day_of(second: int) -> date:
    return datetime.fromtimestamp(second, UTC).astimezone(packaged_zone(DAY_ZONE)).date()


def next_midnight(at: float) -> float:
    """Return when the day of this instant ends."""
    following = local_day(at) + timedelta(days=1)
    return datetime.combine(following, time(), packaged_zone(DAY_ZONE)).timestamp()


def judge_failures(rules: Failures, ring: str, now: float) -> Verdict:
    """Judge the last attempts, oldest first: `1` for a technical failure, `0` for any other end.

    Nothing is said before the window is full.
    """
    last = ring[-rules.window :]
    failed = last.count("1")
    if len(last) < rules.window or failed < rules.share * rules.window:
        return _OK
    wait = rules.resume_after
    return Verdict(
        state="open",
        reason=f"{failed} of the last {rules.window} attempts failed for technical reasons"
        f" (guards.failures: {rules.share:.0%})",
        until=None if wait is None else now + wait.total_seconds(),
    )


def judge_short_calls(
    rules: ShortCalls, calls: int, short: int, now: float, *, waived: bool = False
) -> Verdict:
    """Judge the calls of a caller ID in the day of `now`, those of other campaigns included.

    `waived` says that a person resumed the run in this day: then only the law's own line, less a
    tenth of its calls, pauses it again.
    """
    share = short / calls if calls else 0.0
    told = f"{short} of {calls} calls of this caller ID today were short ({share:.0%})"
    if calls >= LAW_STOP and share >= LAW_SHARE:
        return Verdict(
            state="open",
            reason=f"{told}; from {LAW_CALLS} with {LAW_SHARE:.0%} the line is blocked for 15 days"
            " (Anatel, Despacho 22/2024)",
            until=next_midnight(now),
        )
    if calls < rules.after or share < rules.warn:
        return _OK
    if share >= rules.pause and not waived:
        return Verdict(
            state="open",
            reason=f"{told} (guards.short_calls: pause {rules.pause:.0%})",
            until=next_midnight(now),
        )
    return Verdict(state="warning", reason=f"{told} (guards.short_calls: warn {rules.warn:.0%})")

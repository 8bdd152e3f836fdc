"""What a campaign would do from an instant on, before it does: the arithmetic of `plan`.

Contacts are counted by area code and kind of line, since the rules see no more of them. Pure: the
same counts, terms, data and instant give the same outlook.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from campaigns.areas import ufs
from campaigns.explain import HoursOracle, Reason, Unmet, Verdict
from campaigns.packs import NumberKind
from campaigns.scalars import Frozen

_FARTHEST: Final = timedelta(days=400)


class Group(Frozen):
    """Contacts that the rules cannot tell apart, by the number that is tried first."""

    ddd: str
    kind: NumberKind
    contacts: int


class Waiting(Frozen):
    """Contacts that wait until the same instant, and the rule that keeps each waiting."""

    until: datetime
    contacts: int
    by_rule: dict[str, int]


class Blocked(Frozen):
    """Contacts that will not be called at all, and why."""

    reason: Reason
    contacts: int
    by_uf: dict[str, int]


class Outlook(Frozen):
    """Who is called now, who later, who never, and what stands against starting.

    `first` and `last` are when the first and the last of the attempts start if all goes at the
    planned rate, None where nobody may be called. `unfinished` attempts found no open hours
    within 400 days. `stale` are rules in use that nobody has verified for a year.
    """

    at: datetime
    contacts: int
    now: int
    now_by_uf: dict[str, int]
    waiting: tuple[Waiting, ...]
    blocked: tuple[Blocked, ...]
    unmet: tuple[Unmet, ...]
    first: datetime | None
    last: datetime | None
    unfinished: int
    stale: tuple[str, ...]


def calls_per_second(pacing: float, channels: int, seconds_a_call: float) -> float:
    """Give the rate at which calls can start: by pacing, or by channels that free themselves."""
    return min(pacing, channels / seconds_a_call) if seconds_a_call > 0 else pacing


def look_ahead(
    oracle: HoursOracle,
    groups: Iterable[Group],
    at: datetime,
    *,
    rate: float,
    attempts_per_contact: float = 1.0,
) -> Outlook:
    """Work out the outlook of a campaign that starts at `at`, with `rate` call starts a second.

    Attempts of one contact are taken to follow each other as fast as the rate allows: with waits
    between retries the end comes later. ValueError for an area code that is not in use, or a rate
    that is not above zero.
    """
    if not rate > 0:
        raise ValueError("the rate of calls must be above zero")
    present = [group for group in groups if group.contacts > 0]
    verdicts = [(group, oracle.evaluate(group.ddd, at, group.kind)) for group in present]
    now, waiting, blocked = Counter[str](), dict[datetime, Counter[str]](), dict[str, Blocked]()
    for group, verdict in verdicts:
        uf = "+".join(ufs(group.ddd))
        if verdict.callable:
            now[uf] += group.contacts
        elif verdict.next is not None:
            waiting.setdefault(verdict.next, Counter())[verdict.why] += group.contacts
        else:
            reason = next(reason for reason in verdict.reasons if reason.blocks)
            before = blocked.get(reason.rule)
            by_uf = Counter(before.by_uf if before else {})
            by_uf[uf] += group.contacts
            blocked[reason.rule] = Blocked(
                reason=reason, contacts=by_uf.total(), by_uf=dict(sorted(by_uf.items()))
            )
    first, last, unfinished = _finish(oracle, verdicts, at, rate, attempts_per_contact)
    in_use = {reason.rule for _, verdict in verdicts for reason in verdict.reasons}
    return Outlook(
        at=at,
        contacts=sum(group.contacts for group in present),
        now=now.total(),
        now_by_uf=dict(sorted(now.items())),
        waiting=tuple(
            Waiting(until=until, contacts=rules.total(), by_rule=dict(sorted(rules.items())))
            for until, rules in sorted(waiting.items())
        ),
        blocked=tuple(sorted(blocked.values(), key=lambda item: -item.contacts)),
        unmet=oracle.unmet((group.ddd for group in present), at.date()),
        first=first,
        last=last,
        unfinished=unfinished,
        stale=tuple(rule for rule in oracle.packs.stale(at.date()) if rule in in_use),
    )


def _finish(
    oracle: HoursOracle,
    verdicts: Iterable[tuple[Group, Verdict]],
    at: datetime,
    rate: float,
    attempts_per_contact: float,
) -> tuple[datetime | None, datetime | None, int]:
    """Let the attempts flow at the rate, to the group whose hours end first, until all are gone."""
    left = Counter[tuple[str, NumberKind]]()
    for group, verdict in verdicts:
        if verdict.callable or verdict.next is not None:
            left[group.ddd, group.kind] += math.ceil(group.contacts * attempts_per_contact)
    first = last = None
    clock, end = at, at + _FARTHEST
    while left and clock < end:
        asked = {key: oracle.evaluate(key[0], clock, key[1]) for key in left}
        turns = [verdict.next for verdict in asked.values() if verdict.next is not None]
        is_open = [key for key, verdict in asked.items() if verdict.callable]
        if not is_open:
            if not turns:
                break
            clock = min(turns)
            continue
        closing = {key: asked[key].callable_until or end for key in is_open}
        _, soonest = min((close, key) for key, close in closing.items())
        until = min([*turns, closing[soonest]])
        first = first or clock
        room = max(1, math.floor((until - clock).total_seconds() * rate))
        done = min(room, left[soonest])
        last = clock + timedelta(seconds=(done - 1) / rate)
        left[soonest] -= done
        if not left[soonest]:
            del left[soonest]
        clock += timedelta(seconds=done / rate)
    return first, last, left.total()

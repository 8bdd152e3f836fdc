"""Checks that need more than one value: the numbering plan, another section, the files beside.

Each check looks at the sections that could be read, so that one mistake does not hide another.
Findings carry a path of keys; the loader turns it into a place in the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from campaigns import cron
from campaigns.costs import leg_kind, reais, units, worst_cases
from campaigns.definition import Call, DialList, Guards, Limits, RetryRule, Schedule
from campaigns.numbers import PhoneNumber, RejectedNumber, normalise
from campaigns.period import Period
from campaigns.scalars import counted
from campaigns.sections import Sections

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong at a path such as `("retry", 2, "times")`."""

    path: Path
    message: str
    code: str
    severity: Literal["error", "warning"] = "error"


def findings(sections: Sections) -> Iterator[Finding]:
    """Give everything that is wrong or doubtful, in no special order. Pure."""
    if sections.calling_hours == "always" and not sections.loopback:
        yield Finding(
            ("calling_hours",),
            "`always` is accepted only with a local API; write the days and their hours",
            "always_needs_loopback",
        )
    if sections.call is not None:
        yield from _call(sections.call)
    if sections.dial_list is not None:
        yield from _dial_list(sections.dial_list)
    if sections.schedule is not None:
        yield from _schedule(sections.schedule)
    yield from _retry(sections.retry, sections.limits)
    if sections.guards is not None and sections.call is not None:
        yield from _guards(sections.guards, sections.call)


def is_ramal(text: str) -> bool:
    """Whether a text is an extension of the account: three or four digits."""
    return text.isascii() and text.isdigit() and len(text) in {3, 4}


def _call(call: Call) -> Iterator[Finding]:
    if call.detecta_caixa_origem and call.contact_leg == "destino":
        yield Finding(
            ("call", "detecta_caixa_origem"),
            "voicemail is detected on leg `origem` only, and here the contact is `destino`:"
            " it would listen to your own side",
            "voicemail_leg",
        )
    emergency = normalise(call.connect_to)
    if isinstance(emergency, RejectedNumber) and emergency.reason == "emergency":
        yield Finding(
            ("call", "connect_to"), "this is an emergency or public service number", "never_dial"
        )
    elif isinstance(emergency, RejectedNumber) and not is_ramal(call.connect_to):
        yield Finding(
            ("call", "connect_to"),
            f"this is neither a ramal of 3 or 4 digits nor a phone number: {emergency.message}",
            "bad_connect_to",
        )
    for key in ("bina_origem", "bina_destino"):
        text = getattr(call, key)
        if text is not None:
            yield from _bina(("call", key), text)


def _bina(path: Path, text: str) -> Iterator[Finding]:
    number = normalise(text)
    if isinstance(number, RejectedNumber):
        if number.reason != "non_geographic":
            yield Finding(path, f"this is not a number to show: {number.message}", "bad_bina")
            return
        yield Finding(
            path,
            "a nationwide number may be shown only if it is contracted and can be called back",
            "bina_not_geographic",
            "warning",
        )
        return
    if number.ninth_digit_added or number.more_in_cell:
        yield Finding(path, "write one whole number, with its area code and all digits", "bad_bina")
    elif number.kind == "movel":
        yield Finding(
            path,
            "a mobile number shown by calls that do not come from that mobile is irregular",
            "bina_mobile",
            "warning",
        )


def _dial_list(dial_list: DialList) -> Iterator[Finding]:
    seen: set[str] = set()
    for index, column in enumerate(dial_list.numbers):
        if column in seen:
            yield Finding(
                ("dial_list", "numbers", index), "this column stands here twice", "column_twice"
            )
        seen.add(column)
    if dial_list.default_ddd is not None and isinstance(
        normalise(f"{dial_list.default_ddd}32830151"), RejectedNumber
    ):
        yield Finding(
            ("dial_list", "default_ddd"), "no place in Brazil has this area code", "bad_area_code"
        )


def _schedule(schedule: Schedule) -> Iterator[Finding]:
    try:
        period = Period.of(schedule)
    except (ValueError, OverflowError):
        period = Period()  # the zone is not known, which is told elsewhere, or the year is absurd
    if period.is_empty:
        yield Finding(("schedule", "end_at"), "this is not after `start_at`", "ends_before_start")
    if schedule.repeat is None:
        return
    wrong = cron.mistake(schedule.repeat)
    if wrong is not None:
        yield Finding(("schedule", "repeat"), wrong, "bad_cron")
    elif cron.limits_both_days(schedule.repeat):
        yield Finding(
            ("schedule", "repeat"),
            "this names days of the month and of the week: it starts only where both fit",
            "both_days",
            "warning",
        )


def _covers(earlier: RetryRule, later: RetryRule) -> bool:
    """Whether every attempt that fits `later` fits `earlier` too."""
    if earlier.leg is not None and earlier.leg != later.leg:
        return False
    pairs: tuple[tuple[tuple[object, ...], tuple[object, ...]], ...] = (
        (earlier.status, later.status),
        (earlier.reasons, later.reasons),
        (earlier.outcome, later.outcome),
    )
    return all(not wide or (narrow and set(narrow) <= set(wide)) for wide, narrow in pairs)


def _shadow(rules: tuple[RetryRule | None, ...], rule: RetryRule) -> int | None:
    """Find the rule above that always acts first.

    One with `times` gives way when they are used, `next_number` where the contact has no other.
    """
    for index, other in enumerate(rules):
        if other is None or other.then is None:
            continue
        gives_way = other.then == "next_number" and rule.then != "next_number"
        if not gives_way and _covers(other, rule):
            return index
    return None


def _retry(rules: tuple[RetryRule | None, ...], limits: Limits | None) -> Iterator[Finding]:
    for index, rule in enumerate(rules):
        if rule is None:
            continue
        shadow = _shadow(rules[:index], rule)
        if shadow is not None:
            yield Finding(
                ("retry", index),
                f"this rule can never act: rule {shadow + 1} above takes all that it would",
                "shadowed_rule",
            )
        if rule.times is not None and rule.later and len(rule.later) >= rule.times:
            yield Finding(
                ("retry", index, "after"),
                f"only the first {rule.times} of these delays can ever be used (times:"
                f" {rule.times})",
                "unused_delay",
                "warning",
            )
        if limits is not None and rule.times and rule.times >= limits.per_contact.total:
            yield Finding(
                ("retry", index, "times"),
                "limits.per_contact.total allows"
                f" {counted(limits.per_contact.total, 'call')} in all, so not all of these can"
                " happen",
                "beyond_limit",
                "warning",
            )


def _guards(guards: Guards, call: Call) -> Iterator[Finding]:
    budget = guards.budget
    if budget is None:
        return
    if call.max_duration is None:
        yield Finding(
            ("guards", "budget"),
            "a budget holds the worst case of every live call, so calls need a longest time: set"
            " `call.max_duration`",
            "budget_needs_max_duration",
        )
        return
    if call.detecta_caixa_origem and budget.price.detection is None:
        yield Finding(
            ("guards", "budget", "price"),
            "detecting voicemail costs extra: say how much under `detection` (0 if nothing)",
            "budget_needs_detection",
        )
    worst = worst_cases(
        budget.price,
        leg_kind(call.connect_to),
        max_duration=call.max_duration,
        detection=call.detecta_caixa_origem,
    )
    cheapest = min(worst.values())
    if cheapest > units(budget.total_brl):
        yield Finding(
            ("guards", "budget", "total_brl"),
            f"not one call fits: at worst, one costs R$ {reais(cheapest):.2f} with"
            " `call.max_duration` as it is",
            "budget_too_small",
        )


def own_numbers(call: Call) -> frozenset[str]:
    """Give our own numbers in E.164: what we show and what we connect to are never dialed."""
    texts = (call.connect_to, call.bina_origem, call.bina_destino)
    numbers = (normalise(text) for text in texts if text is not None)
    return frozenset(number.e164 for number in numbers if isinstance(number, PhoneNumber))

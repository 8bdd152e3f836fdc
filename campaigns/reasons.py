"""The words of a decision: each link of the chain, with its law and what it does."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Final, Literal

from campaigns.clocks import packaged_zone
from campaigns.opening import CallingHours
from campaigns.packs import Requirement, Rule, describe_hours, describe_limits
from campaigns.timeline import Shut
from campaigns.verdict import ALWAYS, END_AT, MARGIN, OWN_HOURS, START_AT, Reason, Terms

_WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_OWN: Final = "the campaign's own rule"

NO_LIMIT: Final = Reason(
    rule=ALWAYS,
    law="none: only where the API's address is a loopback one",
    text="calling_hours: always switches off hours, rule packs and politeness.",
    blocks=False,
    effect="always",
)


def not_yet(starts_at: datetime, zone: str) -> Reason:
    """Say that the campaign's own start has not come."""
    return _period(START_AT, f"The campaign starts at {_written(starts_at, zone)}.", blocks=True)


def over(ends_at: datetime, zone: str) -> Reason:
    """Say that the campaign's own end has passed."""
    return _period(END_AT, f"The campaign ended at {_written(ends_at, zone)}.", blocks=True)


def ends_first(ends_at: datetime, zone: str) -> Reason:
    """Say that the campaign ends before a call may start again."""
    text = f"The campaign ends at {_written(ends_at, zone)}, before a call may start again."
    return _period(END_AT, text, blocks=True)


def own_period(terms: Terms, zone: str) -> list[Reason]:
    """Say the edges that the campaign writes."""
    starts_at, ends_at = terms.period.starts_at, terms.period.ends_at
    chain = []
    if starts_at is not None:
        text = f"The campaign calls from {_written(starts_at, zone)} on."
        chain.append(_period(START_AT, text, blocks=False))
    if ends_at is not None:
        text = f"The campaign calls until {_written(ends_at, zone)}."
        chain.append(_period(END_AT, text, blocks=False))
    return chain


def _period(rule: str, text: str, *, blocks: bool) -> Reason:
    return Reason(rule=rule, law=_OWN, text=text, blocks=blocks, effect="period")


def _written(at: datetime, zone: str) -> str:
    """Write an instant on the clock of a zone."""
    return f"{at.astimezone(packaged_zone(zone)):%Y-%m-%d %H:%M %z}"


def too_late(margin: timedelta) -> Reason:
    """Say that a call could run past the close of the hours."""
    minutes = margin / timedelta(minutes=1)
    return Reason(
        rule=MARGIN,
        law=_OWN,
        text=f"A call that may last {minutes:g} min would not end before the hours close.",
        blocks=True,
        effect="margin",
    )


def blocking(rule: Rule | None, shut: Shut) -> Reason:
    """Say which rule is shut, and by what; no rule means the campaign's own hours."""
    hours_rule, day, zone = shut
    if hours_rule.hours is None:
        detail = ""
    elif (holiday := hours_rule.closed(day)) is not None:
        detail = f"Closed on {day.isoformat()}: {holiday}."
    else:
        windows = " and ".join(map(str, hours_rule.windows(day))) or "closed"
        detail = f"On {_WEEKDAYS[day.weekday()]} {day.isoformat()}: {windows} ({zone})."
    if rule is None:
        return Reason(
            rule=OWN_HOURS,
            law=_OWN,
            text=f"Outside the hours of the campaign. {detail}",
            blocks=True,
            effect="hours",
        )
    return _reason(rule, f"{rule.text} {detail}".rstrip(), blocks=True)


def own_hours(hours: CallingHours) -> Reason:
    """Say the hours that the campaign writes."""
    return Reason(
        rule=OWN_HOURS,
        law=_OWN,
        text=f"The campaign calls {describe_hours(hours)}.",
        blocks=False,
        effect="hours",
    )


def link(rule: Rule, day: date, terms: Terms, override: str | None = None) -> Reason:
    """Say what a rule means on a local day where it does not block.

    `override` is the written reason for which the campaign sets it aside.
    """
    if not rule.in_force(day):
        past = rule.valid_until is not None and day > rule.valid_until
        word = f"ended on {rule.valid_until}" if past else f"begins on {rule.valid_from}"
        return _reason(rule, f"Not applied, it {word}: {rule.text}", effect="expired")
    if override is not None:
        text = f"Set aside by the campaign ({override}): {rule.text}"
        return _reason(rule, text, effect="override")
    if rule.when.sector and terms.sector is None:
        sectors = ", ".join(rule.when.sector)
        return _reason(rule, f"Only for callers in {sectors}: {rule.text}", effect="duty")
    if rule.require is not None:
        met, words = _meets(rule.require, terms)
        return _reason(rule, f"{rule.text} {words}".rstrip(), met=met)
    if rule.limit is not None:
        return _reason(rule, f"{rule.text} Cap: {describe_limits(rule.limit)}.")
    return _reason(rule, rule.text)


def _meets(requirement: Requirement, terms: Terms) -> tuple[bool | None, str]:
    if requirement.recording and not terms.recording:
        return False, "The campaign does not record: set call.gravar_audio to true."
    if (registry := requirement.registry) is None:
        return True, ""
    if terms.registries is None:
        return None, f"The list {registry} is looked for when the campaign starts."
    if registry in terms.registries:
        return True, f"The list {registry} is at hand."
    words = f"The list {registry} is missing or too old: import it as a suppression list."
    return False, words


def _reason(
    rule: Rule,
    text: str,
    *,
    blocks: bool = False,
    effect: Literal["override", "expired", "duty"] | None = None,
    met: bool | None = None,
) -> Reason:
    return Reason(
        rule=rule.id,
        law=rule.law,
        text=text,
        blocks=blocks,
        effect=effect or rule.effect,
        confidence=rule.confidence,
        met=met,
    )

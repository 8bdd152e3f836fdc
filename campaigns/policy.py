"""What happens after an attempt: pure, and run inside the workflow.

Retry rules are tried in order; the first whose conditions hold acts, and where none holds the
contact is done. A rule whose `times` are used up for the current number does not hold any more, nor
does `then: next_number` where the contact has no other number: the line below gets its turn.
A number that seems not to exist gives way to the contact's next one even where no rule says so; it
is declared dead only when another day has confirmed it (`store.dead`).
Attempts that never became a call (`refused`, `not_sent`, `not_placed`) are no one's fault: they are
due again under a new key, up to `MAX_TECHNICAL` of them in a row; refusals of the account, a 429
among them, are not counted (`store.settling`).
"""

from __future__ import annotations

from campaigns.attempts import CallFacts, DialingRules, Ended, LegName, Outcome, Step
from campaigns.definition import Campaign, RetryRule
from campaigns.outcomes import classify, failing_leg, fold, is_short

MAX_TECHNICAL = 25
"""Attempts in a row, for one contact, that may come to nothing before the contact is given up."""

TECHNICAL_DELAYS = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
"""Seconds before the next try after the n-th attempt in a row that never became a call."""


def dialing_rules(campaign: Campaign, version: int) -> DialingRules:
    """Return what of `campaign` the workflow needs."""
    return DialingRules(
        version=version,
        retry=campaign.retry,
        total_per_contact=campaign.limits.per_contact.total,
    )


def _holds(rule: RetryRule, call: CallFacts, failed: LegName, outcome: Outcome) -> bool:
    if rule.leg is not None and rule.leg != failed:
        return False
    if rule.outcome and outcome.value not in rule.outcome:
        return False
    leg = call.contact if failed == "contact" else call.other
    if rule.status and fold(leg.status) not in {fold(status) for status in rule.status}:
        return False
    return not rule.reasons or leg.reason in rule.reasons


def _uses(ended: Ended, index: int) -> int:
    return ended.rule_uses[index] if index < len(ended.rule_uses) else 0


def _matching(
    rules: DialingRules, ended: Ended, call: CallFacts, outcome: Outcome
) -> tuple[int, RetryRule] | None:
    """Return the first rule that holds and can still act, with its index.

    A `next_number` without a next number is returned only where no line below it can act.
    """
    if outcome in {Outcome.ANSWERED, Outcome.HUNG_UP}:
        return None
    without_a_number: tuple[int, RetryRule] | None = None
    failed: LegName = "contact"
    if outcome not in {Outcome.VOICEMAIL, Outcome.NEVER_RAN}:
        failed = failing_leg(call) or "contact"
    for index, rule in enumerate(rules.retry):
        used_up = rule.times is not None and _uses(ended, index) >= rule.times
        if used_up or not _holds(rule, call, failed, outcome):
            continue
        if rule.then != "next_number" or ended.numbers_left:
            return index, rule
        without_a_number = without_a_number or (index, rule)
    return without_a_number


def _after_no_call(rules: DialingRules, ended: Ended) -> Step:
    """Decide about an attempt that never became a call."""
    step = Step(
        key=ended.key,
        action="final",
        outcome=Outcome(ended.how),
        why=ended.how,
        version=rules.version,
    )
    if ended.how == "refused" and ended.refusal == "number":
        change: dict[str, object] = {
            "action": "next_number" if ended.numbers_left else "final",
            "outcome": Outcome.INVALID_NUMBER,
            "why": "number_refused",
        }
    elif ended.how == "unknown":
        change = {"why": "parked"}
    elif ended.technical >= MAX_TECHNICAL:
        change = {"why": "technical_cap"}
    else:
        nth = min(max(ended.technical, 1), len(TECHNICAL_DELAYS))
        change = {"action": "retry", "delay": TECHNICAL_DELAYS[nth - 1]}
    return step.model_copy(update=change)


def spares_the_person(call: CallFacts, outcome: Outcome) -> bool:
    """Whether a failure was technical and never reached the contact's phone."""
    if outcome in {Outcome.TECHNICAL, Outcome.NEVER_RAN}:
        return True
    return outcome is Outcome.OTHER_LEG and not fold(call.contact.status)


def next_step(rules: DialingRules, ended: Ended) -> Step:
    """Return the one thing to do after `ended`. Total and deterministic."""
    if ended.call is None:
        return _after_no_call(rules, ended)
    outcome = classify(ended.call)
    spared = spares_the_person(ended.call, outcome)
    change = _after_call(rules, ended, ended.call, outcome, spared=spared)
    return Step.model_validate(
        {
            "key": ended.key,
            "action": "final",
            "outcome": outcome,
            "spared": spared,
            "short": is_short(ended.call),
            "version": rules.version,
            **change,
        }
    )


def _after_call(
    rules: DialingRules, ended: Ended, call: CallFacts, outcome: Outcome, *, spared: bool
) -> dict[str, object]:
    """Return what differs from ending the contact with this outcome."""
    matching = _matching(rules, ended, call, outcome)
    if matching is None:
        if outcome is Outcome.INVALID_NUMBER and ended.numbers_left:
            if ended.accepted >= rules.total_per_contact:
                return {"why": "contact_cap"}
            return {"action": "next_number", "why": "number_suspect"}
        done = outcome in {Outcome.ANSWERED, Outcome.HUNG_UP}
        return {"why": outcome.value if done else "no_rule"}
    index, rule = matching
    change: dict[str, object] = {"rule": index, "why": "rule"}
    if rule.then in {"stop", "suppress"}:
        change |= {"suppress": rule.then == "suppress"}
    elif ended.accepted - spared >= rules.total_per_contact:
        change |= {"why": "contact_cap"}
    elif spared and ended.technical + 1 >= MAX_TECHNICAL:
        change |= {"why": "technical_cap"}
    elif rule.then is None:
        delay = rule.delay(_uses(ended, index)).total_seconds()
        change |= {"action": "retry", "delay": delay, "other_daypart": rule.other_daypart}
    elif ended.numbers_left:
        change |= {"action": "next_number"}
    else:
        change |= {"why": "no_number_left"}
    return change

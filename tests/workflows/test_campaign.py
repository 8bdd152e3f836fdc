"""A campaign from its start to its report, against the sandbox's ledger."""

from __future__ import annotations

from collections import Counter

from tests.workflows.stage import (
    Stage,
    campaign,
    e164,
    keys,
    live_twice,
    most_live,
    people,
    person,
    row,
    rule,
)

BUSY_TWICE = rule(leg="contact", status=["ocupado"], after="1s", times="2")


async def test_a_campaign_runs_to_its_report(working: Stage) -> None:
    """Everybody ends with what the provider saw of them, and every call has its own key."""
    working.script("answer")
    working.script("busy", "answer", to=1)
    working.script("busy", to=2)
    working.script("invalid", to=3)
    working.script("no_answer", to=4)
    definition = campaign(
        retry=[BUSY_TWICE, rule(leg="contact", reasons=["19"], then="next_number")],
        dial_list={"file": "lista.csv", "numbers": ["celular", "fixo"]},
    )
    rows = [*people(4), row(6, person(4), person(5))]
    working.script("answer", to=5)

    run = await working.start(definition, rows)
    result = await run.result()

    calls = run.calls()
    assert result.state == "completed"
    assert result.by_outcome == {"answered": 3, "busy": 1, "invalid_number": 1}
    assert len(set(keys(calls))) == len(calls) == 9
    assert Counter(call["numero_origem"] for call in calls) == {
        e164(person(0)): 1,
        e164(person(1)): 2,
        e164(person(2)): 3,
        e164(person(3)): 1,
        e164(person(4)): 1,
        e164(person(5)): 1,
    }
    assert live_twice(calls) == []

    report = await run.report()
    assert report.status == "completed"
    assert report.contacts.by_outcome == result.by_outcome
    assert sum(report.contacts.by_outcome.values()) == report.contacts.total == 5
    assert report.attempts.total == len(calls)
    assert report.attempts.by_status == {
        "answered": 3,
        "busy": 4,
        "invalid_number": 1,
        "no_answer": 1,
    }
    assert report.cost_brl == round(sum(call["cost"] or 0 for call in calls), 4)


async def test_a_retry_waits_as_long_as_its_rule_says(working: Stage) -> None:
    """Between the end of a call and the next one to that number the rule's delay passes."""
    working.script("busy", "answer")
    run = await working.start(campaign(retry=[BUSY_TWICE]), people(1))
    await run.result()

    first, second = run.calls()
    assert second["accepted_at"] - first["ended_at"] >= 1.0


async def test_channels_are_never_exceeded_at_the_provider(working: Stage) -> None:
    """With five channels and twenty people there are never more than five live calls."""
    definition = campaign(pacing={"channels": "5", "calls_per_second": "50"})
    run = await working.start(definition, people(20))
    await run.result()

    calls = run.calls()
    assert len(calls) == 20
    assert most_live(calls) <= 5

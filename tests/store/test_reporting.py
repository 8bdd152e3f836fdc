"""The report adds up to the list at every step of whatever happens."""

from __future__ import annotations

import random

import pytest

from campaigns.attempts import DialingRules, LegFacts
from campaigns.contacts import Note, RejectedRow
from campaigns.definition import RetryRule
from campaigns.policy import next_step
from store import forgiving, giving_up, placing, reporting, runs
from store.placing import NotSent, Placed, PostResult, RefusedPost, Unsure
from tests.store.conftest import Opens
from tests.store.scene import ANSWERED, BUSY, NOBODY, Clock, Scene, api_id, people, phone

RULES = DialingRules(
    retry=(
        RetryRule.model_validate(
            {"leg": "contact", "status": "ocupado", "after": "5s", "times": 2}
        ),
        RetryRule.model_validate({"leg": "contact", "reasons": [1], "then": "next_number"}),
        RetryRule.model_validate({"leg": "contact", "reasons": [41], "after": "1s", "times": 9}),
    ),
    total_per_contact=4,
)
ENDS = [
    (ANSWERED, ANSWERED),
    (BUSY, NOBODY),
    (LegFacts(status="não existe", reason=1), NOBODY),
    (LegFacts(status="falha", reason=41), NOBODY),
    (NOBODY, NOBODY),
]


def some_result(key: str, luck: random.Random) -> PostResult:
    """Return what became of a POST, mostly that the call was placed."""
    results: list[PostResult] = [
        *[Placed(key=key, api_id=api_id(key))] * 4,
        NotSent(key=key),
        RefusedPost(key=key, kind="number"),
        RefusedPost(key=key, kind="pacing"),
        Unsure(key=key),
    ]
    return luck.choice(results)


async def one_step(run: Scene, luck: random.Random) -> None:
    """Let something happen to the run that may happen at any moment."""
    kept = await run.attempts()
    posting = [key for key, row in kept.items() if row.state == "posting"]
    placed = [key for key, row in kept.items() if row.state == "placed"]
    reserved = [row for row in kept.values() if row.state == "reserved"]
    kind = luck.choice(["reserve", "claim", "claim", "record", "end", "end", "give_up", "settle"])
    if kind == "reserve":
        await run.reserve(channels=8, per_contact=4)
    elif kind == "claim" and reserved:
        await run.claim(reserved[0].token, [row.key for row in reserved][: luck.randint(1, 4)])
    elif kind == "record" and posting:
        await placing.record(run.store, [some_result(key, luck) for key in posting])
    elif kind == "end" and placed:
        contact, other = luck.choice(ENDS)
        await run.finish(luck.sample(placed, luck.randint(1, len(placed))), contact, other=other)
    elif kind == "give_up" and (posting or placed):
        source = luck.choice(
            [name for name, keys in (("posting", posting), ("placed", placed)) if keys]
        )
        state = "unknown" if source == "placed" else luck.choice(["unknown", "not_placed"])
        keys = (placed if source == "placed" else posting)[:1]
        await giving_up.give_up(
            run.store, keys, as_state=state, from_state=source, hold=luck.choice([0, 600])
        )
        late = [Placed(key=key, api_id=api_id(key)) for key in keys if luck.random() < 0.3]
        await placing.record(run.store, late)
    elif kind == "settle":
        ended = await run.undecided(limit=luck.randint(1, 6))
        steps = [next_step(RULES, item) for item in ended]
        await run.reserve(steps=steps, channels=luck.choice([0, 8]), per_contact=4)


async def adds_up(run: Scene, total: int) -> reporting.Report:
    """Assert that every count of the report and of the progress agrees with the others."""
    report = await reporting.report(run.store, run.run)
    rows = (await run.attempts()).values()
    assert report.contacts.total == total
    assert sum(report.contacts.by_outcome.values()) == total
    assert report.attempts.total == sum(row.api_id is not None for row in rows)
    assert sum(report.attempts.by_status.values()) == report.attempts.total
    assert all(count > 0 for count in report.attempts.by_status.values())
    for state in ("unknown", "not_placed", "refused", "not_sent"):
        held = sum(row.state == state for row in rows)
        assert getattr(report.attempts, state) == held
    progress = await reporting.progress(run.store, run.run)
    by_outcome = {k: n for k, n in report.contacts.by_outcome.items() if k != reporting.DUE}
    assert {k: n for k, n in progress.by_outcome.items() if n} == by_outcome
    assert progress.done == sum(by_outcome.values())
    return report


@pytest.mark.parametrize("seed", range(3))
async def test_the_report_adds_up_at_every_step(scene: Opens, clock: Clock, seed: int) -> None:
    """Whatever happens in whatever order, everyone of the list is counted once."""
    luck = random.Random(seed)
    run = await scene(rows=people(12, numbers=2))
    for _ in range(60):
        await one_step(run, luck)
        clock.now += luck.choice([0.0, 1.0, 10.0])
        await adds_up(run, 12)
    await runs.stop(run.store, run.run, "enough", ends_as="failed")
    await forgiving.forgive_refusals(run.store, run.run)
    await adds_up(run, 12)


async def test_a_run_that_is_over_shows_nothing_live(scene: Opens, clock: Clock) -> None:
    """A call whose end nobody will ever know is unknown, not live for ever."""
    run = await scene(rows=people(2))
    keys = await run.place()
    await run.finish(keys[:1], ANSWERED, other=ANSWERED)
    await giving_up.give_up(run.store, keys[1:], as_state="unknown", from_state="placed", hold=600)
    steps = [next_step(RULES, ended) for ended in await run.undecided()]
    await run.reserve(steps=steps)
    await run.be_done()
    await runs.close(run.store, run.run)
    report = await adds_up(run, 2)
    assert report.status == "completed"
    assert report.contacts.by_outcome == {"answered": 1, "unknown": 1}
    assert report.attempts.by_status == {"answered": 1, "unknown": 1}
    assert (report.attempts.total, report.attempts.unknown) == (2, 1)


async def test_the_report_has_what_people_ask_for(scene: Opens, clock: Clock) -> None:
    """Money in reais, times in UTC, rejected rows apart from the people on the list."""
    rejected = RejectedRow(
        line=9, external_id="x", column="celular", reason="emergency", message="no"
    )
    note = Note(line=3, column="celular", reason="ninth_digit_added", message="added")
    run = await scene(rows=[*people(2), rejected, note])
    keys = await run.place()
    await run.finish(keys)
    steps = [next_step(DialingRules(), ended) for ended in await run.undecided()]
    await run.reserve(steps=steps)
    clock.now += 60
    await run.be_done()
    await runs.close(run.store, run.run)
    report = await adds_up(run, 2)
    assert [guard.name for guard in report.guards] == ["short_calls"]
    assert report.model_dump(exclude={"guards"}) == {
        "campaign": "teste",
        "run": "run1",
        "status": "completed",
        "reason": "",
        "contacts": {"total": 2, "rejected": 1, "by_outcome": {"busy": 2}},
        "attempts": {
            "total": 2,
            "by_status": {"busy": 2},
            "unknown": 0,
            "not_placed": 0,
            "refused": 0,
            "not_sent": 0,
            "late": 0,
        },
        "cost_brl": 0.7,
        "started_at": "2026-02-02T02:40:00+00:00",
        "ended_at": "2026-02-02T02:41:00+00:00",
    }
    assert phone(0).e164 not in report.model_dump_json()
    notes = await reporting.row_notes(run.store, run.run)
    assert [(row.line, row.reason, row.kept) for row in notes] == [
        (3, "ninth_digit_added", True),
        (9, "emergency", False),
    ]

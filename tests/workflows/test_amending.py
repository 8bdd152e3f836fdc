"""Rules that change under a run that dials, as the provider saw it."""

from __future__ import annotations

from collections import Counter

from sqlalchemy import select

from store import amending, runs
from store.schema import decisions
from tests.workflows.stage import Stage, campaign, most_live, people, rule, until

BUSY = rule(leg="contact", status=["ocupado"], after="1s", times="50")
OLD = campaign(
    pacing={"channels": "1", "calls_per_second": "50"},
    limits={"per_contact": {"total": "60"}},
    retry=[BUSY],
)
NEW = campaign(
    pacing={"channels": "4", "calls_per_second": "50"}, limits={"per_contact": {"total": "60"}}
)


async def test_a_lane_goes_on_by_the_new_rules(working: Stage) -> None:
    """More channels are used, retries that were taken out are not made, nobody is lost."""
    for index in range(12):
        working.script("busy", to=index)
    run = await working.start(OLD, people(12))
    await until(lambda: len(run.calls()) >= 3, what="three calls")
    before = len(run.calls())
    assert most_live(run.calls()) == 1
    assert await amending.amend(working.store, run.id, NEW, known_version=1) == 2
    result = await run.result()

    assert result.by_outcome == {"busy": 12}
    calls = run.calls()
    assert 1 < most_live(calls[before:]) <= 4
    again = Counter(call["numero_origem"] for call in calls)
    assert len(again) == 12
    # What the old rules had begun may be followed by one retry that was due already.
    assert len(calls) - 12 <= before + 1
    assert (await runs.get_run(working.store, run.id)).rules_version == 2
    async with working.store.read() as connection:
        query = select(decisions.c.rules_version, decisions.c.what).where(
            decisions.c.run_id == run.id, decisions.c.what == "final"
        )
        assert {row.rules_version for row in await connection.execute(query)} == {2}

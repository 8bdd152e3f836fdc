"""What an account allows, and what the API says when it does not."""

from __future__ import annotations

import asyncio
from pathlib import Path

from temporalio.client import Client

from tests.workflows.stage import (
    Stage,
    campaign,
    live_twice,
    most_live,
    open_stage,
    people,
    rule,
    until,
)
from workflows.campaign import CampaignWorkflow
from workflows.messages import ResumeRequest


async def test_a_wrong_token_ends_the_run_as_failed_and_says_so(
    client: Client, tmp_path: Path
) -> None:
    """A 403 is nobody's fault on the list: the run fails with the reason, and everybody is due."""
    async with open_stage(client, tmp_path, token="not-the-token") as stage, stage.worker():
        run = await stage.start(campaign(), people(8))
        result = await run.result()

        assert result.state == (await run.state()).state == "failed"
        assert result.reason.startswith("the API refuses this account")
        assert "not-the-token" not in result.reason
        assert result.by_outcome == {"due": 8}
        assert run.calls() == []
        report = await run.report()
        assert report.attempts.total == 0
        assert report.attempts.refused >= 1


async def test_no_balance_pauses_with_the_reason_and_resume_goes_on(working: Stage) -> None:
    """A 402 holds everything until a person has paid and resumes; nobody is lost by it."""
    for index in range(4):
        working.script("answer", to=index)
    working.sandbox.limits(balance=0.0)
    run = await working.start(campaign(), people(4))

    async def paused() -> bool:
        return (await run.handle.query(CampaignWorkflow.progress)).state == "paused"

    await until(paused, what="the workflow knows that the run is paused")
    state = await run.state()
    assert state.state == "paused"
    assert state.reason.startswith("the account has no balance")
    assert (await run.handle.query(CampaignWorkflow.progress)).reason == state.reason
    assert run.calls() == []

    working.sandbox.limits(balance=100.0)
    await run.handle.execute_update(CampaignWorkflow.resume, ResumeRequest())
    result = await run.result()
    assert result.state == "completed"
    assert result.reason == ""
    assert result.by_outcome == {"answered": 4}
    assert len(run.calls()) == 4


async def test_two_campaigns_share_numbers_and_channels(client: Client, tmp_path: Path) -> None:
    """Two campaigns on one list never ring a phone twice at once, nor exceed the account's cap."""
    again = [rule(leg="contact", status=["ocupado"], after="1s", times="1")]
    async with open_stage(client, tmp_path, channels=3) as stage, stage.worker():
        for index in range(6):
            stage.script(
                {"outcome": "busy", "ring": 60}, {"outcome": "answer", "ring": 60}, to=index
            )
        first, second = [
            await stage.start(campaign(name, retry=again), people(6)) for name in ("um", "dois")
        ]
        results = await asyncio.gather(first.result(), second.result())

        assert [result.state for result in results] == ["completed", "completed"]
        for result in results:
            assert sum(result.by_outcome.values()) == 6
        calls = stage.sandbox.ledger()
        assert len(calls) > 12
        assert live_twice(calls) == []
        assert most_live(calls) <= 3
        assert most_live(first.calls()) >= 1
        assert most_live(second.calls()) >= 1

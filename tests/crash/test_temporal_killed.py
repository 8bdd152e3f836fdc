"""A Temporal server that is killed and goes on from its file costs a delay, never a call."""

from __future__ import annotations

from pathlib import Path

from tests.crash import campaign
from tests.crash.campaign import Plan
from tests.crash.stack import crash_stack

PLAN = Plan(name="outage", contacts=200, channels=40, rate=60)


async def test_a_killed_temporal_goes_on_from_its_file(tmp_path: Path) -> None:
    """Two SIGKILLs of the server under a campaign with lost answers: nothing doubled, all ended."""
    async with crash_stack(tmp_path, speed=40) as stack:
        stack.sandbox.faults(lost_answer=0.1)
        await campaign.start(stack, PLAN)
        stack.start_worker()
        for accepted in (40, 140):
            await stack.until_accepted(accepted + stack.luck.randrange(60))
            stack.kill_temporal()
            stack.start_temporal()
        report = await campaign.completed(stack, PLAN)
        await campaign.check(stack, PLAN, report)


async def test_worker_and_temporal_killed_together_go_on(tmp_path: Path) -> None:
    """Nothing is held in memory that the two files do not hold."""
    async with crash_stack(tmp_path, speed=40) as stack:
        stack.sandbox.faults(lost_answer=0.1)
        await campaign.start(stack, PLAN)
        worker = stack.start_worker()
        await stack.until_accepted(100 + stack.luck.randrange(60))
        stack.kill_temporal()
        stack.kill(worker)
        stack.start_temporal()
        stack.start_worker()
        report = await campaign.completed(stack, PLAN)
        await campaign.check(stack, PLAN, report)


async def test_calls_go_on_to_their_end_while_temporal_is_gone(tmp_path: Path) -> None:
    """What the store was told during an outage is not told again after it."""
    async with crash_stack(tmp_path, speed=40) as stack:
        await campaign.start(stack, PLAN)
        stack.start_worker()
        await stack.until_accepted(60 + stack.luck.randrange(60))
        stack.kill_temporal()
        await stack.until(
            lambda: stack.sandbox.stats()["live"] == 0, "no call is live any more", 20
        )
        before = stack.accepted()
        await stack.until(stack.is_silent_for(12), "Temporal's retries have given up", 20)
        assert stack.accepted() == before, "calls were placed that no turn had reserved"
        stack.start_temporal()
        report = await campaign.completed(stack, PLAN)
        await campaign.check(stack, PLAN, report)

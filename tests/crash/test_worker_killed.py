"""A worker that is killed in the middle of a campaign costs a delay, never a call."""

from __future__ import annotations

from pathlib import Path

from tests.crash import campaign
from tests.crash.campaign import Plan
from tests.crash.stack import crash_stack

PLAN = Plan(name="killed", contacts=500, channels=50, rate=80)


async def test_a_worker_killed_again_and_again_doubles_and_loses_nothing(tmp_path: Path) -> None:
    """Three SIGKILLs and 10 % lost answers: the ledger shows what an undisturbed run would."""
    async with crash_stack(tmp_path, speed=40) as stack:
        stack.sandbox.faults(lost_answer=0.1)
        await campaign.start(stack, PLAN)
        worker = stack.start_worker()
        for accepted in (60, 180, 300):
            await stack.until_accepted(accepted + stack.luck.randrange(80))
            stack.kill(worker)
            worker = stack.start_worker()
        report = await campaign.completed(stack, PLAN)
        await campaign.check(stack, PLAN, report)

"""A worker that is killed in the middle of a campaign costs a delay, never a call."""

from __future__ import annotations

import os
import random
from pathlib import Path

from tests.crash import campaign
from tests.crash.campaign import Plan
from tests.crash.stack import crash_stack

SEED = int(os.environ.get("CRASH_SEED", "20260"))
PLAN = Plan(name="killed", contacts=500, channels=50, rate=50)


async def test_a_worker_killed_again_and_again_doubles_and_loses_nothing(tmp_path: Path) -> None:
    """Four SIGKILLs and 10 % lost answers: the ledger shows what an undisturbed run would."""
    luck = random.Random(SEED)
    async with crash_stack(tmp_path, speed=40, seed=SEED) as stack:
        stack.say(f"CRASH_SEED={SEED}")
        stack.sandbox.faults(lost_answer=0.1)
        await campaign.start(stack, PLAN)
        worker = stack.start_worker()
        for accepted in (60, 200, 340, 480):
            await stack.until_accepted(accepted + luck.randrange(60))
            stack.kill(worker)
            worker = stack.start_worker()
        report = await campaign.completed(stack, PLAN, seconds=60)
        await campaign.check(stack, PLAN, report)

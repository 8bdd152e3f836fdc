"""A worker that was frozen and wakes up long after its work was given away does no harm."""

from __future__ import annotations

import time
from pathlib import Path

from sqlalchemy import func, select

from store.engine import Store
from store.schema import attempts
from tests.crash import campaign
from tests.crash.campaign import Plan
from tests.crash.stack import crash_stack

PLAN = Plan(name="zombie", contacts=150, channels=40, rate=60)


async def _posting(store: Store, before: float) -> int:
    """Return how many attempts whose intent was committed before an instant are undecided."""
    query = select(func.count()).where(
        attempts.c.state == "posting", attempts.c.posting_at < before
    )
    async with store.read() as connection:
        return int((await connection.execute(query)).scalar_one())


async def test_a_worker_that_wakes_up_after_every_timeout_sends_nothing_twice(
    tmp_path: Path,
) -> None:
    """Frozen with POSTs under way, replaced, thawed once its POSTs have been judged: no harm."""
    async with crash_stack(tmp_path, speed=40) as stack:
        stack.sandbox.faults(lost_answer=0.1)
        await campaign.start(stack, PLAN)
        zombie = stack.start_worker()
        await stack.until_accepted(50 + stack.luck.randrange(60))

        async def posting() -> bool:
            return await _posting(stack.store, time.time()) >= 5

        await stack.until(posting, "POSTs are under way", 10)
        await stack.freeze(zombie)
        frozen_at = time.time()
        stack.start_worker()

        async def judged() -> bool:
            return not await _posting(stack.store, frozen_at)

        await stack.until(judged, "every POST of the frozen worker has been judged", 70)
        stack.thaw(zombie)
        report = await campaign.completed(stack, PLAN)
        await campaign.check(stack, PLAN, report)
        assert zombie.exit_code is None, "the thawed worker works on"

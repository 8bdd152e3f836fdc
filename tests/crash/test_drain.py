"""A worker that is asked to end does so within its grace and leaves nothing unsure."""

from __future__ import annotations

import signal
from pathlib import Path

from sqlalchemy import select

from store.engine import Store
from store.schema import attempts
from tests.crash import campaign
from tests.crash.campaign import Plan
from tests.crash.stack import crash_stack
from workflows.options import GRACE

PLAN = Plan(name="drained", contacts=100, channels=40, rate=40)


async def _undecided(store: Store) -> list[tuple[str, str]]:
    """Return the attempts whose POST is open, or ended without an answer."""
    query = select(attempts.c.key, attempts.c.state).where(
        (attempts.c.state == "posting") | attempts.c.unsure_at.is_not(None)
    )
    async with store.read() as connection:
        return [(row.key, row.state) for row in await connection.execute(query)]


async def test_a_worker_that_is_asked_to_end_waits_for_every_answer(tmp_path: Path) -> None:
    """With answers that take two seconds, no POST is cut and no attempt is left in doubt."""
    async with crash_stack(tmp_path, speed=40) as stack:
        stack.sandbox.faults(slow={"share": 1.0, "seconds": 2.0})
        await campaign.start(stack, PLAN)
        for accepted in (30, 70):
            worker = stack.start_worker()
            await stack.until_accepted(accepted + stack.luck.randrange(20))
            worker.signal_group(signal.SIGTERM)
            took = await stack.until(
                lambda: worker.exit_code is not None,  # noqa: B023 - awaited in this round
                "the worker has ended",
                GRACE.total_seconds(),
            )
            stack.say(f"{worker.name} drained in {took:.1f} s")
            assert worker.exit_code == 0
            assert await _undecided(stack.store) == []
        stack.sandbox.faults()
        stack.start_worker()
        report = await campaign.completed(stack, PLAN)
        await campaign.check(stack, PLAN, report)
        assert (report.attempts.not_placed, report.attempts.unknown) == (0, 0)

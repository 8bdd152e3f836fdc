"""A worker that is asked to end drains; one that was frozen does no harm when it wakes."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from tests.crash import campaign
from tests.crash.campaign import Plan
from tests.crash.stack import crash_stack

SEED = int(os.environ.get("CRASH_SEED", "20262"))
HEARTBEAT_SECONDS = 15


async def test_sigterm_cuts_no_post(tmp_path: Path) -> None:
    """Slow answers that are under way at SIGTERM arrive, and nothing is left to be looked for."""
    plan = Plan(name="drained", contacts=60, channels=30, rate=30)
    async with crash_stack(tmp_path, speed=40, seed=SEED) as stack:
        stack.sandbox.faults(slow={"share": 1.0, "seconds": 1.0})
        await campaign.start(stack, plan)
        worker = stack.start_worker()
        await stack.until_accepted(12)
        worker.signal_group(signal.SIGTERM)
        took = await stack.until(lambda: worker.exit_code is not None, "the worker ends", 30)
        stack.say(f"drained in {took:.1f} s")
        assert worker.exit_code == 0
        assert "worker_draining" in worker.output()
        assert "post_unsure" not in worker.output()
        assert await campaign.unresolved(stack) == 0
        stack.workers.remove(worker)
        stack.sandbox.faults()
        stack.start_worker()
        report = await campaign.completed(stack, plan, seconds=60)
        await campaign.check(stack, plan, report)


async def test_a_worker_that_wakes_up_late_doubles_nothing(tmp_path: Path) -> None:
    """A worker is frozen longer than its heartbeat; another goes on; the first one wakes up."""
    plan = Plan(name="zombie", contacts=150, channels=30, rate=20)
    async with crash_stack(tmp_path, speed=40, seed=SEED) as stack:
        await campaign.start(stack, plan)
        sleeper = stack.start_worker()
        await stack.until_accepted(40)
        await stack.freeze(sleeper)
        seen = stack.accepted()
        stack.start_worker()
        took = await stack.until(
            lambda: stack.accepted() > seen + 15, "another worker goes on", HEARTBEAT_SECONDS + 30
        )
        stack.say(f"another worker went on after {took:.1f} s")
        stack.thaw(sleeper)
        report = await campaign.completed(stack, plan, seconds=90)
        await campaign.check(stack, plan, report)

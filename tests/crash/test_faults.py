"""Everything that the API can do wrong at once, while workers come and go."""

from __future__ import annotations

from pathlib import Path

from tests.crash import campaign
from tests.crash.campaign import Plan
from tests.crash.stack import crash_stack

PLAN = Plan(name="faults", contacts=120, channels=40, rate=40, quiet="2s")
FAULTS = {
    "lost_answer": 0.06,
    "error_before": 0.06,
    "error_after": 0.06,
    "reset_before": 0.06,
    "reset_after": 0.06,
    "rate_limited": 0.02,
    "slow": {"share": 0.05, "seconds": 1.0},
    "report_lag": 1.0,
}
"""The report lags by less than the campaign's `quiet`, as the promise asks."""


async def test_a_third_of_all_posts_going_wrong_doubles_and_loses_nothing(tmp_path: Path) -> None:
    """Lost answers, 500s, resets, 429s, slowness and a stale report under a SIGKILL."""
    async with crash_stack(tmp_path, speed=40) as stack:
        stack.sandbox.faults(**FAULTS)
        await campaign.start(stack, PLAN)
        worker = stack.start_worker()
        await stack.until_accepted(40 + stack.luck.randrange(40))
        stack.kill(worker)
        stack.start_worker()
        report = await campaign.completed(stack, PLAN)
        await campaign.check(stack, PLAN, report)

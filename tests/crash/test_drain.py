"""A worker that is asked to end does so within its grace and leaves nothing unsure."""

from __future__ import annotations

import signal
from functools import partial
from pathlib import Path

import aiohttp
from sqlalchemy import select

from console.embedded import free_port
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


async def _asked(url: str) -> tuple[int, str]:
    """Return the code and the text of a page, 0 where nobody answers."""
    try:
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            return answer.status, await answer.text()
    except aiohttp.ClientError:
        return 0, ""


async def _counts(monitor: str) -> bool:
    _, metrics = await _asked(f"http://{monitor}/metrics")
    return 'discador_api_request_seconds_count{operation="chamada criar"}' in metrics


async def _drains(monitor: str) -> bool:
    code, text = await _asked(f"http://{monitor}/ready")
    return code == 503 and "draining" in text


async def test_a_worker_that_is_asked_to_end_waits_for_every_answer(tmp_path: Path) -> None:
    """With answers that take two seconds, no POST is cut and no attempt is left in doubt.

    Its monitor counts what the provider saw, and says that it drains for as long as it does.
    """
    monitor = f"127.0.0.1:{free_port()}"
    environ = {"DISCADOR_MONITOR_LISTEN": monitor}
    async with crash_stack(tmp_path, speed=40, environ=environ) as stack:
        stack.sandbox.faults(slow={"share": 1.0, "seconds": 2.0})
        await campaign.start(stack, PLAN)
        for accepted in (30, 70):
            worker = stack.start_worker()
            await stack.until_accepted(accepted + stack.luck.randrange(20))
            assert await _asked(f"http://{monitor}/live") == (200, '{"live":true}')
            assert (await _asked(f"http://{monitor}/ready"))[0] == 200
            _, metrics = await _asked(f"http://{monitor}/metrics")
            assert 'discador_live_calls{campaign="drained"' in metrics
            await stack.until(partial(_counts, monitor), "an answer was counted", 10)
            assert "temporal_worker_task_slots_available" in metrics
            worker.signal_group(signal.SIGTERM)
            await stack.until(partial(_drains, monitor), "the monitor says that it drains", 5)
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

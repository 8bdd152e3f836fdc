"""Lanes on several worker processes: nobody is called twice, and no lane is kept out."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import func, select

from store.schema import attempts
from tests.crash import campaign
from tests.crash.campaign import Plan
from tests.crash.stack import crash_stack

PLAN = Plan(name="lanes", contacts=60, channels=12, rate=30, lanes=3)


async def test_three_lanes_on_two_workers_share_people_channels_and_slots(tmp_path: Path) -> None:
    """The ledger shows every call once and the campaign's own caps; every lane had its part."""
    async with crash_stack(tmp_path, speed=40) as stack:
        await campaign.start(stack, PLAN)
        stack.start_worker()
        stack.start_worker()
        report = await campaign.completed(stack, PLAN)
        await campaign.check(stack, PLAN, report)
        query = select(attempts.c.lane, func.min(attempts.c.placed_at).label("first")).where(
            attempts.c.run_id == PLAN.run
        )
        async with stack.store.read() as connection:
            rows = (await connection.execute(query.group_by(attempts.c.lane))).all()
            last = (await connection.execute(select(func.max(attempts.c.placed_at)))).scalar_one()
        assert {row.lane for row in rows} == {0, 1, 2}
        begun = min(row.first for row in rows)
        assert all(row.first < begun + (last - begun) / 2 for row in rows), "a lane was kept out"

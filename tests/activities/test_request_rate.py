"""A lane under a limit of requests to the API a second."""

from __future__ import annotations

from bisect import bisect_left
from pathlib import Path

import pytest
import structlog

from tests.activities import virtual
from tests.activities.world import RUN, Lane, Provider, World, campaign, judge, people, person
from zenvia.rate import RequestRate

LIMIT = 3
WINDOW = 10


def test_a_lane_keeps_to_the_requests_it_may_make(template: Path, tmp_path: Path) -> None:
    """Every end is heard of all the same, and no ten seconds see more than the limit."""

    async def main() -> None:
        provider = Provider()
        answered = {"outcome": "answer", "ring": 1}
        provider.script({person(n): [{**answered, "talk": 3 + n % 9}] for n in range(60)})
        definition = campaign(pacing={"channels": "30", "calls_per_second": "2"})
        async with World(tmp_path, template, provider) as world:
            await world.begin(definition, people(*range(60)))
            lane = Lane(world, definition)
            lane.process = await world.process()
            lane.process.client._rate = RequestRate(LIMIT)
            await lane.carry()
            assert (await world.report()).contacts.by_outcome == {"answered": 60}
        at = [when for when, _, _ in provider.requests]
        busiest = max(bisect_left(at, when + WINDOW) - index for index, when in enumerate(at))
        assert busiest <= LIMIT * WINDOW + 3, busiest
        judge(provider, channels=30, rate=2)

    virtual.run(main)


@pytest.mark.parametrize(("calls", "warned"), [("2", 0), ("3", 1)])
def test_a_limit_that_leaves_no_room_to_ask_is_told(
    template: Path, tmp_path: Path, calls: str, warned: int
) -> None:
    """Where new calls may take all requests, the worker says so once, and what to do about it."""

    async def main() -> None:
        definition = campaign(pacing={"channels": "30", "calls_per_second": calls})
        async with World(tmp_path, template, Provider()) as world:
            await world.begin(definition, people(0))
            process = await world.process()
            process.client._rate = RequestRate(LIMIT)
            with structlog.testing.capture_logs() as said:
                await process.dialing.plan(RUN)
                await process.dialing.plan(RUN)
        told = [line for line in said if line["event"] == "requests_leave_no_room"]
        assert len(told) == warned
        assert all("DISCADOR_API_REQUESTS_PER_SECOND" in line["what_to_do"] for line in told)

    virtual.run(main)

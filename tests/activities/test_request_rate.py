"""A lane under a limit of requests to the API a second."""

from __future__ import annotations

from bisect import bisect_left
from pathlib import Path

from tests.activities import virtual
from tests.activities.world import Lane, Provider, World, campaign, judge, people, person
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

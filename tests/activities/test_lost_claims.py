"""An attempt that was reserved and then not let be posted is given back soon."""

from __future__ import annotations

import asyncio
from pathlib import Path

from sqlalchemy import func, select

from store.schema import attempts
from tests.activities import virtual
from tests.activities.world import Lane, Provider, World, campaign, people, person

TALKS = {"outcome": "answer", "ring": 5, "talk": 600}
GAP = 3_600.0


def test_one_person_in_two_campaigns_is_called_once_and_the_other_attempt_given_back(
    template: Path, tmp_path: Path
) -> None:
    """They know the person by different numbers and reserve at once; the gap holds for both."""

    async def main() -> None:
        provider = Provider()
        provider.script({person(0): [TALKS], person(1): [TALKS]})
        gap = {"limits": {"per_contact": {"total": "3", "min_gap": "1h"}}}
        async with World(tmp_path, template, provider) as world:
            lanes = []
            for run, numbers in (("run1", (0, 1)), ("run2", (1, 0))):
                definition = campaign(run, **gap)
                await world.begin(definition, people(numbers), run=run)
                lanes.append(Lane(world, definition, run=run))
            began = virtual.clock()
            carried = [asyncio.create_task(lane.carry()) for lane in lanes]
            await asyncio.sleep(5)
            async with world.store.read() as connection:
                query = select(func.count()).where(attempts.c.state == "reserved")
                assert (await connection.execute(query)).scalar_one() == 0
            await asyncio.gather(*carried)
        first, second = sorted(call.accepted_at for call in provider.calls())
        assert first < began + 5
        assert second >= first + GAP

    virtual.run(main)

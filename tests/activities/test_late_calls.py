"""A call that surfaces long after its attempt was judged `not_placed` is hung up."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.activities import virtual
from tests.activities.world import Lane, Provider, World, campaign, people, person


def first_tag(tags: str | None) -> str:
    """Return the key that a call carries."""
    return (tags or "").split(" ")[0]


@pytest.mark.parametrize(("slow", "dies"), [(90, False), (400, False), (90, True)])
def test_a_call_that_no_window_reaches_is_hung_up(
    template: Path, tmp_path: Path, *, slow: int, dies: bool
) -> None:
    """All others are much older, so that nothing else looks at the time when it was made.

    The worker that judged it `not_placed` may be gone by then.
    """

    async def main() -> None:
        provider = Provider()
        answered = {"outcome": "answer", "ring": 1}
        provider.script({person(n): [{**answered, "talk": 900}] for n in range(6)})
        provider.script({person(5): [{**answered, "talk": 700}, {**answered, "talk": 600}]})
        definition = campaign(
            pacing={"channels": "9", "calls_per_second": "50"}, reconcile={"quiet": "5s"}
        )
        provider.will("chamada criar", *["ok"] * 5, f"slow {slow}")
        async with World(tmp_path, template, provider) as world:
            await world.begin(definition, people(*range(6)))
            lane = Lane(world, definition)
            carrying = asyncio.create_task(lane.carry())
            if dies:
                await asyncio.sleep(40)
                assert lane.process is not None
                lane.process.life.ended.set()
            await carrying
            assert len(world.processes) == 1 + dies
            assert (await world.report()).contacts.by_outcome == {"answered": 6}
        calls = {first_tag(call.tags): call for call in provider.calls()}
        assert len(provider.calls()) == len(calls) == 7, "the one that came late is one more"
        late = calls["run1.6.1"]
        assert late.ended_at - late.accepted_at <= slow + 10, "seen when as much again had passed"
        assert late.hung_up_by_api

    virtual.run(main)

"""A turn goes on placing while channels and slots come free, before it reports what ended."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from activities import turn
from store import runs
from tests.activities import virtual
from tests.activities.world import RUN, Lane, Provider, World, campaign, judge, people, person


def test_a_channel_is_used_again_within_the_turn(
    template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Short calls on two channels: one turn of a minute places many, never three at once."""
    monkeypatch.setattr(turn, "GATHER", 60.0)

    async def main() -> None:
        provider = Provider()
        short = [{"outcome": "answer", "ring": 1, "talk": 2}]
        provider.script({person(n): short for n in range(40)})
        definition = campaign(pacing={"channels": "2", "calls_per_second": "10"})
        async with World(tmp_path, template, provider) as world:
            await world.begin(definition, people(*range(40)))
            lane = Lane(world, definition)
            result = await lane.turn()
            assert result.placed > 10
            assert len(result.ended) >= result.placed - 2
            judge(provider, channels=2, rate=10)
            await lane.carry()
            assert (await world.report()).contacts.by_outcome == {"answered": 40}
            assert len(provider.calls()) == 40

    virtual.run(main)


def test_a_turn_that_is_placing_hears_of_a_pause(
    template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long it could go on, it places nothing more and says so within two seconds."""
    monkeypatch.setattr(turn, "GATHER", 600.0)

    async def main() -> None:
        provider = Provider()
        provider.script(
            {person(n): [{"outcome": "answer", "ring": 1, "talk": 2}] for n in range(200)}
        )
        definition = campaign(pacing={"channels": "50", "calls_per_second": "5"})
        async with World(tmp_path, template, provider) as world:
            await world.begin(definition, people(*range(200)))
            going = asyncio.ensure_future(Lane(world, definition).turn())
            await asyncio.sleep(10)
            await runs.pause(world.store, RUN, "a break")
            before = len(provider.calls())
            paused = virtual.clock()
            result = await going
            assert virtual.clock() - paused < 2
            assert result.state == "paused"
            assert len(provider.calls()) <= before + 5

    virtual.run(main)


def test_what_a_report_could_not_hold_is_reported_next(
    template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A turn after a full report does not gather more first: what has ended would pile up."""
    monkeypatch.setattr(turn, "GATHER", 60.0)
    monkeypatch.setattr(turn, "BATCH", 5)

    async def main() -> None:
        provider = Provider()
        short = [{"outcome": "answer", "ring": 1, "talk": 2}]
        provider.script({person(n): short for n in range(200)})
        definition = campaign(pacing={"channels": "2", "calls_per_second": "10"})
        async with World(tmp_path, template, provider) as world:
            await world.begin(definition, people(*range(200)))
            lane = Lane(world, definition)
            assert len((await lane.turn()).ended) == 5
            before = virtual.clock()
            assert before > virtual.START + 50
            assert len((await lane.turn()).ended) == 5
            assert virtual.clock() - before < 10
            await lane.carry()
            assert (await world.report()).contacts.by_outcome == {"answered": 200}
            judge(provider, channels=2, rate=10)

    virtual.run(main)

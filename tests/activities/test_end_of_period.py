"""What a turn does at the end of the campaign's own time."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from store import expiring, runs
from tests.activities import virtual
from tests.activities.world import RUN, Lane, World, campaign, people


@pytest.mark.parametrize("paused", [True, False])
def test_one_turn_ends_everybody_who_is_due_at_the_end(
    template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, paused: bool
) -> None:
    """However many: a paused lane looks again only minutes later. Each step stays short."""
    monkeypatch.setattr(expiring, "BATCH", 5)

    async def main() -> None:
        end = datetime.fromtimestamp(virtual.clock() + 60, UTC).isoformat()
        definition = campaign(schedule={"end_at": end})
        async with World(tmp_path, template) as world:
            await world.begin(definition, people(*range(23)))
            if paused:
                await runs.pause(world.store, RUN, "a break")
            await asyncio.sleep(60)
            result = await Lane(world, definition).turn()
            assert result.finished
            assert (await world.report()).contacts.by_outcome == {"expired": 23}

    virtual.run(main)

"""Two campaigns of one account, one with two lanes: what the provider saw of it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

from tests.workflows.stage import (
    campaign,
    keys,
    live_twice,
    most_live,
    open_stage,
    people,
    until,
)

CHANNELS = 8
RATE = 20.0
LONG = {"outcome": "answer", "ring": 2, "talk": 240}
"""A call of a bit more than a second, at the speed of these tests."""


def live_at(calls: Iterable[dict[str, Any]], instant: float) -> int:
    """Return how many calls the provider carried at an instant."""
    carried = [
        call
        for call in calls
        if call["accepted_at"] <= instant < (call["ended_at"] or float("inf"))
    ]
    return len(carried)


def densest_second(calls: Iterable[dict[str, Any]]) -> int:
    """Return the most calls that the provider accepted within a second."""
    at = sorted(float(call["accepted_at"]) for call in calls)
    return max(sum(begin <= other <= begin + 1 for other in at) for begin in at)


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> str | None:
    """Give the address of a PostgreSQL database, or None for a file."""
    return str(request.getfixturevalue("postgresql_url")) if request.param != "sqlite" else None


async def test_an_urgent_campaign_gets_its_share_and_the_caps_of_the_account_hold(
    client: Client, tmp_path: Path, database: str | None
) -> None:
    """It starts beside one that holds every channel, has most of them soon, and both end."""
    async with (
        open_stage(
            client, tmp_path, store_url=database, channels=CHANNELS, calls_per_second=RATE
        ) as stage,
        stage.worker(),
    ):
        for index in [*range(40), *range(100, 132)]:
            stage.script(LONG, to=index)
        wide = {"channels": "50", "calls_per_second": "50"}
        slow = await stage.start(campaign("slow", pacing={**wide, "priority": "5"}), people(40))
        await until(lambda: len(slow.live()) == CHANNELS, what="the slow one has every channel")
        urgent = await stage.start(
            campaign("urgent", pacing={**wide, "priority": "1", "lanes": "2"}),
            people(32, first=100),
            lanes=2,
        )
        results = [await urgent.result(60), await slow.result(60)]
        mine, theirs = urgent.calls(), slow.calls()
        calls = [*mine, *theirs]

    assert [result.by_outcome for result in results] == [{"answered": 32}, {"answered": 40}]
    assert len(keys(calls)) == len(set(keys(calls))) == 72
    assert live_twice(calls) == []
    assert most_live(calls) <= CHANNELS
    assert densest_second(calls) <= 1.03 * RATE + 2
    begun = min(call["accepted_at"] for call in mine)
    soon = [live_at(mine, begun + moment / 10) for moment in range(50)]
    assert max(soon) >= CHANNELS - 2, soon
    last = max(call["accepted_at"] for call in mine)
    assert any(begun < call["accepted_at"] < last for call in theirs), "the slow one starved"

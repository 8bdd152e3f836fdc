"""What makes turns cheap: they claim ahead before they report, and leave known rows unread."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from store.schema import attempts
from tests.activities import virtual
from tests.activities.world import Lane, Provider, World, campaign, judge, people, person
from zenvia.client import VoiceClient

READ: list[int] = []
"""Ids of the calls whose rows were read from reports."""
LEFT: list[int] = []
"""Ids of those that were left unread."""


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Count which rows of reports are read, and which are left unread."""
    READ.clear()
    LEFT.clear()
    real = VoiceClient.call_states

    async def call_states(self: VoiceClient, *args: Any, **options: Any) -> Any:
        known: Callable[..., bool] = options.pop("known")

        def noted(call: int, *rest: Any) -> bool:
            yes = known(call, *rest)
            if yes:
                LEFT.append(call)
            return yes

        found = await real(self, *args, known=noted, **options)
        READ.extend(call.id for call in found)
        return found

    monkeypatch.setattr(VoiceClient, "call_states", call_states)


async def states(world: World) -> Counter[str]:
    """Return how many attempts hold a channel, by state."""
    query = select(attempts.c.state).where(attempts.c.live)
    async with world.store.read() as connection:
        return Counter((await connection.execute(query)).scalars())


def test_a_turn_has_claimed_what_it_could_when_it_reports(template: Path, tmp_path: Path) -> None:
    """No channel that came free waits for the workflow: each is claimed already, none reserved."""

    async def main() -> None:
        provider = Provider()
        script = {person(n): [{"outcome": "answer", "ring": 1, "talk": 2}] for n in range(20)}
        provider.script(script)
        definition = campaign(pacing={"channels": "4", "calls_per_second": "50"})
        async with World(tmp_path, template, provider) as world:
            await world.begin(definition, people(*range(20)))
            lane = Lane(world, definition)
            reported = 0
            while reported < 12:
                result = await lane.turn()
                reported += len(result.ended)
                held = await states(world)
                assert held["reserved"] == 0
                assert held["posting"] + held["placed"] == 4, held
            await lane.carry()
            judge(provider, channels=4, rate=50)
            assert len(provider.calls()) == 20

    virtual.run(main)


@pytest.mark.usefixtures("rows")
def test_rows_that_say_nothing_new_are_left_unread(template: Path, tmp_path: Path) -> None:
    """A call is read when it is new to the clock and when it has ended, however often it is shown.

    Its end is never left unread: every call comes to its outcome.
    """

    async def main() -> None:
        provider = Provider()
        script = {person(n): [{"outcome": "answer", "ring": 1, "talk": 60}] for n in range(30)}
        provider.script(script)
        definition = campaign(pacing={"channels": "30", "calls_per_second": "50"})
        async with World(tmp_path, template, provider) as world:
            await world.begin(definition, people(*range(30)))
            await Lane(world, definition).carry()
            assert (await world.report()).contacts.by_outcome == {"answered": 30}
        assert len(LEFT) > 5 * 30, "the report showed calls often"
        assert len(READ) < 4 * 30

    virtual.run(main)


@pytest.mark.usefixtures("rows")
def test_a_limit_needs_every_row(template: Path, tmp_path: Path) -> None:
    """Whoever rings for too long is hung up, though the report says each time that it goes on."""

    async def main() -> None:
        provider = Provider()
        script = {person(n): [{"outcome": "no_answer", "ring": 60}] for n in range(10)}
        provider.script(script)
        definition = campaign(
            call={"connect_to": "4000", "max_ring": "10s"},
            pacing={"channels": "10", "calls_per_second": "50"},
        )
        async with World(tmp_path, template, provider) as world:
            await world.begin(definition, people(*range(10)))
            await Lane(world, definition).carry()
        rang = [call.ended_at - call.accepted_at for call in provider.calls()]
        assert len(rang) == 10
        assert max(rang) < 30, "it was hung up long before it would have ended"

    virtual.run(main)


@pytest.mark.usefixtures("rows")
def test_what_was_lost_or_given_up_is_found_among_rows_that_are_known(
    template: Path, tmp_path: Path
) -> None:
    """A lost answer is adopted; a call whose attempt was given up is hung up when it surfaces."""

    async def main() -> None:
        provider = Provider()
        script = {person(n): [{"outcome": "answer", "ring": 1, "talk": 20}] for n in range(36)}
        script[person(5)] = [{"outcome": "answer", "ring": 1, "talk": 300}] * 2
        provider.script(script)
        definition = campaign(
            pacing={"channels": "9", "calls_per_second": "50"}, reconcile={"quiet": "5s"}
        )
        provider.will("chamada criar", *["ok"] * 4, "lost after", "slow 45")
        async with World(tmp_path, template, provider) as world:
            await world.begin(definition, people(*range(36)))
            await Lane(world, definition).carry()
            assert (await world.report()).contacts.by_outcome == {"answered": 36}
        assert LEFT, "rows were left unread all the while"
        calls = {(call.tags or "").split(" ")[0]: call for call in provider.calls()}
        assert len(provider.calls()) == len(calls) == 37, "the one that came late is one more"
        late = calls["run1.6.1"]
        assert late.ended_at - late.accepted_at < 60, "it would have gone on for five minutes"

    virtual.run(main)

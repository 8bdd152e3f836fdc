"""Guards while a lane dials, held to the ledger of the sandbox: what it billed and was sent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from campaigns.definition import Campaign
from sandbox import control
from sandbox.billing import cost
from store import runs
from store.schema import guards as guard_rows
from tests.activities import virtual
from tests.activities.world import RUN, Lane, Life, Provider, World, campaign, judge, people, person

POST = "chamada criar"

PRICE = {"movel": "0.35", "fixo": "0.06", "minimum": "60s", "step": "60s"}


def on_a_budget(total: str, **parts: Any) -> Campaign:
    """Return a campaign whose calls last half a minute at most; one costs R$ 0.35 at worst."""
    return campaign(
        call={"connect_to": "4000", "max_duration": "30s"},
        guards={"budget": {"total_brl": total, "price": PRICE}},
        **parts,
    )


def billed(provider: Provider) -> float:
    """Return what the provider has billed for every call, in reais."""
    provider.account.book.advance(virtual.clock())
    return round(sum(cost(call, provider.settings) for call in provider.calls()), 4)


def answers(*seconds: int) -> list[dict[str, Any]]:
    """Script calls that are answered, one after the other, for so long."""
    return [{"outcome": "answer", "ring": 5, "talk": each} for each in seconds]


class Counting(Provider):
    """Counts the POSTs that were tried, also those that never arrive."""

    tried = 0

    def fate(self, operation: str) -> str:
        """Draw the fate of a request."""
        self.tried += operation == POST
        return super().fate(operation)


def paused(world: World) -> Callable[[], Any]:
    """Return something that waits until the run is paused, and gives its reason."""

    async def wait() -> str:
        while (run := await runs.get_run(world.store, RUN)).state != "paused":  # noqa: ASYNC110 - in virtual time
            await asyncio.sleep(2)
        return run.reason

    return wait


@pytest.mark.parametrize("dies_at", [None, 11, 24])
def test_the_provider_never_bills_more_than_the_budget(
    template: Path, tmp_path: Path, dies_at: int | None
) -> None:
    """Calls of any length, up to those that are hung up, and a worker that dies between them."""

    async def main() -> None:
        provider = Provider()
        lengths = (5, 20, 400)
        provider.script({person(n): answers(lengths[n % 3]) for n in range(20)})
        definition = on_a_budget("2", pacing={"channels": "20", "calls_per_second": "10"})
        async with World(tmp_path, template, provider) as world:
            await world.begin(definition, people(*range(20)))
            lives = [Life(dies_at=dies_at), Life(dies_at=dies_at)] if dies_at else []
            carrying = asyncio.ensure_future(Lane(world, definition, lives=lives).carry())
            reason = await paused(world)()
            assert "of the budget of R$ 2.00 is left" in reason
            assert not provider.live(), "it pauses once no call is live"
            assert 2 - 0.35 < billed(provider) <= 2
            judge(provider, channels=5, rate=10)
            carrying.cancel()

    virtual.run(main)


def test_no_balance_pauses_and_the_run_goes_on_by_itself(template: Path, tmp_path: Path) -> None:
    """After a 402 nothing is posted for a minute; the account was filled meanwhile."""

    async def main() -> None:
        provider = Provider()
        control.set_limits(provider.account, {"balance": 1.0})
        definition = campaign(guards={"no_balance": {"resume_after": "60s"}})
        async with World(tmp_path, template, provider) as world:
            await world.begin(definition, people(*range(12)))
            carrying = asyncio.ensure_future(Lane(world, definition).carry())
            assert "no balance" in await paused(world)()
            began = virtual.clock()
            await asyncio.sleep(20)
            asked = provider.asked(POST)
            control.set_limits(provider.account, {})
            await asyncio.sleep(25)
            assert provider.asked(POST) == asked, "nothing was tried while it was paused"
            await carrying
            assert provider.asked(POST) > asked
            assert (await world.report()).contacts.by_outcome.get("due") is None
            assert virtual.clock() > began + 58

    virtual.run(main)


def test_the_breaker_stops_dialing_an_api_that_fails(template: Path, tmp_path: Path) -> None:
    """A 500 to every POST: after the window nobody is posted until the pause is over."""

    async def main() -> None:
        provider = Counting()
        provider.always[POST] = "error before"
        definition = campaign(
            guards={"failures": {"share": "0.6", "window": "6", "resume_after": "60s"}},
            pacing={"channels": "30", "calls_per_second": "5"},
        )
        async with World(tmp_path, template, provider) as world:
            await world.begin(definition, people(*range(15)))
            carrying = asyncio.ensure_future(Lane(world, definition).carry())
            assert "failed for technical reasons" in await paused(world)()
            await asyncio.sleep(5)
            asked = provider.tried
            assert 6 <= asked <= 14, "those in flight when it opened are let go"
            await asyncio.sleep(45)
            assert provider.tried == asked
            provider.always.clear()
            await carrying
            assert len(provider.calls()) >= 15
            async with world.store.read() as connection:
                (row,) = (await connection.execute(guard_rows.select())).all()
            assert (row.name, row.state, row.trips) == ("failures", "ok", 1)
            judge(provider, channels=30, rate=5)

    virtual.run(main)

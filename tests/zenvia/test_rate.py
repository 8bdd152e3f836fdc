"""Requests to the API a second: what only asks waits, what changes calls goes at once."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from tests.activities import virtual
from tests.zenvia.raw_server import RawServer, envelope, http
from zenvia.client import VoiceClient
from zenvia.models import NewCall
from zenvia.rate import PATIENCE, RequestRate

CALL = NewCall(numero_origem="+5548999990001", numero_destino="4000")


def test_who_asks_waits_for_its_turn() -> None:
    """Turns are evenly apart, in the order of asking, also after a pause: none is saved up."""

    async def main() -> list[float]:
        rate, at = RequestRate(4), list[float]()

        async def ask() -> None:
            await rate.turn()
            at.append(virtual.clock())

        await asyncio.gather(*(ask() for _ in range(6)))
        await asyncio.sleep(10)
        await asyncio.gather(*(ask() for _ in range(6)))
        return at

    at = virtual.run(main)
    gaps = [round(after - before, 3) for before, after in pairwise(at)]
    assert gaps[:5] == gaps[6:] == [0.25] * 5
    assert gaps[5] > 9


def test_what_goes_at_once_is_counted() -> None:
    """Who asks next waits as long as all of it takes, but not for ever."""

    async def main() -> tuple[float, float]:
        rate, began = RequestRate(4), virtual.clock()
        for _ in range(4):
            rate.count()
        await rate.turn()
        first = virtual.clock()
        for _ in range(1_000):
            rate.count()
        await rate.turn()
        return first - began, virtual.clock() - first

    assert list(virtual.run(main)) == pytest.approx([1.0, PATIENCE])


def test_without_a_limit_nobody_waits() -> None:
    """As many as there are, at one instant."""

    async def main() -> float:
        rate, began = RequestRate(None), virtual.clock()
        for _ in range(100):
            rate.count()
            await rate.turn()
        return virtual.clock() - began

    assert virtual.run(main) == 0


async def test_a_client_keeps_to_it() -> None:
    """A new call and a hang-up go though the next question must wait."""
    script = [http(200, envelope({"id": 7})), http(200, envelope(None))]
    async with (
        RawServer(*script) as server,
        VoiceClient(server.url, "t0ken", requests_per_second=0.01) as voice,
    ):
        await voice.create_call(CALL)
        await voice.hang_up(7)
        asking = asyncio.create_task(voice.fetch_call(7))
        await asyncio.wait([asking], timeout=0.2)
        assert not asking.done()
        assert [request.split(b" ")[0] for request in server.received] == [b"POST", b"DELETE"]
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)

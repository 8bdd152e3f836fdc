"""Letting POSTs go at their slots, and finding new ones for those that are late."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from activities.dispatching import Dispatcher, Job, Pacer
from store.placing import Claim
from zenvia.models import NewCall


async def test_a_slot_that_is_drawn_beside_another_process_is_not_shifted() -> None:
    """Whoever drew alone and missed its slot keeps to the new one, where others have slots too."""
    now = 1_000.0
    sent: list[float] = []
    gone = asyncio.Event()

    async def send(_run: str, _job: Job, until: float, _permitted: Callable[[], bool]) -> bool:
        sent.append(until)
        gone.set()
        return True

    async def draw(count: int) -> tuple[list[float], float]:
        assert count == 1
        return [now], 0.01

    job = Job(
        Claim(key="k", e164="", slot=now - 3.0, send_by=now + 60.0),
        NewCall(numero_origem="", numero_destino=""),
    )
    pacer = Pacer(tolerance=0.01, shift=0.3, rate=10.0, account_rate=None, interval=0.1, draw=draw)
    dispatcher = Dispatcher(lambda: now, send, lambda _run, _job: gone.set())
    dispatcher.launch("r", [job], pacer)
    async with asyncio.timeout(30):
        await gone.wait()
    assert sent == [now + 0.01]

"""The simulation sees each safeguard that is taken away: the provider's ledger breaks a promise.

The seed that shows a broken engine is then run with the engine whole, and keeps every promise.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from sqlalchemy import update

from activities.lost_answers import LostAnswers
from store import placing, sharing
from store.engine import Store
from store.schema import attempts
from store.sharing import Room
from tests.simulation.database import Database, SimulatedStore
from tests.simulation.running import simulate
from zenvia import errors
from zenvia.client import VoiceClient

WITHIN = 300
"""Seeds within which a broken engine must show, from where each is looked for first."""


async def _set(store: Store, keys: Sequence[str], state: str) -> None:
    """Change states behind the engine's back, in no time."""
    assert isinstance(store, SimulatedStore)
    database: Database = store.file
    if not database.taken:
        database.writer.execute(
            update(attempts).where(attempts.c.key.in_(keys)).values(state=state)
        )
        database.writer.commit()


@contextmanager
def without_the_compare_and_set() -> Iterator[None]:
    """Claim whatever is asked for, in whatever state it is."""
    real = placing.claim

    async def claim(store: Store, **options: Any) -> Any:
        await _set(store, options["keys"], "reserved")
        return await real(store, **options)

    with mock.patch.object(placing, "claim", claim):
        yield


@contextmanager
def without_the_durable_intent() -> Iterator[None]:
    """Send first and write down afterwards: what was claimed is `reserved` until it is answered."""
    real, real_record = placing.claim, placing.record

    async def claim(store: Store, **options: Any) -> Any:
        won = await real(store, **options)
        await _set(store, [claim.key for claim in won[0]], "reserved")
        return won

    async def record(store: Store, results: Sequence[Any]) -> Any:
        await _set(store, [result.key for result in results], "posting")
        return await real_record(store, results)

    with mock.patch.object(placing, "claim", claim), mock.patch.object(placing, "record", record):
        yield


@contextmanager
def deciding_too_early() -> Iterator[None]:
    """Take a call for not placed at the first report that does not show it."""
    with mock.patch.object(LostAnswers, "proven_absent", return_value=True):
        yield


@contextmanager
def sending_twice() -> Iterator[None]:
    """Send a POST again whose connection broke."""
    real = VoiceClient.create_call

    async def create_call(self: VoiceClient, *args: Any, **options: Any) -> int:
        try:
            return await real(self, *args, **options)
        except errors.ConnectionLost:
            return await real(self, *args, **options)

    with mock.patch.object(VoiceClient, "create_call", create_call):
        yield


@contextmanager
def without_a_cap_on_channels() -> Iterator[None]:
    """Reserve as many as are due."""
    real = sharing.room

    async def room(*args: Any, **options: Any) -> Room:
        return replace(await real(*args, **options), free=100)

    with mock.patch("store.reserving.room", room):
        yield


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("broken", "shows", "first"),
    [
        (without_the_compare_and_set, "a key was called", 160),
        (without_the_durable_intent, "a key was called|live twice", 0),
        (deciding_too_early, "live twice|was called . times", 10),
        (sending_twice, "a key was", 8),
        (without_a_cap_on_channels, "calls on . channels", 30),
    ],
)
def test_the_simulation_sees_a_broken_engine(
    empty: Path, broken: Callable[[], AbstractContextManager[None]], shows: str, first: int
) -> None:
    """Within a few seeds one is found that the broken engine fails and the whole one does not."""
    for seed in range(first, first + WITHIN):
        with broken():
            verdict = simulate(seed, empty)
        if re.search(shows, verdict.broken):
            break
    assert re.search(shows, verdict.broken), f"{WITHIN} seeds did not show it"
    assert not simulate(seed, empty).broken

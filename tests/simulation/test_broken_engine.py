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
from sqlalchemy import bindparam, update
from sqlalchemy import text as sql

from activities.lost_answers import LostAnswers
from store import placing, sharing, unknowns
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


async def _behind(store: Store, text: str, keys: Sequence[str]) -> None:
    """Change rows behind the engine's back, in no time; `:keys` are attempts."""
    assert isinstance(store, SimulatedStore)
    database: Database = store.file
    if not database.taken:
        query = sql(text).bindparams(bindparam("keys", expanding=True))
        database.writer.execute(query, {"keys": list(keys)})
        database.writer.commit()


@contextmanager
def _claiming_after(text: str) -> Iterator[None]:
    """Change rows before each claim of theirs."""
    real = placing.claim

    async def claim(store: Store, **options: Any) -> Any:
        await _behind(store, text, options["keys"])
        return await real(store, **options)

    with mock.patch.object(placing, "claim", claim):
        yield


def calling_who_was_withdrawn() -> AbstractContextManager[None]:
    """Forget, before a claim, that the contact has left."""
    return _claiming_after(
        "UPDATE contacts SET outcome = NULL WHERE (run_id, n) IN"
        " (SELECT run_id, n FROM attempts WHERE key IN :keys)"
    )


def claiming_by_old_rules() -> AbstractContextManager[None]:
    """Take every reservation for one of the run's newest epoch."""
    return _claiming_after(
        "UPDATE attempts SET epoch = (SELECT epoch FROM runs WHERE id = run_id) WHERE key IN :keys"
    )


@contextmanager
def _resolving(state: str, becomes: str | None) -> Iterator[None]:
    """Write another state than `state` of a contact whose attempt is resolved; None: write none."""
    real = unknowns._change

    async def change(connection: Any, row: Any, person: Any, **values: Any) -> None:
        if values["state"] != state:
            await real(connection, row, person, **values)
        elif becomes is not None:
            values |= {"state": becomes, "outcome": None, "due_at": row.posting_at}
            await real(connection, row, person, **values)

    with mock.patch.object(unknowns, "_change", change):
        yield


def dialing_beside_a_call_that_was_found() -> AbstractContextManager[None]:
    """Make a contact due whose call is followed."""
    return _resolving("live", "due")


def losing_who_was_not_called() -> AbstractContextManager[None]:
    """Leave a contact as it is of whom a person says that it was not called."""
    return _resolving("due", None)


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("broken", "shows", "first"),
    [
        (without_the_compare_and_set, "a key was called", 211),
        (without_the_durable_intent, "a key was called|live twice", 3),
        (deciding_too_early, "live twice|was called . times", 296),
        (sending_twice, "a key was", 8),
        (without_a_cap_on_channels, "calls on . channels", 30),
        (calling_who_was_withdrawn, "although its contact was withdrawn", 4),
        (claiming_by_old_rules, "by rules older", 11),
        (dialing_beside_a_call_that_was_found, "finished 2|dialed again", 129),
        (losing_who_was_not_called, "is unknown, and no attempt|counts {", 18),
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

"""A store that is full, locked, gone or stopped: the lane says so, waits, and goes on by itself.

The provider's ledger shows that nobody was called twice and nobody was forgotten.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, select
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.client import Client

from console.carrying import stalled_because
from store import runs, sqlite
from store.schema import attempts, contacts
from tests.store.server import Server
from tests.workflows.stage import (
    CampaignRun,
    Stage,
    campaign,
    keys,
    live_twice,
    open_stage,
    people,
    rule,
    until,
)

PEOPLE = 24
BUSY_FIRST = campaign(
    pacing={"channels": "4", "calls_per_second": "25"},
    retry=[rule(leg="contact", status=["ocupado"], after="1s", times="2")],
)


@asynccontextmanager
async def disturbed(
    stage: Stage, reason: str, mend: Callable[[], Awaitable[None]]
) -> AsyncIterator[None]:
    """Let a campaign run into a trouble that the body makes; see the reason, mend it, and judge."""
    for index in range(PEOPLE):
        stage.script("busy", "answer", to=index)
    async with stage.worker():
        run = await stage.start(BUSY_FIRST, people(PEOPLE))
        await until(lambda: len(run.calls()) >= 6, what="the campaign is well under way")
        known = await runs.get_run(stage.store, run.id)
        assert await stalled_because(stage.client, known, silence=False) is None
        yield
        await until(lambda: says(run, reason), what=f"the lane says: {reason}", patience=90)

        async def status_says() -> bool:
            told = await stalled_because(stage.client, known, silence=False) or ""
            return told.startswith("a turn has failed") and reason in told

        await until(status_says, what=f"`status` says between two rounds: {reason}")
        heard = len(run.calls())
        await asyncio.sleep(0.5)
        assert len(run.calls()) == heard, "it dialed without its store"
        await mend()
        result = await run.result(60)
        assert await stalled_because(stage.client, known, silence=False) is None
    calls = run.calls()
    assert result.state == "completed"
    assert result.by_outcome == {"answered": PEOPLE}
    assert len(keys(calls)) == len(set(keys(calls))), "a key was sent twice"
    assert live_twice(calls) == []
    called: dict[str, int] = {}
    for call in calls:
        called[call["numero_origem"]] = called.get(call["numero_origem"], 0) + 1
    assert called == dict.fromkeys(called, 2)
    assert len(called) == PEOPLE
    await nothing_half_applied(stage, run)


async def says(run: CampaignRun, reason: str) -> bool:
    """Whether the lane's details, or the failure that is being retried, give the reason."""
    described = await run.lane().describe()
    texts = [item.last_failure.message for item in described.raw_description.pending_activities]
    answer = await run.lane().query("__temporal_workflow_metadata", result_type=WorkflowMetadata)
    texts.append(answer.current_details)
    quoted = [text for text in texts if "119" in text or "INSERT" in text or "UPDATE" in text]
    assert not quoted, quoted
    return any(text.startswith("Nothing is dialed") and reason in text for text in texts)


async def nothing_half_applied(stage: Stage, run: CampaignRun) -> None:
    """Assert that contacts and attempts agree, whatever was cut."""
    async with stage.store.read() as connection:
        who = (
            await connection.execute(select(contacts.c.n, contacts.c.accepted, contacts.c.state))
        ).all()
        tries = (await connection.execute(select(attempts))).all()
    accepted = {row.n: 0 for row in who}
    for row in tries:
        assert row.settled_at is not None
        assert not row.live
        accepted[row.n] += row.api_id is not None
    assert {row.n: row.accepted for row in who} == accepted
    assert {row.api_id for row in tries if row.api_id} == {call["id"] for call in run.calls()}


def limited(stage: Stage, pages: list[int]) -> None:
    """Hold every connection of a store to a number of pages, from now on."""

    @event.listens_for(stage.store.database.engine, "begin")
    def _limit(connection: Any) -> None:
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages[0]}")


async def test_a_full_store_stops_dialing_until_there_is_room(
    client: Client, tmp_path: Path
) -> None:
    """A disk without room: the lane says `full`, and goes on when there is some."""
    async with open_stage(client, tmp_path) as stage:
        pages = [2**30]
        limited(stage, pages)

        async def mend() -> None:
            pages[0] = 2**30

        async with disturbed(stage, "is full", mend):
            pages[0] = 1


async def test_a_locked_store_stops_dialing_until_it_is_free(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process that holds the file longer than we wait is named as the reason."""
    monkeypatch.setattr(sqlite, "BUSY_TIMEOUT_MS", 200)
    async with open_stage(client, tmp_path) as stage:
        other = sqlite3.connect(
            tmp_path / "store.db", isolation_level=None, timeout=30, check_same_thread=False
        )

        async def mend() -> None:
            other.execute("ROLLBACK")
            other.close()

        async with disturbed(stage, "is locked by another process", mend):
            await asyncio.to_thread(other.execute, "BEGIN EXCLUSIVE")


async def test_a_store_that_is_moved_away_stops_dialing_until_it_is_back(
    client: Client, tmp_path: Path
) -> None:
    """A file that is gone is not written on unseen, and no empty one takes its place."""
    async with open_stage(client, tmp_path) as stage:
        path, away = tmp_path / "store.db", tmp_path / "away.db"

        async def mend() -> None:
            assert not path.exists()
            away.rename(path)

        async with disturbed(stage, "is gone", mend):
            path.rename(away)


@pytest.fixture
async def own_server() -> AsyncIterator[Server]:
    """Give the test a PostgreSQL that it may stop."""
    server = await asyncio.to_thread(Server.create)
    await asyncio.to_thread(server.start)
    yield server
    await asyncio.to_thread(server.remove)


async def test_a_postgresql_that_is_stopped_stops_dialing_until_it_is_back(
    client: Client, tmp_path: Path, own_server: Server
) -> None:
    """The database server goes away in the middle and comes back."""
    async with open_stage(client, tmp_path, store_url=own_server.url()) as stage:

        async def mend() -> None:
            await asyncio.to_thread(own_server.start)

        async with disturbed(stage, "does not answer", mend):
            await asyncio.to_thread(own_server.stop)

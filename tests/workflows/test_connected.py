"""Which workers `discador status` calls connected, judged by the server's own clock."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

import pytest
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import PollWorkflowTaskQueueRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from console import carrying, connected
from console.carried import Workers
from console.connected import workers_of
from console.steering import _without_worker
from console.target import Target
from store.runs import Run
from tests.workflows.stage import until


@asynccontextmanager
async def asking(client: Client, queue: str, who: str = "1@here") -> AsyncIterator[None]:
    """Ask a queue for decisions as a worker does, until the block ends as if it were killed."""
    request = PollWorkflowTaskQueueRequest(
        namespace=client.namespace, task_queue=TaskQueue(name=queue), identity=who
    )
    poll = asyncio.ensure_future(
        client.workflow_service.poll_workflow_task_queue(request, timeout=timedelta(seconds=60))
    )
    try:
        yield
    finally:
        poll.cancel()
        with suppress(asyncio.CancelledError):
            await poll


async def test_a_worker_that_was_killed_is_gone_before_the_server_forgets_it(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Silent for longer than a living one can be, it does not count, and its silence is told."""
    queue = f"connected-{secrets.token_hex(4)}"

    async def is_there() -> bool:
        return await workers_of(client, queue) == Workers(connected=True)

    assert await workers_of(client, queue) == Workers(connected=False)
    async with asking(client, queue):
        await until(is_there, what="the worker is connected")
        assert (await workers_of(client, queue, host="here")).connected
        assert (await workers_of(client, queue, host="elsewhere")) == Workers(connected=False)
    assert await is_there()  # as long as nobody can tell it from one that works
    monkeypatch.setattr(connected, "SILENCE", 0.3)

    async def is_gone() -> bool:
        workers = await workers_of(client, queue)
        return workers.connected is False and (workers.silent or 0.0) > 0.3

    await until(is_gone, what="the worker is gone")
    async with asking(client, queue, "2@here"):
        monkeypatch.setattr(connected, "SILENCE", 5.0)
        await until(is_there, what="one of two is connected")


async def test_where_the_server_does_not_tell_its_time_nobody_is_called_gone(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Our own clock may be an hour off: without the server's a worker that is listed counts."""
    queue = f"connected-{secrets.token_hex(4)}"

    async def refused(*_: Any, **__: Any) -> Any:
        raise RPCError("may not ask for work", RPCStatusCode.PERMISSION_DENIED, b"")

    async def is_there() -> bool:
        return await workers_of(client, queue) == Workers(connected=True)

    async with asking(client, queue):
        monkeypatch.setattr(connected, "SILENCE", -1.0)
        monkeypatch.setattr(client.workflow_service, "poll_activity_task_queue", refused)
        await until(is_there, what="the worker is connected")


def _run(name: str) -> Run:
    return Run(
        id=name,
        account="account",
        campaign="none",
        state="running",
        reason="",
        ends_as=None,
        epoch=1,
        rules_version=1,
        lanes=1,
        hang_up=False,
        total=1,
        rejected=0,
        created_at=1.0,
        started_at=2.0,
        ended_at=None,
    )


async def test_many_runs_on_one_queue_are_looked_at_together(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each look may take a second: one after the other, the later ones would not be reached."""
    runs = [_run(f"run{n}") for n in range(9)]
    queues: list[str] = []
    under_way: set[str] = set()
    all_begun = asyncio.Event()

    async def connect(_: object) -> Client:
        return client

    async def asked(_: Client, queue: str) -> Workers:
        queues.append(queue)
        return Workers(connected=True)

    async def stalled(_: Client, run: Run, **__: Any) -> None:
        under_way.add(run.id)
        if len(under_way) == len(runs):
            all_begun.set()
        await all_begun.wait()

    monkeypatch.setattr(carrying, "connect", connect)
    monkeypatch.setattr(carrying, "workers_of", asked)
    monkeypatch.setattr(carrying, "stalled_because", stalled)
    found = await carrying.carried({}, runs, "one")
    assert queues == ["one"]
    assert all(one.workers.connected for one in found.values())


def test_people_are_told_for_how_long_it_has_been_silent() -> None:
    """The line says what to do, and when the last worker was heard of."""
    line = _without_worker(Target.__new__(Target), Workers(connected=False, silent=151.0))
    assert line == (
        "no worker is connected, so nothing is dialed (the last was heard of 2:31 ago):"
        " `discador worker` starts one"
    )

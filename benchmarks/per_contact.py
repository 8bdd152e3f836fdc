"""Contender (b): Temporal as its samples do it.

A workflow per contact, an activity per operation, a timer per poll. A starter keeps as many
workflows open as there are channels. Creating a call is tried once, because the API has no
idempotency key; asking about it is retried.

It promises that a call which was created is followed to its end, whatever is killed. It does not
know whether a call was made whose answer was lost, does not keep a number from being called twice
at once, and counts channels in the starter's memory.

What was tuned, because a good engineer would: many pollers and slots, a sticky cache that holds
every open workflow, one HTTP session for all activities, eager activities (the SDK's default), no
sandbox around workflow code (which the engine keeps), the server on a file with the same pragmas as
the engine's. What is left is the server's work for 22 events a call.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    import aiohttp
    from temporalio.worker import PollerBehaviorSimpleMaximum, UnsandboxedWorkflowRunner, Worker

    from benchmarks.contender import Events, Running
    from benchmarks.load import RAMAL, Load, e164s, write_list
    from benchmarks.stage import TOKEN, Stage, until_said
    from benchmarks.temporal_server import temporal_server

QUEUE = "per-contact"
POLLERS = 10
OPEN_AT_MOST = 200
"""More open workflows than this only wait for each other; measured, not guessed."""


@dataclass
class Contact:
    """Whom to call, and how often to ask about the call, in seconds."""

    number: str
    poll: float


class Calls:
    """The operations, over one HTTP session."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    @activity.defn
    async def create_call(self, number: str) -> int:
        """Create a call; twice is two calls."""
        body = {"numero_origem": number, "numero_destino": RAMAL, "tags": "benchmark"}
        async with self._session.post("/chamada", json=body) as answer:
            answer.raise_for_status()
            return int((await answer.json())["dados"]["id"])

    @activity.defn
    async def is_over(self, call: int) -> bool:
        """Ask whether a call is over; safe to repeat."""
        async with self._session.get(f"/chamada/{call}") as answer:
            answer.raise_for_status()
            return bool((await answer.json())["dados"]["status_geral"] == "finalizada")


@workflow.defn
class CallContact:
    """One call to one contact."""

    @workflow.run
    async def run(self, contact: Contact) -> int:
        """Create the call, and wait for its end."""
        call = await workflow.execute_activity_method(
            Calls.create_call,
            contact.number,
            start_to_close_timeout=timedelta(seconds=30),
            retry_policy=RetryPolicy(maximum_attempts=1),
        )
        while True:
            await workflow.sleep(contact.poll)
            if await workflow.execute_activity_method(
                Calls.is_over, call, start_to_close_timeout=timedelta(seconds=30)
            ):
                return call


async def work(address: str, url: str, open_workflows: int) -> None:
    """Be the worker."""
    client = await Client.connect(address)
    headers = {"Access-Token": TOKEN}
    connector = aiohttp.TCPConnector(limit=200, keepalive_timeout=60)
    async with (
        aiohttp.ClientSession(url, headers=headers, connector=connector) as session,
        Worker(
            client,
            task_queue=QUEUE,
            workflows=[CallContact],
            activities=[(calls := Calls(session)).create_call, calls.is_over],
            workflow_runner=UnsandboxedWorkflowRunner(),
            max_cached_workflows=2 * open_workflows,
            max_concurrent_workflow_tasks=200,
            max_concurrent_activities=500,
            workflow_task_poller_behavior=PollerBehaviorSimpleMaximum(POLLERS),
            activity_task_poller_behavior=PollerBehaviorSimpleMaximum(POLLERS),
        ),
    ):
        print("working", flush=True)
        await asyncio.Event().wait()


async def start(
    address: str, contacts: Path, open_workflows: int, rate: float, poll: float
) -> None:
    """Start a workflow for each contact, so many open at a time."""
    client = await Client.connect(address)
    room = asyncio.Semaphore(open_workflows)
    running: set[asyncio.Task[None]] = set()

    async def one(index: int, number: str) -> None:
        try:
            await client.execute_workflow(
                CallContact.run, Contact(number, poll), id=f"contact-{index}", task_queue=QUEUE
            )
        finally:
            room.release()

    print("starting", flush=True)
    for index, number in enumerate(e164s(contacts)):
        await room.acquire()
        running.add(task := asyncio.create_task(one(index, number)))
        task.add_done_callback(running.discard)
        await asyncio.sleep(1 / rate)
    await asyncio.gather(*running)


class PerContact:
    """A workflow per contact."""

    name = "samples"
    title = "(b) workflow per contact"

    def missing(self) -> str | None:
        """Nothing: Temporal is there already."""
        return None

    @asynccontextmanager
    async def running(self, stage: Stage, load: Load) -> AsyncIterator[Running]:
        """Start Temporal, a worker and a starter."""
        contacts = stage.home / "list.csv"
        await asyncio.to_thread(write_list, contacts, load.contacts)
        module = [sys.executable, "-m", "benchmarks.per_contact"]
        width = str(min(load.channels, OPEN_AT_MOST))
        async with temporal_server(stage) as server:
            worker = stage.start("worker", [*module, "work", server.address, stage.url, width], {})
            starter = None
            try:
                await until_said(worker, "working")
                rest = [width, str(load.calls_per_second), str(load.poll)]
                starter = stage.start(
                    "starter", [*module, "start", server.address, str(contacts), *rest], {}
                )
                await until_said(starter, "starting")
                client = await Client.connect(server.address)

                async def events() -> Events:
                    return await closed_events(client)

                yield Running(
                    processes={"worker": worker, "starter": starter, "Temporal": server.child},
                    events=events,
                )
            finally:
                worker.kill()
                if starter is not None:
                    starter.kill()


async def closed_events(client: Client) -> Events:
    """Count the events of the workflows that have ended, and how many those are."""
    total = count = 0
    async for execution in client.list_workflows(
        "ExecutionStatus = 'Completed'", page_size=1_000, limit=1_000
    ):
        total += execution.history_length
        count += 1
    return Events(total, count)


if __name__ == "__main__":
    if sys.argv[1] == "work":
        asyncio.run(work(sys.argv[2], sys.argv[3], int(sys.argv[4])))
    else:
        to, listed, width_text, pace, interval = sys.argv[2:]
        asyncio.run(start(to, Path(listed), int(width_text), float(pace), float(interval)))

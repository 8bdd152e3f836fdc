"""Which workers ask for work, and for how long none has, by the clock of Temporal itself."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from datetime import timedelta
from uuid import uuid4

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import PollerInfo, TaskQueue
from temporalio.api.workflowservice.v1 import (
    DescribeTaskQueueRequest,
    PollActivityTaskQueueRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError

from console.carried import UNKNOWN, Workers

SILENCE = 90.0
"""Seconds after which a worker that was not heard of is gone. One that works asks for work all the
time, each time for 70 s at most, whatever the server is set to; a killed one stays on the server's
list for five minutes."""

CLOCK_QUEUE = "discador-clock"
CLOCK_SECONDS = 1.0
CLOCK_POLL = timedelta(seconds=30)


async def workers_of(client: Client, queue: str, *, host: str | None = None) -> Workers:
    """Return whether a worker, on this host where one is named, asks for this queue's decisions.

    Unknown where the server does not say.
    """
    try:
        known = await _pollers(client, queue, TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW)
    except RPCError:
        return UNKNOWN
    seen = [_seen(one) for one in known if host is None or one.identity.endswith(f"@{host}")]
    if not seen:
        return Workers(connected=False)
    now = await _server_now(client)
    if now is not None and now - max(seen) > SILENCE:
        return Workers(connected=False, silent=now - max(seen))
    return Workers(connected=True)


async def _pollers(client: Client, queue: str, kind: TaskQueueType.ValueType) -> list[PollerInfo]:
    answer = await client.workflow_service.describe_task_queue(
        DescribeTaskQueueRequest(
            namespace=client.namespace, task_queue=TaskQueue(name=queue), task_queue_type=kind
        )
    )
    return list(answer.pollers)


def _seen(one: PollerInfo) -> float:
    return one.last_access_time.ToNanoseconds() / 1e9


async def _server_now(client: Client) -> float | None:
    """Return the server's time, or None where it cannot be had.

    Ours may differ, so it is not compared with anything. The server tells no time of day, but when
    it has last heard of whoever asks for work: so we ask, of a queue that never has any.
    """
    identity = uuid4().hex
    asking = asyncio.ensure_future(
        client.workflow_service.poll_activity_task_queue(
            PollActivityTaskQueueRequest(
                namespace=client.namespace,
                task_queue=TaskQueue(name=CLOCK_QUEUE),
                identity=identity,
            ),
            timeout=CLOCK_POLL,
        )
    )
    deadline = time.monotonic() + CLOCK_SECONDS
    try:
        with suppress(RPCError):
            while time.monotonic() < deadline and not asking.done():
                known = await _pollers(client, CLOCK_QUEUE, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY)
                found = [_seen(one) for one in known if one.identity == identity]
                if found:
                    return found[0]
                await asyncio.sleep(0.005)
        return None
    finally:
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)

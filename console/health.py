"""`discador worker --check`, for health checks: whether this machine's worker works."""

from __future__ import annotations

from socket import gethostname

from rich.console import Console

from console import carrying, engine
from console.connected import workers_of
from console.failures import CommandError
from console.progress import last_heard
from console.target import Target


async def check_worker(console: Console, target: Target) -> None:
    """See that Temporal answers, the store opens, and a worker of this machine asks for work.

    Raises `CommandError` with what does not hold.
    """
    if target.temporal is None:
        raise CommandError("No Temporal is configured: set TEMPORAL_ADDRESS.")
    client = await carrying.connect(target.temporal)
    async with engine.opened(target.settings.store_url) as store:
        await engine.runs_of(store)
    queue = target.settings.task_queue
    workers = await workers_of(client, queue, host=gethostname())
    if not workers.connected:
        raise CommandError(
            f"No worker of this machine takes work from queue {queue}{last_heard(workers.silent)}."
        )
    console.print(f"A worker of this machine takes work from queue {queue}.", highlight=False)

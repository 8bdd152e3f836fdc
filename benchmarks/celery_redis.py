"""Contender (c): Celery with Redis, a task per call with retries.

Two workers with a gevent pool, one greenlet a channel; the task creates the call and asks about it
until it is over. Redis writes an append-only file. The queue is filled before it is measured, as
the engine's list is imported before.

It promises that a task is not lost with a worker (late acknowledgement), and pays for that with
doubled calls: after a worker's death, or after the visibility timeout of an hour, a task that had
created its call creates it again. Redis may lose the last second. Channels are the pool's size.

It is left out where `redis-server` or Celery is absent: Celery is no dependency of the engine, so
`make bench` installs it (hash-pinned in `celery-requirements.lock`) into `.venv-celery`.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from benchmarks.contender import Running
from benchmarks.load import Load, write_list
from benchmarks.stage import TOKEN, Stage, until_said
from console.embedded import free_port
from console.process import Child

PYTHON = Path(__file__).parent.parent / ".venv-celery" / "bin" / "python"
WORKERS = 2
UNPACED = 1_000
"""Above this rate Celery's own rate limit only costs; the machine is the limit."""
QUEUE_SECONDS = 300.0


class CeleryRedis:
    """A Celery task per call."""

    name = "celery"
    title = "(c) Celery and Redis"

    def missing(self) -> str | None:
        """Say which of the two is not there."""
        if shutil.which("redis-server") is None:
            return "`redis-server` is not installed (on Debian: apt-get install redis-server)"
        if not os.access(PYTHON, os.X_OK):
            return "Celery is not installed in .venv-celery (`make bench` does it)"
        return None

    @asynccontextmanager
    async def running(self, stage: Stage, load: Load) -> AsyncIterator[Running]:
        """Start Redis, fill the queue, and start the workers."""
        contacts = stage.home / "list.csv"
        await asyncio.to_thread(write_list, contacts, load.contacts)
        port = free_port()
        environ = {
            "BENCH_URL": stage.url,
            "BENCH_TOKEN": TOKEN,
            "BENCH_POLL": str(load.poll),
            "BENCH_REDIS": f"redis://127.0.0.1:{port}/0",
        }
        if load.calls_per_second < UNPACED:
            environ["BENCH_RATE"] = f"{load.calls_per_second / WORKERS:g}/s"
        command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1"]
        command += ["--dir", str(stage.home), "--save", "", "--appendonly", "yes"]
        children: dict[str, Child] = {}
        try:
            children["Redis"] = stage.start("redis", command, {})
            await until_said(children["Redis"], "Ready to accept connections")
            fill = [str(PYTHON), "-m", "benchmarks.celery_tasks", str(contacts)]
            queue = stage.start("queue", fill, environ)
            try:
                await until_said(queue, "queued", QUEUE_SECONDS)
            finally:
                queue.kill()
            for number in range(WORKERS):
                name = f"worker {number + 1}"
                children[name] = stage.start(
                    f"celery-{number}", _worker(number, load.channels // WORKERS), environ
                )
            for child in list(children.values())[1:]:
                await until_said(child, "worker is ready")
            yield Running(processes=children)
        finally:
            for child in children.values():
                child.kill()


def _worker(number: int, channels: int) -> list[str]:
    command = [str(PYTHON), "-m", "celery", "-A", "benchmarks.celery_tasks", "worker"]
    command += ["-P", "gevent", "-c", str(channels), "-n", f"w{number}@localhost", "-l", "WARNING"]
    return [*command, "--without-gossip", "--without-mingle", "--without-heartbeat", "-O", "fair"]

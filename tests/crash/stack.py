"""The engine in processes of its own, to be killed, frozen and started again.

The sandbox is the witness and is never touched; Temporal and the workers are children known by
their pid. Whoever waits names a condition and a deadline, and a wait that fails shows what the
children last said.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from temporalio.client import Client

from activities.settings import sqlite_url
from console import temporal
from console.embedded import free_port
from console.process import Child, start_child
from sandbox.server import SandboxServer
from store.engine import Store, open_store
from tests.crash.partition import Network
from workflows.environment import DATA_CONVERTER

POLL = 0.01
READY = 90.0
TASK_QUEUE = "crash"
SEED = int(os.environ.get("CRASH_SEED", "20260"))
"""Moments and faults are drawn from it; it is printed with every run."""

Condition = Callable[[], bool | Awaitable[bool]]


@dataclass
class Stack:
    """One sandbox, one store, one Temporal and any number of workers.

    `kills` counts what was done to its processes.
    """

    home: Path
    sandbox: SandboxServer
    store: Store
    store_url: str
    temporal_port: int
    temporal: Child | None = None
    workers: list[Child] = field(default_factory=list)
    luck: random.Random = field(default_factory=lambda: random.Random(SEED))
    kills: Counter[str] = field(default_factory=Counter)
    environ: dict[str, str] = field(default_factory=dict)
    """Variables for workers, beside those that the stack sets."""
    program: Sequence[str] = ("-m", "worker")
    """What Python runs as a worker."""
    hired: int = 0
    """Workers started so far."""
    started: float = field(default_factory=time.monotonic)
    said: list[str] = field(default_factory=list)

    @property
    def address(self) -> str:
        """Where Temporal listens."""
        return f"127.0.0.1:{self.temporal_port}"

    def say(self, text: str) -> None:
        """Print what happens, with seconds since the start: pytest shows it for a failed test."""
        line = f"{time.monotonic() - self.started:6.2f} s  {text}"
        self.said.append(line)
        print(line, flush=True)  # noqa: T201 - the account of a run

    # Processes -----------------------------------------------------------------------------------

    def start_temporal(self) -> None:
        """Start Temporal on its file; it goes on where a killed one stopped. Does not wait."""
        binary = temporal.find_temporal()
        assert binary is not None, "there is no `temporal`; `make .venv` installs it"
        command = temporal.server_command(
            binary, self.home / "temporal.db", self.temporal_port, None
        )
        self.temporal = start_child(
            "temporal", command, log=self.home / "temporal.log", environ=os.environ
        )

    async def temporal_answers(self) -> None:
        """Wait until Temporal serves its namespace."""
        await self.until(partial(temporal.answers, self.address), "Temporal answers", READY)

    def start_worker(self, through: Network | None = None) -> Child:
        """Start another worker process, on a network of its own if one is given. Does not wait."""
        environ = {name: os.environ[name] for name in os.environ if not name.startswith("TEMPORAL")}
        environ |= {
            "ZENVIA_BASE_URL": self.sandbox.url,
            "ZENVIA_ACCESS_TOKEN": self.sandbox.token,
            "DISCADOR_STORE_URL": self.store_url,
            "DISCADOR_TASK_QUEUE": TASK_QUEUE,
            "TEMPORAL_ADDRESS": through.address if through else self.address,
            "TEMPORAL_CONFIG_FILE": os.devnull,
            "PYTHONUNBUFFERED": "1",
            **self.environ,
        }
        self.hired += 1
        number = self.hired
        child = start_child(
            f"worker-{number}",
            [sys.executable, "-P", *self.program],
            log=self.home / f"worker-{number}.log",
            environ=environ,
        )
        self.workers.append(child)
        return child

    async def worker_works(self, child: Child) -> None:
        """Wait until a worker says that it has started."""
        await self.until(lambda: "worker_started" in child.output(), f"{child.name} works", READY)

    def kill(self, child: Child) -> None:
        """End a process by SIGKILL, as a machine that loses its power would."""
        child.kill()
        self.kills[f"{child.name.partition('-')[0]} killed"] += 1
        self.say(f"killed {child.name}")
        if child in self.workers:
            self.workers.remove(child)

    def kill_temporal(self) -> None:
        """End Temporal by SIGKILL; its file stays."""
        assert self.temporal is not None
        self.kill(self.temporal)

    async def freeze(self, child: Child) -> None:
        """Stop a process in its tracks, at a moment when it does not hold the store's write lock.

        One that does would stop every other writer of a SQLite file, which is what a file lock is
        for; `freeze_as_it_is` does not look.
        """
        pause = POLL
        while True:
            child.signal_group(signal.SIGSTOP)
            await self.until(partial(_stands_still, child), f"{child.name} stands still", READY)
            if not self._write_locked():
                self.kills["worker frozen"] += 1
                self.say(f"froze {child.name}")
                return
            child.signal_group(signal.SIGCONT)
            # On a busy machine it needs more than a moment to get to the end of its transaction.
            await asyncio.sleep(pause)
            pause = min(2 * pause, 1.0)

    def thaw(self, child: Child) -> None:
        """Let a frozen process go on, knowing nothing of the time in between."""
        child.signal_group(signal.SIGCONT)
        self.say(f"thawed {child.name}")

    def _write_locked(self) -> bool:
        if not self.store.is_sqlite:
            return False
        connection = sqlite3.connect(self.home / "store.db", timeout=0.2, isolation_level=None)
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return True
        finally:
            connection.close()
        return False

    # Waiting -------------------------------------------------------------------------------------

    async def until(self, condition: Condition, what: str, seconds: float) -> float:
        """Wait until a condition holds; return how long that took, in seconds.

        Past the deadline it fails with the condition's name and the children's last words.
        """
        began = time.monotonic()
        while True:
            answer = condition()
            if answer if isinstance(answer, bool) else await answer:
                return time.monotonic() - began
            if time.monotonic() - began > seconds:
                raise AssertionError(f"not within {seconds:.0f} s: {what}\n{self.last_words()}")
            await asyncio.sleep(POLL)

    async def until_accepted(self, calls: int, seconds: float = 40.0) -> None:
        """Wait until the sandbox has accepted so many calls."""
        await self.until(lambda: self.accepted() >= calls, f"{calls} calls were accepted", seconds)

    def is_silent_for(self, seconds: float) -> Condition:
        """Make a condition that holds once the sandbox has heard nothing for so many seconds."""
        heard, since = -1, time.monotonic()

        def silent() -> bool:
            nonlocal heard, since
            total = sum(self.sandbox.stats()["requests"].values())
            if total != heard:
                heard, since = total, time.monotonic()
            return time.monotonic() - since >= seconds

        return silent

    def accepted(self) -> int:
        """Return how many calls the sandbox has accepted so far."""
        return self.sandbox.inside(lambda account: len(account.book))

    def last_words(self) -> str:
        """Return the end of every child's log."""
        children = [*self.workers, *([self.temporal] if self.temporal else [])]
        logs = [f"{child.name} ({child.exit_code}):\n{child.last_lines(8)}" for child in children]
        return "\n".join([*self.said[-20:], *logs])

    async def client(self) -> Client:
        """Connect to Temporal as the command line does."""
        return await Client.connect(self.address, data_converter=DATA_CONVERTER)

    def end(self) -> None:
        """End every process that is left, frozen ones too."""
        for child in [*self.workers, *([self.temporal] if self.temporal else [])]:
            child.kill()


def _stands_still(child: Child) -> bool:
    """Whether every thread has stopped, or the process is gone: a signal takes effect later."""
    try:
        states = [
            (task / "stat").read_text().rpartition(")")[2].split()[0]
            for task in Path(f"/proc/{child.pid}/task").iterdir()
        ]
    except OSError:
        return child.exit_code is not None or not Path("/proc/self/task").exists()
    return all(state in "TtZX" for state in states)


@asynccontextmanager
async def crash_stack(
    home: Path,
    *,
    speed: float,
    store_url: str | None = None,
    environ: dict[str, str] | None = None,
    seed: int = SEED,
) -> AsyncIterator[Stack]:
    """Start a sandbox, a store and Temporal; end everything at the end, whatever happened.

    The store is a SQLite file of its own unless an address is given. The API's faults and the
    stack's own moments are drawn from `seed`.
    """
    url = store_url or sqlite_url(home / "store.db")
    async with SandboxServer(speed=speed, seed=seed) as sandbox, open_store(url) as store:
        stack = Stack(
            home=home,
            sandbox=sandbox,
            store=store,
            store_url=url,
            temporal_port=free_port(),
            luck=random.Random(seed),
            environ=environ or {},
        )
        try:
            stack.say(f"CRASH_SEED={seed}")
            stack.start_temporal()
            await stack.temporal_answers()
            yield stack
        finally:
            stack.end()

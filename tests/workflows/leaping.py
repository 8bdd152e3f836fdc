"""A worker whose own waiting costs nothing, on a server that skips time.

The server skips what workflows wait for. What the engine itself waits for inside a turn (a slot, a
ring, the next poll) is real time to the server, and a campaign of thirty days has hours of it. So
the worker runs in a thread with an event loop that leaps: while a turn is under way and no request
is at the provider, whoever sleeps has slept. One clock serves engine, store and sandbox: it runs by
itself, moves with every leap, and with every skip of the server.
"""

from __future__ import annotations

import asyncio
import selectors
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from temporalio import activity
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from sandbox.server import SandboxServer
from tests.activities.virtual import inline_sqlite
from tests.workflows.stage import TIME_SKIPPING, CampaignRun, Stage, open_stage
from workflows.environment import DATA_CONVERTER
from workflows.messages import CampaignResult
from zenvia.transport import Answer

T = TypeVar("T")


@dataclass
class LeapingClock:
    """Seconds since 1970 from `start` on; any thread may read it.

    While an activity is under way only leaps move it, so that a busy machine is not a slow engine.
    """

    start: float
    leapt: float = 0.0
    """Seconds that the engine would have slept, and those in which it had nothing to do."""
    skipped: float = 0.0
    """Seconds that the server has skipped."""
    busy: int = 0
    """Activities under way."""
    asking: int = 0
    """Requests at the provider."""
    turns: int = 0
    _idle_since: float = field(default_factory=time.monotonic)
    _ahead: float | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self) -> float:
        """Read the clock."""
        return self.start + self.in_the_loop() + self.skipped

    def in_the_loop(self) -> float:
        """Return the seconds that have passed in the worker's event loop."""
        with self._lock:
            idle = 0.0 if self.busy else time.monotonic() - self._idle_since
            return self.leapt + idle

    def begin(self) -> None:
        """Begin an activity."""
        with self._lock:
            self.turns += 1
            if not self.busy:
                self.leapt += time.monotonic() - self._idle_since
            self.busy += 1

    def end(self) -> None:
        """End an activity."""
        with self._lock:
            self.busy -= 1
            self._idle_since = time.monotonic()

    @property
    def leaps(self) -> bool:
        """Whether nothing happens but sleeping."""
        return self.busy > 0 and self.asking == 0

    def leap(self, seconds: float) -> None:
        """Let so many seconds have passed."""
        with self._lock:
            self.leapt += seconds

    def follow(self, server: float) -> None:
        """Take in what the server, whose clock shows `server`, has skipped since the last look."""
        with self._lock:
            ahead = server - time.time()
            if self._ahead is not None:
                self.skipped += max(ahead - self._ahead, 0.0)
            self._ahead = ahead if self._ahead is None else max(ahead, self._ahead)


class _Leaping(selectors.DefaultSelector):
    def __init__(self, clock: LeapingClock) -> None:
        super().__init__()
        self.clock = clock

    def select(self, timeout: float | None = None) -> list[Any]:
        """Return what is ready; leap over the wait where only sleepers are left."""
        if timeout is None or timeout <= 0 or not self.clock.leaps:
            return super().select(timeout)
        ready = super().select(0)
        if not ready:
            self.clock.leap(timeout)
        return ready


class _LeapingLoop(asyncio.SelectorEventLoop):
    def __init__(self, clock: LeapingClock) -> None:
        self._leaping = _Leaping(clock)
        super().__init__(self._leaping)

    def time(self) -> float:
        """Return the seconds that have passed in this loop."""
        return self._leaping.clock.in_the_loop()


class _Following(ActivityInboundInterceptor):
    def __init__(self, following: ActivityInboundInterceptor, clock: LeapingClock) -> None:
        super().__init__(following)
        self._clock = clock

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002 - the SDK's
        self._clock.follow(activity.info().started_time.timestamp())
        self._clock.begin()
        try:
            return await self.next.execute_activity(input)
        finally:
            self._clock.end()


@dataclass
class Following(Interceptor):
    """Takes the server's time at the start of every activity, and says when one is under way."""

    clock: LeapingClock

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002 - the SDK's
        """Stand in front of the activities."""
        return _Following(next, self.clock)


def _counted(
    exchange: Callable[..., Awaitable[Answer]], clock: LeapingClock
) -> Callable[..., Coroutine[Any, Any, Answer]]:
    async def counted(*args: Any, **options: Any) -> Answer:
        clock.asking += 1
        try:
            return await exchange(*args, **options)
        finally:
            clock.asking -= 1

    return counted


@dataclass
class Leap:
    """What a test holds: the stage, in whose own loop `do` works, and the clock of them all."""

    clock: LeapingClock
    stage: Stage
    _loop: asyncio.AbstractEventLoop

    async def result(self, run: CampaignRun) -> CampaignResult:
        """Wait for the end of a run, and let the server skip time meanwhile.

        The server answers a wait of twenty seconds with nothing, which the SDK takes for an error.
        """
        while True:
            try:
                return await run.handle.result()
            except RuntimeError as error:
                if "No completion event" not in str(error):
                    raise

    async def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Do something where the worker is."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))


@asynccontextmanager
async def open_leap(folder: Path, start: float, **settings: Any) -> AsyncIterator[Leap]:
    """Open a server that skips, a sandbox, and a worker that leaps; all on one clock."""
    clock = LeapingClock(start)
    ready: asyncio.Future[tuple[Stage, asyncio.AbstractEventLoop, asyncio.Event]]
    here = asyncio.get_running_loop()
    ready = here.create_future()

    async def work(client: Client, sandbox: SandboxServer) -> None:
        ended = asyncio.Event()
        async with open_stage(client, folder, clock=clock, sandbox=sandbox) as stage:
            transport: Any = stage.voice._transport
            transport.exchange = _counted(transport.exchange, clock)
            async with stage.worker(interceptors=[Following(clock)]):
                told = (stage, asyncio.get_running_loop(), ended)
                here.call_soon_threadsafe(ready.set_result, told)
                await ended.wait()

    def carry(client: Client, sandbox: SandboxServer) -> None:
        with asyncio.Runner(loop_factory=lambda: _LeapingLoop(clock)) as runner:
            try:
                runner.run(work(client, sandbox))
            except BaseException as error:
                if not ready.done():
                    here.call_soon_threadsafe(ready.set_exception, error)
                raise

    async with (
        await WorkflowEnvironment.start_time_skipping(
            test_server_existing_path=TIME_SKIPPING, data_converter=DATA_CONVERTER
        ) as environment,
        SandboxServer(clock=clock, **settings) as sandbox,
    ):
        with inline_sqlite():
            parts = (environment.client, sandbox)
            thread = threading.Thread(target=carry, args=parts, daemon=True)
            thread.start()
            stage, loop, ended = await ready
            try:
                yield Leap(clock, stage, loop)
            finally:
                loop.call_soon_threadsafe(ended.set)
                await asyncio.to_thread(thread.join, 30)

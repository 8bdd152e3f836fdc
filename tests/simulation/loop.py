"""An event loop in virtual time, in which processes can be killed and frozen.

The clock jumps to the next thing that is to happen, so hours of polls and retries take milliseconds
and come in the same order every time. A task belongs to the `Life` in whose context it was made.
Nothing of a life that has ended runs again, not even a `finally`: that is what SIGKILL does. What a
frozen one was about to do waits until it is woken, and then sees how late it is: SIGSTOP.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Coroutine, Sequence
from contextvars import Context, ContextVar
from typing import Any, TypeVar

START = 1_770_000_000.0
"""When every simulation begins, in seconds since 1970."""

FOREVER = float("inf")

T = TypeVar("T")


class Stuck(AssertionError):  # noqa: N818 - it tells what the simulation is
    """Nothing is left that could ever happen, and somebody still waits."""


class Life:
    """A process as the loop sees it. `ends` is called once, at the moment of its death."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.dead = False
        self.buried = False
        self.frozen_until = 0.0
        self.held: list[asyncio.Handle] = []
        self.tasks: set[asyncio.Task[Any]] = set()
        self.ends: Callable[[], None] = lambda: None

    def kill(self) -> None:
        """End it now."""
        if not self.dead:
            self.dead = True
            self.ends()

    def freeze(self, seconds: float) -> None:
        """Let it stand still for a while, from the end of the step that runs now."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        if not self.dead and until > self.frozen_until:
            self.frozen_until = until
            loop.call_at(until, self._wake, context=Context())

    def _wake(self) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, Loop)
        if not self.dead and loop.time() >= self.frozen_until:
            held, self.held = self.held, []
            loop.resume(held)

    def start(self, work: Callable[[], Coroutine[Any, Any, T]]) -> asyncio.Task[T]:
        """Begin something that belongs to this life."""
        context = Context()
        context.run(OWNER.set, self)
        return context.run(lambda: asyncio.get_running_loop().create_task(work()))


OWNER: ContextVar[Life | None] = ContextVar("owner", default=None)


class Loop(asyncio.BaseEventLoop):
    """An event loop without a selector: there is nothing outside to wait for."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self._dropped: list[asyncio.Handle] = []
        self.set_task_factory(_owned)  # type: ignore[arg-type]  # a plain function is one
        self.set_exception_handler(lambda _loop, _context: None)

    def time(self) -> float:
        """Return the seconds that have passed in this loop."""
        return self._now

    def resume(self, handles: list[asyncio.Handle]) -> None:
        """Let what was held back happen now, in the order in which it was due."""
        self._ready.extend(handles)  # type: ignore[attr-defined]  # as BaseEventLoop names it

    def _run_once(self) -> None:
        """Do what is ready; where nothing is, go to the next moment at which something is."""
        ready, scheduled = self._ready, self._scheduled  # type: ignore[attr-defined]  # its names
        if not ready:
            while scheduled and scheduled[0]._cancelled:
                heapq.heappop(scheduled)._scheduled = False
            if not scheduled:
                raise Stuck("nothing is left that could ever happen")
            self._now = max(self._now, scheduled[0]._when)
        while scheduled and scheduled[0]._when <= self._now:
            handle = heapq.heappop(scheduled)
            handle._scheduled = False
            ready.append(handle)
        for _ in range(len(ready)):
            handle = ready.popleft()
            if handle._cancelled:
                continue
            life = handle._context.get(OWNER)
            if life is None or not (life.dead or life.frozen_until > self._now):
                handle._run()
            elif life.dead:
                self._dropped.append(handle)
            else:
                life.held.append(handle)

    def _timer_handle_cancelled(self, handle: Any) -> None:
        """Leave a cancelled timer where it is: it is dropped when its moment comes."""

    def _write_to_self(self) -> None:
        """Wake nobody: there is no other thread."""

    async def bury(self, lives: Sequence[Life]) -> None:
        """Unwind what is left of lives, so that nothing of it is collected half way.

        They run again for that, and must be denied every effect before (`Life.buried`).
        """
        for life in lives:
            life.dead, life.buried, life.frozen_until = False, True, 0.0
            self.resume(life.held)
            life.held = []
        self.resume(self._dropped)
        self._dropped = []
        while tasks := [task for life in lives for task in life.tasks]:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=1)


def _owned(
    loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any], **options: Any
) -> asyncio.Task[Any]:
    task = asyncio.Task(coroutine, loop=loop, **options)
    life = OWNER.get()
    if life is not None:
        life.tasks.add(task)
        task.add_done_callback(life.tasks.discard)
    return task


def clock() -> float:
    """Read the clock of the loop that is running, in seconds since 1970."""
    return START + asyncio.get_running_loop().time()

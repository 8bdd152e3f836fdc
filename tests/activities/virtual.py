"""An event loop whose clock jumps to the next thing that is to happen.

Hours of polls, retries and quiet pass in milliseconds and in the same order every time. SQLite runs
inside the loop instead of in threads of its own, so that nothing happens while nobody looks.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar
from unittest import mock

START = 1_770_000_000.0
"""When every test begins, in seconds since 1970."""

OWNER: ContextVar[set[asyncio.Task[Any]] | None] = ContextVar("owner", default=None)
"""Where the tasks that are created in this context are kept, so that they can be killed."""

T = TypeVar("T")


class Stuck(AssertionError):  # noqa: N818 - it tells what the test is, not an error of the code
    """Nothing is left that could ever happen, and the test still waits."""


class _Jumping(selectors.DefaultSelector):
    """A selector that moves the clock instead of waiting."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        """Return what is ready; where nothing is, let `timeout` seconds have passed."""
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise Stuck("nothing is left that could ever happen")
            self.now += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop on a clock of its own."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)
        self.set_task_factory(_keep)  # type: ignore[arg-type]  # a plain function is one
        self.set_exception_handler(lambda _loop, _context: None)

    def time(self) -> float:
        """Return the seconds that have passed in this loop."""
        return self._jumping.now


def _keep(
    loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any], **options: Any
) -> asyncio.Task[Any]:
    task = asyncio.Task(coroutine, loop=loop, **options)
    owned = OWNER.get()
    if owned is not None:
        owned.add(task)
        task.add_done_callback(owned.discard)
    return task


async def _at_once(work: Callable[[], T]) -> T:
    return work()


@contextmanager
def inline_sqlite() -> Iterator[None]:
    """Let SQLite do all its work inside the loop that asks it, also what goes to a thread."""
    with mock.patch("store.sqlite._in_thread", _at_once):
        yield


def run(main: Callable[[], Coroutine[Any, Any, T]], *, within: float = 7 * 86_400) -> T:
    """Run `main` in virtual time; fail when it takes more than `within` virtual seconds."""
    loop = VirtualLoop()
    asyncio.set_event_loop(loop)
    try:
        with inline_sqlite():

            async def bounded() -> T:
                async with asyncio.timeout(within):
                    return await main()

            return loop.run_until_complete(bounded())
    finally:
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.run_until_complete(loop.shutdown_asyncgens())
        asyncio.set_event_loop(None)
        loop.close()


def clock() -> float:
    """Read the clock of the loop that is running, in seconds since 1970."""
    return START + asyncio.get_running_loop().time()

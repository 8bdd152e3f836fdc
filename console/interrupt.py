"""Ctrl-C, SIGTERM and a closed terminal end a command in order, at any time."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from typing import TypeVar

from console.failures import CommandError

T = TypeVar("T")


class InterruptionError(CommandError):
    """A signal ended the command; the text says what has become of its work."""


def run_interruptible(main: Callable[[], Awaitable[T]], farewell: Callable[[], str]) -> T:
    """Run `main` to its end, or to the first signal.

    That one cancels it, so that it can clean up; the next one cancels the cleaning up, which then
    takes the short way. Raises `InterruptionError` with `farewell()` when it was interrupted.
    """

    async def body() -> T:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, task.cancel)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # not under nohup
            loop.add_signal_handler(signal.SIGHUP, task.cancel)
        return await main()

    try:
        return asyncio.run(body())
    except asyncio.CancelledError:
        raise InterruptionError(farewell()) from None

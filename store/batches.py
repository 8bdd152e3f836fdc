"""Rows in batches, read where they hold nobody up, and values in parts for IN lists."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from contextvars import copy_context
from functools import partial
from itertools import islice
from typing import TypeVar

T = TypeVar("T")

FLAT = 1_000
"""Values per IN list."""
AT_A_STRETCH = 32
"""Rows that are worked on before others have their turn on the loop."""


def parts(values: Sequence[T]) -> Iterator[Sequence[T]]:
    """Give the values in parts that an IN list takes."""
    for start in range(0, len(values), FLAT):
        yield values[start : start + FLAT]


async def breathing(rows: Iterable[T]) -> AsyncGenerator[T, None]:
    """Give the rows, and now and then the loop to others: a POST may be due any moment."""
    for index, row in enumerate(rows):
        if index % AT_A_STRETCH == AT_A_STRETCH - 1:
            await asyncio.sleep(0)
        yield row


def batches(rows: Iterable[T], size: int) -> Iterator[list[T]]:
    """Give the rows, `size` at a time."""
    stream = iter(rows)
    while batch := list(islice(stream, size)):
        yield batch


async def ahead(items: Iterator[T], *, in_thread: bool) -> AsyncGenerator[T, None]:
    """Give the items; with `in_thread`, each is made while the one before it is worked on.

    Making them takes its time: in a thread it keeps neither the loop waiting, as a process needs
    that places calls, nor whoever writes them. The thread may be another one each time, and none is
    left at work once this is closed. What `items` raises comes after all that it gave before.
    """
    if not in_thread:
        for item in items:
            yield item
        return
    coming = _begin(items)
    try:
        while made := await _end(coming):
            coming = _begin(items)
            yield made[0]
    finally:
        await asyncio.wait([coming])
        coming.exception()


def _begin(items: Iterator[T]) -> asyncio.Future[list[T]]:
    take = partial(copy_context().run, lambda: list(islice(items, 1)))
    return asyncio.get_running_loop().run_in_executor(None, take)


async def _end(coming: asyncio.Future[list[T]]) -> list[T]:
    await asyncio.wait([coming])  # a cancel ends the waiting, and not the thread's work
    return coming.result()

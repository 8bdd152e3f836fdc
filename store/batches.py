"""Rows in batches, read where they hold nobody up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


async def batches(
    rows: Iterable[T], size: int, *, in_thread: bool = False
) -> AsyncIterator[list[T]]:
    """Give the rows, `size` at a time.

    Reading takes its time: with `in_thread` the loop goes on meanwhile, as a process needs that
    places calls. The thread may be another one each time.
    """
    stream = iter(rows)

    def take() -> list[T]:
        return list(islice(stream, size))

    while batch := (await asyncio.to_thread(take) if in_thread else take()):
        yield batch

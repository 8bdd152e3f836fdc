"""Rows that are read ahead, in a thread, while those before them are written."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import aclosing

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from store import bulk
from store.batches import ahead
from store.importing import text_of
from store.schema import numbers
from tests.store.conftest import Opens

DEADLINE = 20


@pytest.mark.parametrize("in_thread", [False, True])
async def test_every_item_comes_once_and_in_order(*, in_thread: bool) -> None:
    """With a thread or without, empty items too."""
    items = ["", *(str(n) for n in range(50))]
    assert [item async for item in ahead(iter(items), in_thread=in_thread)] == items
    assert [item async for item in ahead(iter(items[:0]), in_thread=in_thread)] == []


async def test_the_next_item_is_made_while_one_is_worked_on() -> None:
    """The second item is there before whoever took the first has come back for it."""
    made = [threading.Event() for _ in range(3)]

    def making() -> Iterator[int]:
        for n, event in enumerate(made):
            event.set()
            yield n

    async with aclosing(ahead(making(), in_thread=True)) as items:
        async for n in items:
            if n + 1 < len(made):
                assert await asyncio.to_thread(made[n + 1].wait, DEADLINE)


async def test_what_goes_wrong_comes_after_what_went_well() -> None:
    """A list that cannot be read to its end is written as far as it was read."""

    def breaking() -> Iterator[int]:
        yield 1
        yield 2
        raise ValueError("broken")

    async with aclosing(ahead(breaking(), in_thread=True)) as items:
        assert [await anext(items), await anext(items)] == [1, 2]
        with pytest.raises(ValueError, match="broken"):
            await anext(items)


@pytest.mark.parametrize("how", ["leaves", "is cancelled"])
async def test_no_thread_reads_on_behind_whoever_left(how: str) -> None:
    """Whoever stops waits for the row that is being read: its file may be closed then."""
    reading, may_end, ended = threading.Event(), threading.Event(), threading.Event()

    def slow() -> Iterator[int]:
        yield 1
        reading.set()
        may_end.wait(DEADLINE)
        ended.set()
        yield 2

    async def take() -> None:
        async with aclosing(ahead(slow(), in_thread=True)) as items:
            async for n in items:
                if how == "leaves":
                    return
                assert n == 1

    task = asyncio.create_task(take())
    assert await asyncio.to_thread(reading.wait, DEADLINE)
    if how == "is cancelled":
        task.cancel()
    assert not (await asyncio.wait([task], timeout=0.05))[0]
    may_end.set()
    await asyncio.wait([task])
    assert ended.is_set()
    assert task.cancelled() == (how == "is cancelled")


@given(st.dictionaries(st.text(), st.text()))
def test_columns_are_written_as_json(columns: dict[str, str]) -> None:
    """Quotes, line ends and every other character: what the standard library would write."""
    assert text_of(columns) == json.dumps(columns, ensure_ascii=False)


@pytest.mark.parametrize("rows", [0, 1, bulk.ROWS - 1, bulk.ROWS, 2 * bulk.ROWS + 7])
async def test_rows_come_to_be_as_they_were_given(scene: Opens, rows: int) -> None:
    """Fewer than one statement takes, just as many, and more."""
    run = await scene(rows=[], ready=False)
    columns = [numbers.c[name] for name in ("run_id", "e164", "n", "position", "kind")]
    given_rows = [("r", f"+55119{n:08}", n, n % 3, "movel") for n in range(rows)]
    async with run.store.write() as connection:
        values = [value for row in given_rows for value in row]
        await bulk.Bulk(*columns).insert(connection, values)
    async with run.store.read() as connection:
        query = select(*columns).where(numbers.c.run_id == "r").order_by(numbers.c.n)
        assert [tuple(row) for row in await connection.execute(query)] == given_rows

"""When suppressions count: lists taken in whole, clocks that step back, files that are held."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import pytest
from sqlalchemy import select

from store import suppressing
from store.dead import SOURCE
from store.engine import Store
from store.schema import suppressions
from store.suppressing import ReservedNameError, Suppression
from tests.store.scene import ACCOUNT, Clock, phone

Take = Callable[[Store, Iterator[Suppression]], Awaitable[int]]


async def _registry(store: Store, entries: Iterator[Suppression]) -> int:
    return await suppressing.import_list(store, ACCOUNT, "procon-sp", entries)


async def _campaign(store: Store, entries: Iterator[Suppression]) -> int:
    return await suppressing.import_campaign_lists(store, ACCOUNT, "teste", entries)


def entries(first: int, clock: Clock | None = None) -> Iterator[Suppression]:
    """Give four entries; where there is a clock, it steps back between the first and the rest."""
    for index in range(first, first + 4):
        yield Suppression(e164=phone(index).e164, source="lista.csv")
        if clock is not None and index == first:
            clock.now -= 3_600


@pytest.mark.parametrize("take", [_registry, _campaign])
@pytest.mark.parametrize("within", [True, False])
async def test_a_clock_that_steps_back_frees_nobody_of_the_new_list_and_all_others(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch, take: Take, *, within: bool
) -> None:
    """It is set right between two imports, or in the middle of one."""
    monkeypatch.setattr(suppressing, "BATCH", 1)
    await take(store, entries(0))
    if not within:
        clock.now -= 3_600
    await take(store, entries(2, clock if within else None))
    e164s = [phone(index).e164 for index in range(6)]
    held = await suppressing.held(store, ACCOUNT, "teste", "sales", e164s)
    assert sorted(held) == sorted(e164s[2:])


NAMES = (SOURCE, "by hand", "a rule of run abc", "campaign list: lista.csv")


@pytest.mark.parametrize("name", NAMES)
async def test_a_registry_has_no_name_under_which_other_entries_are_kept(
    store: Store, name: str
) -> None:
    """It would be taken for dead numbers, or let go those who asked not to be called."""
    await suppressing.add(store, ACCOUNT, [Suppression(e164=phone(0).e164, source="by hand")])
    with pytest.raises(ReservedNameError, match="choose another name"):
        await suppressing.import_list(store, ACCOUNT, name, entries(1))
    assert len(await suppressing.entries_of(store, ACCOUNT, phone(0).e164)) == 1
    assert await suppressing.entries_of(store, ACCOUNT, phone(1).e164) == []


@pytest.mark.parametrize("source", [SOURCE, "campaign list: lista.csv"])
async def test_what_a_person_adds_has_no_source_that_is_ours(store: Store, source: str) -> None:
    """A wish not to be called is no dead number, and no campaign's list lets it go."""
    entry = Suppression(e164=phone(0).e164, source=source)
    with pytest.raises(ReservedNameError, match="choose another name"):
        await suppressing.add(store, ACCOUNT, [entry])
    assert await suppressing.entries_of(store, ACCOUNT, phone(0).e164) == []


@pytest.mark.parametrize("backend", ["sqlite"])  # PostgreSQL lets both go on
async def test_a_suppression_counts_from_when_it_holds(store: Store, clock: Clock) -> None:
    """One that waits for the file is not dated before calls that were claimed meanwhile."""
    async with store.write():
        adding = asyncio.create_task(
            suppressing.add(store, ACCOUNT, [Suppression(e164=phone(0).e164)])
        )
        done, _ = await asyncio.wait({adding}, timeout=0.2)
        assert not done
        clock.now += 9.0
    await adding
    async with store.read() as connection:
        dated = (await connection.execute(select(suppressions.c.created_at))).scalar_one()
    assert dated == clock.now

"""Numbers that must not be called: account-wide, or for one campaign.

`reserve` and `claim` ask this table before every attempt, so an entry binds running campaigns from
the moment it is written, retries included. A number stays suppressed while any entry of it holds.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import aclosing
from datetime import date
from typing import Literal

from sqlalchemy import ColumnElement, Row, delete, func, select, true, update

from campaigns.definition import Frozen
from campaigns.scalars import counted
from store import dead
from store.batches import ahead, batches
from store.engine import Store
from store.schema import suppression_lists, suppressions
from store.settling import RULE
from store.upsert import replace_list, upsert_suppression

Scope = Literal["sales", "collection", "all"]
BATCH = 5_000

CAMPAIGN_LIST = "campaign list: "
"""What the source of an entry begins with that a campaign's own list brought."""


LEAST_KEPT = 0.5
"""The share of a registry's numbers that its next import must hold, unless it is said to shrink."""


BY_HAND = "by hand"
"""The source of an entry that a person wrote without naming another."""


class ReservedNameError(Exception):
    """A list or a source has a name under which entries of another kind are kept."""

    def __init__(self, name: str, whose: str) -> None:
        super().__init__(f'"{name}" is what {whose} are kept under; choose another name')


class ShrunkError(Exception):
    """A registry's new file holds far fewer numbers than its last; it may be cut off."""

    def __init__(self, name: str, before: int, now: int) -> None:
        self.before, self.now = before, now
        super().__init__(f"{name} held {counted(before, 'number')} and this file holds {now}")


class Suppression(Frozen):
    """One entry. `campaign` empty: every campaign. `expires_at` in seconds since 1970."""

    e164: str
    scope: Scope = "all"
    campaign: str = ""
    source: str = ""
    registered_on: date | None = None
    expires_at: float | None = None


class SuppressionList(Frozen):
    """A list that was imported whole, such as a registry, and when."""

    name: str
    numbers: int
    imported_at: float


def _values(account: str, entry: Suppression, now: float) -> dict[str, object]:
    return {
        "account_id": account,
        "e164": entry.e164,
        "scope": entry.scope,
        "campaign": entry.campaign,
        "source": entry.source,
        "registered_on": entry.registered_on.isoformat() if entry.registered_on else None,
        "expires_at": entry.expires_at,
        "created_at": now,
    }


def _own_source(source: str) -> str:
    """Return a source that a person names. Raises `ReservedNameError` for one that is ours."""
    if source == dead.SOURCE:
        raise ReservedNameError(source, "numbers that are dead")
    if source.startswith(CAMPAIGN_LIST):
        raise ReservedNameError(source, "entries of a campaign's own lists")
    return source


def _list_name(name: str) -> str:
    """Return a list's name. Raises `ReservedNameError` where others' entries have it as source."""
    if name == BY_HAND:
        raise ReservedNameError(name, "entries that were written by hand")
    if name.startswith(RULE):
        raise ReservedNameError(name, "entries that a campaign's rules wrote")
    return _own_source(name)


async def add(
    store: Store,
    account: str,
    entries: Iterable[Suppression],
    progress: Callable[[int], None] | None = None,
) -> int:
    """Suppress numbers; return how many entries were written. Twice is the same as once.

    An entry that is there already (same number, scope, campaign and source) takes the new dates.
    Each batch is one transaction; `progress` is told the entries written so far. Raises
    `ReservedNameError` for a source that is not for people to name.
    """

    def judged() -> Iterator[Suppression]:
        for entry in entries:
            _own_source(entry.source)
            yield entry

    return await _write(store, account, judged(), progress)


async def _write(
    store: Store,
    account: str,
    entries: Iterable[Suppression],
    progress: Callable[[int], None] | None = None,
    *,
    at: float | None = None,
    in_thread: bool = False,
) -> int:
    """Write entries as of `at`, else of the moment; return how many."""
    written = 0
    async with aclosing(ahead(batches(entries, BATCH), in_thread=in_thread)) as coming:
        async for batch in coming:
            async with store.write(long=True) as connection:
                # It holds from here on: what waited for the file before this had been claimed.
                now = store.now() if at is None else at
                await connection.execute(
                    upsert_suppression(store), [_values(account, entry, now) for entry in batch]
                )
            written += len(batch)
            if progress is not None:
                progress(written)
    return written


async def _later_than(store: Store, *these: ColumnElement[bool]) -> float:
    """Return an instant after that of every one of these entries, whatever the clock says.

    All entries of an import have it, so that those of earlier ones are told from them.
    """
    newest = select(func.max(suppressions.c.created_at)).where(*these)
    async with store.read(long=True) as connection:
        known = (await connection.execute(newest)).scalar()
    return store.now() if known is None else max(store.now(), known + 0.001)


async def import_list(
    store: Store,
    account: str,
    name: str,
    entries: Iterable[Suppression],
    progress: Callable[[int], None] | None = None,
    *,
    may_shrink: bool = False,
) -> int:
    """Take in a list whole under a name; return how many numbers it holds.

    Numbers that an earlier import of the same name held and this one does not are let go at the
    end, so at no moment is a number of the new list free. Interrupted, it is run again. Raises
    `ShrunkError` where it holds less than half of what the last one did: then nobody is let go, and
    the list keeps its age, and `ReservedNameError` for a name that other entries have as source.
    """
    these = suppressions.c.account_id == account, suppressions.c.source == _list_name(name)
    at = await _later_than(store, *these)
    before = {item.name: item.numbers for item in await lists(store, account)}.get(name, 0)
    named = (entry.model_copy(update={"source": name}) for entry in entries)
    written = await _write(store, account, named, progress, at=at)
    if written < before * LEAST_KEPT and not may_shrink:
        raise ShrunkError(name, before, written)
    async with store.write(long=True) as connection:
        await connection.execute(delete(suppressions).where(*these, suppressions.c.created_at < at))
        await connection.execute(
            replace_list(store),
            {
                "account_id": account,
                "name": name,
                "numbers": written,
                "imported_at": store.now(),
            },
        )
    return written


async def import_campaign_lists(
    store: Store,
    account: str,
    campaign: str,
    entries: Iterable[Suppression],
    progress: Callable[[int], None] | None = None,
    *,
    in_thread: bool = False,
) -> int:
    """Take in the lists that a campaign names, for that campaign alone; return what was written.

    Entries that earlier lists of the campaign held and these do not are let go at the end; those
    that were written by hand stay. No entries: all earlier lists are let go.
    """
    these = (
        suppressions.c.account_id == account,
        suppressions.c.campaign == campaign,
        suppressions.c.source.startswith(CAMPAIGN_LIST, autoescape=True),
    )
    at = await _later_than(store, *these)
    own = (
        entry.model_copy(update={"campaign": campaign, "source": f"{CAMPAIGN_LIST}{entry.source}"})
        for entry in entries
    )
    written = await _write(store, account, own, progress, at=at, in_thread=in_thread)
    async with store.write(long=True) as connection:
        await connection.execute(delete(suppressions).where(*these, suppressions.c.created_at < at))
    return written


async def remove(
    store: Store, account: str, e164: str, *, scope: Scope | None = None, campaign: str = ""
) -> int:
    """Let a number be called again; return how many entries went. Twice removes nothing more.

    The entry that declared it dead stays as one that has expired: what calls said before this
    moment declares nothing any more.
    """
    now = store.now()
    these = (
        suppressions.c.account_id == account,
        suppressions.c.e164 == e164,
        suppressions.c.campaign == campaign,
        suppressions.c.scope == scope if scope is not None else true(),
    )
    async with store.write(long=True) as connection:
        gone = await connection.execute(
            delete(suppressions).where(*these, suppressions.c.source != dead.SOURCE)
        )
        revived = await connection.execute(
            update(suppressions)
            .where(
                *these, suppressions.c.source == dead.SOURCE, suppressions.c.expires_at.is_(None)
            )
            .values(expires_at=now)
        )
    return max(gone.rowcount, 0) + max(revived.rowcount, 0)


def _entry(row: Row[tuple[object, ...]]) -> Suppression:
    return Suppression.model_validate(row._asdict())


async def entries_of(store: Store, account: str, e164: str) -> list[Suppression]:
    """Return every entry of a number, those that have expired included."""
    query = select(
        suppressions.c.e164,
        suppressions.c.scope,
        suppressions.c.campaign,
        suppressions.c.source,
        suppressions.c.registered_on,
        suppressions.c.expires_at,
    ).where(suppressions.c.account_id == account, suppressions.c.e164 == e164)
    async with store.read() as connection:
        return [_entry(row) for row in await connection.execute(query)]  # type: ignore[arg-type]  # a named row


async def held(
    store: Store, account: str, campaign: str, purpose: str, e164s: Collection[str]
) -> dict[str, tuple[str, ...]]:
    """Return which of these numbers a campaign may not call now, with the sources that say so."""
    now = store.now()
    query = select(suppressions.c.e164, suppressions.c.source).where(
        suppressions.c.account_id == account,
        suppressions.c.e164.in_(e164s),
        suppressions.c.scope.in_(("all", purpose)),
        suppressions.c.campaign.in_(("", campaign)),
        (suppressions.c.expires_at.is_(None)) | (suppressions.c.expires_at > now),
    )
    found: dict[str, tuple[str, ...]] = {}
    async with store.read() as connection:
        for row in await connection.execute(query):
            found[row.e164] = (*found.get(row.e164, ()), row.source)
    return found


async def lists(store: Store, account: str) -> list[SuppressionList]:
    """Return the lists that were imported whole, newest first."""
    query = (
        select(
            suppression_lists.c.name,
            suppression_lists.c.numbers,
            suppression_lists.c.imported_at,
        )
        .where(suppression_lists.c.account_id == account)
        .order_by(suppression_lists.c.imported_at.desc())
    )
    async with store.read() as connection:
        return [
            SuppressionList(name=row.name, numbers=row.numbers, imported_at=row.imported_at)
            for row in await connection.execute(query)
        ]


async def registries(store: Store, account: str, max_age: float) -> frozenset[str]:
    """Return the names of lists that are at most `max_age` seconds old."""
    oldest = store.now() - max_age
    return frozenset(
        item.name for item in await lists(store, account) if item.imported_at >= oldest
    )

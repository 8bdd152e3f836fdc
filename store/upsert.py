"""The inserts that differ between SQLite and PostgreSQL only in their import."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Table, case
from sqlalchemy.dialects import sqlite

from store.schema import short_call_days, suppression_lists, suppressions, tallies

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql

    from store.engine import Store

    Insert = sqlite.Insert | postgresql.Insert


def _insert(store: Store, table: Table) -> Insert:
    if store.is_sqlite:
        return sqlite.insert(table)
    from sqlalchemy.dialects import postgresql  # noqa: PLC0415 - 0.1 s that SQLite does not need

    return postgresql.insert(table)


def insert_ignore(store: Store, table: Table) -> Insert:
    """Insert rows; one that any unique index refuses is left out without an error."""
    return _insert(store, table).on_conflict_do_nothing()


def add_tally(store: Store) -> Insert:
    """Insert a tally, or add to the one that is there."""
    statement = _insert(store, tallies)
    return statement.on_conflict_do_update(
        index_elements=[tallies.c.run_id, tallies.c.lane, tallies.c.name],
        set_={"count": tallies.c.count + statement.excluded.count},
    )


def upsert_suppression(store: Store) -> Insert:
    """Insert a suppression, or bring the dates of the one that is there up to date.

    It never gets older: of two imports at the same time, neither lets go what the other wrote.
    """
    statement = _insert(store, suppressions)
    ours, new = suppressions.c.created_at, statement.excluded.created_at
    key = ("account_id", "e164", "scope", "campaign", "source")
    return statement.on_conflict_do_update(
        index_elements=[suppressions.c[name] for name in key],
        set_={
            "registered_on": statement.excluded.registered_on,
            "expires_at": statement.excluded.expires_at,
            "created_at": case((new > ours, new), else_=ours),
        },
    )


def replace_list(store: Store) -> Insert:
    """Insert a suppression list's record, or replace the one of the same name."""
    statement = _insert(store, suppression_lists)
    return statement.on_conflict_do_update(
        index_elements=[suppression_lists.c.account_id, suppression_lists.c.name],
        set_={name: statement.excluded[name] for name in ("numbers", "imported_at")},
    )


def add_short_calls(store: Store) -> Insert:
    """Insert the calls of a caller ID's day, or add to those that are there."""
    statement = _insert(store, short_call_days)
    return statement.on_conflict_do_update(
        index_elements=[
            short_call_days.c.account_id,
            short_call_days.c.bina,
            short_call_days.c.day,
        ],
        set_={
            "calls": short_call_days.c.calls + statement.excluded.calls,
            "short": short_call_days.c.short + statement.excluded.short,
        },
    )

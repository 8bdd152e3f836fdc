"""The two kinds of insert that differ between SQLite and PostgreSQL only in their import."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite

from store.schema import tallies

if TYPE_CHECKING:
    from store.engine import Store

Insert = sqlite.Insert | postgresql.Insert


def _insert(store: Store, table: Table) -> Insert:
    return sqlite.insert(table) if store.is_sqlite else postgresql.insert(table)


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

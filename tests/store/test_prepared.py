"""Statements that are compiled once and run for many rows."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from sqlalchemy import bindparam, insert, select, update

import store as package
from store import placing
from store.engine import Store
from store.prepared import Many, Prepared, PreparedRows, among, word
from store.schema import decisions
from tests.store.conftest import Opens
from tests.store.scene import people

LOG = Many(insert(decisions), "run_id", "n", "at", "what", "why", "rules_version")
EXPLAIN = Many(
    update(decisions)
    .where(decisions.c.n == bindparam("b_n"), decisions.c.what == word("wait"))
    .values(why=bindparam("b_why"))
)


async def test_each_row_is_written_with_its_own_values(scene: Opens) -> None:
    """Rows may bring more than a statement takes, in any order; None is null."""
    run = await scene(rows=people(1))
    whats = ("wait", "final", "wait")
    rows = [
        {"why": "x", "what": what, "n": n, "at": 1.5, "rules_version": 1, "run_id": run.run, "z": 0}
        for n, what in enumerate(whats)
    ]
    async with run.store.write() as connection:
        assert await LOG.run(connection, []) == 0
        await LOG.run(connection, rows)
        changed = await EXPLAIN.run(connection, [{"b_n": n, "b_why": f"why {n}"} for n in range(3)])
    assert changed in {2, -1}
    written = [(row.n, row.what, row.why, row.outcome) for row in await run.decisions()]
    assert written == [
        (0, "wait", "why 0", None),
        (1, "final", "x", None),
        (2, "wait", "why 2", None),
    ]


async def test_a_value_that_no_row_brings_is_refused(scene: Opens) -> None:
    """One that was fixed when the statement was written would be the first row's for ever."""
    run = await scene(rows=people(1))
    store: Store = run.store
    fixed = Many(update(decisions).where(decisions.c.n == bindparam("b_n")).values(why="fixed"))
    async with store.read() as connection:
        with pytest.raises(AssertionError, match="do not come from the rows"):
            await fixed.run(connection, [{"b_n": 1}])


class Logged(NamedTuple):
    """A decision."""

    n: int
    why: str


SOME = PreparedRows(
    select(decisions.c.n, decisions.c.why)
    .where(among(decisions.c.n, "b_n"), decisions.c.what == "wait", decisions.c.at <= 2.5)
    .order_by(decisions.c.n)
    .limit(bindparam("b_limit")),
    Logged,
)


@pytest.mark.parametrize("listed", [[], [3], list(range(40_000))])
async def test_a_list_may_be_of_any_length(scene: Opens, listed: list[int]) -> None:
    """Also empty, or longer than a statement may have values; constants stay in the statement."""
    run = await scene(rows=people(1))
    rows = [
        {"run_id": run.run, "n": n, "at": at, "what": "wait", "why": f"{n}", "rules_version": 1}
        for n, at in ((3, 1.5), (4, 2.5), (5, 3.5))
    ]
    async with run.store.write() as connection:
        await LOG.run(connection, rows)
        found = await SOME.all(connection, b_n=listed, b_limit=10)
        assert found == [Logged(n, f"{n}") for n in (3, 4) if n in listed]
        assert await SOME.all(connection, b_n=listed, b_limit=1) == found[:1]


def statements() -> Iterator[tuple[str, Prepared | Many]]:
    """Find every statement of the store that is compiled once."""
    for module in pkgutil.iter_modules(package.__path__):
        found = vars(importlib.import_module(f"store.{module.name}")).items()
        yield from (
            (f"{module.name}.{name}", value)
            for name, value in found
            if isinstance(value, Prepared | Many)
        )
    for capped in (False, True):
        yield f"placing._won {capped}", placing._won(capped=capped)


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
async def test_no_statement_of_dialing_reads_all_of_a_run(store: Store) -> None:
    """What a turn costs must not grow with the calls that were made, nor with who was called."""
    whole = ("SCAN attempts", "SCAN contacts", "SCAN numbers", "SCAN decisions")
    parts = {
        "ix_attempts_contact": "run_id=? AND n=?",
        "ix_attempts_number": "account_id=? AND e164=?",
        "sqlite_autoindex_contacts_1": "run_id=? AND n=?",
        "sqlite_autoindex_numbers_1": "run_id=? AND n=?",
    }
    looked_at = 0
    async with store.read() as connection:
        for name, statement in statements():
            query, names = statement.text_for(connection.dialect)
            if not query.startswith(("SELECT", "UPDATE")):
                continue
            looked_at += 1
            values = tuple("[]" if "list" in value else 1 for value in names)
            plan = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}", values)
            for step in plan.scalars("detail"):
                assert not step.startswith(whole), f"{name}: {step}"
                for index, needed in parts.items():
                    assert f"{index} " not in step or needed in step, f"{name}: {step}"
    assert looked_at > 15

"""Statements that are compiled once and run for many rows."""

from __future__ import annotations

import pytest
from sqlalchemy import bindparam, insert, update

from store.engine import Store
from store.many import Many, word
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

"""A start whose command was killed while it read the list, and the start after it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from activities.settings import ACCOUNT
from campaigns.contacts import read_contacts
from campaigns.definition import Campaign
from campaigns.loader import load
from console import engine
from console.rejected import rejected_rows
from store import importing, runs
from store.engine import Store, open_store
from store.runs import Run
from store.schema import contacts

CAMPAIGN = """\
campaign: natal
purpose: service
dial_list: {file: lista.csv, id: id, numbers: celular}
call: {connect_to: "4000"}
"""


def rows(count: int, *, shift: int = 0) -> str:
    """Return a list; every tenth row has a number that is none."""
    lines = [
        f"c{n};{'123' if n % 10 == 9 else 11961000000 + shift + n}" for n in range(1, count + 1)
    ]
    return "\n".join(["id;celular", *lines]) + "\n"


@pytest.fixture
def killed(tmp_path: Path) -> Callable[..., tuple[Any, list[str], list[Run]]]:
    """Give a way to start over a list of which a killed import has read the first 25 rows."""

    def again(text: str) -> tuple[Any, list[str], list[Run]]:
        path, said = tmp_path / "natal.yaml", list[str]()
        path.write_text(CAMPAIGN, encoding="utf-8")
        (tmp_path / "lista.csv").write_text(rows(60), encoding="utf-8")
        campaign = load(path, loopback=False)

        async def work() -> tuple[Any, list[str], list[Run]]:
            async with open_store(f"sqlite:///{tmp_path}/store.db", time.time) as store:
                await engine.know_account(store)
                await _leave_half(store, campaign, tmp_path)
                (tmp_path / "lista.csv").write_text(text, encoding="utf-8")
                with rejected_rows(tmp_path / "rejected.csv") as rejected:
                    run = await engine.import_list(
                        store, campaign, path, lambda _: None, said.append, rejected=rejected
                    )
                query = select(contacts.c.external_id).where(contacts.c.run_id == run.id)
                async with store.read() as connection:
                    ids = (await connection.execute(query.order_by(contacts.c.n))).scalars().all()
                return (run, list(ids)), said, await runs.list_runs(store)

        return asyncio.run(work())

    return again


async def _leave_half(store: Store, campaign: Campaign, folder: Path) -> None:
    await runs.create_run(store, run_id="half", account=ACCOUNT, definition=campaign)
    items = islice(read_contacts(campaign, folder), 25)
    await importing.import_rows(store, "half", items)


PEOPLE = [f"c{n}" for n in range(1, 61) if n % 10 != 9]


def test_the_same_list_goes_on_where_it_stopped(killed: Any, tmp_path: Path) -> None:
    """The run of the killed import is the one that starts; all rejected rows are told."""
    (run, ids), said, every = killed(rows(60))
    assert (run.id, run.state, run.total, run.rejected) == ("half", "preparing", 54, 6)
    assert ids == PEOPLE
    assert said == ["Going on with run half, whose import was interrupted."]
    assert len(every) == 1
    assert len((tmp_path / "rejected.csv").read_text(encoding="utf-8").splitlines()) == 7


def test_a_list_that_has_grown_is_read_on(killed: Any) -> None:
    """Rows after those that were read are taken as they stand now."""
    (run, ids), _, _ = killed(rows(70))
    assert (run.id, len(ids)) == ("half", 63)


def test_a_list_that_has_changed_is_read_anew(killed: Any, tmp_path: Path) -> None:
    """Other numbers in the rows that were read: a new run, and of the old one nothing dials."""
    (run, ids), said, every = killed(rows(60, shift=100))
    assert run.id != "half"
    assert ids == PEOPLE
    assert "The list has changed since then, so it is read anew." in said
    assert {one.id: one.state for one in every} == {"half": "failed", run.id: "preparing"}
    assert len((tmp_path / "rejected.csv").read_text(encoding="utf-8").splitlines()) == 7

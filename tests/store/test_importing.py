"""An import that was killed goes on where it stopped; nobody is taken twice, nobody is left out."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from campaigns.contacts import ContactRow, Note, RejectedRow, read_contacts
from campaigns.definition import Campaign
from store import importing, runs
from store.engine import Store, open_store
from store.importing import ListChangedError
from store.runs import RunError
from store.schema import contacts, numbers, rejected_rows
from tests.store.conftest import Opens
from tests.store.scene import ACCOUNT, campaign, people

ROWS = 24_000
JOINING = campaign(
    dial_list={
        "file": "lista.csv",
        "id": "id",
        "numbers": ["a", "b"],
        "duplicates": {"id": "join", "number": "reject"},
    }
)


def write_list(folder: Path) -> None:
    """Write a list in which some rows repeat an id or a number of long before, or are no use."""
    lines = ["id,a,b"]
    for n in range(ROWS):
        if n % 50 == 49:
            lines.append(f"c{n},123,")
        elif n % 40 == 39:
            lines.append(f"c{n // 2},119{62_000_000 + n},")
        elif n % 30 == 29:
            lines.append(f"c{n},119{61_000_000 + n // 3},")
        else:
            lines.append(f"c{n},119{61_000_000 + n},")
    (folder / "lista.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


async def imported(store: Store, run: str) -> list[list[Any]]:
    """Return all that an import has left of a run, but for the run's own id and times."""
    found = []
    async with store.read() as connection:
        for table, columns in (
            (contacts, ("n", "line", "external_id", "columns")),
            (numbers, ("n", "position", "e164", "kind")),
            (rejected_rows, ("line", "external_id", "column", "reason", "message", "kept")),
        ):
            query = select(*(table.c[name] for name in columns)).where(table.c.run_id == run)
            found.append([tuple(row) for row in await connection.execute(query)])
    return [sorted(rows, key=repr) for rows in found]


CHILD = """
import asyncio, sys, time
from pathlib import Path
from store.engine import open_store
from store import importing, runs
from tests.store.test_importing import ACCOUNT, JOINING, ROWS
from campaigns.contacts import read_contacts

async def main(url, folder):
    async with open_store(url, time.time) as store:
        await runs.ensure_account(store, ACCOUNT, None, None)
        await runs.create_run(store, run_id="killed", account=ACCOUNT, definition=JOINING)
        tell = lambda done: print(done.total, flush=True)
        await importing.import_rows(store, "killed", read_contacts(JOINING, Path(folder)), tell)
        print("finished", flush=True)
        time.sleep(60)

asyncio.run(main(*sys.argv[1:]))
"""


async def test_an_import_that_was_killed_goes_on(tmp_path: Path) -> None:
    """SIGKILL in the middle, and the same list again: the store holds what one import would."""
    write_list(tmp_path)
    url = f"sqlite:///{tmp_path}/store.db"
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CHILD, url, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert child.stdout is not None
    told = [(await child.stdout.readline()).strip() for _ in range(2)]
    child.send_signal(signal.SIGKILL)
    await child.wait()
    assert b"finished" not in told
    assert all(told)

    async with open_store(url) as store:
        run = await runs.take_over(store, account=ACCOUNT, definition=JOINING)
        assert run == "killed"
        before = len((await imported(store, run))[0])
        assert 0 < before < ROWS // 2
        seen: list[int] = []
        again = await importing.import_rows(
            store,
            run,
            read_contacts(JOINING, tmp_path),
            lambda done: seen.append(done.total),
            go_on=True,
        )
        assert seen[0] == before, "progress begins where the first import stopped"
        assert (await runs.get_run(store, run)).total == again.total == seen[-1]
        whole = await imported(store, run)

    async with open_store(f"sqlite:///{tmp_path}/whole.db") as store:
        await runs.ensure_account(store, ACCOUNT, None, None)
        await runs.create_run(store, run_id="whole", account=ACCOUNT, definition=JOINING)
        once = await importing.import_rows(store, "whole", read_contacts(JOINING, tmp_path))
        assert again == once
        assert whole == await imported(store, "whole")
    assert min(once.rejected, once.notes) > 0


async def half(scene: Opens, monkeypatch: pytest.MonkeyPatch) -> tuple[Store, Campaign]:
    """Return a store in which an import of ten people stopped after four."""
    monkeypatch.setattr(importing, "BATCH", 4)
    run = await scene(rows=people(4), ready=False)
    return run.store, run.definition


async def test_a_list_that_has_changed_is_not_gone_on_with(
    scene: Opens, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another number, another order or fewer rows: it says so, and adds nothing."""
    store, definition = await half(scene, monkeypatch)
    run = await runs.take_over(store, account=ACCOUNT, definition=definition)
    assert run == "run1"
    full: list[ContactRow | RejectedRow | Note] = people(10)
    another = [*full[:2], full[7], *full[3:]]
    lists: list[Iterable[ContactRow | RejectedRow | Note]] = [another, full[1:], full[:3], []]
    for rows in lists:
        with pytest.raises(ListChangedError):
            await importing.import_rows(store, run, rows, go_on=True)
    assert len((await imported(store, run))[0]) == 4
    assert (await importing.import_rows(store, run, full, go_on=True)).total == 10


async def test_only_one_command_imports(scene: Opens, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever was thought dead and is not writes no further batch once another has taken over."""
    store, definition = await half(scene, monkeypatch)
    passing_over = importing._pass_over

    async def overtaken(*args: Any) -> importing.Imported:
        done = await passing_over(*args)
        await runs.take_over(store, account=ACCOUNT, definition=definition)
        return done

    monkeypatch.setattr(importing, "_pass_over", overtaken)
    with pytest.raises(RunError, match="another command"):
        await importing.import_rows(store, "run1", people(10), go_on=True)
    assert len((await imported(store, "run1"))[0]) == 4


async def test_another_definition_does_not_take_over(
    scene: Opens, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A campaign file that was edited in between starts its import anew."""
    store, _ = await half(scene, monkeypatch)
    changed = campaign(call={"connect_to": "4001"})
    assert await runs.take_over(store, account=ACCOUNT, definition=changed) is None
    await runs.create_run(store, run_id="run2", account=ACCOUNT, definition=changed)
    assert (await runs.get_run(store, "run1")).state == "failed"

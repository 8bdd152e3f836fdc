"""A worker that is killed while a schedule's list is read costs a delay: the import goes on."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import func, select

from store import runs
from store.schema import contacts
from tests.crash.stack import TASK_QUEUE, Stack, crash_stack
from workflows.messages import ScheduledInput
from workflows.names import schedule_id
from workflows.scheduled import ScheduledWorkflow

NAME = "agendada"
ROWS = 20_000
CAMPAIGN = """\
campaign: agendada
purpose: service
dial_list: {file: agenda.csv, id: contrato, numbers: [celular]}
call: {connect_to: "4000"}
pacing: {channels: 20, calls_per_second: 20}
calling_hours: always
schedule: {repeat: "0 9 * * 1-5", timezone: America/Manaus}
"""


async def taken(stack: Stack) -> tuple[int, int]:
    """Return how many contacts and how many ids are there."""
    ids = func.count(contacts.c.external_id.distinct())
    async with stack.store.read() as connection:
        people, names = (await connection.execute(select(func.count(), ids))).one()
    return people, names


async def taken_in_at(stack: Stack, n: int) -> float:
    """Return when a contact was taken in, for it is due from then on until it is called."""
    query = select(contacts.c.due_at).where(contacts.c.n == n)
    async with stack.store.read() as connection:
        return float((await connection.execute(query)).scalar_one())


async def test_an_import_whose_worker_is_killed_is_gone_on_with(tmp_path: Path) -> None:
    """The next worker takes the same run to its whole list, reads no part twice, and dials."""
    rows = "".join(f"C{n};489{n:08d}\n" for n in range(20_000_000, 20_000_000 + ROWS))
    (tmp_path / "agenda.csv").write_text(f"contrato;celular\n{rows}", encoding="utf-8")
    (tmp_path / "agendada.yaml").write_text(CAMPAIGN, encoding="utf-8")
    async with crash_stack(tmp_path, speed=40) as stack:
        worker = stack.start_worker()
        await stack.worker_works(worker)
        client = await stack.client()
        await client.start_workflow(
            ScheduledWorkflow.run,
            ScheduledInput(campaign=NAME, file=str(tmp_path / "agendada.yaml")),
            id=schedule_id(NAME),
            task_queue=TASK_QUEUE,
        )

        async def has_begun() -> bool:
            return (await taken(stack))[0] > 0

        await stack.until(has_begun, "a part of the list is taken in", 30)
        stack.kill(worker)
        (run,) = await runs.list_runs(stack.store)
        before, _ = await taken(stack)
        assert run.state == "preparing"
        assert 0 < before < ROWS
        last_at = await taken_in_at(stack, before)
        stack.say(f"{before} of {ROWS} were taken in")

        stack.start_worker()
        await stack.until_accepted(20, 60)
        (same,) = await runs.list_runs(stack.store)
        assert (same.id, same.state, same.total) == (run.id, "running", ROWS)
        assert await taken(stack) == (ROWS, ROWS)
        assert await taken_in_at(stack, before) == last_at, "its first part was read anew"
        calls = [call["tags"] for call in stack.sandbox.ledger()]
        assert len(set(calls)) == len(calls)

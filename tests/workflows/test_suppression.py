"""A number that is suppressed while its campaign runs: the ledger shows no call after it."""

from __future__ import annotations

import asyncio
import os
import sys
import time

from sqlalchemy import update

from store import suppressing
from store.schema import contacts
from store.suppressing import Suppression
from tests.workflows.stage import ACCOUNT, Stage, campaign, e164, people, person, rule, until
from workflows.lane import LaneWorkflow
from workflows.messages import Wake

_COMMAND = f"""
import sys
import activities.settings
activities.settings.ACCOUNT = {ACCOUNT!r}
from console.commands import call
sys.exit(call(sys.argv[1:]))
"""


async def _discador(stage: Stage, *arguments: str) -> int:
    """Run a command on the test's store and account in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _COMMAND, *arguments),
        env={**os.environ, "DISCADOR_STORE_URL": stage.store_url},
        stdout=asyncio.subprocess.DEVNULL,
    )
    return await process.wait()


async def test_a_suppression_keeps_a_due_retry_from_being_dialed(working: Stage) -> None:
    """Two are busy and due again; the one who is suppressed meanwhile is not called again."""
    working.script("busy", "answer")
    working.script("busy", "answer", to=1)
    retry = [rule(leg="contact", status=["ocupado"], after="1h", times="3")]
    run = await working.start(campaign(retry=retry), people(2))
    await until(lambda: len(run.calls()) == 2 and not run.live(), what="both were busy")
    assert await _discador(working, "suppress", "add", person(0), "--source", "ouvidoria") == 0

    async with working.store.write() as connection:
        await connection.execute(update(contacts).values(due_at=working.clock()))
    await run.lane().signal(LaneWorkflow.wake, Wake())
    result = await run.result()
    called = [call["numero_origem"] for call in run.calls()]
    assert (called.count(e164(person(0))), called.count(e164(person(1)))) == (1, 2)
    assert result.by_outcome == {"answered": 1, "suppressed": 1}


async def test_a_suppression_of_another_purpose_or_campaign_binds_nobody_here(
    working: Stage,
) -> None:
    """A collection is not held by what was asked of sales, of another campaign, or until 2020."""
    entries = (
        Suppression(e164=e164(person(0)), scope="sales"),
        Suppression(e164=e164(person(1)), campaign="outra"),
        Suppression(e164=e164(person(2)), expires_at=time.time() - 1.0),
        Suppression(e164=e164(person(3)), scope="collection"),
        Suppression(e164=e164(person(4)), campaign="teste"),
    )
    await suppressing.add(working.store, ACCOUNT, entries)
    run = await working.start(campaign(), people(5))

    result = await run.result()
    called = sorted(call["numero_origem"] for call in run.calls())
    assert called == sorted(e164(person(index)) for index in range(3))
    assert result.by_outcome["suppressed"] == 2

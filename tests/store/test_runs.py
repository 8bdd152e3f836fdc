"""A run's state: who may change it when, and that it binds at once."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from store import placing, runs
from store.runs import RunError
from store.schema import run_events
from tests.store.conftest import Opens
from tests.store.scene import ACCOUNT, Scene, campaign, final, people


async def in_state(scene: Opens, state: str) -> Scene:
    """Return a run that is in this state."""
    run = await scene(ready=state != "preparing")
    if state == "paused":
        await runs.pause(run.store, run.run, "x")
    elif state in {"stopping", "stopped", "failed"}:
        ends_as: Any = "failed" if state == "failed" else "stopped"
        await runs.stop(run.store, run.run, "x", ends_as=ends_as)
    if state in {"stopped", "failed", "completed"}:
        await run.be_done()
        await runs.close(run.store, run.run)
    assert (await runs.get_run(run.store, run.run)).state == state
    return run


REFUSED = "refused"


@pytest.mark.parametrize(
    ("state", "ends"),
    [
        ("preparing", (REFUSED, REFUSED, "stopping")),
        ("running", ("paused", "running", "stopping")),
        ("paused", ("paused", "running", "stopping")),
        ("stopping", (REFUSED, REFUSED, "stopping")),
        ("stopped", (REFUSED, REFUSED, REFUSED)),
        ("failed", (REFUSED, REFUSED, REFUSED)),
        ("completed", (REFUSED, REFUSED, REFUSED)),
    ],
)
@pytest.mark.parametrize("change", ["pause", "resume", "stop"])
async def test_each_change_is_allowed_where_it_means_something(
    scene: Opens, state: str, change: str, ends: tuple[str, str, str]
) -> None:
    """A change that makes no sense is refused for people; one that is done already stays done."""
    expected = dict(zip(("pause", "resume", "stop"), ends, strict=True))[change]
    run = await in_state(scene, state)

    async def ask() -> str:
        if change == "resume":
            return (await runs.resume(run.store, run.run)).state
        changed = runs.pause if change == "pause" else runs.stop
        return (await changed(run.store, run.run, "asked")).state

    if expected == REFUSED:
        with pytest.raises(RunError, match=run.run):
            await ask()
        return
    assert await ask() == expected
    epoch = (await runs.get_run(run.store, run.run)).epoch
    assert await ask() == expected
    assert (await runs.get_run(run.store, run.run)).epoch == epoch, "the second time changed it"


async def test_every_change_of_state_raises_the_epoch_and_is_kept(scene: Opens) -> None:
    """What was reserved before a change is never placed after it, and the log tells of each."""
    run = await scene()
    await runs.pause(run.store, run.run, "lunch")
    await runs.resume(run.store, run.run)
    await runs.stop(run.store, run.run, "enough")
    await run.be_done()
    await runs.close(run.store, run.run)
    async with run.store.read() as connection:
        log = (await connection.execute(select(run_events).order_by(run_events.c.id))).all()
    assert [(row.state, row.reason) for row in log] == [
        ("running", ""),
        ("paused", "lunch"),
        ("running", ""),
        ("stopping", "enough"),
        ("stopped", "enough"),
    ]
    assert [row.epoch for row in log] == [2, 3, 4, 5, 6]


async def test_a_stop_can_gain_the_hang_up_and_never_lose_it(scene: Opens) -> None:
    """A second stop with `--hangup` ends live calls too; a third without does not take it back."""
    run = await scene()
    for hang_up, expected in ((False, False), (True, True), (False, True)):
        await runs.stop(run.store, run.run, "x", hang_up=hang_up)
        assert (await runs.get_run(run.store, run.run)).hang_up is expected


async def test_a_run_does_not_end_while_a_call_may_be_live(scene: Opens) -> None:
    """Reserved, posting and placed attempts each hold the run open."""
    run = await scene(rows=people(1))
    token = run.token()
    (key,) = (await run.reserve(token)).keys
    with pytest.raises(RunError, match="under way"):
        await runs.close(run.store, run.run)
    await run.claim(token, [key])
    with pytest.raises(RunError, match="under way"):
        await runs.close(run.store, run.run)
    await placing.record(run.store, [placing.Placed(key=key, api_id=1)])
    with pytest.raises(RunError, match="under way"):
        await runs.close(run.store, run.run)
    await run.finish([key])
    await run.reserve(steps=[final(key)])
    assert (await runs.close(run.store, run.run)).state == "completed"
    assert (await runs.close(run.store, run.run)).state == "completed"


async def test_a_campaign_runs_once_at_a_time(scene: Opens) -> None:
    """A second start of a running campaign is refused by the database; after its end it may."""
    run = await scene(run="run1")
    with pytest.raises(RunError, match="already running"):
        await scene(run="run2")
    await runs.stop(run.store, run.run, "x")
    with pytest.raises(RunError, match="already running"):
        await scene(run="run3")
    await run.be_done()
    await runs.close(run.store, run.run)
    again = await scene(run="run4")
    assert (await runs.get_run(again.store, "run4")).state == "running"


async def test_an_import_that_died_gives_way_to_the_next_start(scene: Opens) -> None:
    """A run that was left `preparing` ends as failed, and nothing of it was dialed."""
    run = await scene(run="run1", ready=False)
    await scene(run="run2")
    assert (await runs.get_run(run.store, "run1")).state == "failed"
    await runs.mark_ready(run.store, "run1")
    assert (await runs.get_run(run.store, "run1")).state == "failed"


async def test_a_run_keeps_its_definition(scene: Opens) -> None:
    """What comes out of the store is the campaign that went in."""
    run = await scene()
    assert await runs.get_definition(run.store, run.run) == (campaign(), 1)


@pytest.mark.parametrize("look", [runs.get_run, runs.get_definition, runs.resume, runs.close])
async def test_a_run_that_is_not_there_is_named(scene: Opens, look: Any) -> None:
    """Whoever mistypes an id reads which one."""
    run = await scene()
    with pytest.raises(RunError, match="there is no run nobody"):
        await look(run.store, "nobody")


async def test_the_accounts_caps_follow_the_settings(scene: Opens) -> None:
    """A start with other settings changes the caps of the account for all of its runs."""
    run = await scene(rows=people(9))
    await runs.ensure_account(run.store, ACCOUNT, 2, None)
    assert len((await run.reserve()).keys) == 2
    await runs.ensure_account(run.store, ACCOUNT, None, None)
    assert len((await run.reserve()).keys) == 9

"""Rules that change while a run runs: all or nothing, versioned, and binding at once."""

from __future__ import annotations

import asyncio
import json

import pytest
from sqlalchemy import select, update

from store import amending, placing, runs
from store.engine import Store
from store.runs import RunError
from store.schema import attempts, contacts
from tests.store.conftest import Opens
from tests.store.scene import Clock, Scene, campaign, people, retry

BUSY = {"status": ["ocupado"], "after": "1m", "times": "3"}
SILENT = {"status": ["sem resposta"], "after": "2m", "times": "2"}
OLD = campaign(retry=[BUSY, SILENT])
NEW = campaign(retry=[SILENT], pacing={"channels": "3", "calls_per_second": "1"})


async def uses(store: Store, run_id: str) -> list[list[int]]:
    """Return how often the retry rules have acted, contact by contact."""
    query = select(contacts.c.rule_uses).where(contacts.c.run_id == run_id).order_by(contacts.c.n)
    async with store.read() as connection:
        return [json.loads(text) for text in (await connection.execute(query)).scalars()]


async def test_every_version_is_kept_and_the_same_twice_is_once(scene: Opens) -> None:
    """The old rules stay readable, with what was changed and when; a repeat adds nothing."""
    run = await scene(definition=OLD)
    assert await amending.amend(run.store, run.run, NEW, known_version=1) == 2
    assert await amending.amend(run.store, run.run, NEW, known_version=1) == 2
    kept = await amending.versions(run.store, run.run)
    assert [item.definition for item in kept] == [OLD, NEW]
    events = await amending.events(run.store, run.run)
    assert [event.reason for event in events].count("rules version 2") == 1
    assert (await runs.get_definition(run.store, run.run)) == (NEW, 2)


async def test_what_was_reserved_by_the_old_rules_is_not_placed(scene: Opens) -> None:
    """A worker that reserved before the change wins nothing after it."""
    run = await scene(definition=OLD, rows=people(3))
    token = run.token()
    reserved = await run.reserve(token)
    assert reserved.keys
    await amending.amend(run.store, run.run, NEW, known_version=1)
    claims, _ = await placing.claim(
        run.store,
        run_id=run.run,
        token=token,
        keys=reserved.keys,
        calls_per_second=50.0,
        per_contact=5,
        purpose="collection",
    )
    assert claims == []
    again = await run.reserve()
    assert len(again.keys) == len(reserved.keys)
    assert again.rules_version == 2


async def test_who_changes_at_the_same_time_is_told(scene: Opens) -> None:
    """Of two changes that start from the same version one wins, the other changes nothing."""
    run = await scene(definition=OLD)
    other = campaign(retry=[BUSY])
    results = await asyncio.gather(
        amending.amend(run.store, run.run, NEW, known_version=1),
        amending.amend(run.store, run.run, other, known_version=1),
        return_exceptions=True,
    )
    lost = [result for result in results if isinstance(result, RunError)]
    assert len(lost) == 1
    assert "somebody else" in str(lost[0])
    assert len(await amending.versions(run.store, run.run)) == 2


@pytest.mark.parametrize("state", ["stopping", "completed"])
async def test_a_run_that_ends_keeps_its_rules(scene: Opens, state: str) -> None:
    """There is nothing left that new rules could decide about."""
    run = await scene(definition=OLD)
    if state == "stopping":
        await run.place()
        await runs.stop(run.store, run.run, "enough")
    else:
        await run.be_done()
        await runs.close(run.store, run.run)
    with pytest.raises(RunError, match="can no longer change"):
        await amending.amend(run.store, run.run, NEW, known_version=1)
    assert len(await amending.versions(run.store, run.run)) == 1


async def test_retry_rules_that_stay_keep_their_counts(scene: Opens) -> None:
    """Nobody is called again because a line above was taken out."""
    run = await scene(definition=OLD, rows=people(3))
    async with run.store.write() as connection:
        for n, counted in ((1, [1, 2]), (2, [3]), (3, [])):
            await connection.execute(
                update(contacts)
                .where(contacts.c.run_id == run.run, contacts.c.n == n)
                .values(rule_uses=json.dumps(counted))
            )
    await amending.amend(run.store, run.run, NEW, known_version=1)
    assert await uses(run.store, run.run) == [[2], [0], []]


async def test_a_decision_by_the_old_rules_counts_for_the_rule_where_it_stands_now(
    scene: Opens,
) -> None:
    """A step that was on its way when the rules changed is not lost and not counted elsewhere."""
    run, keys = await _over(scene)
    await amending.amend(run.store, run.run, NEW, known_version=1)
    stays = retry(keys[0]).model_copy(update={"rule": 1, "version": 1})
    gone = retry(keys[1]).model_copy(update={"rule": 0, "version": 1})
    assert (await run.reserve(steps=[stays, gone])).settled == 2
    assert await uses(run.store, run.run) == [[1], []]
    async with run.store.read() as connection:
        open_ones = select(attempts.c.key).where(attempts.c.settled_at.is_(None))
        assert (await connection.execute(open_ones.where(attempts.c.key.in_(keys)))).all() == []


async def _over(scene: Opens) -> tuple[Scene, list[str]]:
    run = await scene(definition=OLD, rows=people(2))
    keys = await run.place()
    await run.finish(keys)
    return run, keys


async def test_nobody_is_chosen_or_expired_by_rules_that_have_changed(
    scene: Opens, clock: Clock
) -> None:
    """A turn that knows only the older rules settles, and leaves the rest to one that knows all."""
    run, keys = await _over(scene)
    await amending.amend(run.store, run.run, NEW, known_version=1)
    old = await run.reserve(
        steps=[retry(key, delay=0.0) for key in keys], rules_version=1, ends_at=clock.now
    )
    assert (old.settled, old.keys, old.rules_version) == (2, (), 2)
    assert {row.state for row in await run.contacts()} == {"due"}
    assert (await run.reserve(rules_version=2)).keys

"""Contacts that come to a running campaign, and contacts that leave it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Update, text, update

from campaigns.attempts import Outcome
from campaigns.rows import ContactRow, Item, Note, RejectedRow
from store import (
    giving_up,
    importing,
    placing,
    releasing,
    reporting,
    roster,
    runs,
    tracking,
    unknowns,
)
from store.engine import open_store
from store.importing import Imported
from store.placing import NotSent
from store.roster import Withdrawn
from store.runs import RunError
from store.schema import contacts
from store.trouble import StoreConflict
from tests.store.conftest import Opens
from tests.store.scene import (
    Clock,
    Scene,
    final,
    people,
    phone,
    retry,
    until_somebody_waits,
)


async def outcomes(run: Scene) -> list[tuple[str, str | None]]:
    """Return state and outcome of every contact in order."""
    return [(row.state, row.outcome) for row in await run.contacts()]


async def test_whoever_waits_is_withdrawn_at_once_and_explained(scene: Opens) -> None:
    """One outcome, one decision, and the totals know of it; an unknown id is named."""
    run = await scene(rows=people(3))
    found = await roster.withdraw(run.store, run.run, ["row-1", "row-1", "nobody"])
    assert found == Withdrawn(gone=1, unknown=("nobody",))
    assert await outcomes(run) == [("due", None), ("done", "withdrawn"), ("due", None)]
    assert (await run.tallies())["contact:withdrawn"] == 1
    assert [(row.n, row.why) for row in await run.decisions()] == [(2, "withdrawn")]
    again = await roster.withdraw(run.store, run.run, ["row-1"])
    assert again == Withdrawn(ended=1)
    assert (await run.tallies())["contact:withdrawn"] == 1


async def test_a_reserved_attempt_of_who_left_is_never_posted(scene: Opens) -> None:
    """The claim finds out; where it is given back, it is let go."""
    run = await scene(rows=people(2))
    token = run.token()
    reserved = await run.reserve(token)
    found = await roster.withdraw(run.store, run.run, ["row-0"])
    assert found == Withdrawn(under_way=1)
    assert [claim.key for claim in await run.claim(token, reserved.keys)] == [reserved.keys[1]]
    await run.reserve()
    assert (await outcomes(run))[0] == ("done", "withdrawn")
    assert (await run.tallies())["contact:withdrawn"] == 1


async def test_a_call_under_way_ends_and_none_follows(scene: Opens) -> None:
    """A retry that the rules ask for is not made, nor is the next number called."""
    run = await scene(rows=people(2, numbers=2))
    keys = await run.place()
    await roster.withdraw(run.store, run.run, ["row-0", "row-1"])
    await run.finish(keys)
    steps = [retry(keys[0], delay=3_600.0), final(keys[1], Outcome.ANSWERED)]
    assert (await run.reserve(steps=steps)).keys == ()
    assert await outcomes(run) == [("done", "withdrawn"), ("done", "answered")]


@pytest.mark.parametrize("how", ["stop", "pause", "expire", "sweep"])
async def test_who_left_is_let_go_wherever_the_attempt_is_given_back(
    scene: Opens, how: str
) -> None:
    """Also in a run that reserves no more: one outcome, one decision, and the totals know of it."""
    run = await scene(rows=people(2))
    await run.reserve()
    await roster.withdraw(run.store, run.run, ["row-0"])
    ends_at = None
    if how == "stop":
        await runs.stop(run.store, run.run, "enough")
    elif how == "pause":
        await runs.pause(run.store, run.run, "a break")
    elif how == "expire":
        ends_at = run.clock()
    else:
        run.clock.now += releasing.ORPHANED_AFTER + 1
        run = await scene(run="run2", name="another", rows=people(1, first=9))
        await run.reserve()
        run = replace(run, run="run1")
    if how != "sweep":
        await run.reserve(ends_at=ends_at)
    rest = ("done", "expired") if how == "expire" else ("due", None)
    assert await outcomes(run) == [("done", "withdrawn"), rest]
    assert (await run.tallies())["contact:withdrawn"] == 1
    assert [row.why for row in await run.decisions() if row.n == 1] == ["withdrawn"]


@pytest.mark.parametrize("last", ["retry", "unknown", "technical"])
async def test_who_left_ends_as_withdrawn_where_the_last_attempt_came_to_no_call(
    scene: Opens, last: str
) -> None:
    """Whatever was decided about it: nobody is called again, and one decision says why."""
    run = await scene(rows=people(1))
    token = run.token()
    (key,) = (await run.reserve(token)).keys
    await run.claim(token, [key])
    await roster.withdraw(run.store, run.run, ["row-0"])
    if last == "unknown":
        await giving_up.give_up(run.store, [key], as_state="unknown", from_state="posting", hold=9)
    else:
        await placing.record(run.store, [NotSent(key=key)])
    outcome = Outcome.UNKNOWN if last == "unknown" else Outcome.NOT_SENT
    step = retry(key) if last == "retry" else final(key, outcome)
    await runs.stop(run.store, run.run, "enough")
    for _ in range(2):
        await run.reserve(steps=[step])
    assert await outcomes(run) == [("done", "withdrawn")]
    assert (await run.tallies())["contact:withdrawn"] == 1
    assert f"contact:{outcome}" not in await run.tallies()
    assert [(row.attempt, row.why) for row in await run.decisions()] == [(key, "withdrawn")]


async def test_added_contacts_are_due_and_the_same_list_twice_adds_nobody(scene: Opens) -> None:
    """Ids and numbers that the run has are rejected with a reason; the counts add up."""
    run = await scene(rows=people(3))
    more = people(4, first=2)
    for expected in ((3, 1), (0, 4)):
        added = await roster.add(run.store, run.run, more, by_id=True, source="mais.csv")
        assert (added.total, added.rejected) == expected
    same_number = ContactRow(line=9, external_id="new", numbers=(phone(0),), columns={})
    assert (
        await roster.add(run.store, run.run, [same_number], by_id=True, source="x")
    ).rejected == 1
    known = await runs.get_run(run.store, run.run)
    assert (known.total, known.rejected) == (6, 5)
    assert [row.n for row in await run.contacts()] == [1, 2, 3, 4, 5, 6]
    assert len((await run.reserve()).keys) == 6


async def test_a_list_that_is_added_again_is_not_rejected_again(scene: Opens) -> None:
    """Its rejected rows and remarks are written once, those of another list beside them."""
    run = await scene(rows=people(1))
    reason = {"column": "fone", "reason": "letters", "message": "no"}
    rows = [
        *people(1, first=2),
        Note(line=2, **reason),
        RejectedRow(line=3, external_id=None, **reason),
        RejectedRow(line=4, external_id=None, **reason),
    ]

    async def noted() -> list[tuple[str, int, str]]:
        found = await reporting.row_notes(run.store, run.run)
        return [(row.source, row.line, row.reason) for row in found]

    async def add(source: str, rows: list[Item]) -> Imported:
        return await roster.add(run.store, run.run, rows, by_id=True, source=source)

    assert await add("mais.csv", rows[:3]) == Imported(total=1, rejected=1, notes=1)
    assert await noted() == [("mais.csv", 2, "letters"), ("mais.csv", 3, "letters")]
    for _ in range(2):  # its first contact is known by now, which is one more reason
        await asyncio.gather(add("mais.csv", rows), add("mais.csv", rows))
        assert await add("mais.csv", rows) == Imported(total=0, rejected=3, notes=1)
        assert len(await noted()) == 4
        assert (await runs.get_run(run.store, run.run)).rejected == 3
    await add("outra.csv", rows[2:])
    assert (await noted())[4:] == [("outra.csv", 3, "letters"), ("outra.csv", 4, "letters")]
    assert (await runs.get_run(run.store, run.run)).rejected == 5


async def test_added_contacts_come_to_lanes_that_still_turn(scene: Opens) -> None:
    """A lane that has finished would look at them only when the others have, too."""
    run = await scene(rows=people(1), lanes=3)
    for lane in range(3):
        await run.reserve(lane=lane, channels=0)
    await run.be_done()
    assert await tracking.finish_lane(run.store, run.run, 1)
    await roster.add(run.store, run.run, people(20, first=10), by_id=True, source="mais.csv")
    assert {row.lane for row in await run.contacts() if row.state == "due"} == {0, 2}
    assert not await tracking.finish_lane(run.store, run.run, 0)


async def test_lanes_that_are_opened_again_turn_like_new_ones(scene: Opens) -> None:
    """Who came last is dialed; then also a call of unknown fate can be found and followed."""
    run = await scene(rows=people(1))
    await run.reserve(channels=0)
    await run.be_done()
    assert await tracking.finish_lane(run.store, run.run, 0)
    await roster.add(run.store, run.run, people(1, first=5), by_id=True, source="mais.csv")
    assert (await runs.close(run.store, run.run)).state == "running"
    token = run.token()
    (key,) = (await run.reserve(token)).keys
    await run.claim(token, [key])
    await giving_up.give_up(run.store, [key], as_state="unknown", from_state="posting", hold=9)
    await unknowns.resolve(run.store, run.run, key, "placed", call=7)
    assert [row.api_id for row in await tracking.open_attempts(run.store, run.run, 0)] == [7]


@pytest.mark.parametrize("state", ["stopping", "completed"])
async def test_nobody_comes_to_a_run_that_ends(scene: Opens, state: str) -> None:
    """They would wait for ever."""
    run = await scene(rows=people(2))
    keys = await run.place()
    if state == "stopping":
        await runs.stop(run.store, run.run, "enough")
    else:
        await run.finish(keys)
        await run.reserve(steps=[final(key) for key in keys])
        await runs.close(run.store, run.run)
    with pytest.raises(RunError, match="nobody can be added"):
        await roster.add(run.store, run.run, people(2, first=5), by_id=True, source="mais.csv")
    assert len(await run.contacts()) == 2


async def test_a_run_to_which_somebody_came_last_does_not_end(scene: Opens) -> None:
    """Its lanes had finished when the contact came: it stays open, and nobody is lost."""
    run = await scene(rows=people(1))
    keys = await run.place()
    await run.finish(keys)
    await run.reserve(steps=[final(key) for key in keys])
    await roster.add(run.store, run.run, people(1, first=5), by_id=True, source="mais.csv")
    assert (await runs.close(run.store, run.run)).state == "running"
    assert len((await run.reserve()).keys) == 1


@given(st.integers(1, 500), st.integers(1, 7))
def test_added_contacts_are_spread_like_the_first(n: int, lanes: int) -> None:
    """The lane of a contact follows from its ordinal alone, so it does not matter when it came."""
    values = importing.written_rows("run1", people(1), lanes=range(lanes), after=n - 1, now=0.0)
    assert values.contacts[5] == importing.lane_of("run1", n, lanes)


@pytest.mark.parametrize("by_id", [False, True])
async def test_two_that_add_at_the_same_time_add_nobody_twice(scene: Opens, *, by_id: bool) -> None:
    """Who has read the run before the other writes to it learns of the other's contacts too."""
    run = await scene(rows=people(2))
    rows = people(5, first=2)
    if by_id:
        other = [
            row.model_copy(update={"numbers": (phone(90 + n),)})
            for n, row in enumerate(rows)
            if isinstance(row, ContactRow)
        ]
    else:
        other = [
            row.model_copy(update={"external_id": f"other-{n}"})
            for n, row in enumerate(rows)
            if isinstance(row, ContactRow)
        ]
    both = await asyncio.gather(
        roster.add(run.store, run.run, rows, by_id=by_id, source="mais.csv"),
        roster.add(run.store, run.run, other, by_id=by_id, source="mais.csv"),
    )
    assert sorted((done.total, done.rejected) for done in both) == [(0, 5), (5, 0)]
    assert len(await run.contacts()) == 7


async def test_withdrawing_outlasts_a_transaction_that_the_database_gives_up(
    scene: Opens, store_url: str, clock: Clock
) -> None:
    """Two that lock the same contacts the other way round: the database ends one, it goes again."""
    run = await scene(rows=people(2))
    async with open_store(store_url, clock) as other:
        # Either may be the one that the database ends; almost always it is who waits first.
        with suppress(StoreConflict):
            async with other.write() as connection:
                await connection.execute(_touch(run.run, 2))
                leaving = asyncio.create_task(
                    roster.withdraw(run.store, run.run, ["row-0", "row-1"])
                )
                if not run.store.is_sqlite:  # there the other waits from its first moment
                    await connection.execute(text("SET LOCAL deadlock_timeout = '10s'"))
                    await until_somebody_waits(run.store)
                    await connection.execute(_touch(run.run, 1))
        assert await leaving == Withdrawn(gone=2)


def _touch(run_id: str, n: int) -> Update:
    """Lock a contact without changing it."""
    ours = contacts.c.run_id == run_id, contacts.c.n == n
    return update(contacts).where(*ours).values(position=contacts.c.position)

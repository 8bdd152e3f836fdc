"""The campaign's own start and end: nobody before, nobody after, and the store says why."""

from __future__ import annotations

from campaigns.attempts import Outcome
from store import expiring, reporting, runs, tracking
from store.gate import GateAnswer
from tests.store.conftest import Opens
from tests.store.scene import Clock, OpenGate, final, people, retry


async def test_before_the_start_nobody_is_touched_and_the_lane_knows_when(
    scene: Opens, clock: Clock
) -> None:
    """Waiting costs nothing per contact: no row is rewritten, and the start is what comes next."""
    run = await scene(rows=people(3))
    before = await run.contacts()
    found = await run.reserve(starts_at=clock.now + 9_000)
    assert (found.keys, found.due_now, found.next_due) == ((), False, clock.now + 9_000)
    assert await run.contacts() == before
    assert await run.decisions() == []
    clock.now += 9_000
    assert len((await run.reserve(starts_at=clock.now)).keys) == 3


async def test_at_the_end_everybody_who_is_due_is_expired_once(scene: Opens, clock: Clock) -> None:
    """Each has one outcome and one decision that says why; what is live goes on to its own end."""
    run = await scene(rows=people(6))
    ends_at = clock.now + 60
    live, retried = await run.place(2, channels=2, ends_at=ends_at)
    await run.finish([retried])
    clock.now = ends_at
    found = await run.reserve(steps=[retry(retried)], ends_at=ends_at)
    assert (found.keys, found.next_due) == ((), None)
    assert (await tracking.lane_work(run.store, run.run, 0)).live == 1

    await run.finish([live])
    await run.reserve(steps=[final(live)], ends_at=ends_at)
    await run.reserve(ends_at=ends_at)
    outcomes = [contact.outcome for contact in await run.contacts()]
    assert sorted(outcomes) == [Outcome.BUSY, *[Outcome.EXPIRED] * 5]
    logged = [row for row in await run.decisions() if row.what == "expired"]
    assert [(row.why, row.until) for row in logged] == [("end-at", ends_at)] * 5
    assert len({row.n for row in logged}) == 5
    assert (await reporting.progress(run.store, run.run)).by_outcome == {"busy": 1, "expired": 5}
    assert (await runs.close(run.store, run.run)).state == "completed"


async def test_who_would_be_due_after_the_end_is_expired_at_once(
    scene: Opens, clock: Clock
) -> None:
    """A run does not wait for its end to learn what is known: the retry would come too late."""
    run = await scene(rows=people(2))
    ends_at = clock.now + 3_600
    soon, late = await run.place(ends_at=ends_at)
    await run.finish([soon, late])
    found = await run.reserve(steps=[retry(soon, 600), retry(late, 7_200)], ends_at=ends_at)
    assert [contact.state for contact in await run.contacts()] == ["due", "done"]
    assert found.next_due == clock.now + 600


async def test_a_lane_wakes_at_the_end_for_who_waits_beyond_it(scene: Opens, clock: Clock) -> None:
    """What the lane is told to wait for is the end itself where a contact is held up that long."""
    run = await scene(rows=people(1))
    ends_at = clock.now + 100
    late = OpenGate(lambda _, now: GateAnswer(allowed=False, wait_until=now + 100.5, why="hours"))
    found = await run.reserve(gate=late, ends_at=ends_at)
    assert found.next_due is None, "it is known already"
    assert [contact.outcome for contact in await run.contacts()] == [Outcome.EXPIRED]


async def test_many_expire_in_parts(scene: Opens, clock: Clock) -> None:
    """A turn stays short at any size of a list; it says that there is more to do at once."""
    run = await scene(rows=people(expiring.BATCH + 7))
    found = await run.reserve(ends_at=clock.now)
    assert (found.due_now, found.next_due) == (True, clock.now)
    found = await run.reserve(ends_at=clock.now)
    assert (found.due_now, found.next_due) == (False, None)
    counts = (await reporting.report(run.store, run.run)).contacts
    assert counts.by_outcome == {"expired": counts.total}


async def test_a_paused_run_ends_too_and_a_stopped_one_keeps_its_reason(
    scene: Opens, clock: Clock
) -> None:
    """A pause does not outlast the end; whom a stop left uncalled stays as the stop left it."""
    paused = await scene(run="run1", name="um", rows=people(2))
    await runs.pause(paused.store, paused.run, "lunch")
    ends_at = clock.now + 10
    await paused.reserve(ends_at=ends_at)
    assert {contact.state for contact in await paused.contacts()} == {"due"}
    clock.now = ends_at
    await paused.reserve(ends_at=ends_at)
    assert {contact.outcome for contact in await paused.contacts()} == {Outcome.EXPIRED}
    closed = await runs.close(paused.store, paused.run)
    assert (closed.state, closed.reason) == ("completed", "")

    stopped = await scene(run="run2", name="dois", rows=people(2))
    await runs.stop(stopped.store, stopped.run, "enough")
    await stopped.reserve(ends_at=ends_at)
    assert {contact.state for contact in await stopped.contacts()} == {"due"}


async def test_a_claim_never_gives_a_slot_beyond_the_end(scene: Opens, clock: Clock) -> None:
    """What was reserved in time is not posted after it: the last slot counts, and the deadline."""
    run = await scene(rows=people(20), rate=2.0)
    ends_at = clock.now + 4
    gate = OpenGate(lambda *_: GateAnswer(until=ends_at))
    token = run.token()
    found = await run.reserve(token, gate=gate, ends_at=ends_at, horizon=20)
    first = await run.claim(token, found.keys[:4])
    assert first
    assert all(claim.slot < ends_at and claim.send_by <= ends_at for claim in first)
    clock.now += 3
    assert await run.claim(token, found.keys[4:8]) == []

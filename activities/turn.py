"""The dialing turn of a lane: settle, reserve, place, and track until there is news.

What each part did is in the store before the next begins, so a turn can be cut anywhere and done
again: the same token reserves the same attempts, each of which is posted at most once, ever.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Protocol

import structlog
from temporalio import activity

from activities.dispatching import CHUNK_SECONDS, Job, Pacer
from activities.messages import AdvanceInput, AdvanceResult
from activities.metrics import count_settled
from activities.plans import LONGEST_HORIZON, Plan, TrackRules, new_call
from activities.posting import Poster
from activities.tracking import Tracker
from campaigns.attempts import Ended, Step
from campaigns.numbers import may_be_dialed
from store import placing, reserving, runs, sharing, tracking
from store.engine import Store
from store.expiring import expire_more
from store.pacing import Pace
from store.placing import Claim, NotSent
from store.reserving import Reservation

BATCH = 1_300
"""Attempts that one turn reports at most: Temporal warns of messages above 512 KiB."""
ENOUGH = BATCH // 2
"""Ends with which a turn reports at once: what ends while the next one begins comes on top."""
LOOK_AHEAD = 0.5
"""Seconds before the last slot at which a turn may end: the next one is on its way by then."""
STATE_CHECK = 1.0
GATHER = 0.8
"""Seconds for which a turn places more, where it can, before it reports what ended meanwhile."""
RESERVE_SECONDS = 0.3
"""A reserve takes no more than this process lets go in so long: what waits here holds a channel."""
CHANNEL_WAIT = 1.0
"""Seconds until a lane asks again whose due contacts found no free channel of the account."""

_log = structlog.get_logger("discador.dialing")


class Owner(Protocol):
    """What a turn needs of the process that carries it."""

    @property
    def store(self) -> Store:
        """The store."""
        ...

    @property
    def poster(self) -> Poster:
        """Where POSTs are sent from."""
        ...

    async def plan(self, run_id: str) -> Plan:
        """Return the run's plan in its newest version."""
        ...

    def tracker(self, run_id: str, lane: int, rules: TrackRules) -> Tracker:
        """Return what this process remembers of a lane's calls."""
        ...

    def forget(self, run_id: str, lane: int) -> None:
        """Drop what is remembered of a lane that has finished."""
        ...


def _heard(claiming: asyncio.Task[tuple[list[Claim], Pace]]) -> None:
    """Take note of a claim that failed when its turn had gone: nobody else asks what became of it.

    What it had committed, if anything, is in `posting` and is reconciled.
    """
    if not claiming.cancelled() and (error := claiming.exception()) is not None:
        _log.warning("claim_failed", error=type(error).__name__)


def _until(instant: float | None, now: float) -> float | None:
    return None if instant is None else max(instant - now, 0.0)


class Turn:
    """One execution of `advance`."""

    def __init__(self, owner: Owner, request: AdvanceInput) -> None:
        self._owner = owner
        self._request = request
        self._store = owner.store
        self._poster = owner.poster
        self._posted = 0
        self._filled = False
        self._next_slot = 0.0
        """When the run's next POST may leave, as far as this turn has seen."""

    async def run(self) -> AdvanceResult:
        """Do it; cancelling cuts it."""
        request = self._request
        self._plan, self._reservation = await self._settle_and_reserve()
        self._first = self._reservation
        self._started = self._store.now()
        self._tracker = self._owner.tracker(request.run, request.lane, self._plan.track)
        self._freed = self._freed_before = self._tracker.freed
        self._placing = asyncio.create_task(self._place())
        try:
            return await self._until_news()
        except BaseException:
            await self._tracker.give_up()
            raise
        finally:
            self._placing.cancel()
            await asyncio.gather(self._placing, return_exceptions=True)

    async def _settle_and_reserve(self) -> tuple[Plan, Reservation]:
        """Settle and reserve by the newest rules, also where they change just now."""
        steps, settled = self._request.steps, 0
        while True:
            plan = await self._owner.plan(self._request.run)
            reservation = await self._reserve(plan, steps, horizon=plan.horizon)
            settled += reservation.settled
            if reservation.rules_version == plan.version:
                break
        if settled == len(steps):  # a turn that is repeated settles none again
            count_settled(Counter(step.outcome.value for step in steps))
        return plan, reservation

    async def _reserve(
        self, plan: Plan, steps: Sequence[Step], *, horizon: float, more: bool = False
    ) -> Reservation:
        definition = plan.definition
        return await reserving.settle_and_reserve(
            self._store,
            run_id=self._request.run,
            lane=self._request.lane,
            token=self._request.token,
            steps=steps,
            more=more,
            channels=definition.pacing.channels,
            calls_per_second=definition.pacing.calls_per_second,
            per_contact=definition.limits.per_contact.total,
            purpose=definition.purpose.value,
            priority=definition.pacing.priority,
            horizon=horizon,
            most=self._poster.keeps_up_with(self._request.run, RESERVE_SECONDS),
            gate=plan.gate,
            starts_at=plan.starts_at,
            ends_at=plan.ends_at,
            watch=plan.watch,
            rules_version=plan.version,
        )

    async def _until_news(self) -> AdvanceResult:
        """Follow the calls, and place more as channels and slots come free."""
        checked = self._store.now()
        self._tracker.take_over()
        while True:
            self._tracker.carry_on()
            news = (self._poster.wrote, self._tracker.polled)
            if self._placing.done():
                self._placing.result()
                more = self._may_take_more()
                last = not self._gathers()
                if last and (self._filled or not more):
                    result = await self._result()
                    if result is not None:
                        return result
                if more:
                    self._filled = last
                    self._placing = asyncio.create_task(self._take_more(ahead=last))
            if activity.is_worker_shutdown():
                return await self._changed(await runs.get_run(self._store, self._request.run))
            now = self._store.now()
            if now - checked >= STATE_CHECK:
                checked = now
                run = await self._look()
                if run is not None:
                    self._placing.cancel()
                    return await self._changed(run)
            await self._sleep(news)

    def _gathers(self) -> bool:
        """Whether the turn goes on placing, and what ended so far need not be reported yet."""
        ended = self._tracker.freed - self._freed_before
        early = self._store.now() - self._started < GATHER
        caught_up = len(self._request.steps) < BATCH  # or there is more than the last report held
        return early and caught_up and ended < ENOUGH and self._is_due()

    def _is_due(self) -> bool:
        """Whether contacts wait for nothing but a channel or a slot."""
        reservation = self._reservation
        due = reservation.next_due is not None and reservation.next_due <= self._store.now()
        return due and reservation.state == "running" and not activity.is_worker_shutdown()

    def _may_take_more(self) -> bool:
        """Whether contacts are due and there may be room for them."""
        reservation = self._reservation
        if not self._is_due():
            return False
        if not reservation.due_now:
            return True  # some have become due since
        if reservation.limited_by_pacing:
            return reservation.pace.next_slot <= self._store.now() + STATE_CHECK
        return self._tracker.freed > self._freed

    async def _take_more(self, *, ahead: bool) -> None:
        """Reserve more contacts and place them, once those before them are nearly gone.

        `ahead` does not wait for that: what is claimed then leaves while the next turn begins.
        """
        if not ahead:
            await self._sleep_until(self._next_slot - CHUNK_SECONDS / 2)
            await self._poster.room(self._request.run, self._chunk(self._reservation.pace) // 2)
        self._freed = self._tracker.freed
        horizon = RESERVE_SECONDS if ahead else self._plan.horizon
        self._reservation = await self._reserve(self._plan, (), horizon=horizon, more=True)
        await self._place(ahead=ahead)

    def _chunk(self, pace: Pace) -> int:
        """Return how many attempts to claim together."""
        return self._poster.chunk(self._request.run, max(1, int(pace.rate * CHUNK_SECONDS)))

    async def _look(self) -> runs.Run | None:
        """Return the run where the turn should end: it has changed, or a channel is free again."""
        run = await runs.get_run(self._store, self._request.run)
        may_go_on = run.paused_until is not None and run.paused_until <= self._store.now()
        first = self._first
        seen = (first.state, first.epoch, first.hang_up, first.rules_version)
        if may_go_on or (run.state, run.epoch, run.hang_up, run.rules_version) != seen:
            return run
        if self._reservation.waits_for_channels and self._placing.done():
            channels = self._plan.definition.pacing.channels
            request = self._request
            if await sharing.may_have_room(self._store, request.run, request.lane, channels):
                return run
        return None

    async def _sleep(self, news: tuple[asyncio.Event, ...]) -> None:
        """Wait for the placing to be done, and from then on for any news."""
        if self._placing.done():
            waiting = {asyncio.ensure_future(event.wait()) for event in news}
            try:
                await asyncio.wait(
                    waiting, timeout=STATE_CHECK, return_when=asyncio.FIRST_COMPLETED
                )
            finally:
                for event in waiting:
                    event.cancel()
        else:
            await asyncio.wait({self._placing}, timeout=STATE_CHECK)

    async def _result(self) -> AdvanceResult | None:
        """Return what the workflow should hear, or None while there is nothing to say."""
        request, now, reservation = self._request, self._store.now(), self._reservation
        ended = await tracking.undecided(self._store, request.run, request.lane, BATCH)
        work = await tracking.lane_work(self._store, request.run, request.lane)
        finished = (
            not ended
            and work.live == 0
            and (not work.contacts_due or reservation.state == "stopping")
        ) and await tracking.finish_lane(self._store, request.run, request.lane)
        idle = work.live == 0
        # What was not let be posted holds a number and a channel until the next turn.
        lost = bool(work.reserved) and now - self._started >= STATE_CHECK
        expired = now - self._started >= request.max_wait
        if not (ended or finished or idle or lost or expired):
            return None
        if finished:
            self._owner.forget(request.run, request.lane)
        return self._answer(ended, finished=finished, live=work.live, now=now)

    def _answer(
        self, ended: Sequence[Ended], *, finished: bool, live: int, now: float
    ) -> AdvanceResult:
        reservation = self._reservation
        next_due = reservation.next_due
        if next_due is not None and not reservation.keys:
            slot = reservation.pace.next_slot - LOOK_AHEAD
            next_due = max(next_due, slot if reservation.limited_by_pacing else now + CHANNEL_WAIT)
        return AdvanceResult(
            state=reservation.state,
            reason=reservation.reason,
            epoch=reservation.epoch,
            ended=tuple(ended),
            finished=finished,
            live=live,
            placed=self._posted,
            next_due=None if next_due is None else max(next_due - now, 0.0),
            rules_version=reservation.rules_version,
            resumes_in=_until(reservation.paused_until, now),
        )

    async def _changed(self, run: runs.Run) -> AdvanceResult:
        """Answer at once after a change of state, so that the next turn sees it."""
        ended = await tracking.undecided(self._store, self._request.run, self._request.lane, BATCH)
        work = await tracking.lane_work(self._store, self._request.run, self._request.lane)
        return AdvanceResult(
            state=run.state,
            reason=run.reason,
            epoch=run.epoch,
            ended=tuple(ended),
            live=work.live,
            placed=self._posted,
            next_due=0.0,
            rules_version=run.rules_version,
            resumes_in=_until(run.paused_until, self._store.now()),
        )

    # Placing -------------------------------------------------------------------------------------

    async def _place(self, *, ahead: bool = False) -> None:
        """Claim and send what was reserved, a moment of pacing at a time."""
        reservation = self._reservation
        pace, keys = reservation.pace, list(reservation.keys)
        give_up_at = self._store.now() + LONGEST_HORIZON
        next_slot = 0.0
        if not keys and reservation.due_now and reservation.limited_by_pacing:
            next_slot = max(pace.next_slot, self._store.now() + CHUNK_SECONDS + LOOK_AHEAD)
        elif keys:
            next_slot = pace.next_slot
        while keys and next_slot < give_up_at:
            await self._sleep_until(next_slot - CHUNK_SECONDS / 2)
            size = self._chunk(reservation.pace)
            await self._poster.room(self._request.run, 2 * size if ahead else size // 2)
            claims, pace = await self._claim(keys[:size])
            next_slot = claims[-1].slot if claims else pace.next_slot
            if claims:
                give_up_at = next_slot + LONGEST_HORIZON
                keys = keys[size:]
            elif next_slot <= self._store.now() + placing.CLAIM_AHEAD:
                break
        self._next_slot = min(next_slot, give_up_at)
        await self._expire()
        await self._sleep_until(self._next_slot - LOOK_AHEAD)

    async def _expire(self) -> None:
        """End everybody who is too late for the campaign's end, part by part, in this turn.

        A lane whose run is paused looks again only minutes later.
        """
        plan, more = self._plan, self._reservation.expires_more
        while more and plan.ends_at is not None:
            more = await expire_more(
                self._store,
                self._request.run,
                self._request.lane,
                ends_at=plan.ends_at,
                rules_version=plan.version,
            )

    async def _sleep_until(self, instant: float) -> None:
        wait = instant - self._store.now()
        if wait > 0:
            await asyncio.sleep(wait)

    async def _claim(self, keys: Sequence[str]) -> tuple[list[Claim], Pace]:
        """Win attempts and hand them to the poster; shielded, so that none is won in vain."""
        claiming = asyncio.ensure_future(self._claim_and_launch(keys))
        claiming.add_done_callback(_heard)
        return await asyncio.shield(claiming)

    async def _claim_and_launch(self, keys: Sequence[str]) -> tuple[list[Claim], Pace]:
        plan = self._plan
        definition = plan.definition
        rate = definition.pacing.calls_per_second
        claims, pace = await placing.claim(
            self._store,
            run_id=self._request.run,
            token=self._request.token,
            keys=keys,
            calls_per_second=rate,
            per_contact=definition.limits.per_contact.total,
            purpose=definition.purpose.value,
            with_columns="{" in definition.call.tags,
            capped=plan.gate.history > 0,
            watch=plan.watch,
        )
        allowed = [claim for claim in claims if may_be_dialed(claim.e164)]
        if len(allowed) < len(claims):
            await placing.record(
                self._store,
                [
                    NotSent(key=claim.key, message="this number must never be dialed")
                    for claim in claims
                    if not may_be_dialed(claim.e164)
                ],
            )

        async def draw(count: int) -> tuple[list[float], float]:
            slots, now_at = await placing.draw_again(
                self._store, run_id=self._request.run, calls_per_second=rate, count=count
            )
            return slots, now_at.shift

        self._poster.launch(
            self._request.run,
            [Job(claim, new_call(plan, claim)) for claim in allowed],
            Pacer(
                tolerance=pace.tolerance,
                shift=pace.shift,
                rate=pace.run_rate,
                account_rate=pace.account_rate,
                interval=pace.interval,
                draw=draw,
            ),
        )
        self._posted += len(allowed)
        return claims, pace

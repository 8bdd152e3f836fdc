"""The dialing turn of a lane: settle, reserve, place, and track until there is news.

One activity does all four, because a turn costs six events of history whatever it carries, and
because tracking must go on while calls are placed. What each part did is in the store before the
next begins, so a turn can be cut anywhere and done again: the same token reserves the same
attempts, each of which is posted at most once, ever.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog
from temporalio import activity

from activities.dispatching import CHUNK_SECONDS, Job, Pacer
from activities.gates import CampaignGate
from activities.messages import AdvanceInput, AdvanceResult
from activities.metrics import TURNS, count_settled
from activities.posting import Poster
from activities.tracking import Tracker, TrackRules
from campaigns.attempts import Ended
from campaigns.definition import Campaign
from campaigns.guarding import Watch, watch_of
from campaigns.keys import fill, tags_with
from campaigns.numbers import PhoneNumber, may_be_dialed, normalise
from campaigns.period import Period
from store import placing, reserving, runs, sharing, tracking
from store.engine import Store
from store.expiring import expire_more
from store.gate import Gate
from store.pacing import Pace
from store.placing import Claim, NotSent
from store.reserving import Reservation
from zenvia.client import VoiceClient
from zenvia.models import NewCall

BATCH = 1_300
"""Attempts that one turn reports at most: Temporal warns of messages above 512 KiB."""
LOOK_AHEAD = 0.5
"""Seconds before the last slot at which a turn may end: the next one is on its way by then."""
SHORTEST_HORIZON = 1.0
LONGEST_HORIZON = 5.0
PER_TURN = 5
"""Attempts that a turn carries at least where pacing is slow, as far as the horizon allows."""
STATE_CHECK = 1.0
HEARTBEAT = timedelta(seconds=2)
"""How often a turn says that its process lives; Temporal's timeout allows for several misses."""
CHANNEL_WAIT = 1.0
"""Seconds until a lane asks again whose due contacts found no free channel of the account."""

_log = structlog.get_logger("discador.dialing")


@dataclass(frozen=True)
class Plan:
    """A run's campaign as the dialing turn needs it, for one version of its rules."""

    definition: Campaign
    version: int
    gate: Gate
    connect_to: str
    track: TrackRules
    watch: Watch
    starts_at: float | None = None
    ends_at: float | None = None

    @property
    def horizon(self) -> float:
        """Seconds of pacing that one turn reserves."""
        wanted = PER_TURN / self.definition.pacing.calls_per_second
        return min(max(SHORTEST_HORIZON, wanted), LONGEST_HORIZON)


def new_call(plan: Plan, claim: Claim) -> NewCall:
    """Return the call for a claimed attempt: the contact on its leg, the key first in the tags."""
    call = plan.definition.call
    origin = call.contact_leg == "origem"
    return NewCall(
        numero_origem=claim.e164 if origin else plan.connect_to,
        numero_destino=plan.connect_to if origin else claim.e164,
        gravar_audio=call.gravar_audio or None,
        bina_origem=_number(call.bina_origem),
        bina_destino=_number(call.bina_destino),
        detecta_caixa_origem=call.detecta_caixa_origem or None,
        tags=tags_with(claim.key, fill(call.tags, claim.columns)),
    )


def _number(text: str | None) -> str | None:
    """Return a number of our own as E.164; a ramal or a short code stays as it is written."""
    if text is None:
        return None
    number = normalise(text)
    return number.e164 if isinstance(number, PhoneNumber) else text


class DialingActivities:
    """Built in the worker; holds what makes tracking cheap, and nothing that counts."""

    def __init__(
        self,
        store: Store,
        client: VoiceClient,
        poster: Poster,
        *,
        loopback: bool,
        http_total: float,
    ) -> None:
        self._store = store
        self._client = client
        self._poster = poster
        self._loopback = loopback
        self._http_total = http_total
        self._plans: dict[str, Plan] = {}
        self._trackers: dict[tuple[str, int], Tracker] = {}

    @activity.defn(name="advance")
    async def advance(self, request: AdvanceInput) -> AdvanceResult:
        """Do one turn of a lane and return when somebody has to decide something.

        Twice with the same token is the same as once: what was settled stays settled, what was
        reserved is returned again, what was posted is never posted again.
        """
        alive = asyncio.create_task(_beat())
        try:
            with TURNS.time():
                return await _Turn(self, request).run()
        finally:
            alive.cancel()

    async def plan(self, run_id: str) -> Plan:
        """Return the run's plan in its newest version."""
        definition, version = await runs.get_definition(self._store, run_id)
        known = self._plans.get(run_id)
        if known is not None and known.version == version:
            return known
        total = self._http_total
        call = definition.call
        period = Period.of(definition.schedule)
        plan = Plan(
            definition=definition,
            version=version,
            gate=CampaignGate(definition, loopback=self._loopback),
            connect_to=_number(call.connect_to) or call.connect_to,
            watch=watch_of(definition, loopback=self._loopback),
            track=TrackRules(
                contact_leg=call.contact_leg,
                quiet=definition.reconcile.quiet.total_seconds(),
                park=definition.reconcile.then == "park",
                http_total=total,
                max_ring=call.max_ring.total_seconds() if call.max_ring else None,
                max_duration=call.max_duration.total_seconds() if call.max_duration else None,
            ),
            starts_at=period.starts_at.timestamp() if period.starts_at else None,
            ends_at=period.ends_at.timestamp() if period.ends_at else None,
        )
        self._plans[run_id] = plan
        return plan

    def tracker(self, run_id: str, lane: int, rules: TrackRules) -> Tracker:
        """Return what this process remembers of a lane's calls."""
        tracker = self._trackers.get((run_id, lane))
        if tracker is None:
            tracker = Tracker(self._store, self._client, self._poster, run_id, lane, rules)
            self._trackers[run_id, lane] = tracker
        tracker.rules = rules
        return tracker

    def hint(self, api_id: int) -> None:
        """Look at a call soon: a webhook says that something happened to it."""
        if any(tracker.hint(api_id) for tracker in self._trackers.values()):
            self._poster.notify()

    async def close(self) -> None:
        """End the polls that no turn waits for any more; the store is needed no longer after it."""
        for tracker in self._trackers.values():
            await tracker.give_up()

    def forget(self, run_id: str, lane: int) -> None:
        """Drop what is remembered of a lane that has finished."""
        tracker = self._trackers.pop((run_id, lane), None)
        if tracker is not None:
            tracker.forget()
        if not any(run == run_id for run, _ in self._trackers):
            self._plans.pop(run_id, None)
            self._poster.forget(run_id)

    @property
    def store(self) -> Store:
        """The store."""
        return self._store

    @property
    def poster(self) -> Poster:
        """Where POSTs are sent from."""
        return self._poster


async def _beat() -> None:
    """Tell Temporal that this process lives, however long the API or the store takes."""
    while True:
        await asyncio.sleep(HEARTBEAT.total_seconds())
        activity.heartbeat()


def _heard(claiming: asyncio.Task[tuple[list[Claim], Pace]]) -> None:
    """Take note of a claim that failed when its turn had gone: nobody else asks what became of it.

    What it had committed, if anything, is in `posting` and is reconciled.
    """
    if not claiming.cancelled() and (error := claiming.exception()) is not None:
        _log.warning("claim_failed", error=type(error).__name__)


def _until(instant: float | None, now: float) -> float | None:
    return None if instant is None else max(instant - now, 0.0)


class _Turn:
    """One execution of `advance`."""

    def __init__(self, owner: DialingActivities, request: AdvanceInput) -> None:
        self._owner = owner
        self._request = request
        self._store = owner.store
        self._poster = owner.poster
        self._posted = 0

    async def run(self) -> AdvanceResult:
        request = self._request
        plan, reservation = await self._reserve()
        tracker = self._owner.tracker(request.run, request.lane, plan.track)
        placing_task = asyncio.create_task(self._place(plan, reservation))
        try:
            return await self._until_news(plan, reservation, tracker, placing_task)
        except BaseException:
            await tracker.give_up()
            raise
        finally:
            placing_task.cancel()
            await asyncio.gather(placing_task, return_exceptions=True)

    async def _reserve(self) -> tuple[Plan, Reservation]:
        """Settle and reserve by the newest rules, also where they change just now."""
        request, settled = self._request, 0
        while True:
            plan = await self._owner.plan(request.run)
            definition = plan.definition
            reservation = await reserving.settle_and_reserve(
                self._store,
                run_id=request.run,
                lane=request.lane,
                token=request.token,
                steps=request.steps,
                channels=definition.pacing.channels,
                calls_per_second=definition.pacing.calls_per_second,
                per_contact=definition.limits.per_contact.total,
                purpose=definition.purpose.value,
                priority=definition.pacing.priority,
                horizon=plan.horizon,
                most=self._poster.keeps_up_with(request.run, plan.horizon),
                gate=plan.gate,
                starts_at=plan.starts_at,
                ends_at=plan.ends_at,
                watch=plan.watch,
                rules_version=plan.version,
            )
            settled += reservation.settled
            if reservation.rules_version == plan.version:
                break
        if settled == len(request.steps):  # a turn that is repeated settles none again
            count_settled(Counter(step.outcome.value for step in request.steps))
        return plan, reservation

    async def _until_news(
        self,
        plan: Plan,
        reservation: Reservation,
        tracker: Tracker,
        placing_task: asyncio.Task[None],
    ) -> AdvanceResult:
        checked = started = self._store.now()
        tracker.take_over()
        while True:
            tracker.carry_on()
            news = (self._poster.wrote, tracker.polled)
            if placing_task.done():
                placing_task.result()
                result = await self._result(reservation, started)
                if result is not None:
                    return result
            if activity.is_worker_shutdown():
                return await self._changed(await runs.get_run(self._store, self._request.run))
            now = self._store.now()
            if now - checked >= STATE_CHECK:
                checked = now
                run = await self._look(plan, reservation, placing_task)
                if run is not None:
                    placing_task.cancel()
                    return await self._changed(run)
            await self._sleep(placing_task, news)

    async def _look(
        self, plan: Plan, reservation: Reservation, placing_task: asyncio.Task[None]
    ) -> runs.Run | None:
        """Return the run where the turn should end: it has changed, or a channel is free again."""
        run = await runs.get_run(self._store, self._request.run)
        may_go_on = run.paused_until is not None and run.paused_until <= self._store.now()
        seen = (reservation.state, reservation.epoch, reservation.hang_up)
        if may_go_on or (run.state, run.epoch, run.hang_up) != seen:
            return run
        if reservation.waits_for_channels and placing_task.done():
            channels = plan.definition.pacing.channels
            request = self._request
            if await sharing.may_have_room(self._store, request.run, request.lane, channels):
                return run
        return None

    async def _sleep(
        self, placing_task: asyncio.Task[None], news: tuple[asyncio.Event, ...]
    ) -> None:
        """Wait for the placing to be done, and from then on for any news."""
        if placing_task.done():
            waiting = {asyncio.ensure_future(event.wait()) for event in news}
            try:
                await asyncio.wait(
                    waiting, timeout=STATE_CHECK, return_when=asyncio.FIRST_COMPLETED
                )
            finally:
                for event in waiting:
                    event.cancel()
        else:
            await asyncio.wait({placing_task}, timeout=STATE_CHECK)

    async def _result(self, reservation: Reservation, started: float) -> AdvanceResult | None:
        """Return what the workflow should hear, or None while there is nothing to say."""
        request, now = self._request, self._store.now()
        ended = await tracking.undecided(self._store, request.run, request.lane, BATCH)
        work = await tracking.lane_work(self._store, request.run, request.lane)
        running = reservation.state == "running"
        finished = (
            not ended
            and work.live == 0
            and (not work.contacts_due or reservation.state == "stopping")
        ) and await tracking.finish_lane(self._store, request.run, request.lane)
        more = (
            running
            and reservation.due_now
            and reservation.limited_by_pacing
            and reservation.pace.next_slot <= now + STATE_CHECK
        )
        due = running and reservation.next_due is not None and reservation.next_due <= now
        idle = work.live == 0
        # What was not let be posted holds a number and a channel until the next turn.
        lost = bool(work.reserved) and now - started >= STATE_CHECK
        expired = now - started >= request.max_wait
        fresh_due = due and reservation.next_due is not None and reservation.next_due > started
        if not (ended or finished or more or fresh_due or idle or lost or expired):
            return None
        if finished:
            self._owner.forget(request.run, request.lane)
        return self._answer(reservation, ended, finished=finished, live=work.live, now=now)

    def _answer(
        self,
        reservation: Reservation,
        ended: Sequence[Ended],
        *,
        finished: bool,
        live: int,
        now: float,
    ) -> AdvanceResult:
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

    async def _place(self, plan: Plan, reservation: Reservation) -> None:
        """Claim and send what was reserved, a quarter of a second of pacing at a time."""
        pace = reservation.pace
        keys = list(reservation.keys)
        run, most = self._request.run, max(1, int(pace.rate * CHUNK_SECONDS))
        give_up_at = self._store.now() + LONGEST_HORIZON
        next_slot = 0.0
        if keys or (reservation.due_now and reservation.limited_by_pacing):
            next_slot = pace.next_slot
        while keys and next_slot < give_up_at:
            await self._sleep_until(next_slot - CHUNK_SECONDS / 2)
            size = self._poster.chunk(run, most)
            await self._poster.room(run, size // 2)
            claims, pace = await self._claim(plan, keys[:size])
            next_slot = claims[-1].slot if claims else pace.next_slot
            if claims:
                give_up_at = next_slot + LONGEST_HORIZON
                keys = keys[size:]
            elif next_slot <= self._store.now() + placing.CLAIM_AHEAD:
                break
        await self._expire(plan, reservation)
        await self._sleep_until(min(next_slot, give_up_at) - LOOK_AHEAD)

    async def _expire(self, plan: Plan, reservation: Reservation) -> None:
        """End everybody who is too late for the campaign's end, part by part, in this turn.

        A lane whose run is paused looks again only minutes later.
        """
        more = reservation.expires_more
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

    async def _claim(self, plan: Plan, keys: Sequence[str]) -> tuple[list[Claim], Pace]:
        """Win attempts and hand them to the poster; shielded, so that none is won in vain."""
        claiming = asyncio.ensure_future(self._claim_and_launch(plan, keys))
        claiming.add_done_callback(_heard)
        return await asyncio.shield(claiming)

    async def _claim_and_launch(self, plan: Plan, keys: Sequence[str]) -> tuple[list[Claim], Pace]:
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

"""Sending POSTs at their slots, once each, and writing down what became of them.

The requests live outside any activity: an activity that is cancelled or times out never cuts one,
and one slow answer does not hold up the others. Whoever ends the process waits for `drain`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import structlog

from store import placing, runs
from store.engine import Clock, Store
from store.placing import Claim, NotSent, Placed, PostResult, RefusedPost, Unsure
from zenvia import errors
from zenvia.client import VoiceClient
from zenvia.models import NewCall

REFUSALS_IN_A_ROW = 5
"""Parameter refusals without one accepted call between them that blame the campaign."""

RATE_LIMIT_PAUSE = 0.25
"""Seconds without a POST after a 429 that does not say how long."""

NEVER = float("inf")
"""The slot of a POST that the store granted none."""

GATHER_SECONDS = 0.005
"""How long POSTs that missed their slot wait for each other."""

_log = structlog.get_logger("discador.posting")


@dataclass(frozen=True)
class Job:
    """A claimed attempt and the call that is to be made for it."""

    claim: Claim
    call: NewCall


@dataclass
class Pacer:
    """What POSTs need to know of pacing (see `store.pacing`); times in seconds.

    Those that miss their slot at about the same time draw their new ones together, in one
    transaction: a process that falls behind must not be slowed further by each of them.
    """

    tolerance: float
    shift: float
    interval: float
    account_interval: float
    draw: Callable[[int], Awaitable[list[float]]]
    _waiting: list[asyncio.Future[float]] = field(default_factory=list)
    _drawing: asyncio.Task[None] | None = None

    async def draw_again(self) -> float:
        """Return a new slot. Nothing of the POST that asks has been sent."""
        slot: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._waiting.append(slot)
        if self._drawing is None:
            self._drawing = asyncio.create_task(self._draw())
        return await slot

    async def _draw(self) -> None:
        try:
            while self._waiting:
                await asyncio.sleep(GATHER_SECONDS)
                waiting, self._waiting = self._waiting, []
                try:
                    slots = await self.draw(len(waiting))
                except Exception:  # noqa: BLE001 - whatever the store raises: none was granted
                    slots = [NEVER] * len(waiting)
                for slot, instant in zip(waiting, slots, strict=True):
                    slot.set_result(instant)
        finally:
            self._drawing = None


class Poster:
    """Every POST of this process; one object per worker."""

    def __init__(self, store: Store, client: VoiceClient) -> None:
        self._store = store
        self._client = client
        self._clock: Clock = store.clock
        self._sending: set[asyncio.Task[None]] = set()
        self._results: list[PostResult] = []
        self._writer: asyncio.Task[None] | None = None
        self._late: set[asyncio.Task[None]] = set()
        self._refused: dict[str, int] = {}
        self._free_from: dict[str, float] = {}
        self.wrote = asyncio.Event()
        """Set when results have reached the store, and then replaced: take it before looking."""

    @property
    def in_flight(self) -> int:
        """POSTs that wait for their slot or for their answer."""
        return len(self._sending)

    def launch(self, run_id: str, jobs: Sequence[Job], pacer: Pacer) -> None:
        """Send each job at its slot. Returns at once."""
        for job in jobs:
            at = self._take(run_id, pacer, job.claim.slot)
            task = asyncio.create_task(self._send(run_id, job, pacer, at))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    def notify(self) -> None:
        """Tell whoever waits for news that there may be some."""
        self.wrote.set()
        self.wrote = asyncio.Event()

    async def drain(self) -> None:
        """Wait until every POST has its answer and every answer is in the store."""
        while self._sending or self._writer is not None or self._late:
            pending = {*self._sending, *self._late}
            if self._writer is not None:
                pending.add(self._writer)
            await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)

    def _take(self, run_id: str, pacer: Pacer, slot: float) -> float:
        """Return when to send: at `slot` or later, never closer to the last one than paced."""
        at = max(slot, self._free_from.get(run_id, 0.0), self._free_from.get("", 0.0))
        self._free_from[run_id] = at + pacer.interval
        self._free_from[""] = at + pacer.account_interval
        return at

    async def _send(self, run_id: str, job: Job, pacer: Pacer, at: float) -> None:
        result: PostResult = Unsure(key=job.claim.key)
        try:
            result = await self._post(run_id, job, pacer, at)
        finally:
            self._results.append(result)
            if self._writer is None:
                self._writer = asyncio.create_task(self._write())

    async def _post(self, run_id: str, job: Job, pacer: Pacer, at: float) -> PostResult:
        """Send one POST, at most once, no later than its slot allows."""
        claim, slot = job.claim, job.claim.slot
        while True:
            at, slot = await self._moment(run_id, pacer, at, slot)
            if at >= claim.send_by:
                return NotSent(key=claim.key, message="no send slot was free in time")
            try:
                api_id = await self._client.create_call(
                    job.call,
                    send_by=min(at + pacer.tolerance, claim.send_by),
                    clock=self._clock,
                )
            except errors.DeadlinePassed:
                continue  # nothing was sent, and by now its moment has passed
            except errors.NotSent as error:
                return NotSent(key=claim.key, message=str(error))
            except errors.Refused as error:
                return await self._refusal(run_id, claim.key, error)
            except errors.VoiceError as error:
                _log.warning("post_unsure", attempt=claim.key, run=run_id, error=str(error))
                return Unsure(key=claim.key)
            self._refused.pop(run_id, None)
            return Placed(key=claim.key, api_id=api_id)

    async def _moment(
        self, run_id: str, pacer: Pacer, at: float, slot: float
    ) -> tuple[float, float]:
        """Wait for the moment to send; return it with the slot that it belongs to.

        One that is missed is followed by the next that this process has free; one that would be too
        far from its slot asks the store for another.
        """
        while True:
            now = self._clock()
            if at > now:
                await asyncio.sleep(at - now)
                now = self._clock()
            if now <= at + pacer.tolerance:
                return at, slot
            at = self._take(run_id, pacer, now)
            if at > slot + pacer.shift:
                slot = await pacer.draw_again()
                if slot == NEVER:
                    return slot, slot
                at = slot = self._take(run_id, pacer, slot)

    async def _refusal(self, run_id: str, key: str, error: errors.Refused) -> RefusedPost:
        kind = "other"
        if isinstance(error, errors.RateLimited):
            kind = "pacing"
            await placing.slow_down(self._store, run_id, error.retry_after or RATE_LIMIT_PAUSE)
        elif isinstance(error, errors.BalanceRefused):
            kind = "account"
            await self._change(run_id, "pause", f"the account has no balance: {error.mensagem}")
        elif isinstance(error, errors.AuthenticationRefused | errors.PermissionRefused):
            kind = "account"
            await self._change(run_id, "fail", f"the API refuses this account: {error.mensagem}")
        elif isinstance(error, errors.ParameterRefused):
            kind = "number"
            self._refused[run_id] = self._refused.get(run_id, 0) + 1
            if self._refused[run_id] == REFUSALS_IN_A_ROW:
                await self._change(
                    run_id,
                    "fail",
                    f"the API refused {REFUSALS_IN_A_ROW} calls in a row, so the campaign's own "
                    f"call parameters are at fault: {error.mensagem}",
                )
        elif isinstance(error, errors.PathNotFound | errors.NotImplementedByApi):
            kind = "campaign"
            await self._change(run_id, "fail", f"this is not the Voice API: {error.mensagem}")
        _log.warning("post_refused", attempt=key, run=run_id, kind=kind, status=error.status)
        return RefusedPost(
            key=key,
            kind=kind,
            status=error.status,
            motivo=error.motivo,
            message=error.mensagem,
        )

    async def _change(self, run_id: str, change: str, reason: str) -> None:
        """Pause or fail the run; when it is already past that, there is nothing to do."""
        try:
            if change == "pause":
                await runs.pause(self._store, run_id, reason)
            else:
                await runs.stop(self._store, run_id, reason, ends_as="failed")
        except runs.RunError:
            return
        _log.warning("run_" + change, run=run_id, reason=reason)

    async def _write(self) -> None:
        """Commit results in groups, again and again until none is left.

        A store that fails keeps the results here; a process that dies with them leaves rows in
        `posting`, which are reconciled.
        """
        delay = 0.05
        try:
            while self._results:
                batch = list(self._results)
                try:
                    late = await placing.record(self._store, batch)
                except Exception as error:  # noqa: BLE001 - whatever the database raises, try again
                    _log.error("record_failed", results=len(batch), error=type(error).__name__)
                    await asyncio.sleep(delay)
                    delay = min(delay * 2, 5.0)
                    continue
                delay = 0.05
                del self._results[: len(batch)]
                self.notify()
                self.hang_up_late(late)
        finally:
            self._writer = None

    def hang_up_late(self, late: Sequence[Placed]) -> None:
        """End calls that surfaced after their attempt had been given up."""
        for item in late:
            task = asyncio.create_task(self._hang_up(item))
            self._late.add(task)
            task.add_done_callback(self._late.discard)

    async def _hang_up(self, item: Placed) -> None:
        _log.error("late_call", attempt=item.key, call=item.api_id)
        for pause in (0.5, 1.0, 2.0, 4.0, 8.0):
            try:
                await self._client.hang_up(item.api_id)
            except (errors.NotActive, errors.NotFound):
                return
            except errors.VoiceError as error:
                _log.warning("late_hang_up_failed", call=item.api_id, error=str(error))
                await asyncio.sleep(pause)
            else:
                return

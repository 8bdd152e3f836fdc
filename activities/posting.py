"""Sending POSTs at their slots, once each, and writing down what became of them.

The requests live outside any activity: an activity that is cancelled or times out never cuts one,
and one slow answer does not hold up the others. Whoever ends the process waits for `drain`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import structlog

from activities.dispatching import Dispatcher, Job, Pacer
from activities.metrics import POSTS
from store import guards, placing, runs
from store.engine import Clock, Store
from store.placing import NotSent, Placed, PostResult, RefusedPost, Unsure
from store.trouble import StoreError
from zenvia import errors
from zenvia.client import VoiceClient

REFUSALS_IN_A_ROW = 5
"""Parameter refusals without one accepted call between them that blame the campaign."""

RATE_LIMIT_PAUSE = 0.25
"""Seconds without a POST after a 429 that does not say how long."""

GATHER_SECONDS = 0.04
LONGEST_GATHER = 0.2
"""How long results wait for each other, so that one transaction takes many of them: the longer, the
longer the last one took."""
GATHER_SHARE = 10

_COUNTED = {
    Placed: POSTS.labels("placed"),
    RefusedPost: POSTS.labels("refused"),
    NotSent: POSTS.labels("not_sent"),
    Unsure: POSTS.labels("unsure"),
}

_log = structlog.get_logger("discador.posting")


class Poster:
    """Every POST of this process; one object per worker."""

    def __init__(self, store: Store, client: VoiceClient) -> None:
        self._store = store
        self._client = client
        self._clock: Clock = store.clock
        self._dispatcher = Dispatcher(store.clock, self._send, self._drop)
        self._results: list[PostResult] = []
        self._writer: asyncio.Task[None] | None = None
        self._gather = GATHER_SECONDS
        self._late: set[asyncio.Task[None]] = set()
        self._refused: dict[str, int] = {}
        self.wrote = asyncio.Event()
        """Set when results have reached the store, and then replaced: take it before looking."""

    @property
    def in_flight(self) -> int:
        """POSTs that wait for their slot or for their answer."""
        return self._dispatcher.in_flight

    def launch(self, run_id: str, jobs: Sequence[Job], pacer: Pacer) -> None:
        """Send each job at its slot. Returns at once."""
        self._dispatcher.launch(run_id, list(jobs), pacer)

    def chunk(self, run_id: str, most: int) -> int:
        """Return how many attempts to claim together, `most` where this process keeps up."""
        return self._dispatcher.chunk(run_id, most)

    async def room(self, run_id: str, most: int) -> None:
        """Wait until no more than `most` of the run's POSTs wait for their moment.

        Who claims faster than the POSTs leave would see them miss their slots, and time would go
        into finding them new ones.
        """
        await self._dispatcher.room(run_id, most)

    def keeps_up_with(self, run_id: str, seconds: float) -> int:
        """Return how many POSTs this process lets go in that time at the most, by what was seen."""
        return self._dispatcher.keeps_up_with(run_id, seconds)

    def forget(self, run_id: str) -> None:
        """Drop what is remembered of a run that has ended."""
        self._dispatcher.forget(run_id)
        self._refused.pop(run_id, None)

    def notify(self) -> None:
        """Tell whoever waits for news that there may be some."""
        self.wrote.set()
        self.wrote = asyncio.Event()

    async def drain(self) -> None:
        """Wait until every POST has its answer and every answer is in the store."""
        while True:
            pending = self._dispatcher.tasks | self._late
            if self._writer is not None:
                pending.add(self._writer)
            if not pending:
                return
            await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)

    async def _send(
        self, run_id: str, job: Job, until: float, permitted: Callable[[], bool]
    ) -> bool:
        """Send one POST, at most once; False where its moment passed before anything was sent."""
        result: PostResult | None = Unsure(key=job.claim.key)
        try:
            result = await self._post(run_id, job, until, permitted)
        finally:
            if result is not None:
                self._keep(result)
        return result is not None

    def _drop(self, _run_id: str, job: Job) -> None:
        self._keep(NotSent(key=job.claim.key, message="no send slot was free in time"))

    def _keep(self, result: PostResult) -> None:
        _COUNTED[type(result)].inc()
        self._results.append(result)
        if self._writer is None:
            self._writer = asyncio.create_task(self._write())

    async def _post(
        self, run_id: str, job: Job, until: float, permitted: Callable[[], bool]
    ) -> PostResult | None:
        key = job.claim.key
        try:
            api_id = await self._client.create_call(
                job.call, send_by=until, clock=self._clock, permit=permitted
            )
        except errors.DeadlinePassed:
            return None
        except errors.NotSent as error:
            return NotSent(key=key, message=str(error))
        except errors.Refused as error:
            return await self._refusal(run_id, key, error)
        except errors.VoiceError as error:
            _log.warning("post_unsure", attempt=key, run=run_id, error=str(error))
            return Unsure(key=key)
        self._refused.pop(run_id, None)
        return Placed(key=key, api_id=api_id)

    async def _refusal(self, run_id: str, key: str, error: errors.Refused) -> RefusedPost:
        kind = "other"
        if isinstance(error, errors.RateLimited):
            kind = "pacing"
            await self._slow_down(run_id, error.retry_after or RATE_LIMIT_PAUSE)
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

    async def _slow_down(self, run_id: str, seconds: float) -> None:
        """Cut the rate; a store that is away grants no slots anyhow."""
        try:
            await placing.slow_down(self._store, run_id, seconds)
        except StoreError as error:
            _log.error("not_written", run=run_id, what="slow_down", error=str(error))

    async def _change(self, run_id: str, change: str, reason: str) -> None:
        """Pause or fail the run; when it is already past that, there is nothing to do.

        Where the store is away the refusal stays what it is, and the next one asks again.
        """
        try:
            if change == "pause":
                await guards.no_balance(self._store, run_id, reason)
            else:
                await runs.stop(self._store, run_id, reason, ends_as="failed")
        except runs.RunError:
            return
        except StoreError as error:
            _log.error("not_written", run=run_id, what=change, error=str(error))
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
                await asyncio.sleep(self._gather)
                batch = list(self._results)
                began = self._clock()
                try:
                    late = await placing.record(self._store, batch)
                except Exception as error:  # noqa: BLE001 - whatever the database raises, try again
                    _log.error("record_failed", results=len(batch), error=type(error).__name__)
                    await asyncio.sleep(delay)
                    delay = min(delay * 2, 5.0)
                    continue
                delay = 0.05
                took = self._clock() - began
                self._gather = min(max(GATHER_SHARE * took, GATHER_SECONDS), LONGEST_GATHER)
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

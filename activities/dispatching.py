"""Letting claimed POSTs go at their slots, in order, from one place per run.

Whoever falls behind shifts: a POST that missed its slot takes the next moment that this process has
free, as far from its slot as `Pacer.shift` allows, and the ones behind it move on in their order.
Beyond that, all that are late draw new slots together, in one transaction. The last word is the
gate's (`zenvia.gate`): it asks `Written` right before the bytes leave.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from math import floor

from activities.metrics import DENSEST_SECOND, PACING_ERROR
from store.engine import Clock
from store.pacing import SPACING
from store.placing import Claim
from zenvia.models import NewCall

SECOND = 1.002
"""A second, and what two clocks may differ in reading it."""

CHUNK_SECONDS = 0.25
"""Intents are committed for no more than what pacing sends in this time."""

SMALLEST_CHUNK = 8
LATE = 0.2
"""Seconds behind its slot at which a POST shows that the process does not keep up."""
PUNCTUAL = 0.1
SHRINK, GROW = 0.6, 1.5


@dataclass(frozen=True)
class Job:
    """A claimed attempt and the call that is to be made for it."""

    claim: Claim
    call: NewCall


@dataclass(frozen=True)
class Pacer:
    """What POSTs need to know of pacing (see `store.pacing`); times in seconds.

    `draw` grants that many new slots and the shift that goes with them. `rate` and `account_rate`
    are calls per second, None: no cap.
    """

    tolerance: float
    shift: float
    rate: float
    account_rate: float | None
    interval: float
    draw: Callable[[int], Awaitable[tuple[list[float], float]]]


class Written:
    """When POSTs were written, so that no second of this process holds more than the rate and one.

    Slots keep POSTs apart; this holds even when a stalled process writes several at once.
    """

    def __init__(self) -> None:
        self._at: deque[float] = deque()

    def free_from(self, rate: float) -> float:
        """Return the instant from which one more may be written."""
        most = floor(rate) + 1
        return self._at[-most] + SECOND if len(self._at) >= most else 0.0

    def note(self, now: float) -> int:
        """Take it that one is written now; return how many were within this second."""
        while self._at and self._at[0] <= now - SECOND:
            self._at.popleft()
        self._at.append(now)
        return len(self._at)


@dataclass
class _Waiting:
    """A job that waits for its moment; `slot` is the last one that it was granted."""

    job: Job
    pacer: Pacer
    slot: float

    @property
    def latest(self) -> float:
        """Until when it may be written on account of this slot."""
        return self.slot + self.pacer.shift


@dataclass
class RunQueue:
    """The POSTs of one run that wait for their moment, and how well this process keeps up."""

    jobs: deque[_Waiting] = field(default_factory=deque)
    written: Written = field(default_factory=Written)
    free_from: float = 0.0
    chunk: float = 64.0
    """How many POSTs this process can let go in a quarter of a second, by what was seen."""
    dispatching: asyncio.Task[None] | None = None
    shorter: asyncio.Event = field(default_factory=asyncio.Event)


Send = Callable[[str, Job, float, Callable[[], bool]], Awaitable[bool]]
"""Posts a job of a run until an instant, if it is permitted then; False: nothing was sent."""

Drop = Callable[[str, Job], None]
"""Takes a job for which no slot was free in time; nothing of it was sent."""


class Dispatcher:
    """Lets the jobs of every run of this process go. `send` posts one; `drop` takes it back."""

    def __init__(self, clock: Clock, send: Send, drop: Drop) -> None:
        self._clock = clock
        self._send = send
        self._drop = drop
        self._runs: dict[str, RunQueue] = {}
        self._account = Written()
        self._account_free_from = 0.0
        self._densest = 0
        self._sending: set[asyncio.Task[None]] = set()

    @property
    def tasks(self) -> set[asyncio.Task[None]]:
        """What is under way: POSTs, and queues that are not empty."""
        queues = {run.dispatching for run in self._runs.values() if run.dispatching is not None}
        return self._sending | queues

    @property
    def in_flight(self) -> int:
        """POSTs that wait for their moment or for their answer."""
        return len(self._sending) + sum(len(run.jobs) for run in self._runs.values())

    def launch(self, run_id: str, jobs: list[Job], pacer: Pacer) -> None:
        """Send each job at its slot, in this order. Returns at once."""
        run = self._run(run_id)
        run.jobs.extend(_Waiting(job, pacer, job.claim.slot) for job in jobs)
        self._see_to(run_id, run)

    def chunk(self, run_id: str, most: int) -> int:
        """Return how many attempts to claim together: no more than soon leave this process."""
        return max(1, min(most, int(self._run(run_id).chunk)))

    def keeps_up_with(self, run_id: str, seconds: float) -> int:
        """Return how many POSTs this process lets go in that time at the most."""
        return max(1, int(self._run(run_id).chunk * seconds / CHUNK_SECONDS))

    async def room(self, run_id: str, most: int) -> None:
        """Wait until no more than `most` of the run's POSTs wait for their moment."""
        run = self._run(run_id)
        while len(run.jobs) > most:
            run.shorter.clear()
            await run.shorter.wait()

    def forget(self, run_id: str) -> None:
        """Drop what is remembered of a run that has nothing left to send."""
        run = self._runs.get(run_id)
        if run is not None and not run.jobs:
            del self._runs[run_id]

    def _run(self, run_id: str) -> RunQueue:
        run = self._runs.get(run_id)
        if run is None:
            run = self._runs[run_id] = RunQueue()
        return run

    def _see_to(self, run_id: str, run: RunQueue) -> None:
        if run.dispatching is None and run.jobs:
            run.dispatching = asyncio.create_task(self._dispatch(run_id, run))

    async def _dispatch(self, run_id: str, run: RunQueue) -> None:
        try:
            while run.jobs:
                await self._next(run_id, run)
        finally:
            run.dispatching = None

    async def _next(self, run_id: str, run: RunQueue) -> None:
        """Let the first job go, or wait for its moment, or find it another one."""
        waiting = run.jobs[0]
        pacer = waiting.pacer
        at = max(waiting.slot, run.free_from, run.written.free_from(pacer.rate))
        if pacer.account_rate is not None:
            free_from = self._account.free_from(pacer.account_rate)
            at = max(at, self._account_free_from, free_from)
        now = self._clock()
        if at > now and at <= waiting.latest:
            await asyncio.sleep(at - now)
            return
        at = max(at, now - pacer.tolerance)  # what is later than that is lost for good
        if max(at, now) >= waiting.job.claim.send_by:
            self._pop(run)
            self._drop(run_id, waiting.job)
        elif max(at, now) > waiting.latest:
            await self._draw_again(run_id, run, now)
        else:
            self._pop(run)
            self._learn(run, at - waiting.job.claim.slot)
            run.free_from = at + pacer.interval
            if pacer.account_rate is not None:
                self._account_free_from = at + SPACING / pacer.account_rate
            task = asyncio.create_task(self._let_go(run_id, run, waiting))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    def _pop(self, run: RunQueue) -> None:
        run.jobs.popleft()
        run.shorter.set()

    def _learn(self, run: RunQueue, late: float) -> None:
        """Claim less at a time where POSTs leave late, more where they leave on time."""
        if late > LATE:
            run.chunk = max(run.chunk * SHRINK ** (1 / max(run.chunk, 1)), SMALLEST_CHUNK)
        elif late < PUNCTUAL:
            run.chunk = min(run.chunk * GROW ** (1 / max(run.chunk, 1)), 1e6)

    async def _draw_again(self, run_id: str, run: RunQueue, now: float) -> None:
        """Draw new slots for all that are late; nothing of them has been sent."""
        late = [run.jobs.popleft()]
        while run.jobs and run.jobs[0].slot <= now:
            late.append(run.jobs.popleft())
        try:
            slots, shift = await late[0].pacer.draw(len(late))
        except BaseException as error:
            # Whatever the store raises: none was granted, and none of these is sent.
            for waiting in late:
                self._drop(run_id, waiting.job)
            run.shorter.set()
            if not isinstance(error, Exception):
                raise
            return
        for waiting, slot in zip(late, slots, strict=True):
            waiting.slot = slot
            waiting.pacer = replace(waiting.pacer, shift=shift)
        self._put_back(run, late)

    def _put_back(self, run: RunQueue, jobs: list[_Waiting]) -> None:
        run.jobs = deque(sorted([*jobs, *run.jobs], key=lambda waiting: waiting.slot))

    async def _let_go(self, run_id: str, run: RunQueue, waiting: _Waiting) -> None:
        pacer = waiting.pacer

        def permitted() -> bool:
            now = self._clock()
            if now < run.written.free_from(pacer.rate):
                return False
            if pacer.account_rate is not None:
                if now < self._account.free_from(pacer.account_rate):
                    return False
                self._account.note(now)
            within = run.written.note(now)
            if within > self._densest:
                self._densest = within
                DENSEST_SECOND.set(within)
            PACING_ERROR.observe(max(now - waiting.slot, 0.0))
            return True

        until = min(waiting.latest, waiting.job.claim.send_by)
        if not await self._send(run_id, waiting.job, until, permitted):
            self._put_back(run, [waiting])
            self._see_to(run_id, run)

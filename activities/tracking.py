"""Following calls until the API says `finalizada`.

One `Tracker` serves one lane for as long as this process carries it. What it remembers only makes
it cheaper: everything that counts is in the store, and another worker can go on at any moment.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import structlog

from activities.facts import call_facts, cost_brl
from activities.late_calls import LateCalls
from activities.lost_answers import LostAnswers
from activities.metrics import POLL_LAG
from activities.plans import TrackRules
from activities.polling import FASTEST, FIRST, Live, interval, pause, plan
from activities.posting import Poster
from activities.reports import Reports, side_by_side
from activities.skew import SECOND, Skew, bounds
from campaigns.keys import key_in
from store import giving_up, placing, tracking
from store.engine import Store
from store.placing import Placed
from store.tracking import EndedCall, OpenAttempt
from zenvia import errors
from zenvia.client import VoiceClient
from zenvia.models import CallState, Chamada
from zenvia.session import Known

WINDOW_MARGIN = 0.2
"""Seconds for what a clock drifts between two calls; a call outside is asked for alone."""
RELEASE_EVERY = 1.0
"""Seconds between two looks for numbers and channels that need not be held any more."""
HANG_UP_AGAIN = 10.0
CREATED_DEADLINE = 120.0
"""Seconds after which a call that is still `criada` is hung up."""
MISSES = 3
"""Reports without a call after which it is asked for alone."""
GONE_AFTER = 60.0
"""Seconds during which the API must keep saying that a call does not exist."""
LOOKED_UP_MAX = 50_000
FAR = 60.0
LINGER = 3.0
"""Seconds for which polling goes on after a turn has last asked for it."""

_log = structlog.get_logger("discador.tracking")


def _heard(going: asyncio.Task[None]) -> None:
    """Take note of polling that failed, perhaps when no turn was there to hear of it."""
    if not going.cancelled() and (error := going.exception()) is not None:
        _log.warning("poll_failed", error=type(error).__name__)


@dataclass(slots=True)
class _Memory:
    """What is known of one call beyond the store."""

    next_poll: float
    created: float | None = None
    misses: int = 0
    gone_since: float | None = None
    ring_limit: bool = False


@dataclass
class Tracker:
    """Polls for one lane, one poll at a time."""

    store: Store
    client: VoiceClient
    poster: Poster
    run_id: str
    lane: int
    rules: TrackRules
    skew: Skew | None = None
    """How far the provider's clock is ahead of ours; None: no call has shown it yet."""
    no_window_before: float = 0.0
    """When the report may be read again, so that a long one does not take all the time."""
    polled: asyncio.Event = field(default_factory=asyncio.Event)
    """Set at the end of a poll, and then replaced: take it before looking."""
    _going: asyncio.Task[None] | None = None
    _until: float = 0.0
    freed: int = 0
    """Calls whose end this process has written down: each has left a channel."""
    _memory: dict[str, _Memory] = field(default_factory=dict)
    _open: dict[str, OpenAttempt] = field(default_factory=dict)
    _by_id: dict[int, OpenAttempt] = field(default_factory=dict)
    _release_at: float = 0.0
    _looked_up: set[str] = field(default_factory=set)
    _done_with: set[int] = field(default_factory=set)
    """Calls of which the report has nothing new to say: ended, or another lane's."""

    def __post_init__(self) -> None:
        self._reports = Reports(self.client)
        self._lost = LostAnswers(self.store, self.run_id)
        self._late = LateCalls(self.store, self.client, self.run_id, self.lane)

    def carry_on(self) -> None:
        """Poll for a while from now on; whoever carries the lane asks for it again and again.

        Raises what polling has raised since the last time.
        """
        self._until = self.store.now() + LINGER
        if self._going is not None and self._going.done():
            self._going.result()
            self._going = None
        if self._going is None:
            self._going = asyncio.create_task(self._go())
            self._going.add_done_callback(_heard)

    def take_over(self) -> None:
        """Begin a turn: what polling has raised since the last one is no reason to end this."""
        if self._going is not None and self._going.done():
            self._going = None

    async def give_up(self) -> None:
        """Cut the poll that is under way, if there is one: whoever comes next asks anew."""
        going, self._going = self._going, None
        if going is not None:
            going.cancel()
            await asyncio.gather(going, return_exceptions=True)

    def forget(self) -> None:
        """Stop soon: nobody carries the lane any more."""
        self._until = 0.0

    async def _go(self) -> None:
        """Poll, between turns too, so that what ended meanwhile is known when the next one begins.

        Nobody waits for it, and it ends by itself when no turn asks for more.
        """
        while True:
            next_poll = await self._step()
            polled, self.polled = self.polled, asyncio.Event()
            polled.set()
            while (now := self.store.now()) < min(next_poll, self._until):
                wrote = self.poster.wrote
                with suppress(TimeoutError):
                    async with asyncio.timeout(min(next_poll, self._until) - now):
                        await wrote.wait()
                if wrote.is_set():
                    # Calls that were placed after the last poll are news.
                    next_poll = min(next_poll, self.store.now() + FASTEST)
            if now >= self._until:
                return

    async def _step(self) -> float:
        now = self.store.now()
        rows = await tracking.open_attempts(self.store, self.run_id, self.lane)
        self._open = {row.key: row for row in rows}
        self._by_id = {row.api_id: row for row in rows if row.api_id is not None}
        placed: list[OpenAttempt] = []
        posting: list[OpenAttempt] = []
        before, self._memory = self._memory, {}
        for row in rows:
            if row.state == "posting":
                posting.append(row)
                continue
            placed.append(row)
            memory = before.get(row.key)
            if memory is None:
                first = (row.placed_at or now) + FIRST
                memory = _Memory(next_poll=max(first, self.no_window_before))
            self._memory[row.key] = memory
        await self._hang_up(placed, now)
        await self._poll(placed, now)
        gone = await self._lost.look_for(
            posting, now, rules=self.rules, skew=self.skew, read=self._read_all
        )
        await self._late.watch(gone, self.rules)
        await self._look_up(await self._late.look_for(now, rules=self.rules, skew=self.skew))
        if now >= self._release_at:
            self._release_at = now + RELEASE_EVERY
            await giving_up.release_held(self.store, self.run_id)
        return self._next(posting)

    def hint(self, api_id: int) -> bool:
        """Take it that a call is worth asking about now; return whether it is one of this lane."""
        row = self._by_id.get(api_id)
        if row is None or row.key not in self._memory:
            return False
        self._memory[row.key].next_poll = self.store.now()
        return True

    def _next(self, posting: Sequence[OpenAttempt]) -> float:
        now = self.store.now()
        moments = [self._lost.readable_from(row, self.rules) for row in posting]
        if self._late.next_look is not None:
            moments.append(self._late.next_look)
        if self._memory:
            polls = min(item.next_poll for item in self._memory.values())
            moments.append(max(polls, self.no_window_before))
        return max(min(moments, default=now + FAR), now + 0.05)

    # Polling ------------------------------------------------------------------------------------

    def _window(self, keys: Iterable[str]) -> tuple[float, float]:
        """Return between which instants the provider created these calls, on its clock."""
        least, most = bounds(self.skew, WINDOW_MARGIN)
        first, last = [], []
        for key in keys:
            created, row = self._memory[key].created, self._open[key]
            if created is None:
                first.append(row.posting_at + least)
                last.append((row.placed_at or row.send_by) + most)
            else:
                first.append(created)
                last.append(created + SECOND / 2)  # whatever of the second was left out
        return min(first), max(last)

    async def _poll(self, placed: Sequence[OpenAttempt], now: float) -> None:
        calls: list[Live] = []
        alone: list[str] = []
        ahead = self.skew.least if self.skew else 0.0
        planned = now
        for row in placed:
            memory = self._memory[row.key]
            due = memory.next_poll <= now
            planned = min(planned, memory.next_poll)
            if memory.misses < MISSES:
                # On the provider's clock, as far as we know.
                created = row.posting_at + ahead if memory.created is None else memory.created
                calls.append(Live(row.key, created, due))
            elif due:
                alone.append(row.key)
        if planned < now:
            POLL_LAG.observe(now - planned)
        poll = plan(calls, self._reports.rows_per_second)
        if poll.window is not None:
            since, until = poll.window
            covered = [call.key for call in calls if since <= call.created <= until]
            await self._read_window(covered, now)
        singles = [self._open[key] for key in (*poll.singles, *alone)]
        found = await side_by_side(self._fetch(row, now) for row in singles)
        await self._take([call for calls_found in found for call in calls_found], now)

    async def _read_window(self, covered: Sequence[str], now: float) -> None:
        start, end = self._window(covered)
        calls = [call for key in covered if (call := self._open[key].api_id) is not None]
        known, ids, freed = self.skew is not None, set[int](), self.freed
        try:
            async for rows, some in self._read(start, end, calls):
                ids |= some
                await self._take(rows, now)  # each end leaves a channel: it need not wait
        except errors.VoiceError as error:
            _log.warning("report_failed", run=self.run_id, lane=self.lane, error=str(error))
            for key in covered:
                self._memory[key].next_poll = self.store.now() + interval(0)
            return
        if known:
            self._reports.rows_per_second = len(ids) / (end - start)
        rest = pause(len(ids), ended=self.freed - freed, took=self.store.now() - now)
        self.no_window_before = now + rest
        wanted = interval(self._youngest(covered, now))
        next_poll = now + (rest if wanted <= FASTEST else max(wanted, rest))
        for key in covered:
            memory, row = self._memory[key], self._open[key]
            memory.misses = 0 if row.api_id in ids else memory.misses + 1
            memory.next_poll = next_poll

    def _youngest(self, keys: Iterable[str], now: float) -> float:
        """Return the age of the youngest call: a window is asked for as often as it wants."""
        return min((now - (self._open[key].placed_at or now) for key in keys), default=0.0)

    async def _fetch(self, row: OpenAttempt, now: float) -> list[Chamada]:
        memory = self._memory[row.key]
        memory.next_poll = self.store.now() + interval(now - (row.placed_at or now))
        if row.api_id is None:
            return []
        try:
            call = await self.client.fetch_call(row.api_id)
        except errors.NotFound:
            memory.gone_since = memory.gone_since or now
            if now - memory.gone_since >= GONE_AFTER:
                _log.error("call_gone", attempt=row.key, call=row.api_id)
                await giving_up.give_up(
                    self.store,
                    [row.key],
                    as_state="unknown",
                    from_state="placed",
                    hold=self.rules.hold,
                )
            return []
        except errors.VoiceError as error:
            _log.warning("fetch_failed", attempt=row.key, error=str(error))
            return []
        memory.gone_since = None
        return [call]

    async def _read(
        self, start: float, end: float, calls: Collection[int] | None = None
    ) -> AsyncGenerator[tuple[list[CallState], set[int]], None]:
        """Read a window of the report and use what it shows; see `Reports.read`."""
        async for rows, ids in self._reports.read(start, end, self._known(), calls=calls):
            await self._notice(rows)
            yield rows, ids

    async def _read_all(self, start: float, end: float) -> AsyncIterator[Sequence[CallState]]:
        """Give the rows of a window, one page after the other."""
        async for rows, _ in self._read(start, end):
            yield rows

    def _known(self) -> Known | None:
        """Return what tells the rows of a report that need no reading; None: read them all.

        While an answer is lost, any row may be the one that is looked for; and where a call is to
        be cut, or the provider's clock is not known yet, each one under way says something new.
        """
        if len(self._done_with) > LOOKED_UP_MAX:
            self._done_with.clear()
        if any(
            row.state == "posting" and self._lost.is_overdue(row) for row in self._open.values()
        ):
            return None
        limited = self.rules.max_ring is not None or self.rules.max_duration is not None
        by_id = self._by_id
        goes_on = None if limited or self.skew is None else "placed"

        def known(call: int, status: Any, tags: Any) -> bool:
            row = by_id.get(call)
            if row is not None:
                return status == "curso" and row.state == goes_on
            if call in self._done_with:
                return True
            key = key_in(tags) if isinstance(tags, str) else None
            # Nobody's call, or one whose POST brings its answer yet.
            return key is None or key in self._open

        return known

    # What answers say ----------------------------------------------------------------------------

    async def _take(self, calls: Sequence[Chamada | CallState], now: float) -> None:
        """Write down what ended; remember the rest."""
        ended: list[EndedCall] = []
        for call in calls:
            row = self._by_id.get(call.id)
            if row is None or row.state != "placed" or row.key not in self._memory:
                continue
            memory = self._memory[row.key]
            if call.data_criacao is not None:
                memory.created = created = call.data_criacao.timestamp()
                said = Skew.of(created, row.posting_at, row.placed_at or self.store.now())
                self.skew = said if self.skew is None else self.skew.and_also(said)
            if call.ended or self._never_ran(row, call, now):
                ended.append(
                    EndedCall(
                        key=row.key,
                        facts=call_facts(
                            call,
                            self.rules.contact_leg,
                            hung_up=row.hang_up_at is not None,
                            ring_limit=memory.ring_limit,
                        ),
                        cost_brl=cost_brl(call),
                    )
                )
            elif self._over_limits(row, call, now):
                await self._ask_to_end([row])
        await tracking.record_ended(self.store, ended)
        self.freed += len(ended)
        self._done_with.update(call.id for call in calls if call.ended)

    def _never_ran(self, row: OpenAttempt, call: Chamada | CallState, now: float) -> bool:
        """Whether a call that was hung up unstarted is still `criada` long after."""
        return (
            call.status_geral == "criada"
            and row.hang_up_at is not None
            and now - (row.placed_at or now) > 2 * CREATED_DEADLINE
            and not call.ativa
        )

    def _over_limits(self, row: OpenAttempt, call: Chamada | CallState, now: float) -> bool:
        if row.hang_up_at is not None:
            return False
        age = now - (row.placed_at or now)
        if call.status_geral == "criada":
            return age > CREATED_DEADLINE
        limit = self.rules.max_ring
        contact = call.origem if self.rules.contact_leg == "origem" else call.destino
        if limit is not None and contact.status == "chamando" and age > limit:
            self._memory[row.key].ring_limit = True
            return True
        return self.rules.max_duration is not None and age > self.rules.max_duration

    async def _notice(self, rows: Sequence[CallState]) -> None:
        """Use whatever a report shows: lost answers are adopted, late calls are ended."""
        adopted: list[Placed] = []
        strangers: list[tuple[str, int]] = []
        for call in rows:
            key = key_in(call.tags)
            if key is None:
                continue
            row = self._open.get(key)
            if row is None:
                strangers.append((key, call.id))
                continue
            self._lost.saw(row)
            if row.state == "posting" and self._lost.is_overdue(row):
                adopted.append(Placed(key=key, api_id=call.id))
        if adopted:
            for item in adopted:
                _log.info("adopted", attempt=item.key, call=item.api_id)
            self.poster.hang_up_late(await placing.record(self.store, adopted))
        await self._look_up([item for item in strangers if item[0] not in self._looked_up])

    async def _look_up(self, strangers: Sequence[tuple[str, int]]) -> None:
        """End calls whose attempt had been judged `not_placed`; look at each key once."""
        if len(self._looked_up) > LOOKED_UP_MAX:
            self._looked_up.clear()
        late = await giving_up.keys_given_up(self.store, strangers)
        self._looked_up.update(key for key, _ in strangers)
        self._done_with.update(call for _, call in strangers)
        self.poster.hang_up_late(late)

    # Hanging up ----------------------------------------------------------------------------------

    async def _hang_up(self, placed: Sequence[OpenAttempt], now: float) -> None:
        wanted = [
            row
            for row in placed
            if (row.hang_up or row.hang_up_at is not None)
            and (row.hang_up_at is None or now - row.hang_up_at > HANG_UP_AGAIN)
        ]
        await self._ask_to_end(wanted)

    async def _ask_to_end(self, rows: Sequence[OpenAttempt]) -> None:
        """Ask the API to end calls. Nothing is freed until a GET says `finalizada`."""
        asked = await side_by_side(self._end(row) for row in rows)
        done = [key for key in asked if key is not None]
        for key in done:
            self._memory[key].next_poll = self.store.now() + interval(0)
        await tracking.mark_hung_up(self.store, done)

    async def _end(self, row: OpenAttempt) -> str | None:
        """Ask for one call to be ended; return its key once the API has understood."""
        if row.api_id is None:
            return None
        try:
            await self.client.hang_up(row.api_id)
        except (errors.NotActive, errors.NotFound):
            return row.key
        except errors.VoiceError as error:
            _log.warning("hang_up_failed", attempt=row.key, error=str(error))
            return None
        return row.key

"""A worker's process: the real activities, over a store and a wire that may end or stop it."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextvars import Context
from typing import Any

from temporalio.testing import ActivityEnvironment

from activities.dialing import DialingActivities
from activities.messages import AdvanceInput, AdvanceResult
from activities.posting import Poster
from store.trouble import StoreConflict
from tests.simulation.database import Database, SimulatedStore, failure
from tests.simulation.loop import FOREVER, Life, clock
from tests.simulation.provider import Provider, Reply
from tests.simulation.scenario import Doom
from zenvia import errors
from zenvia.client import Timeouts, VoiceClient
from zenvia.transport import Answer

TRIP = 0.005
"""Seconds that a request takes to the provider."""
CHANGES = ("criar", "desligar")
TIMEOUTS = Timeouts(read=2.0, total=3.0)

EFFECTS = frozenset(
    {"begin", "commit", "committed"}
    | {f"{when} chamada {what}" for when in ("before", "sent", "answered") for what in CHANGES}
)
"""Boundaries at which it makes a difference to die: before and after whatever changes something."""

Say = Callable[[str, str], None]
"""Takes who did something, and what."""


class Buried(BaseException):
    """Ends what is left of a process after the simulation: it must have no effect any more."""


class Sent:
    """One POST as it was written to the wire."""

    def __init__(self, at: float, key: str) -> None:
        self.at = at
        self.key = key


class Process:
    """One process of a worker, from its start to its death."""

    def __init__(
        self,
        name: str,
        dooms: Sequence[Doom],
        *,
        database: Database,
        provider: Provider,
        sent: list[Sent],
        faulty: Callable[[], str],
        say: Say,
    ) -> None:
        self.name = name
        self.life = Life(name)
        self.life.ends = lambda: database.abandon(self.life)
        self.provider = provider
        self.sent = sent
        self.faulty = faulty
        self.say = say
        self.boundaries = 0
        self.cut_off_until = 0.0
        self.ending = False
        self._at = {doom.at_boundary: doom for doom in dooms if doom.at_boundary is not None}
        store = SimulatedStore.of(database, self.life, self.boundary)
        client = VoiceClient("http://127.0.0.1:1", "token")
        client._transport = self  # type: ignore[assignment]  # `exchange` is all that is used
        self.poster = Poster(store, client)
        self.dialing = DialingActivities(
            store, client, self.poster, loopback=True, http_total=TIMEOUTS.total
        )
        self.turns: set[ActivityEnvironment] = set()
        for doom in dooms:
            if doom.at is not None:
                asyncio.get_running_loop().call_later(doom.at, self.meet, doom, context=Context())

    # Dying and freezing ---------------------------------------------------------------------------

    def meet(self, doom: Doom) -> None:
        """Let something happen to this process now."""
        if self.life.dead:
            return
        self.say(self.name, f"{doom.what} ({doom.seconds:g} s)")
        if doom.what == "dies":
            self.life.kill()
        elif doom.what == "freezes":
            self.life.freeze(doom.seconds)
        elif doom.what == "is cut off":
            self.cut_off_until = max(self.cut_off_until, clock() + doom.seconds)
        else:
            self.life.start(self.end)

    async def boundary(self, what: str) -> None:
        """Pass a boundary of I/O, or die there, or stand still there."""
        if self.life.buried:
            raise Buried
        number = None
        if what in EFFECTS:
            number, self.boundaries = self.boundaries, self.boundaries + 1
        doom = None if number is None else self._at.get(number)
        if doom is not None:
            self.say(self.name, f"at its boundary {number} ({what}):")
            self.meet(doom)
            if self.life.dead:
                await asyncio.get_running_loop().create_future()  # never again
            await asyncio.sleep(0)
            if self.life.buried:
                raise Buried
        if what in {"begin", "commit", "committed"}:
            self._fail(what)

    def _fail(self, what: str) -> None:
        """Let a transaction fail, if it is to: undone, or done and only the answer lost."""
        fault = self.faulty()
        if fault and (fault == "gone") == (what == "committed"):
            self.say(self.name, f"the store fails: {fault} ({what})")
            if fault == "conflict":
                raise StoreConflict("given up for another one")
            raise failure(sqlite3.SQLITE_IOERR)

    async def end(self) -> None:
        """Do what a worker does on SIGTERM: finish what is under way, and go."""
        if self.ending:
            return
        self.ending = True
        for environment in list(self.turns):
            environment.worker_shutdown()
        deadline = clock() + 40
        while self.turns and clock() < deadline:  # noqa: ASYNC110 - a set has no event
            await asyncio.sleep(0.1)
        await self.poster.drain()
        self.say(self.name, "has ended")
        self.life.kill()

    # Turns ----------------------------------------------------------------------------------------

    def advance(
        self, request: AdvanceInput, environment: ActivityEnvironment
    ) -> asyncio.Task[AdvanceResult]:
        """Begin a turn."""
        if self.ending:
            environment.worker_shutdown()
        self.turns.add(environment)
        task = self.life.start(lambda: environment.run(self.dialing.advance, request))
        task.add_done_callback(lambda _: self.turns.discard(environment), context=Context())
        return task

    # The wire -------------------------------------------------------------------------------------

    async def exchange(
        self,
        operation: str,
        verb: str,
        path: str,
        *,
        body: bytes | None = None,
        query: Mapping[str, str] | None = None,
        send_by: float | None = None,
        clock: Callable[[], float] = clock,
        permit: Callable[[], bool] | None = None,
        **_: Any,
    ) -> Answer:
        """Send one request once, as the real transport does: to compare the clock comes last."""
        await self.boundary(f"before {operation}")
        if not self.provider.reachable():
            raise errors.ConnectError("nobody there", operation=operation)
        if (send_by is not None and clock() > send_by) or (permit is not None and not permit()):
            raise errors.DeadlinePassed("too late", operation=operation)
        if verb == "POST":
            key = (body or b"").partition(b'"tags":"')[2].partition(b'"')[0].decode()
            self.sent.append(Sent(clock(), key))
            self.say(self.name, f"sends {key}")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Reply] = loop.create_future()
        loop.call_later(
            TRIP,
            self._arrive,
            answer,
            verb,
            path,
            dict(query or {}),
            body or b"",
            context=Context(),
        )
        await self.boundary(f"sent {operation}")
        try:
            async with asyncio.timeout(TIMEOUTS.read):
                reply = await answer
        except TimeoutError:
            raise errors.ReadTimeout("no answer", operation=operation) from None
        await self.boundary(f"answered {operation}")
        if not reply.status:
            raise errors.ConnectionLost("lost", operation=operation)
        return Answer(reply.status, reply.headers, reply.body)

    def _arrive(
        self,
        answer: asyncio.Future[Reply],
        verb: str,
        path: str,
        query: dict[str, str],
        body: bytes,
    ) -> None:
        """Let the provider act, and send back what it says, whatever became of who asked."""
        reply = self.provider.take(verb, path, query, body)
        if reply.after < FOREVER:
            asyncio.get_running_loop().call_later(
                reply.after, _deliver, answer, reply, context=Context()
            )


def _deliver(answer: asyncio.Future[Reply], reply: Reply) -> None:
    if not answer.done():
        answer.set_result(reply)

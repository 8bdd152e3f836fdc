"""A provider, processes that may die or freeze at any boundary of their I/O, and a lane.

The provider is the sandbox itself, called without a network, and its ledger is the judge. A process
is what a worker holds: a store, a client, a poster and the dialing activities. `Lane` does what the
workflow does: the same turn again until it is answered, then the next one with what was decided.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from contextvars import copy_context
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Self, TypeVar
from urllib.parse import urlencode

from sqlalchemy.ext.asyncio import AsyncConnection
from temporalio.testing import ActivityEnvironment

from activities.dialing import DialingActivities
from activities.messages import AdvanceInput, AdvanceResult
from activities.posting import Poster
from campaigns.attempts import Step
from campaigns.contacts import ContactRow
from campaigns.definition import Campaign
from campaigns.numbers import PhoneNumber, normalise
from campaigns.policy import dialing_rules, next_step
from sandbox import control
from sandbox.calls import Call
from sandbox.server import create_app
from sandbox.settings import SandboxSettings
from store import importing, reporting, runs, tracking
from store.engine import Store, open_store
from tests.activities import virtual
from zenvia import errors
from zenvia.client import Timeouts, VoiceClient
from zenvia.transport import Answer

ACCOUNT = "account"
RUN = "run1"
TOKEN = "sandbox-token"
HEARTBEAT = 4.0
"""Seconds after which a worker that says nothing is taken for dead, and another one begins."""
TRIP = 0.005
"""Seconds that a request takes each way."""

T = TypeVar("T")


class Dead(BaseException):
    """The process was killed: nothing of it acts any more."""


@dataclass
class Life:
    """Counts the boundaries of a process's I/O, and ends or interrupts it at some of them.

    `dies_at` and `freezes_at` name boundaries by their number, from 0; `dies` names one by what it
    is. `names` keeps what was passed.
    """

    dies_at: int | None = None
    dies: str = ""
    freezes_at: Mapping[int, float] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    frozen_until: float = 0.0
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def frozen(self) -> bool:
        """Whether the process stands still."""
        return asyncio.get_running_loop().time() < self.frozen_until

    def check(self) -> None:
        """Raise in a process that is dead."""
        if self.ended.is_set():
            raise Dead

    async def boundary(self, name: str) -> None:
        """Pass a boundary, or die there, or stand still there for a while."""
        self.check()
        number = len(self.names)
        self.names.append(name)
        if number == self.dies_at or name == self.dies:
            self.ended.set()
            raise Dead
        now = asyncio.get_running_loop().time()
        self.frozen_until = max(self.frozen_until, now + self.freezes_at.get(number, 0.0))
        await asyncio.sleep(max(self.frozen_until - now, 0.0))
        self.check()


class MortalStore(Store):
    """A store whose process may die or freeze before and after every transaction."""

    life: Life

    @asynccontextmanager
    async def read(self, *, long: bool = False) -> AsyncIterator[AsyncConnection]:
        """Yield a connection; the process may die or freeze before it."""
        await self.life.boundary("read")
        async with super().read(long=long) as connection:
            yield connection

    @asynccontextmanager
    async def write(self, *, long: bool = False) -> AsyncIterator[AsyncConnection]:
        """Yield a transaction; dying before the commit undoes it, dying after it does not."""
        await self.life.boundary("before a transaction")
        async with super().write(long=long) as connection:
            yield connection
            self.life.check()
        await self.life.boundary("after a transaction")


class Provider:
    """The Voice API behind a wire that may lose, hold or break what goes over it.

    `fates` names, per operation, what happens to the next requests: `ok`, `unreachable` (nothing is
    sent), `lost before` and `lost after` (the connection breaks, without or with effect), `slow N`
    (the provider acts N seconds later), `error before`, `error after` (a 500), or `STATUS/MOTIVO`
    (that refusal). When they are used up, `always` decides. `skew` is added to its clock.
    """

    def __init__(self, *, skew: float = 0.0, **settings: Any) -> None:
        self.skew = skew
        self.settings = SandboxSettings(**{"token": TOKEN, "seed": 7, **settings})
        self.app = create_app(self.settings, clock=lambda: virtual.clock() + self.skew)
        self.account = self.app.state.account
        self.fates: dict[str, deque[str]] = {}
        self.always: dict[str, str] = {}
        self.requests: list[tuple[float, str, str]] = []
        self.deaf = False
        """Whether the provider takes requests to hang up without doing so."""
        self._acting: set[asyncio.Task[Any]] = set()

    def will(self, operation: str, *fates: str) -> None:
        """Say what happens to the next requests of an operation."""
        self.fates.setdefault(operation, deque()).extend(fates)

    def fate(self, operation: str) -> str:
        """Draw the fate of a request."""
        waiting = self.fates.get(operation)
        return waiting.popleft() if waiting else self.always.get(operation, "ok")

    def script(self, outcomes: Mapping[PhoneNumber, Sequence[Any]]) -> None:
        """Say what calls to some numbers will do."""
        control.set_script(
            self.account, {number.e164: list(entries) for number, entries in outcomes.items()}
        )

    def faults(self, **faults: Any) -> None:
        """Set faults of the sandbox itself, such as `report_lag`."""
        control.set_faults(self.account, faults)

    def calls(self) -> list[Call]:
        """Return every call that was accepted, in order."""
        return list(self.account.book.since())

    def live(self) -> list[Call]:
        """Return the calls that are live now."""
        now = virtual.clock() + self.skew
        return [call for call in self.calls() if call.live(now)]

    @property
    def peak(self) -> int:
        """The most calls that were ever live at once."""
        self.account.book.advance(virtual.clock() + self.skew)
        return int(self.account.book.peak_live)

    def asked(self, operation: str) -> int:
        """Return how many requests of an operation arrived."""
        return sum(name == operation for _, name, _ in self.requests)

    async def answer(self, operation: str, verb: str, path: str, query: str, body: bytes) -> Answer:
        """Do what a request asks for and answer it."""
        self.requests.append((virtual.clock(), operation, f"{path}?{query}"))
        if self.deaf and verb == "DELETE":
            return Answer(200, {}, b'{"status":200,"sucesso":true,"motivo":0,"dados":null}')
        status, chunks = 0, []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body}

        async def send(message: Any) -> None:
            nonlocal status
            status = message.get("status", status)
            chunks.append(message.get("body", b""))

        scope = {
            "type": "http",
            "method": verb,
            "path": path,
            "query_string": query.encode(),
            "headers": [(b"access-token", TOKEN.encode()), (b"content-type", b"application/json")],
        }
        await self.app(scope, receive, send)
        return Answer(status, {}, b"".join(chunks))

    def act_later(self, seconds: float, request: tuple[str, str, str, str, bytes]) -> None:
        """Act on a request some time from now, whatever becomes of whoever sent it."""

        async def act() -> None:
            await asyncio.sleep(seconds)
            await self.answer(*request)

        task = copy_context().run(_free, act())
        self._acting.add(task)
        task.add_done_callback(self._acting.discard)


def _free(coroutine: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """Start a task that belongs to no process."""
    virtual.OWNER.set(None)
    return asyncio.get_running_loop().create_task(coroutine)


class Wire:
    """Stands in for the transport of a client: one request at a time, between boundaries."""

    def __init__(self, provider: Provider, life: Life, timeouts: Timeouts) -> None:
        self._provider = provider
        self._life = life
        self._timeouts = timeouts

    async def exchange(
        self,
        operation: str,
        verb: str,
        path: str,
        *,
        body: bytes | None = None,
        query: Mapping[str, str] | None = None,
        send_by: float | None = None,
        clock: Callable[[], float] = virtual.clock,
        permit: Callable[[], bool] | None = None,
        **_: Any,
    ) -> Answer:
        """Send one request as `HttpTransport` does: to look at the clock is the last act."""
        await self._life.boundary(f"before {operation}")
        if (send_by is not None and clock() > send_by) or (permit is not None and not permit()):
            raise errors.DeadlinePassed("too late", operation=operation)
        fate = self._provider.fate(operation)
        request = (operation, verb, path, urlencode(query or {}), body or b"")
        if fate == "unreachable":
            raise errors.ConnectError("nobody there", operation=operation)
        if fate == "lost before":
            raise errors.ConnectionLost("lost", operation=operation)
        if fate.startswith("slow"):
            self._provider.act_later(float(fate.split()[1]), request)
            await asyncio.sleep(self._timeouts.read)
            raise errors.ReadTimeout("no answer", operation=operation)
        if fate == "error before":
            return _refusal(500, 50)
        if "/" in fate:
            status, motivo = fate.split("/")
            return _refusal(int(status), int(motivo))
        answer = await self._provider.answer(*request)
        await self._life.boundary(f"after {operation}")
        await asyncio.sleep(2 * TRIP)
        if fate == "lost after":
            raise errors.ConnectionLost("lost", operation=operation)
        if fate == "error after":
            return _refusal(500, 50)
        await self._life.boundary(f"answered {operation}")
        return answer


def _refusal(status: int, motivo: int) -> Answer:
    text = f'{{"status":{status},"sucesso":false,"motivo":{motivo},"mensagem":"no","dados":null}}'
    return Answer(status, {"retry-after": "30"} if status == 429 else {}, text.encode())


@dataclass
class Process:
    """A worker's process."""

    life: Life
    store: MortalStore
    client: VoiceClient
    poster: Poster
    dialing: DialingActivities
    environment: ActivityEnvironment
    tasks: set[asyncio.Task[Any]] = field(default_factory=set)

    def start(self, work: Callable[[], Coroutine[Any, Any, T]]) -> asyncio.Task[T]:
        """Begin something that ends with this process."""

        def begin() -> asyncio.Task[T]:
            virtual.OWNER.set(self.tasks)
            return asyncio.get_running_loop().create_task(work())

        return copy_context().run(begin)

    def advance(self, request: AdvanceInput) -> asyncio.Task[AdvanceResult]:
        """Begin a turn."""
        return self.start(lambda: self.environment.run(self.dialing.advance, request))

    async def kill(self) -> None:
        """End the process now; nothing of it acts any more."""
        self.life.ended.set()
        while self.tasks:
            for task in list(self.tasks):
                task.cancel()
            await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.store.database.dispose()


class World:
    """One account at one provider, with a store and processes that come and go."""

    def __init__(self, folder: Path, template: Path, provider: Provider | None = None) -> None:
        self.provider = provider or Provider()
        self.path = folder / "world.db"
        shutil.copyfile(template, self.path)
        self.processes: list[Process] = []
        self.timeouts = Timeouts(read=2.0, total=3.0)
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        self.store = await self._stack.enter_async_context(
            open_store(f"sqlite:///{self.path}", virtual.clock)
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        for process in self.processes:
            await process.kill()
        await self._stack.aclose()

    async def begin(
        self,
        definition: Campaign,
        rows: Iterable[ContactRow],
        *,
        run: str = RUN,
        channels: int | None = None,
        rate: float | None = None,
        lanes: int = 1,
    ) -> None:
        """Import a list and let its run dial."""
        await runs.ensure_account(self.store, ACCOUNT, channels, rate)
        await runs.create_run(
            self.store, run_id=run, account=ACCOUNT, definition=definition, lanes=lanes
        )
        await importing.import_rows(self.store, run, rows)
        await runs.mark_ready(self.store, run)

    async def process(self, life: Life | None = None) -> Process:
        """Start a process."""
        life = life or Life()
        opened = await self._stack.enter_async_context(
            open_store(f"sqlite:///{self.path}", virtual.clock)
        )
        store = MortalStore(opened.database, opened.clock)
        object.__setattr__(store, "life", life)
        client = VoiceClient("http://127.0.0.1:1", TOKEN)
        wire: Any = Wire(self.provider, life, self.timeouts)
        client._transport = wire
        poster = Poster(store, client)
        dialing = DialingActivities(
            store, client, poster, loopback=True, http_total=self.timeouts.total
        )
        process = Process(life, store, client, poster, dialing, ActivityEnvironment())
        self.processes.append(process)
        return process

    async def attempts(self, run: str = RUN) -> list[tracking.OpenAttempt]:
        """Return what is open in the run's first lane."""
        return await tracking.open_attempts(self.store, run, 0)

    async def report(self, run: str = RUN) -> reporting.Report:
        """Return the run's report."""
        return await reporting.report(self.store, run)


class Lane:
    """Does with processes what the lane's workflow does with activities.

    `lives` are those of the processes that carry it, one after the other; when they are used up,
    the rest is carried by one that neither dies nor freezes.
    """

    def __init__(
        self,
        world: World,
        definition: Campaign,
        *,
        run: str = RUN,
        lane: int = 0,
        lives: Sequence[Life] = (),
    ) -> None:
        self.world = world
        self.rules = dialing_rules(definition, 1)
        self.run_id, self.lane = run, lane
        self.lives = deque(lives)
        self.turns = 0
        self.steps: tuple[Step, ...] = ()
        self.results: list[AdvanceResult] = []
        self.process: Process | None = None

    async def carry(self) -> None:
        """Turn until nothing is left."""
        while True:
            result = await self.turn()
            if result.finished and not self.steps:
                return
            if not self.steps and result.live == 0:
                waits = 60.0 if result.next_due is None else result.next_due
                if result.state != "running":
                    waits = 5.0
                await asyncio.sleep(min(max(waits, 0.01), 60.0))

    async def turn(self) -> AdvanceResult:
        """Do one turn, however many processes it takes."""
        request = AdvanceInput(
            run=self.run_id,
            lane=self.lane,
            token=f"{self.run_id}/{self.lane}/{self.turns}",
            steps=self.steps,
        )
        while True:
            result = await self._attempt(request)
            if result is not None:
                break
        self.turns += 1
        self.results.append(result)
        self.steps = tuple(next_step(self.rules, ended) for ended in result.ended)
        return result

    async def _attempt(self, request: AdvanceInput) -> AdvanceResult | None:
        """Let a process try a turn; None when it died, froze or failed."""
        if self.process is None:
            life = self.lives.popleft() if self.lives else Life()
            self.process = await self.world.process(life)
        process = self.process
        task = process.advance(request)
        died = asyncio.ensure_future(process.life.ended.wait())
        silent = 0.0
        try:
            while True:
                await asyncio.wait({task, died}, timeout=1, return_when=asyncio.FIRST_COMPLETED)
                if process.life.ended.is_set():
                    self.process = None
                    await process.kill()
                    await asyncio.sleep(HEARTBEAT)
                    return None
                if task.done():
                    return task.result()
                silent = silent + 1 if process.life.frozen else 0.0
                if silent >= HEARTBEAT:
                    self.process = None  # it may wake later, as a zombie
                    return None
        finally:
            died.cancel()


def person(index: int) -> PhoneNumber:
    """Return the number of the n-th person."""
    number = normalise(f"119{61000000 + index}")
    assert isinstance(number, PhoneNumber)
    return number


def people(*numbers: Sequence[int] | int) -> list[ContactRow]:
    """Return rows for people; each is named by the index of a number, or by several."""
    return [
        ContactRow(
            line=line + 2,
            external_id=str(line),
            numbers=tuple(person(n) for n in ((who,) if isinstance(who, int) else who)),
            columns={},
        )
        for line, who in enumerate(numbers)
    ]


def campaign(name: str = "teste", **parts: Any) -> Campaign:
    """Return a campaign; `parts` replace whole sections."""
    definition: dict[str, Any] = {
        "campaign": name,
        "purpose": "collection",
        "dial_list": {"file": "lista.csv", "numbers": ["celular"]},
        "call": {"connect_to": "4000"},
        "pacing": {"channels": "3", "calls_per_second": "10"},
        "calling_hours": "always",
        "limits": {"per_contact": {"total": "3"}},
        "reconcile": {"quiet": "20s"},
    }
    return Campaign.model_validate({**definition, **parts})


# The judge ----------------------------------------------------------------------------------------


def judge(
    provider: Provider, *, channels: int, rate: float, per_contact: int | None = None
) -> None:
    """Hold the provider's ledger to the promises; raises `AssertionError` with the broken one."""
    calls = provider.calls()
    keys = [(call.tags or "").split(" ")[0] for call in calls]
    assert len(keys) == len(set(keys)), "a key was sent twice"
    by_number: dict[str, list[Call]] = {}
    for call in calls:
        legs = (call.origem.number, call.destino.number)
        (contact,) = [number.digits for number in legs if number.kind != "ramal"]
        by_number.setdefault(contact, []).append(call)
    for same in by_number.values():
        for before, after in pairwise(same):
            assert before.ended_at <= after.live_from, "a number was live twice"
        assert per_contact is None or len(same) <= per_contact, "a cap was exceeded"
    assert provider.peak <= channels, "more calls than channels"
    sent = [call.accepted_at for call in calls]
    for index, moment in enumerate(sent):
        within = sum(moment - 1 <= earlier for earlier in sent[: index + 1])
        assert within <= rate + 1, "faster than the rate"

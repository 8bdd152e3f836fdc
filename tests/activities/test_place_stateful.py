"""A process that dies at any boundary of its I/O calls nobody twice and forgets nobody.

The real dialing turn runs over the real store against a model of the provider. A process may die
before or after any transaction and before or after the provider accepts a POST; another one then
goes on with the same token, as Temporal would have it. The provider's ledger is the judge.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast
from unittest import mock

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncConnection
from temporalio.testing import ActivityEnvironment

from activities.dialing import DialingActivities
from activities.lost_answers import LostAnswers
from activities.messages import AdvanceInput, AdvanceResult
from activities.posting import Poster
from activities.tracking import Tracker
from campaigns.attempts import DialingRules, Step
from campaigns.contacts import ContactRow
from campaigns.definition import Campaign
from campaigns.numbers import PhoneNumber, normalise
from campaigns.policy import next_step
from store import giving_up, importing, placing, reporting, runs
from store.engine import Store, open_store
from store.schema import attempts
from zenvia import errors
from zenvia.client import VoiceClient
from zenvia.models import Chamada, NewCall

RUN = "stateful"
CHANNELS = 3
TALK = 0.15
"""Seconds that a call lasts."""


class Dead(BaseException):
    """The process has been killed: nothing of it acts any more."""


@dataclass
class Mortality:
    """Counts a process's boundaries of I/O and kills it at one of them."""

    dies_at: int | None = None
    passed: int = 0
    dead: bool = False

    def boundary(self) -> None:
        """Pass a boundary, or die there. The dead pass none."""
        if self.dead or self.passed == self.dies_at:
            self.dead = True
            raise Dead
        self.passed += 1


class MortalStore(Store):
    """A store that a process can die before and after every transaction of."""

    life: Mortality

    @asynccontextmanager
    async def read(self, *, long: bool = False) -> AsyncIterator[AsyncConnection]:
        """Yield a connection to one that lives."""
        if self.life.dead:
            raise Dead
        async with super().read(long=long) as connection:
            yield connection

    @asynccontextmanager
    async def write(self, *, long: bool = False) -> AsyncIterator[AsyncConnection]:
        """Yield a transaction; before it and after its commit the process may die."""
        self.life.boundary()
        async with super().write(long=long) as connection:
            yield connection
        self.life.boundary()


@dataclass
class Entry:
    """A call that the provider accepted."""

    id: int
    key: str
    number: str
    accepted_at: float
    ended_at: float


@dataclass
class Provider:
    """The Voice API as far as dialing needs it; every accepted call is answered."""

    clock: Callable[[], float]
    ledger: list[Entry] = field(default_factory=list)
    fates: list[str] = field(default_factory=list)
    most_live: int = 0

    def accept(self, call: NewCall) -> Entry:
        """Accept a call and put it into the ledger."""
        now = self.clock()
        entry = Entry(
            len(self.ledger) + 1,
            (call.tags or "").split(" ")[0],
            call.numero_origem,
            now,
            now + TALK,
        )
        self.ledger.append(entry)
        self.most_live = max(self.most_live, sum(item.ended_at > now for item in self.ledger))
        return entry

    def show(self, entry: Entry) -> Chamada:
        """Return a call as the API shows it."""
        over = self.clock() >= entry.ended_at
        leg = {"status": "atendida" if over else "chamando", "motivo_desconexao": "16. normal"}
        return Chamada.model_validate(
            {
                "id": entry.id,
                "data_criacao": datetime.fromtimestamp(entry.accepted_at, UTC).isoformat(),
                "tags": entry.key,
                "ativa": not over,
                "status_geral": "finalizada" if over else "curso",
                "origem": {**leg, "duracao_falada_segundos": 5},
                "destino": {**leg, "duracao_falada_segundos": 5},
            }
        )


@dataclass
class Client:
    """A process's connection to the provider."""

    provider: Provider
    life: Mortality
    requests_per_second: None = None

    async def create_call(
        self,
        call: NewCall,
        *,
        send_by: float,
        clock: Callable[[], float],
        permit: Callable[[], bool],
    ) -> int:
        """Accept, refuse or lose a call as its fate says."""
        self.life.boundary()
        if clock() > send_by or not permit():
            raise errors.DeadlinePassed("late", operation="chamada criar")
        fate = self.provider.fates.pop() if self.provider.fates else "answer"
        if fate == "error":
            raise errors.ConnectionLost("lost", operation="chamada criar")
        if fate == "unreachable":
            raise errors.ConnectError("nobody there", operation="chamada criar")
        entry = self.provider.accept(call)
        self.life.boundary()
        if fate == "lost":
            raise errors.ConnectionLost("lost", operation="chamada criar")
        return entry.id

    async def call_states(
        self, start: datetime, end: datetime, *, posicao: int, limite: int, known: Any = None
    ) -> list[Chamada]:
        """Return a page of the report."""
        if self.life.dead:
            raise Dead
        rows = [
            self.provider.show(entry)
            for entry in self.provider.ledger
            if start.timestamp() <= entry.accepted_at <= end.timestamp()
        ]
        return rows[posicao : posicao + limite]

    async def iter_call_report(
        self, start: datetime, end: datetime, *, origem: str | None, destino: str | None
    ) -> AsyncIterator[Chamada]:
        """Give all calls of a number."""
        wanted = {entry.id for entry in self.provider.ledger if entry.number in (origem, destino)}
        for call in await self.call_states(start, end, posicao=0, limite=len(self.provider.ledger)):
            if call.id in wanted:
                yield call

    async def fetch_call(self, call_id: int) -> Chamada:
        """Return one call."""
        if self.life.dead:
            raise Dead
        return self.provider.show(self.provider.ledger[call_id - 1])

    async def hang_up(self, call_id: int) -> None:
        """End a call."""
        entry = self.provider.ledger[call_id - 1]
        entry.ended_at = min(entry.ended_at, self.provider.clock())


DEFINITION = Campaign.model_validate(
    {
        "campaign": "stateful",
        "purpose": "service",
        "dial_list": {"file": "list.csv", "numbers": ["number"]},
        "call": {"connect_to": "4000"},
        "pacing": {"channels": str(CHANNELS), "calls_per_second": "200"},
        "calling_hours": "always",
        "limits": {"per_contact": {"total": "3"}},
        "reconcile": {"quiet": "2s"},
    }
)
PEOPLE = (0, 1, 2, 3, 4, 4)
"""The last two contacts share a number, so it is called twice, one call after the other."""


def number(index: int) -> PhoneNumber:
    """Return the number of a person."""
    parsed = normalise(f"119{70_000_000 + index}")
    assert isinstance(parsed, PhoneNumber)
    return parsed


class Dialing(RuleBasedStateMachine):
    """Turns of a lane, deaths, lost answers, pauses and time, in any order."""

    empty: Path
    """A migrated store without rows, of which every example gets a copy."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.loop = asyncio.new_event_loop()
        self.offset = 0.0
        self.provider = Provider(self.now)
        self.steps: tuple[Step, ...] = ()
        self.turn_number = 0
        self.finished = False
        shutil.copyfile(self.empty, self.folder / "store.db")
        self.url = f"sqlite:///{self.folder}/store.db"

    def now(self) -> float:
        """Read the clock that everybody shares."""
        return time.time() + self.offset

    def sync(self, work: Awaitable[Any]) -> Any:
        """Run something to its end."""

        async def bounded() -> Any:
            return await asyncio.wait_for(work, 20)

        return self.loop.run_until_complete(bounded())

    @initialize()
    def import_the_list(self) -> None:
        """Prepare the run."""

        async def prepare() -> None:
            async with open_store(self.url, self.now) as store:
                await runs.ensure_account(store, "account", None, None)
                await runs.create_run(store, run_id=RUN, account="account", definition=DEFINITION)
                rows = [
                    ContactRow(line=i, external_id=str(i), numbers=(number(who),), columns={})
                    for i, who in enumerate(PEOPLE)
                ]
                await importing.import_rows(store, RUN, rows)
                await runs.mark_ready(store, RUN)

        self.sync(prepare())

    @rule(
        dies_at=st.one_of(st.none(), st.integers(0, 18)),
        fates=st.lists(st.sampled_from(["answer", "lost", "error", "unreachable"]), max_size=4),
    )
    def turn(self, dies_at: int | None, fates: list[str]) -> None:
        """Let a new process do the lane's next turn, or the one that its predecessor died in."""
        if not self.finished:
            self.provider.fates = list(fates)
            self.sync(self._process(Mortality(dies_at)))

    @rule(seconds=st.sampled_from([0.5, 3.0, 20.0]))
    def pass_time(self, seconds: float) -> None:
        """Let time go by."""
        self.offset += seconds

    @rule()
    def pause_and_resume(self) -> None:
        """Raise the epoch, as a person does who pauses and goes on."""

        async def change() -> None:
            async with open_store(self.url, self.now) as store:
                await runs.pause(store, RUN, "a person")
                await runs.resume(store, RUN)

        if not self.finished:
            self.sync(change())

    @invariant()
    def the_ledger_is_clean(self) -> None:
        """No key twice, no number live twice, never more calls than channels."""
        ledger = self.provider.ledger
        keys = [entry.key for entry in ledger]
        assert len(keys) == len(set(keys)), "a key was sent twice"
        assert self.provider.most_live <= CHANNELS, "more calls than channels"
        for index, entry in enumerate(ledger):
            for later in ledger[index + 1 :]:
                same = later.number == entry.number
                assert not (same and later.accepted_at < entry.ended_at), "a number was live twice"

    def teardown(self) -> None:
        """Let everything end without further trouble, and count."""
        try:
            self.finish()
        finally:
            self.close()

    def finish(self) -> None:
        """Turn until nothing is left, and hold the ledger and the books to the list."""
        self.provider.fates = []
        for _ in range(80):
            if self.finished:
                break
            self.sync(self._process(Mortality()))
            self.the_ledger_is_clean()
            self.offset += 3.0
        assert self.finished, "the lane never finished"
        called = sorted(entry.number for entry in self.provider.ledger)
        assert called == sorted(number(who).e164 for who in PEOPLE), "not called once each"
        report = self.sync(self._report())
        assert report.contacts.by_outcome == {"answered": len(PEOPLE)}
        assert report.attempts.total == len(PEOPLE)

    def close(self) -> None:
        """Leave nothing behind."""
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.close()
        shutil.rmtree(self.folder)

    async def _report(self) -> reporting.Report:
        async with open_store(self.url, self.now) as store:
            return await reporting.report(store, RUN)

    async def _process(self, life: Mortality) -> None:
        """Be a process: do one turn and drain, unless killed."""
        async with open_store(self.url, self.now) as opened:
            store = MortalStore(opened.database, opened.clock)
            object.__setattr__(store, "life", life)
            client = cast("VoiceClient", Client(self.provider, life))
            poster = Poster(store, client)
            dialing = DialingActivities(store, client, poster, loopback=True, http_total=0.3)
            request = AdvanceInput(
                run=RUN, lane=0, token=f"t/{self.turn_number}", steps=self.steps, max_wait=0.4
            )
            others = asyncio.all_tasks()
            try:
                result = await ActivityEnvironment().run(dialing.advance, request)
                if not life.dead:
                    self._heard(result)
                    await self._drain(poster, life)
            except Dead:
                pass
            finally:
                life.dead = True
                mine = asyncio.all_tasks() - others
                for task in mine:
                    task.cancel()
                await asyncio.gather(*mine, return_exceptions=True)

    async def _drain(self, poster: Poster, life: Mortality) -> None:
        drained = asyncio.ensure_future(poster.drain())
        while not drained.done() and not life.dead:
            await asyncio.wait({drained}, timeout=0.02)
        drained.cancel()
        await asyncio.gather(drained, return_exceptions=True)

    def _heard(self, result: AdvanceResult) -> None:
        """Decide, as the workflow does once it has heard of a turn."""
        self.turn_number += 1
        self.steps = tuple(next_step(DialingRules(), ended) for ended in result.ended)
        self.finished = result.finished and not self.steps


SETTINGS = settings(
    max_examples=12,
    stateful_step_count=8,
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
)


@pytest.fixture(autouse=True)
def from_a_copy(template: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Migrate once, not in each example."""
    monkeypatch.setattr(Dialing, "empty", template, raising=False)


@pytest.fixture(autouse=True)
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten waits that have nothing to do with the promises."""
    monkeypatch.setattr("activities.turn.STATE_CHECK", 0.1)
    monkeypatch.setattr("activities.polling.FASTEST", 0.05)


@pytest.mark.timeout(240)
def test_no_death_calls_anybody_twice_or_never() -> None:
    """Whatever dies wherever: no key twice, no number live twice, everybody called once."""
    run_state_machine_as_test(Dialing, settings=SETTINGS)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("boundary", range(16))
def test_each_boundary_alone(boundary: int) -> None:
    """A death at each boundary of the first turn, with a lost answer, is recovered from."""
    machine = Dialing()
    machine.import_the_list()
    machine.turn(boundary, ["lost"])
    machine.the_ledger_is_clean()
    machine.teardown()


@contextmanager
def without_the_intent() -> Iterator[None]:
    """Take the durable intent away: what was claimed is `reserved` again before it is sent."""
    real = placing.claim

    async def claim(store: Store, **options: Any) -> Any:
        won = await real(store, **options)
        async with Store.write(store) as connection:
            await connection.execute(
                update(attempts).where(attempts.c.state == "posting").values(state="reserved")
            )
        return won

    with mock.patch.object(placing, "claim", claim):
        yield


@contextmanager
def without_reconciling() -> Iterator[None]:
    """Take the search away: an answer that was lost counts as a call that was not made."""

    async def guess(self: LostAnswers, posting: Any, _: float, **how: Any) -> int:
        keys = [row.key for row in posting]
        return await giving_up.give_up(
            self.store, keys, as_state="not_placed", from_state="posting", hold=0
        )

    with (
        mock.patch.object(LostAnswers, "look_for", guess),
        mock.patch.object(Tracker, "_notice", mock.AsyncMock()),
    ):
        yield


@pytest.mark.timeout(240)
def test_without_the_durable_intent_a_key_is_sent_twice() -> None:
    """The check sees an engine that forgets what it was about to send."""
    with without_the_intent(), pytest.raises(AssertionError, match="a key was sent twice"):
        _die_again_and_again(to_the_end=False)


@pytest.mark.timeout(240)
def test_without_reconciling_somebody_is_called_twice() -> None:
    """The check sees an engine that takes a lost answer for a call that was not made."""
    shows = "a number was live twice|not called once each"
    with without_reconciling(), pytest.raises(AssertionError, match=shows):
        _die_again_and_again(to_the_end=True)


def _die_again_and_again(*, to_the_end: bool) -> None:
    for boundary in range(2, 14):
        machine = Dialing()
        try:
            machine.import_the_list()
            machine.turn(boundary, ["lost", "lost"])
            machine.turn(None, [])
            machine.the_ledger_is_clean()
            if to_the_end:
                machine.finish()
        finally:
            machine.close()

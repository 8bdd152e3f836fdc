"""Run the simulation that a seed stands for, and say what it came to."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import random
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import structlog

from activities.messages import CloseInput, PrepareInput
from activities.running import RunActivities
from store import importing, runs
from tests.simulation.case import Evidence
from tests.simulation.database import Database, SimulatedStore
from tests.simulation.judge import judge
from tests.simulation.loop import OWNER, START, Loop, clock
from tests.simulation.people import ACCOUNT, People
from tests.simulation.process import Process, Sent
from tests.simulation.provider import Provider
from tests.simulation.scenario import Listed, Order, Scenario, number, rows, scenario
from tests.simulation.server import Lane, Server

LONGEST = 900.0
"""Virtual seconds within which everything must be over."""
AFTERWARDS = 30.0
"""Virtual seconds that are watched after the end: whoever was frozen wakes up in them."""


@dataclass
class Verdict:
    """What one simulation came to. `broken` names the first promise that was not kept."""

    seed: int
    broken: str
    digest: str
    calls: int
    trace: list[tuple[float, str, str]] = field(repr=False)

    def explain(self, lines: int = 120) -> str:
        """Return the trace around the end, ids only."""
        shown = [f"{at - START:9.3f}  {who:<12} {what}" for at, who, what in self.trace]
        if len(shown) > lines:
            shown = [f"... {len(shown) - lines} lines before", *shown[-lines:]]
        return "\n".join(
            [
                f"seed {self.seed}: {self.broken or 'every promise was kept'}",
                *shown,
                f"replay it: make simulate SEED={self.seed}",
            ]
        )


class Simulation:
    """One simulation under way."""

    def __init__(self, plan: Scenario, database: Database) -> None:
        self.plan = plan
        self.database = database
        self.trace: list[tuple[float, str, str]] = []
        self.sent: list[Sent] = []
        # One generator per concern, so that a change in one leaves the others as they were.
        self.weather = Random(f"{plan.seed} weather")
        self.fates = Random(f"{plan.seed} fates")
        self.faults = Random(f"{plan.seed} faults")
        self.provider = Provider(
            self.weather, plan.weather, self._outcome, lambda what: self.say("provider", what)
        )
        self.provider.invalid = {number(n).e164 for n in plan.invalid}
        self.server = Server(Random(f"{plan.seed} server"), self.say)
        self.dooms = list(plan.dooms)
        self.store = SimulatedStore.of(database, None, _no_boundary)
        self.people = People(plan, self.store, self.provider, self.say)
        self.lanes: list[Lane] = []
        self.started = 0

    def say(self, who: str, what: str) -> None:
        """Note what happened."""
        self.trace.append((clock(), who, what))

    def _outcome(self, e164: str, _: int) -> tuple[str, float, float]:
        kinds = self.plan.mix
        (kind,) = self.fates.choices(tuple(kinds), tuple(kinds.values()))
        ring = round(self.fates.uniform(0.1, 1), 3)
        talk = round(self.fates.uniform(0.1, 2.5), 3)
        return kind, ring, talk

    def _faulty(self) -> str:
        """Draw whether a step of a transaction fails: nothing is done, or only the answer lost."""
        if not self.plan.store_faults:
            return ""
        if self.faults.random() >= self.plan.store_faults / 3:
            return ""
        if clock() >= self.plan.weather.clear_at:
            return ""
        return self.faults.choice(("fails", "gone", "conflict"))

    # Processes ------------------------------------------------------------------------------------

    def _start(self) -> Process:
        dooms = self.dooms.pop(0) if self.dooms else ()
        self.started += 1
        process = Process(
            f"process {self.started}",
            dooms,
            database=self.database,
            provider=self.provider,
            sent=self.sent,
            faulty=self._faulty,
            say=self.say,
        )
        self.say(process.name, "starts")
        return process

    async def _supervise(self, slot: int) -> None:
        """Keep one process running, and start another some time after it has died."""
        rng = Random(f"{self.plan.seed} supervisor {slot}")
        while True:
            process = self._start()
            self.server.processes.append(process)
            while not process.life.dead:  # noqa: ASYNC110 - who dies tells nobody
                await asyncio.sleep(1)
            await asyncio.sleep(rng.choice((0.1, 1.0, 3.0)))

    # People ---------------------------------------------------------------------------------------

    async def _begin(self, listed: Listed) -> None:
        await runs.create_run(
            self.store,
            run_id=listed.run,
            account=ACCOUNT,
            definition=listed.definition,
            lanes=listed.lanes,
        )
        await importing.import_rows(self.store, listed.run, rows(listed.people))
        await runs.mark_ready(self.store, listed.run)

    async def _obey(self, order: Order) -> None:
        await self.people.obey(order)
        for lane in self.lanes:
            lane.woken.set()

    async def _command(self) -> None:
        for order in self.plan.orders:
            await asyncio.sleep(max(START + order.at - clock(), 0.0))
            await self._obey(order)
        while True:  # somebody looks after a run that paused itself, for lack of balance
            await asyncio.sleep(20)
            for index, listed in enumerate(self.plan.campaigns):
                if (await runs.get_run(self.store, listed.run)).state == "paused":
                    await self._obey(Order(0.0, "resume", index))

    async def _carry(self, listed: Listed) -> None:
        """Carry a run as its workflow does: its lanes, then its end."""
        running = RunActivities(self.store)
        prepared = await running.prepare(PrepareInput(run=listed.run))
        while True:
            lanes = [
                Lane(
                    self.server,
                    running,
                    listed.run,
                    lane,
                    rules=prepared.rules,
                    opened=len(self.lanes),
                )
                for lane in range(prepared.lanes)
            ]
            self.lanes += lanes
            await asyncio.gather(*(lane.carry() for lane in lanes))
            if await self._close(running, listed):
                return

    async def _close(self, running: RunActivities, listed: Listed) -> bool:
        """End a run; False when somebody was made due after its lanes had finished."""
        while True:
            try:
                closed = await running.close(CloseInput(run=listed.run))
            except runs.RunError as error:
                self.say("workflow", f"cannot close: {error}")
                await asyncio.sleep(15)
            else:
                self.say("workflow", f"{listed.run} is {closed.state}")
                return closed.state in {"completed", "stopped", "failed"}

    async def run(self) -> str:
        """Run to the end; return the first promise that was broken."""
        plan = self.plan
        await runs.ensure_account(self.store, ACCOUNT, plan.account_channels, plan.account_rate)
        for listed in plan.campaigns:
            await self._begin(listed)
        background = [
            asyncio.ensure_future(work)
            for work in (*map(self._supervise, range(plan.workers)), self._command())
        ]
        over = True
        try:
            async with asyncio.timeout(LONGEST):
                await asyncio.gather(*map(self._carry, plan.campaigns))
        except TimeoutError:
            over = False
        at_the_end = clock()
        await asyncio.sleep(AFTERWARDS / 2)
        if plan.looks_after:
            for listed in plan.campaigns:
                await self.people.look_after(listed.run)
        await asyncio.sleep(AFTERWARDS / 2)
        for task in background:
            task.cancel()
        evidence = Evidence(
            plan=plan,
            ledger=self.provider.ledger,
            sent=self.sent,
            done=self.people.done,
            connection=self.database.reader.connection.driver_connection,
            over=over,
            ended_at=at_the_end,
        )
        broken = judge(evidence)
        loop = asyncio.get_running_loop()
        assert isinstance(loop, Loop)
        await loop.bury([process.life for process in self.server.processes])
        return broken


async def _no_boundary(_: str) -> None:
    """Let whoever types commands live."""


def simulate(seed: int, empty: Path, plan: Scenario | None = None) -> Verdict:
    """Run what a seed stands for in virtual time. `empty` is a migrated store without rows."""
    plan = plan or scenario(seed)
    loop = Loop()
    drawn = random.getstate()  # the store draws how long it waits after a conflict
    random.seed(plan.seed)
    gc.disable()  # cycles are collected between simulations, not in the middle of one
    with tempfile.TemporaryDirectory() as folder:
        database = Database(empty, Path(folder) / "store.db")
        simulation = Simulation(plan, database)
        with _listening(simulation), warnings.catch_warnings():
            # What a process had begun when it was killed is never awaited.
            warnings.simplefilter("ignore", RuntimeWarning)
            asyncio.set_event_loop(loop)
            try:
                broken = loop.run_until_complete(simulation.run())
            finally:
                loop.run_until_complete(loop.shutdown_asyncgens())
                asyncio.set_event_loop(None)
                loop.close()
                database.close()
                gc.enable()
                random.setstate(drawn)
    facts = repr((simulation.provider.ledger, simulation.trace, broken))
    return Verdict(
        seed=plan.seed,
        broken=broken,
        digest=hashlib.sha256(facts.encode()).hexdigest(),
        calls=len(simulation.provider.ledger),
        trace=simulation.trace,
    )


@contextmanager
def _listening(simulation: Simulation) -> Iterator[None]:
    """Take what the engine logs into the trace."""

    def hear(_: Any, method: str, event: Mapping[str, Any]) -> Mapping[str, Any]:
        life = OWNER.get()
        if life is None or not life.buried:
            who = "command line" if life is None else life.name
            words = " ".join(f"{name}={value}" for name, value in event.items())
            simulation.say(who, f"logs {method} {words}")
        raise structlog.DropEvent

    before = structlog.get_config()
    structlog.configure(processors=[hear])
    try:
        yield
    finally:
        structlog.configure(**before)

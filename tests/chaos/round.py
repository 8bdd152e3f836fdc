"""One round: a campaign under a schedule of disturbances, on one store, judged by the ledger."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path

from temporalio.service import RPCError

from console.process import Child
from store import reporting
from tests.chaos import books, stalls
from tests.chaos.schedule import QUIET, WORKERS, Disturbance, Form, schedule
from tests.crash import campaign, ledger
from tests.crash.campaign import Plan
from tests.crash.partition import Network
from tests.crash.stack import Stack, crash_stack
from workflows.names import lane_id

LANES = 2
SPEED = 40.0
"""A call of 25 seconds lasts 0.6."""

TICK = 0.05
TELL_EVERY = 5.0
LOOK_EVERY = 2.0
SETTLED_FOR = 3.0
"""Seconds of silence after which a woken worker has done whatever it was about to do."""

WAKING = 3.0
"""Seconds that a worker has for the harm it may do after it has been thawed or mended."""

DEADLINE_FACTOR = 20.0
"""How much longer than undisturbed a run may take before it counts as one that does not end."""


@dataclass
class Outcome:
    """What a round came to: figures for people and programs, and every promise broken."""

    seed: int
    store: str
    form: str
    contacts: int
    seconds: float = 0.0
    calls: int = 0
    disturbed: dict[str, int] = field(default_factory=dict)
    """What was done to processes, as often as it was done."""
    faults: dict[str, int] = field(default_factory=dict)
    """What the API did wrong, as the sandbox counted it."""
    counts: dict[str, int] = field(default_factory=dict)
    """Broken promises by name; all are zero in a good round."""
    caps: dict[str, str] = field(default_factory=dict)
    doubts: dict[str, int] = field(default_factory=dict)
    """What became of the attempts whose answer was lost."""
    broken: list[str] = field(default_factory=list)
    """Every broken promise with the calls that break it."""

    @property
    def kept(self) -> bool:
        """Whether every promise was kept."""
        return not self.broken


@dataclass
class _Slot:
    """One of the three places where a worker runs, with a network of its own."""

    network: Network
    child: Child
    mend_at: float | None = None
    frozen: bool = False
    waiting: Disturbance | None = None
    """What is to befall it as soon as it works, and another one does too."""
    spared_until: float = 0.0
    started: bool = False

    @property
    def works(self) -> bool:
        """Whether it takes turns and can report them."""
        if not self.started:
            self.started = "worker_started" in self.child.output()
        return self.started and self.mend_at is None

    def replace(self, child: Child) -> None:
        """Put a new process in its place."""
        self.child, self.started = child, False


class Round:
    """Carries out a schedule until the run has ended or a promise is seen broken."""

    def __init__(self, stack: Stack, plan: Plan, form: Form, seed: int) -> None:
        self._stack = stack
        self._plan = plan
        self._form = form
        self._due: Iterator[Disturbance] = schedule(seed, form)
        self._next = next(self._due)
        self._slots: list[_Slot] = []
        self._temporal_back_at: float | None = None
        self._began = 0.0
        self._calm = False
        self._watch = stalls.Watch()
        self.broken: list[str] = []

    def _now(self) -> float:
        return time.monotonic() - self._began

    async def run(self, outcome: Outcome) -> None:
        """Start the workers, break things until the run ends, mend everything, and judge."""
        stack, plan = self._stack, self._plan
        async with AsyncExitStack() as networks:
            stack.sandbox.inside(self._watch.start)
            await campaign.start(stack, plan)
            for _ in range(WORKERS):
                network = await networks.enter_async_context(Network(stack.temporal_port))
                self._slots.append(_Slot(network, stack.start_worker(network)))
            for slot in self._slots:
                await stack.worker_works(slot.child)
            self._began = time.monotonic()
            await self._disturb_until_the_end()
            outcome.seconds = round(self._now(), 1)
            await self._mend_everything()
            await self._judge(outcome)

    async def _disturb_until_the_end(self) -> None:
        plan = self._plan
        undisturbed = sum(plan.calls.values()) / plan.rate
        disturbed = self._form.breaks_for if isfinite(self._form.breaks_for) else 0.0
        deadline = max(DEADLINE_FACTOR * undisturbed, disturbed) + 60.0
        look_at = tell_at = 0.0
        while True:
            await self._act()
            now = self._now()
            if now >= look_at:
                began = time.monotonic()
                if self._look() or await campaign.ended(self._stack, plan):
                    return
                look_at = now + LOOK_EVERY + 10 * (time.monotonic() - began)
            if now >= tell_at:
                self._tell()
                tell_at = now + TELL_EVERY
            if now > deadline:
                left = await campaign.remains(self._stack.store)
                self.broken.append(
                    f"the run has not ended after {deadline:.0f} s: {left}\n"
                    f"{self._stack.last_words()}"
                )
                return
            await asyncio.sleep(TICK)

    def _look(self) -> list[str]:
        """Look for promises that are broken already: waiting for the end would hide the moment."""
        calls = ledger.read(self._stack.sandbox.ledger())
        peak = self._stack.sandbox.stats()["peak_live"]
        self.broken = campaign.broken_promises(
            calls, self._plan, peak, at_the_end=False, densest=self._densest(calls)
        )
        return self.broken

    def _densest(self, calls: Sequence[ledger.LedgerCall]) -> int:
        return stalls.surely_within((call.start for call in calls), self._watch.stalls)

    def _tell(self) -> None:
        stack = self._stack
        faults = sum(stack.sandbox.stats()["faults"].values())
        stack.say(
            f"{stack.accepted()} of {sum(self._plan.calls.values())} calls; "
            f"{_listed(stack.kills) or 'nothing'} so far; {faults} faults of the API"
        )

    # Breaking and mending ------------------------------------------------------------------------

    async def _act(self) -> None:
        """Mend what has been broken long enough, then break what is due."""
        now = self._now()
        self._mend_due(now)
        killed = self._stack.kills["worker killed"]
        if not self._calm and (now < self._form.breaks_for or killed < self._form.kills):
            while self._next.at <= now:
                if self._next.worker >= 0:
                    self._slots[self._next.worker].waiting = self._next
                else:
                    self._break(self._next)
                self._next = next(self._due)
            for slot in self._slots:
                if slot.waiting is not None:
                    await self._visit(slot, slot.waiting, now)
        elif not self._calm:
            self._calm = True
            self._stack.sandbox.faults()
            self._stack.say("nothing is broken any more from here")

    def _mend_due(self, now: float) -> None:
        if self._temporal_back_at is not None and now >= self._temporal_back_at:
            self._temporal_back_at = None
            self._stack.start_temporal()
            self._stack.say("started Temporal on its file")
        for slot in self._slots:
            if slot.mend_at is not None and now >= slot.mend_at:
                self._mend(slot)
            elif slot.child.exit_code is not None:
                self._replace(slot)

    async def _visit(self, slot: _Slot, what: Disturbance, now: float) -> None:
        """Do what waits for a worker, once it works and another one does too."""
        if sum(one.works for one in self._slots) < 2:
            return
        # A frozen worker that carried nothing shows nothing: it befalls one that does.
        victim = slot if what.what != "freeze" else await self._carrier() or slot
        if victim.works and now >= victim.spared_until:
            slot.waiting = None
            await self._befall(victim, what)

    async def _carrier(self) -> _Slot | None:
        """Return a worker that carries a lane's turn right now, as Temporal sees it."""
        pids = {slot.child.pid: slot for slot in self._slots if slot.works}
        for lane in range(LANES):
            try:
                async with asyncio.timeout(1.0):
                    handle = (await self._stack.client()).get_workflow_handle(
                        lane_id(self._plan.name, self._plan.run, lane)
                    )
                    pending = (await handle.describe()).raw_description.pending_activities
            except (RPCError, RuntimeError, TimeoutError):
                continue
            for turn in pending:
                pid = turn.last_worker_identity.partition("@")[0]
                if pid.isdecimal() and int(pid) in pids:
                    return pids[int(pid)]
        return None

    def _break(self, what: Disturbance) -> None:
        """Break the API or Temporal."""
        stack = self._stack
        if what.what == "faults":
            stack.sandbox.faults(**what.faults)
        elif self._temporal_back_at is None:
            stack.kill_temporal()
            self._temporal_back_at = self._now() + what.lasts

    async def _befall(self, slot: _Slot, what: Disturbance) -> None:
        """Break one worker that works."""
        stack = self._stack
        if what.what == "kill":
            stack.kill(slot.child)
            slot.replace(stack.start_worker(slot.network))
        elif what.what == "freeze":
            await stack.freeze(slot.child)
            slot.frozen, slot.mend_at = True, self._now() + what.lasts
        else:
            slot.network.cut()
            slot.mend_at = self._now() + what.lasts
            stack.kills["worker cut off"] += 1
            stack.say(f"cut {slot.child.name} off from Temporal")

    def _mend(self, slot: _Slot) -> None:
        slot.mend_at, slot.spared_until = None, self._now() + WAKING
        if slot.frozen:
            slot.frozen = False
            self._stack.thaw(slot.child)
        else:
            slot.network.mend()
            self._stack.say(f"mended the network of {slot.child.name}")

    def _replace(self, slot: _Slot) -> None:
        """Start a worker again that has ended by itself, as a supervisor would."""
        stack = self._stack
        stack.kills["worker gave up"] += 1
        stack.say(
            f"{slot.child.name} ended by itself ({slot.child.exit_code}): "
            f"{slot.child.last_lines(1).strip()}"
        )
        stack.workers.remove(slot.child)
        slot.replace(stack.start_worker(slot.network))

    async def _mend_everything(self) -> None:
        """Let every zombie wake up and every call end: harm may still be done."""
        stack = self._stack
        if self._temporal_back_at is not None:
            self._temporal_back_at = None
            stack.start_temporal()
        for slot in self._slots:
            if slot.mend_at is not None:
                self._mend(slot)
        stack.sandbox.faults()
        if self.broken:
            return
        await stack.temporal_answers()
        report = await campaign.completed(stack, self._plan)
        stack.say(f"the report: {report.contacts.by_outcome}")
        await stack.until(stack.is_silent_for(SETTLED_FOR), "nobody asks the API any more", 60)

    # Judging -------------------------------------------------------------------------------------

    async def _judge(self, outcome: Outcome) -> None:
        stack, plan = self._stack, self._plan
        calls = ledger.read(stack.sandbox.ledger())
        stats = stack.sandbox.stats()
        report = await reporting.report(stack.store, plan.run)
        if not self.broken:
            self.broken = campaign.broken_promises(
                calls, plan, stats["peak_live"], densest=self._densest(calls)
            )
            self.broken += await campaign.untidy_books(stack.store, plan.run, calls, report)
            self.broken += await books.wrong_outcomes(stack.store, plan)
            self.broken += await books.unexplained(stack.store, plan.run, calls)
        outcome.broken = self.broken
        (stack.home / "ledger.json").write_text(json.dumps(stack.sandbox.ledger()))
        (stack.home / "stalls.json").write_text(json.dumps(self._watch.stalls))
        outcome.calls = len(calls)
        outcome.disturbed = dict(stack.kills)
        outcome.faults = dict(stats["faults"])
        outcome.counts = await self._counts(calls)
        outcome.caps = {
            "live calls": f"{max(ledger.peak_live(calls), stats['peak_live'])} of {plan.channels}",
            "calls in the densest second": f"{self._densest(calls)} of "
            f"{ledger.allowed_within_a_second(plan.rate):.0f}",
            "accepted in it, when the sandbox ran again": f"{ledger.most_within(calls)}",
            "longest stall of the sandbox": f"{self._watch.longest:.2f} s",
            "calls to one contact": f"{max(Counter(call.number for call in calls).values())} of 4",
        }
        outcome.doubts = await books.doubts(stack.store, plan.run)

    async def _counts(self, calls: Sequence[ledger.LedgerCall]) -> dict[str, int]:
        plan = self._plan
        return {
            "attempt keys twice": len(ledger.repeated_keys(calls)),
            "numbers live twice": len(ledger.live_twice(calls)),
            "contacts lost": await books.lost(self._stack.store, plan.run),
            "contacts called wrongly often": len(ledger.wrong_counts(calls, plan.calls)),
            "unknowns unexplained": len(
                await books.unexplained(self._stack.store, plan.run, calls)
            ),
        }


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{what} {n} times" for what, n in sorted(counts.items()))


async def play(
    home: Path,
    form: Form,
    seed: int,
    *,
    store: str,
    store_url: str | None = None,
    program: Sequence[str] = ("-m", "worker"),
) -> Outcome:
    """Play one round in a directory of its own, and return what it came to.

    `store` names the database for people; `program` is what Python runs as a worker.
    """
    plan = Plan(
        name="chaos",
        contacts=form.contacts,
        channels=form.channels,
        rate=form.rate,
        quiet=f"{QUIET:g}s",
        lanes=LANES,
    )
    outcome = Outcome(seed=seed, store=store, form=form.name, contacts=form.contacts)
    async with crash_stack(home, speed=SPEED, store_url=store_url, seed=seed) as stack:
        stack.program = program
        await Round(stack, plan, form, seed).run(outcome)
    return outcome

"""What Temporal does for the engine: turns are given to processes until one of them answers.

A turn whose process says nothing for the heartbeat timeout is given to another one, while the first
may well go on, frozen, cut off or simply slow; it is cancelled some time after. An answer that
comes too late, or over a connection that is down for long, is lost.
"""

from __future__ import annotations

import asyncio
from contextvars import Context
from random import Random

from temporalio.testing import ActivityEnvironment

from activities.messages import AdvanceInput, AdvanceResult, RulesInput
from activities.running import RunActivities
from campaigns.attempts import DialingRules, Step
from campaigns.policy import next_step
from tests.simulation.loop import clock
from tests.simulation.process import Process, Say

HEARTBEAT_TIMEOUT = 6.0
ATTEMPTS = 10
BREATHER = 15.0
LOOK_AGAIN = 60.0
LONGEST_OUTAGE = 10.0
"""Seconds for which a worker keeps an answer that it cannot deliver."""


class Server:
    """Gives turns to processes."""

    def __init__(self, rng: Random, say: Say) -> None:
        self.rng = rng
        self.say = say
        self.processes: list[Process] = []

    async def turn(self, request: AdvanceInput) -> AdvanceResult | None:
        """Let a turn be done; None after so many failures that the lane takes a breather."""
        for nth in range(ATTEMPTS):
            result = await self._attempt(request)
            if result is not None:
                return result
            await asyncio.sleep(min(0.5 * 2**nth, 10.0))
        return None

    async def _choose(self) -> Process:
        """Return a process that asks for work; one that froze while it was asking is given some."""
        while True:
            asking = [
                process
                for process in self.processes
                if not process.life.dead and not process.ending and process.cut_off_until <= clock()
            ]
            if asking:
                return self.rng.choice(asking)
            await asyncio.sleep(0.5)

    async def _attempt(self, request: AdvanceInput) -> AdvanceResult | None:
        process = await self._choose()
        environment = ActivityEnvironment()
        heard = clock()

        def beat(*_: object) -> None:
            nonlocal heard
            if process.cut_off_until <= clock():
                heard = clock()

        environment.on_heartbeat = beat
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[AdvanceResult | None] = loop.create_future()

        def done(task: asyncio.Task[AdvanceResult]) -> None:
            if task.cancelled():
                return
            error = task.exception()
            result = None if error else task.result()
            if error:
                self.say(process.name, f"fails at turn {request.token}: {error!r}")
            outage = max(process.cut_off_until - clock(), 0.0)
            if outage < LONGEST_OUTAGE:
                loop.call_later(outage, _answer, answered, result, context=Context())

        self.say(process.name, f"begins turn {request.token}")
        process.advance(request, environment).add_done_callback(done)
        while not answered.done():
            left = heard + HEARTBEAT_TIMEOUT - clock()
            if left <= 0:
                self.say("server", f"turn {request.token} is given to another process")
                answered.cancel()
                wait = self.rng.choice((0.0, 0.5, 5.0))
                loop.call_later(wait, _cancel, process, environment, context=Context())
                return None
            await asyncio.wait({answered}, timeout=left)
        return answered.result()


def _answer(answered: asyncio.Future[AdvanceResult | None], result: AdvanceResult | None) -> None:
    if not answered.done():
        answered.set_result(result)


def _cancel(process: Process, environment: ActivityEnvironment) -> None:
    """Cancel a turn that has been given to another process, in the life that still does it."""

    async def cancel() -> None:
        environment.cancel()

    if not process.life.dead:
        process.life.start(cancel)


class Lane:
    """Does what the lane's workflow does: turns, decides, and waits."""

    def __init__(
        self,
        server: Server,
        running: RunActivities,
        run: str,
        lane: int,
        *,
        rules: DialingRules,
        opened: int,
    ) -> None:
        self.server = server
        self.running = running
        self.run, self.lane = run, lane
        self.rules = rules
        self.opened = opened
        """How many lanes were opened before it: no token comes twice."""
        self.turns = 0
        self.steps: tuple[Step, ...] = ()
        self.woken = asyncio.Event()

    async def carry(self) -> None:
        """Turn until nothing is left."""
        looks = 0
        while True:
            token = f"{self.run}/{self.lane}/{self.opened}.{self.turns}"
            result = await self.server.turn(
                AdvanceInput(run=self.run, lane=self.lane, token=token, steps=self.steps)
            )
            if result is None:
                await asyncio.sleep(BREATHER)
                continue
            self.turns += 1
            if result.rules_version > self.rules.version:
                self.rules = await self.running.load_rules(RulesInput(run=self.run))
            self.steps = tuple(next_step(self.rules, ended) for ended in result.ended)
            for step in self.steps:
                self.server.say("workflow", f"{step.key}: {step.outcome.value}, {step.action}")
            if result.finished and not self.steps:
                return
            if result.placed or result.ended:
                looks = 0
            if not self.steps and result.live == 0:
                wait = LOOK_AGAIN * 2**looks
                running = result.state == "running"
                if running and result.next_due is not None:
                    wait = min(wait, result.next_due)
                    if wait < 0.1:  # another turn at once; turns take no time here, so this does
                        await asyncio.sleep(wait)
                        continue
                else:
                    wait = min(wait, 300.0)
                looks = min(looks + 1, 6)
                await self._wait(wait)

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self.woken.wait()
        except TimeoutError:
            pass
        self.woken.clear()

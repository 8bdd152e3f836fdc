"""One contender under one load: what it did in a window of time, and what that cost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.contender import Contender, Events, Running
from benchmarks.load import Load
from benchmarks.machine import cpu_seconds, resident_bytes
from benchmarks.stage import BenchmarkError, Stage, open_stage

FIRST_CALL_SECONDS = 60.0
TELL_EVERY = 5.0
SLOWEST = 50.0
"""Attempts a second below which a contender is given up that has so many attempts to make."""
Say = Callable[[str], None]


@dataclass(frozen=True)
class Reading:
    """Counters at one instant."""

    at: float
    accepted: int
    requests: int
    cpu: dict[str, float]
    memory: dict[str, int]
    events: Events | None


@dataclass(frozen=True)
class Measured:
    """What one contender did under one load. CPU is in milliseconds per attempt, by process."""

    contender: str
    load: str
    attempts: int
    seconds: float
    cpu: dict[str, float]
    memory: dict[str, list[int]]
    requests_per_attempt: float
    events_per_attempt: float | None
    facts: dict[str, Any] = field(default_factory=dict)
    ledger: list[dict[str, Any]] = field(default_factory=list)
    window: tuple[float, float] = (0.0, 0.0)

    @property
    def per_second(self) -> float:
        """Attempts a second."""
        return self.attempts / self.seconds

    @property
    def own_cpu(self) -> float:
        """CPU per attempt of all that the contender runs: everything but the sandbox."""
        return sum(value for part, value in self.cpu.items() if part != "sandbox")


async def read(stage: Stage, running: Running) -> Reading:
    """Read every counter."""
    events = await running.events() if running.events else None
    stats = await stage.stats()
    processes = {**running.processes, "sandbox": stage.child}
    for name, child in running.processes.items():
        if child.exit_code is not None:
            raise BenchmarkError(f"{name} has ended:\n{child.last_lines()}")
    return Reading(
        at=time.time(),
        accepted=stats["accepted"],
        requests=sum(stats["requests"].values()),
        cpu={name: cpu_seconds(child.pid) for name, child in processes.items()},
        memory={name: resident_bytes(child.pid) for name, child in processes.items()},
        events=events,
    )


def compare(contender: str, load: str, first: Reading, last: Reading) -> Measured:
    """Say what happened between two readings. Raises `BenchmarkError` when nothing did."""
    attempts = last.accepted - first.accepted
    if attempts <= 0:
        raise BenchmarkError(f"{contender} placed no call in {last.at - first.at:.0f} s")
    events = None
    if first.events is not None and last.events is not None:
        of = attempts
        if first.events.attempts is not None and last.events.attempts is not None:
            of = max(last.events.attempts - first.events.attempts, 1)
        events = (last.events.total - first.events.total) / of
    return Measured(
        contender=contender,
        load=load,
        attempts=attempts,
        seconds=last.at - first.at,
        cpu={name: (last.cpu[name] - first.cpu[name]) / attempts * 1_000 for name in last.cpu},
        memory={name: [first.memory[name], last.memory[name]] for name in last.memory},
        requests_per_attempt=(last.requests - first.requests) / attempts,
        events_per_attempt=events,
        window=(first.at, last.at),
    )


def together(turns: Sequence[Measured]) -> Measured:
    """Say what several turns of one contender under one load came to; one turn is what it is."""
    if len(turns) == 1:
        return turns[0]
    attempts = sum(turn.attempts for turn in turns)

    def mean(values: Iterable[float]) -> float:
        pairs = zip(values, turns, strict=True)
        return sum(value * turn.attempts for value, turn in pairs) / attempts

    counted = all(turn.events_per_attempt is not None for turn in turns)
    return Measured(
        contender=turns[0].contender,
        load=turns[0].load,
        attempts=attempts,
        seconds=sum(turn.seconds for turn in turns),
        cpu={part: mean(turn.cpu[part] for turn in turns) for part in turns[0].cpu},
        memory={
            part: [size for turn in turns for size in turn.memory[part]] for part in turns[0].memory
        },
        requests_per_attempt=mean(turn.requests_per_attempt for turn in turns),
        events_per_attempt=mean(turn.events_per_attempt or 0.0 for turn in turns)
        if counted
        else None,
    )


async def measure_first(
    contender: Contender, load: Load, attempts: int, home: Path, say: Say
) -> Measured:
    """Measure the first so many attempts of a run, its start included."""
    say(f"{load.name}: {contender.title}, {load.contacts} contacts: starts")
    async with open_stage(home, load) as stage, contender.running(stage, load) as running:
        first = last = told = await read(stage, running)
        memory: dict[str, list[int]] = {name: [] for name in first.memory}
        at_most = FIRST_CALL_SECONDS + attempts / SLOWEST
        while last.accepted < attempts:
            if last.at - first.at > at_most:
                reached = f"{last.accepted} of {attempts} attempts in {at_most:.0f} s"
                raise BenchmarkError(f"{contender.title}: {reached}")
            await asyncio.sleep(1.0)
            last = await read(stage, running)
            for name, size in last.memory.items():
                memory[name].append(size)
            if last.at - told.at >= TELL_EVERY:
                say(f"{load.name}: {load.contacts} contacts: {last.accepted} calls")
                told = last
        result = compare(contender.title, load.name, first, last)
        return replace(result, memory=memory, facts=running.facts)


async def measure(
    contender: Contender, load: Load, home: Path, say: Say, *, keep_ledger: bool = False
) -> Measured:
    """Let a contender dial, and measure it once it is warm."""
    say(f"{load.name}: {contender.title} starts")
    async with open_stage(home, load) as stage, contender.running(stage, load) as running:
        deadline = time.monotonic() + FIRST_CALL_SECONDS
        while not (await stage.stats())["accepted"]:
            if time.monotonic() > deadline:
                raise BenchmarkError(f"{contender.title}: no call in {FIRST_CALL_SECONDS:.0f} s")
            await asyncio.sleep(0.1)
        await asyncio.sleep(load.warm_up)
        first = await read(stage, running)
        say(f"{load.name}: {contender.title} is warm, {first.accepted} calls so far")
        memory: dict[str, list[int]] = {name: [size] for name, size in first.memory.items()}
        told = first
        while (left := first.at + load.seconds - time.time()) > 0:
            await asyncio.sleep(min(TELL_EVERY, left))
            if time.time() < first.at + load.seconds:
                now = await read(stage, running)
                rate = (now.accepted - told.accepted) / (now.at - told.at)
                say(f"{load.name}: {contender.title}: {rate:.0f} attempts/s")
                told = now
                for name, size in now.memory.items():
                    memory[name].append(size)
        last = await read(stage, running)
        while last.accepted == first.accepted and last.at - first.at < FIRST_CALL_SECONDS:
            await asyncio.sleep(0.5)
            last = await read(stage, running)
        result = compare(contender.title, load.name, first, last)
        for name, size in last.memory.items():
            memory[name].append(size)
        if load.contacts <= last.accepted:
            raise BenchmarkError(f"{contender.title} ran out of its {load.contacts} contacts")
        ledger = await stage.ledger() if keep_ledger else []
        facts = dict(running.facts)
        if running.densest is not None:
            facts["densest"] = await running.densest()
        return replace(result, memory=memory, facts=facts, ledger=ledger)

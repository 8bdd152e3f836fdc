"""What the runner needs to know of a contender while it dials."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

from benchmarks.load import Load
from benchmarks.stage import Stage
from console.process import Child


@dataclass(frozen=True)
class Events:
    """History events so far, and the attempts that they belong to (None: all accepted calls)."""

    total: int
    attempts: int | None = None


@dataclass(frozen=True)
class Running:
    """A contender at work: its processes by part, and what it knows of itself."""

    processes: Mapping[str, Child]
    events: Callable[[], Awaitable[Events]] | None = None
    densest: Callable[[], Awaitable[int]] | None = None
    """The most POSTs that it has written within a second."""
    facts: dict[str, object] = field(default_factory=dict)


class Contender(Protocol):
    """One way to make the calls."""

    name: str
    title: str

    def missing(self) -> str | None:
        """Say what this machine lacks for it, in a line; None where it can run."""

    def running(self, stage: Stage, load: Load) -> AbstractAsyncContextManager[Running]:
        """Dial from now on, until the block ends; every process has ended by then."""

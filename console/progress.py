"""A run while it goes: a live panel on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from campaigns.scalars import counted

if TYPE_CHECKING:
    from store.reporting import Progress

LINE_SECONDS = 5.0
"""Where nobody watches a terminal, one line in so many seconds, and one at each change of state."""

PIPE_WIDTH = 140

_RATE_SECONDS = 6.0
_LEFT_SECONDS = 20.0
_LEAST_HISTORY = 2.0


def screen(*, stderr: bool = False) -> Console:
    """Open a stream for people; where it is no terminal, lines are long enough not to be broken."""
    console = Console(stderr=stderr)
    if not console.is_terminal:
        console.width = PIPE_WIDTH
    return console


@dataclass(frozen=True)
class Terminal:
    """Where a command speaks: results on one stream, everything else on the other."""

    out: Console = field(default_factory=screen)
    err: Console = field(default_factory=lambda: screen(stderr=True))

    def note(self, line: str) -> None:
        """Tell something that is not a result."""
        self.err.print(line, soft_wrap=True, highlight=False, markup=False)


def span(seconds: float) -> str:
    """Write a length of time as people read it: 0:05, 12:30, 3 h 05 min, 2 d 4 h."""
    whole = max(0, round(seconds))
    minutes, rest = divmod(whole, 60)
    hours, minutes_of_hour = divmod(minutes, 60)
    if hours >= 24:  # noqa: PLR2004 - hours in a day
        return f"{hours // 24} d {hours % 24} h"
    return f"{hours} h {minutes_of_hour:02d} min" if hours else f"{minutes}:{rest:02d}"


def last_heard(silent: float | None) -> str:
    """Write how long a worker that is gone has been silent, where that is known."""
    return "" if silent is None else f" (the last was heard of {span(silent)} ago)"


@dataclass
class Pace:
    """How fast a run goes, from what was seen in the last seconds.

    Instants are seconds of a clock that never jumps.
    """

    _seen: deque[tuple[float, int, int]] = field(default_factory=deque)

    def see(self, now: float, placed: int, done: int) -> None:
        """Take note of the counters; older notes than needed are dropped."""
        self._seen.append((now, placed, done))
        while len(self._seen) > 2 and now - self._seen[1][0] >= _LEFT_SECONDS:  # noqa: PLR2004
            self._seen.popleft()

    def calls_per_second(self) -> float | None:
        """Return the calls accepted a second, over the last seconds; None while too early."""
        if not self._seen:
            return None
        now, placed, _ = self._seen[-1]
        then, before = next((at, count) for at, count, _ in self._seen if now - at <= _RATE_SECONDS)
        return (placed - before) / (now - then) if now - then >= _LEAST_HISTORY else None

    def seconds_left(self, total: int) -> float | None:
        """Guess the seconds until the last contact is done, or None where that cannot be guessed.

        It takes the contacts of the last seconds for the rule, so a run that waits for retries of
        tomorrow has no guess.
        """
        if not self._seen:
            return None
        then, _, before = self._seen[0]
        now, _, done = self._seen[-1]
        if now - then < _LEAST_HISTORY or done <= before:
            return None
        return (total - done) * (now - then) / (done - before)


def outcomes_line(by_outcome: dict[str, int]) -> str:
    """Write the outcomes so far, the most frequent first."""
    there = {name: count for name, count in by_outcome.items() if count}
    ranked = sorted(there.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{words(name)} {count}" for name, count in ranked) or "none yet"


def words(name: str) -> str:
    """Write a code of ours as words: `no_answer` is "no answer"."""
    return name.replace("_", " ")


def state_line(progress: Progress) -> str:
    """Write the run's state, and why where there is a reason."""
    run = progress.run
    state = run.state if run.state in {"stopping", "preparing"} else run.status
    if state == "running" and progress.waits_until is not None:
        return f"waits for its start at {local_time(progress.waits_until)}"
    return with_reason(state, run.reason)


def with_reason(state: str, reason: str) -> str:
    """Write a state and why; a reason that names the state itself says both."""
    if not reason or reason.startswith(f"{state} "):
        return reason or state
    return f"{state}: {reason}"


def local_time(at: float | None) -> str:
    """Write an instant on the clock of this machine, and which clock that is."""
    if at is None:
        return "-"
    return datetime.fromtimestamp(at, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")


def plain_line(progress: Progress, pace: Pace, elapsed: float) -> str:
    """Write everything about the moment on one line."""
    rate, left = pace.calls_per_second(), pace.seconds_left(progress.run.total)
    parts = [
        f"{span(elapsed):>6}",
        f"{progress.done}/{counted(progress.run.total, 'contact')}",
        f"{progress.live} live",
        "- calls/s" if rate is None else f"{rate:.1f} calls/s",
        counted(progress.placed, "call"),
        outcomes_line(progress.by_outcome),
    ]
    if progress.run.state != "running" or progress.waits_until is not None:
        parts.insert(1, state_line(progress))
    elif left is not None and progress.done < progress.run.total:
        parts.append(f"about {span(left)} left")
    return "  ".join(parts)


def panel(progress: Progress, pace: Pace, elapsed: float) -> RenderableType:
    """Draw the moment for a terminal."""
    run = progress.run
    rate, left = pace.calls_per_second(), pace.seconds_left(run.total)
    title = Text.assemble((run.campaign, "bold"), f"  run {run.id}  ")
    title.append(state_line(progress), style="green" if run.state == "running" else "yellow")
    figures = Table.grid(padding=(0, 3))
    figures.add_row("contacts done", "live calls", "calls/s", "calls so far", "elapsed", "left")
    figures.add_row(
        Text(f"{progress.done} of {run.total}", style="bold"),
        Text(str(progress.live), style="bold"),
        Text("-" if rate is None else f"{rate:.1f}", style="bold"),
        Text(str(progress.placed), style="bold"),
        Text(span(elapsed), style="bold"),
        Text("-" if left is None else span(left), style="bold"),
    )
    bar = Table.grid()  # a bar alone does not end its line
    bar.add_row(ProgressBar(total=max(run.total, 1), completed=progress.done, width=60))
    return Group(
        title,
        bar,
        figures,
        Text(outcomes_line(progress.by_outcome), style="cyan"),
    )


@dataclass
class Display:
    """Shows a run as it goes. Made by `showing`."""

    console: Console
    clock: Callable[[], float]
    live: Live | None
    pace: Pace = field(default_factory=Pace)
    started: float = 0.0
    trouble: str | None = None
    """Why nothing moves, where that is known."""
    _line_at: float = float("-inf")
    _state: str = ""

    def show(self, progress: Progress) -> None:
        """Show the moment; call it as often as there is news."""
        now = self.clock()
        self.pace.see(now, progress.placed, progress.done)
        elapsed = now - self.started
        if self.live is not None:
            shown = panel(progress, self.pace, elapsed)
            if self.trouble:
                shown = Group(shown, Text(self.trouble, style="yellow"))
            self.live.update(shown)
            return
        state = self.trouble or state_line(progress)
        if now - self._line_at >= LINE_SECONDS or state != self._state:
            self._line_at, self._state = now, state
            line = plain_line(progress, self.pace, elapsed)
            self.console.print(line, soft_wrap=True, highlight=False, markup=False)
            if self.trouble:
                self.console.print(self.trouble, soft_wrap=True, highlight=False, markup=False)


@contextmanager
def showing(console: Console, clock: Callable[[], float] = time.monotonic) -> Iterator[Display]:
    """Show a run inside the block; on a terminal the last picture stays on the screen."""
    if not console.is_terminal:
        yield Display(console, clock, None, started=clock())
        return
    with Live(console=console, refresh_per_second=8, transient=False) as live:
        yield Display(console, clock, live, started=clock())

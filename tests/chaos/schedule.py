"""What is broken when: drawn from a seed, the same for the same seed, whatever the engine does.

Times are seconds since the workers have started. A schedule has no end; a round takes from it until
its run has ended, or for as long as its form says.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal

Span = tuple[float, float]
What = Literal["kill", "freeze", "cut", "temporal", "faults"]

WORKERS = 3
QUIET = 3.0
"""Seconds of the campaign's `reconcile.quiet`: a report may be stale by less, and is."""

STALEST = 0.6 * QUIET


@dataclass(frozen=True)
class Form:
    """How large a round is and how it is disturbed; spans are seconds between two of a kind."""

    name: Literal["short", "long", "hunt"]
    contacts: int
    breaks_for: float
    """Seconds after which nothing is broken any more: the run has to come to its end then."""
    kills: int
    """So many workers are killed all the same, however slowly they start."""

    channels: int = 60
    rate: float = 50.0
    kill_every: Span = (4.0, 8.0)
    freeze_every: Span = (40.0, 55.0)
    frozen_for: Span = (28.0, 32.0)
    cut_every: Span = (28.0, 36.0)
    cut_for: Span = (10.0, 13.0)
    temporal_every: Span = (18.0, 28.0)
    temporal_away: Span = (0.0, 2.0)
    faults_every: Span = (5.0, 8.0)
    shares: tuple[float, ...] = (0.0, 0.03, 0.1)
    """Of POSTs that each fault befalls; one is drawn for each fault, again and again."""
    firsts: dict[What, float] = field(
        default_factory=lambda: {
            "faults": 0.0,
            "kill": 2.0,
            "freeze": 4.0,
            "cut": 8.0,
            "temporal": 12.0,
        }
    )
    """When each kind may begin: all have had their turn well before a short round ends."""


SHORT = Form("short", contacts=1_000, breaks_for=60.0, kills=6)
"""Frozen for longer than a heartbeat, a POST's deadline, the HTTP client's patience and the time
that reconciling takes; cut off for twice the heartbeat's timeout."""

LONG = Form(
    "long",
    contacts=10_000,
    breaks_for=float("inf"),
    kills=0,
    channels=120,
    rate=80.0,
    freeze_every=(50.0, 90.0),
    frozen_for=(35.0, 70.0),
    cut_every=(60.0, 90.0),
    cut_for=(30.0, 32.0),
    temporal_every=(45.0, 90.0),
    temporal_away=(0.0, 25.0),
    faults_every=(10.0, 25.0),
)


@dataclass(frozen=True)
class Disturbance:
    """One thing that is broken at an instant, and mended `lasts` seconds later."""

    at: float
    what: What
    worker: int = -1
    """Which of the workers, where it is one of them."""
    lasts: float = 0.0
    faults: dict[str, Any] = field(default_factory=dict)
    """What the sandbox is told to do wrong from then on."""


HUNT = Form(
    "hunt",
    contacts=200,
    breaks_for=120.0,
    kills=0,
    rate=5.0,
    kill_every=(7.0, 10.0),
    freeze_every=(9.0, 12.0),
    frozen_for=(8.0, 10.0),
    shares=(0.1,),
    firsts={"faults": 0.0, "kill": 3.0, "freeze": 0.5},
)
"""To find a safety that is missing: a worker is frozen almost always, past its heartbeat.

Paced so slowly that a turn claims its attempts one by one: whoever is frozen has some left to
claim, which its successor has placed by the time it wakes.
"""


def draw_faults(luck: Random, shares: tuple[float, ...]) -> dict[str, Any]:
    """Draw what the API does wrong for a while: some of it often, some of it now and then."""
    faults: dict[str, Any] = {
        kind: luck.choice(shares)
        for kind in ("lost_answer", "error_before", "error_after", "reset_before", "reset_after")
    }
    faults["rate_limited"] = luck.choice((0.0, 0.01, 0.03))
    # The second outlasts the HTTP client: an answer that is slow enough is an answer lost.
    faults["slow"] = luck.choice(
        ({}, {"share": 0.1, "seconds": 1.0}, {"share": 0.02, "seconds": 17.0})
    )
    faults["report_lag"] = round(luck.uniform(0.0, STALEST), 2)
    return faults


def schedule(seed: int, form: Form) -> Iterator[Disturbance]:
    """Yield what to break, in order of time.

    A frozen or cut-off worker is left as it is until it is mended, and one worker at least is
    neither. A round delays what befalls a worker until that one works and another one does too:
    what is measured is recovery, and nothing recovers where nobody works.
    """
    held = [0.0] * WORKERS
    luck = Random(f"{seed}/who")
    for at, what, lasts, faults in heapq.merge(
        *(_moments(seed, form, what) for what in form.firsts), key=lambda item: item[:2]
    ):
        if what == "faults":
            yield Disturbance(at, what, faults=faults)
        elif what == "temporal":
            yield Disturbance(at, what, lasts=lasts)
        else:
            free = [worker for worker, until in enumerate(held) if until <= at]
            if len(free) < 2:  # one of them is left alone
                continue
            worker = luck.choice(free)
            held[worker] = at + lasts
            yield Disturbance(at, what, worker=worker, lasts=lasts)


def _moments(
    seed: int, form: Form, what: What
) -> Iterator[tuple[float, What, float, dict[str, Any]]]:
    """Yield the moments of one kind: each kind has dice of its own."""
    luck = Random(f"{seed}/{what}")
    every, lasting = {
        "kill": (form.kill_every, (0.0, 0.0)),
        "freeze": (form.freeze_every, form.frozen_for),
        "cut": (form.cut_every, form.cut_for),
        "temporal": (form.temporal_every, form.temporal_away),
        "faults": (form.faults_every, (0.0, 0.0)),
    }[what]
    at = form.firsts[what]
    if what != "faults":
        at += luck.uniform(0.0, 3.0)
    while True:
        lasts = round(luck.uniform(*lasting), 2)
        yield round(at, 2), what, lasts, draw_faults(luck, form.shares) if what == "faults" else {}
        at += lasts + luck.uniform(*every) if what == "temporal" else luck.uniform(*every)

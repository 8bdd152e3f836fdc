"""What the benchmark reads off a ledger, on ledgers that can be counted by hand."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks import figures
from benchmarks.__main__ import Bench
from benchmarks.forms import FORMS
from benchmarks.measuring import Measured, together


def call(asked: float, ended: float | None, accepted: float | None = None) -> dict[str, Any]:
    """One entry."""
    at = asked if accepted is None else accepted
    return {"asked_at": asked, "accepted_at": at, "live_from": at, "ended_at": ended}


def test_busy_share_counts_only_the_window() -> None:
    """A call counts for the part of it that lies inside; one that goes on counts to the end."""
    ledger = [call(0, 15), call(12, 18), call(16, None), call(30, 40)]
    assert figures.busy_share(ledger, 2, (10, 20)) == pytest.approx((5 + 6 + 4) / 20)


def test_a_gap_is_from_the_end_to_the_next_post() -> None:
    """Each POST takes the channel that has been free for longest."""
    ledger = [call(0, 10), call(0, 11), call(10.5, 20), call(13, 20)]
    assert figures.idle_gaps(ledger, 2, (5, 30)) == pytest.approx([0.5, 2.0])


def test_a_channel_that_was_never_used_is_idle() -> None:
    """Leaving channels unused cannot make gaps look short."""
    ledger = [call(0, 10), call(10.1, 20)]
    assert figures.idle_gaps(ledger, 2, (5, 30)) == pytest.approx([10.1])


def test_the_densest_second_is_half_open() -> None:
    """Two instants a full second apart are not in one second."""
    assert figures.most_within([0.0, 0.5, 1.0, 1.4, 1.6]) == 3
    assert figures.most_within([]) == 0


def test_pacing_is_the_rate_between_first_and_last() -> None:
    """Eleven calls in ten seconds are one a second, whatever the edges of the window."""
    ledger = [call(float(at), at + 1.0, at + 0.25) for at in range(30)]
    seen = figures.pacing(ledger, 1.0, (4.5, 15.5), 2)
    assert (seen.calls, seen.rate, seen.error) == (11, 1.0, 0.0)
    assert (seen.most_sent, seen.most_accepted) == (2, 1)


def test_percentile() -> None:
    """Half of them, and nearly all of them."""
    values = [float(value) for value in range(100)]
    assert figures.percentile(values, 0.5) == 50.0
    assert figures.percentile(values, 0.99) == 99.0


def _turn(attempts: int, seconds: float, cpu: float, events: float | None) -> Measured:
    return Measured(
        contender="one",
        load="saturation",
        attempts=attempts,
        seconds=seconds,
        cpu={"worker": cpu},
        memory={"worker": [attempts]},
        requests_per_attempt=cpu,
        events_per_attempt=events,
    )


def test_turns_come_together_by_attempts() -> None:
    """What a contender did in several turns is told by attempts and by time, not turn by turn."""
    seen = together([_turn(100, 10.0, 1.0, 0.1), _turn(300, 10.0, 2.0, 0.5)])
    assert seen.per_second == 20.0
    assert seen.cpu == {"worker": 1.75}
    assert seen.requests_per_attempt == 1.75
    assert seen.events_per_attempt == pytest.approx(0.4)
    assert seen.memory == {"worker": [100, 300]}
    assert together([_turn(1, 1.0, 1.0, None), _turn(1, 1.0, 1.0, None)]).events_per_attempt is None


def test_those_compared_most_closely_take_turns(tmp_path: Path) -> None:
    """Each has as much time as all others have, and neither always comes first."""
    form = replace(FORMS["smoke"], saturation=8.0, turns=4)
    bench = Bench(form, tmp_path, frozenset(), frozenset({"loop", "samples", "engine"}))
    order = [(one.name, seconds) for one, seconds in bench.order()]
    assert order == [
        *(("loop", 2.0), ("engine", 2.0)),
        *(("engine", 2.0), ("loop", 2.0)),
        *(("loop", 2.0), ("engine", 2.0)),
        *(("engine", 2.0), ("loop", 2.0)),
        ("samples", 8.0),
    ]

"""What people see of a run while it goes."""

from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from console.progress import (
    Display,
    Pace,
    local_time,
    outcomes_line,
    panel,
    plain_line,
    span,
    state_line,
    with_reason,
)
from store.reporting import Progress
from store.runs import Run


def _progress(done: int, placed: int, *, state: str = "running", reason: str = "") -> Progress:
    run = Run.model_validate(
        {
            "id": "kvtrwxzbn",
            "account": "default",
            "campaign": "teste",
            "state": state,
            "reason": reason,
            "ends_as": None,
            "epoch": 1,
            "rules_version": 1,
            "lanes": 1,
            "hang_up": False,
            "total": 100,
            "rejected": 3,
            "created_at": 0.0,
            "started_at": 0.0,
            "ended_at": None,
        }
    )
    outcomes = {"answered": done} if done else {}
    return Progress(run=run, done=done, live=4, placed=placed, by_outcome=outcomes)


def test_lengths_of_time_are_written_as_people_read_them() -> None:
    """Minutes and seconds, then hours, then days."""
    assert [span(s) for s in (0, 5.4, 750, 3_600, 11_100, 187_200)] == [
        "0:00",
        "0:05",
        "12:30",
        "1 h 00 min",
        "3 h 05 min",
        "2 d 4 h",
    ]


def test_a_run_that_waits_for_its_start_says_until_when() -> None:
    """It runs, and yet nobody is called: the line says why."""
    waiting = _progress(0, 0).model_copy(update={"waits_until": 1_770_000_000.0})
    assert state_line(waiting) == f"waits for its start at {local_time(1_770_000_000.0)}"
    assert state_line(waiting) in plain_line(waiting, Pace(), 0.0)


def test_the_pace_is_that_of_the_last_seconds() -> None:
    """A slow start is forgotten: calls a second are those of now, and so is the time left."""
    pace = Pace()
    for second in range(61):
        busy = max(0, second - 30)
        pace.see(float(second), placed=busy * 10, done=busy)
    assert pace.calls_per_second() == 10
    assert pace.seconds_left(total=50) == 20


def test_nothing_is_guessed_too_early_or_while_nothing_ends() -> None:
    """Without history, or with nobody done of late, there is no time left to tell."""
    pace = Pace()
    assert pace.calls_per_second() is None
    assert pace.seconds_left(10) is None
    pace.see(0.0, 0, 0)
    pace.see(0.5, 3, 1)
    assert pace.calls_per_second() is None
    assert pace.seconds_left(10) is None
    for second in range(1, 60):
        pace.see(float(second), 3, 1)
    assert pace.seconds_left(10) is None


@given(st.lists(st.tuples(st.floats(0, 100), st.integers(0, 50), st.integers(0, 50)), max_size=60))
def test_a_pace_is_never_negative(steps: list[tuple[float, int, int]]) -> None:
    """Whatever the counters do upwards, rate and time left are none or at least nought."""
    pace, now, placed, done = Pace(), 0.0, 0, 0
    for wait, more_placed, more_done in steps:
        now, placed, done = now + wait, placed + more_placed, done + more_done
        pace.see(now, placed, done)
        assert (pace.calls_per_second() or 0) >= 0
        assert (pace.seconds_left(done + 10) or 0) >= 0


def test_outcomes_come_with_the_most_frequent_first() -> None:
    """Codes are written as words, ties by name."""
    assert outcomes_line({"no_answer": 2, "busy": 2, "answered": 9}) == (
        "answered 9, busy 2, no answer 2"
    )
    assert outcomes_line({}) == "none yet"


def test_a_line_and_a_panel_hold_every_figure() -> None:
    """Contacts done, live calls, calls a second, calls, outcomes and time left are all there."""
    pace = Pace()
    for second in range(11):
        pace.see(float(second), second * 5, second)
    now = _progress(10, 50)
    page = Console(file=io.StringIO(), width=140, record=True)
    page.print(panel(now, pace, 10.0))
    for text in (plain_line(now, pace, 10.0), page.export_text()):
        for figure in ("10", "100", "4", "5.0", "50", "answered 10", "1:30", "0:10"):
            assert figure in text


def test_a_pause_is_told_with_its_reason() -> None:
    """What holds a run is said instead of a time left."""
    line = plain_line(_progress(1, 1, state="paused", reason="no balance"), Pace(), 5.0)
    assert "paused: no balance" in line
    assert "left" not in line


def test_lines_are_few_until_something_changes() -> None:
    """Elsewhere than on a terminal a line comes every five seconds, and at each change of state."""
    page, now = io.StringIO(), 0.0
    display = Display(Console(file=page, width=200), lambda: now, None)
    for tenth in range(101):
        now = tenth / 10
        display.show(_progress(tenth // 10, tenth))
    display.show(_progress(11, 101, state="paused", reason="by hand"))
    lines = page.getvalue().splitlines()
    assert len(lines) == 4
    assert "paused: by hand" in lines[-1]


def test_a_reason_that_names_the_state_is_told_once() -> None:
    """The words "paused by hand" say both; any other reason stands behind the state."""
    assert with_reason("paused", "paused by hand") == "paused by hand"
    assert with_reason("paused", "no balance") == "paused: no balance"
    assert with_reason("running", "") == "running"

"""Which calls are asked about together, and which alone."""

from __future__ import annotations

from activities.polling import DENSEST, FASTEST, PAGE, SLOWEST, Live, interval, pause, plan


def live(key: str, created: float, *, due: bool = True) -> Live:
    """Return a call."""
    return Live(key=key, created=created, due=due)


def test_many_due_calls_are_read_in_a_window_that_spans_just_them() -> None:
    """Calls that are not due yet, and those that came later, do not widen the window."""
    calls = [live(f"young{n}", 100.0 + n / 10, due=False) for n in range(50)]
    calls += [live(f"due{n}", 50.0 + n / 10) for n in range(50)]
    found = plan(calls, rows_per_second=1.0)
    assert found.window == (50.0, 54.9)
    assert found.singles == ()


def test_a_straggler_is_asked_for_alone() -> None:
    """One old call far behind the others costs one request, not the pages between."""
    calls = [live(f"due{n}", 10_000.0 + n / 10) for n in range(50)]
    found = plan([*calls, live("old", 0.0)], rows_per_second=10.0)
    assert found.window == (10_000.0, 10_004.9)
    assert found.singles == ("old",)


def test_nothing_due_asks_nothing() -> None:
    """A plan for calls that were asked about just now is empty."""
    found = plan([live("a", 1.0, due=False)], rows_per_second=1.0)
    assert found.window is None
    assert found.singles == ()


def test_a_long_report_is_read_less_often() -> None:
    """The pause grows with the rows, and stays within the bounds of every poll."""
    assert pause(PAGE) == FASTEST
    assert FASTEST < pause(10_000) < SLOWEST
    assert pause(10**9) == SLOWEST
    assert interval(0.0) == FASTEST


def test_a_report_that_shows_many_ends_is_read_sooner() -> None:
    """Where ends are few for its pages it is not, and never so soon that all time goes into it."""
    assert pause(5 * PAGE, ended=300) == DENSEST
    assert DENSEST < pause(5 * PAGE, ended=300, took=0.2) < FASTEST
    assert pause(5 * PAGE, ended=300, took=2.0) == FASTEST
    assert pause(5 * PAGE, ended=20) == FASTEST
    assert pause(60 * PAGE, ended=5_000) > FASTEST

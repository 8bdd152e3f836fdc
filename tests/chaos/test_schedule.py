"""The schedule of disturbances is drawn from its seed alone and leaves the engine a chance."""

from __future__ import annotations

from itertools import takewhile

import pytest

from tests.chaos.schedule import HUNT, LONG, QUIET, SHORT, WORKERS, Disturbance, Form, schedule

SEEDS = range(30)


def _until(seconds: float, seed: int, form: Form) -> list[Disturbance]:
    return list(takewhile(lambda what: what.at < seconds, schedule(seed, form)))


@pytest.mark.parametrize("form", [SHORT, LONG, HUNT], ids=lambda form: form.name)
def test_a_seed_repeats_its_schedule(form: Form) -> None:
    """The same seed breaks the same things at the same moments; another one does not."""
    assert _until(300, 7, form) == _until(300, 7, form)
    assert _until(300, 7, form) != _until(300, 8, form)


@pytest.mark.parametrize("form", [SHORT, LONG, HUNT], ids=lambda form: form.name)
def test_one_worker_is_always_left_alone(form: Form) -> None:
    """At no instant is every worker frozen or cut off, and none is broken twice at once."""
    for seed in SEEDS:
        held = [0.0] * WORKERS
        last = 0.0
        for what in _until(600, seed, form):
            assert what.at >= last, f"seed {seed}: in order of time"
            last = what.at
            if what.worker >= 0:
                assert held[what.worker] <= what.at, f"seed {seed}: {what}"
                held[what.worker] = what.at + what.lasts
                assert any(until <= what.at for until in held), f"seed {seed}: {what}"


def test_a_short_round_sees_every_kind_early() -> None:
    """Half a minute is enough for each of them, so none is missing from a short round."""
    for seed in SEEDS:
        kinds = {what.what for what in _until(30, seed, SHORT)}
        assert kinds == {"kill", "freeze", "cut", "temporal", "faults"}, f"seed {seed}"


def test_reports_are_never_staler_than_promised() -> None:
    """The promise holds for reports that lag by less than the campaign's `quiet`."""
    for seed in SEEDS:
        for what in _until(600, seed, LONG):
            assert what.faults.get("report_lag", 0.0) < QUIET

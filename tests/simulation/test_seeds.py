"""Simulated campaigns with crashes and faults at any step keep every promise.

These are the first fifty seeds; `make chaos` runs a thousand, its long form ten thousand.
`make simulate SEED=n` replays one and prints what happened.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.running import simulate
from tests.simulation.scenario import scenario

SEEDS = 50
ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.timeout(600)  # of a machine that does other things as well


MET = (
    "dies (", "freezes (", "is cut off", "is told to end", "is given to another process",
    "event=adopted", "event=not_placed", "event=unknown", "event=post_unsure", "event=post_refused",
    "the store fails", "pause run", "stop run", "stop and hang up", "suppress",
    "next_number", "voicemail", "withdraw run", "gone=1", "under_way=1", "goes by version 3",
    "as not-placed", "as done",
)  # fmt: skip
"""What must be found in the traces of these seeds."""


def test_every_promise_is_kept(empty: Path) -> None:
    """Nobody twice, nobody lost, every cap kept, whatever dies, freezes or fails on the way.

    And every kind of trouble, of answer and of order does come up on the way.
    """
    missing = set(MET)
    for seed in range(SEEDS):
        verdict = simulate(seed, empty)
        assert not verdict.broken, verdict.explain()
        said = "\n".join(what for _, _, what in verdict.trace)
        missing = {word for word in missing if word not in said}
    assert not missing


def test_a_seed_always_gives_the_same(empty: Path) -> None:
    """Twice in this process, and in another one that hashes text differently."""
    seeds = (1, 54, 79)
    digests = [simulate(seed, empty).digest for seed in seeds]
    assert [simulate(seed, empty).digest for seed in seeds] == digests
    code = (
        "import sys, pathlib; from tests.simulation.running import simulate;"
        f"print(*(simulate(seed, pathlib.Path(sys.argv[1])).digest for seed in {seeds}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(empty)],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "12345"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == digests, done.stderr


def test_other_seeds_are_other_campaigns() -> None:
    """No two of the first hundred seeds stand for the same."""
    assert len({repr(scenario(seed)) for seed in range(100)}) == 100

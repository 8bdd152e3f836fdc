"""Chaos finds an engine that has lost one of its safeties, and nothing wrong with a whole one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos.round import play
from tests.chaos.schedule import HUNT

BROKEN_WORKER = str(Path(__file__).with_name("broken_worker.py"))
SEED = 11

FOUND_AS = {
    "compare-and-set": ("attempt keys twice",),
    "durable-intent": ("attempt keys twice", "numbers live twice", "not called as often"),
    "reconcile": ("numbers live twice", "not called as often", "called after answering"),
}
"""What the ledger may show of each: one key twice, or a second call for what one call was due."""


@pytest.mark.parametrize("breakage", FOUND_AS)
def test_each_safety_is_still_where_it_is_taken_out(breakage: str) -> None:
    """The broken worker finds the code that it breaks, and goes on as a worker would."""
    environ = {name: os.environ[name] for name in os.environ if not name.startswith("ZENVIA_")}
    ended = subprocess.run(
        [sys.executable, "-P", BROKEN_WORKER, breakage],
        capture_output=True,
        text=True,
        check=False,
        env=environ,
    )
    assert (ended.returncode, ended.stderr.partition(":")[0]) == (1, "discador worker")
    assert "ZENVIA_ACCESS_TOKEN is not set" in ended.stderr


@pytest.mark.long
@pytest.mark.timeout(400)
@pytest.mark.parametrize("breakage", FOUND_AS)
async def test_an_engine_without_one_of_its_safeties_is_caught(
    tmp_path: Path, breakage: str
) -> None:
    """The ledger shows calls that must not have been made, whichever safety is taken out."""
    outcome = await play(tmp_path, HUNT, SEED, store="sqlite", program=(BROKEN_WORKER, breakage))
    assert not outcome.kept
    assert outcome.broken[0].startswith(FOUND_AS[breakage]), outcome.broken


@pytest.mark.long
@pytest.mark.timeout(400)
async def test_the_whole_engine_passes_where_the_broken_ones_are_caught(tmp_path: Path) -> None:
    """The same disturbances break no promise of the engine as it is."""
    outcome = await play(tmp_path, HUNT, SEED, store="sqlite")
    assert outcome.kept, outcome.broken

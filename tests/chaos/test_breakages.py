"""Chaos finds an engine that has lost one of its safeties, and nothing wrong with a whole one."""

from __future__ import annotations

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

"""`max_ring` and `max_duration` are kept by hanging up, and nothing else is cut."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.workflows.leaping import open_leap
from tests.workflows.stage import campaign, people, person

CALL = {"connect_to": "4000", "bina_origem": "4832830151"}
LONG = {"outcome": "answer", "ring": 3, "talk": 900}
RINGING = {"outcome": "no_answer", "ring": 200}


@pytest.mark.parametrize(
    ("limits", "script", "cut", "outcome"),
    [
        ({}, LONG, None, "answered"),
        ({}, RINGING, None, "no_answer"),
        ({"max_duration": "60s"}, LONG, (60, 75), "answered"),
        ({"max_ring": "20s"}, RINGING, (20, 35), "no_answer"),
        ({"max_ring": "20s"}, LONG, None, "answered"),
    ],
)
async def test_a_call_is_cut_where_the_campaign_says_so_and_only_there(
    tmp_path: Path,
    limits: dict[str, str],
    script: dict[str, Any],
    cut: tuple[int, int] | None,
    outcome: str,
) -> None:
    """The ledger shows who ended the call, and when."""
    async with open_leap(tmp_path, 1_770_000_000.0, seed=3, speed=1.0) as leap:
        leap.stage.sandbox.script({person(0): [script], "4000": [{**LONG, "ring": 1}]})
        run = await leap.do(leap.stage.start(campaign(call={**CALL, **limits}), people(1)))
        result = await leap.result(run)
        (call,) = run.calls()
    assert result.by_outcome == {outcome: 1}
    assert call["hung_up_by_api"] is (cut is not None)
    lasted = call["ended_at"] - call["accepted_at"]
    if cut is None:
        assert lasted > 190
    else:
        assert cut[0] <= lasted <= cut[1]

"""`max_ring` and `max_duration` are kept by hanging up, and nothing else is cut."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.workflows.leaping import open_leap
from tests.workflows.stage import campaign, people, person

CALL = {"connect_to": "4000", "bina_origem": "4832830151"}
LONG = {"outcome": "answer", "ring": 3, "talk": 120}
RINGING = {"outcome": "no_answer", "ring": 120}


@dataclass(frozen=True)
class Case:
    """A campaign that calls one person, and what is to come of it."""

    limits: dict[str, str]
    script: dict[str, Any]
    cut: tuple[int, int] | None
    """Between how many seconds the call is hung up; None: it is not."""
    outcome: str


CASES = (
    Case({}, LONG, None, "answered"),
    Case({}, RINGING, None, "no_answer"),
    Case({"max_duration": "60s"}, LONG, (60, 75), "answered"),
    Case({"max_ring": "20s"}, RINGING, (20, 35), "no_answer"),
    Case({"max_ring": "20s"}, LONG, None, "answered"),
)


async def test_a_call_is_cut_where_the_campaign_says_so_and_only_there(tmp_path: Path) -> None:
    """The ledger shows who ended each call, and when; the campaigns run at the same time."""
    async with open_leap(tmp_path, 1_770_000_000.0, seed=3, speed=1.0) as leap:
        leap.stage.sandbox.script({"4000": [{**LONG, "ring": 1}]})
        runs = []
        for index, case in enumerate(CASES):
            leap.stage.sandbox.script({person(index): [case.script]})
            definition = campaign(f"caso-{index}", call={**CALL, **case.limits})
            runs.append(await leap.do(leap.stage.start(definition, people(1, first=index))))
        ended = [(await leap.result(run), run.calls()) for run in runs]
    for case, (result, calls) in zip(CASES, ended, strict=True):
        assert result.by_outcome == {case.outcome: 1}, case
        (call,) = calls
        assert call["hung_up_by_api"] is (case.cut is not None), case
        lasted = call["ended_at"] - call["accepted_at"]
        if case.cut is None:
            assert lasted > 110, case
        else:
            assert case.cut[0] <= lasted <= case.cut[1], case

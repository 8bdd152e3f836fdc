"""What a program reads of a chaos run, and how a person runs it again."""

from __future__ import annotations

import io
import json

from rich.console import Console

from tests.chaos import account
from tests.chaos.__main__ import main
from tests.chaos.round import Outcome

KEPT = Outcome(seed=3, store="sqlite", form="short", contacts=9, disturbed={"worker killed": 2})
BROKEN = Outcome(
    seed=4, store="postgresql", form="short", contacts=9, broken=["attempt keys twice: {'a': 2}"]
)


def test_json_says_whether_every_round_kept_its_promises() -> None:
    """One broken round breaks the whole, and each says how to repeat it."""
    read = json.loads(account.as_json([KEPT, BROKEN]))
    assert (read["kept"], [item["kept"] for item in read["rounds"]]) == (False, [True, False])
    assert read["rounds"][0]["disturbed"] == {"worker killed": 2}
    assert "--seed 4 --store postgresql" in read["rounds"][1]["reproduce"]


def test_the_command_that_is_printed_is_one() -> None:
    """What is printed for a round is taken by the program, schedule and all."""
    words = account.command(KEPT).split()
    assert words[:3] == ["python", "-m", "tests.chaos"]
    assert main([*words[3:], "--schedule"]) == 0


def test_a_broken_promise_is_printed_whole() -> None:
    """The calls that break it are there to be read, brackets and all."""
    out = io.StringIO()
    account.show([KEPT, BROKEN], Console(file=out, width=200))
    assert "attempt keys twice: {'a': 2}" in out.getvalue()
    assert "sqlite: every promise kept" in out.getvalue()

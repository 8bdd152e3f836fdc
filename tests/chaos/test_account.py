"""What a program reads of a chaos run, and how a person runs it again."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
from typing import Any

import pytest
from rich.console import Console

from tests.chaos import __main__ as program
from tests.chaos import account
from tests.chaos.__main__ import main
from tests.chaos.round import Outcome

KEPT = Outcome(seed=3, store="sqlite", form="short", contacts=9, disturbed={"worker killed": 2})
BROKEN = Outcome(
    seed=4, store="postgresql", form="short", contacts=9, broken=["attempt keys twice: {'a': 2}"]
)


class Unlucky(Exception):  # noqa: N818 - a round that ends in no outcome
    """Stands for whatever may end a round before it is judged."""


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


@pytest.mark.parametrize("how", ["SIGINT", "SIGTERM", "error"])
def test_rounds_that_are_over_are_told_however_the_command_ends(
    how: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each says its counts at once, and the table has them when the next round is cut off."""
    played: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    async def play(_: object, __: object, seed: int, **___: Any) -> Outcome:
        played.append(seed)
        if len(played) == 1:
            counts = {"attempt keys twice": 0}
            return Outcome(
                seed=seed, store="sqlite", form="short", contacts=9, calls=14, counts=counts
            )
        if how == "error":
            raise Unlucky
        os.kill(os.getpid(), signal.Signals[how])
        await asyncio.sleep(60)
        raise AssertionError("it was not interrupted")

    monkeypatch.setattr(program, "play", play)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a shell starts it in the background
    arguments = ["--seed", "70", "--store", "sqlite", "--minutes", "1"]
    try:
        if how == "error":
            with pytest.raises(Unlucky):
                main(arguments)
        else:
            assert main(arguments) == 130
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    printed = capsys.readouterr()
    assert "--- sqlite, seed 70: kept after 0 s; 14 calls" in printed.out
    assert printed.out.count("attempt keys twice") == 2
    assert "sqlite: every promise kept" in printed.out
    assert ("--seed 70 breaks the same" in printed.err) == (how != "error")
    assert played == [70, 71]

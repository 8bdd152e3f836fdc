"""`discador schedule` at a shell: made, shown, paused and deleted, on the stack of a directory."""

from __future__ import annotations

import json
import signal
from typing import Any

from tests.console.newcomer import Newcomer
from tests.console.watching import wait_for

SCHEDULE = 'schedule: {{repeat: "{repeat}", timezone: America/Manaus}}\n'


def _listed(newcomer: Newcomer) -> list[dict[str, Any]]:
    done = newcomer.asks("schedule", "list", "--json")
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def test_a_schedule_is_made_paused_and_deleted(newcomer: Newcomer) -> None:
    """What each command did is said, the list shows it, and twice is the same as once."""
    file = newcomer.campaign()
    with file.open("a", encoding="utf-8") as text:
        text.write(SCHEDULE.format(repeat="0 9 * * 1-5"))
    nowhere = newcomer.discador("schedule", "list")
    assert (nowhere.returncode, nowhere.stdout) == (1, "")
    assert "discador up" in nowhere.stderr

    stack = newcomer.begin("up", "--sandbox")
    wait_for(lambda: "Ctrl-C ends this" in stack.output(), "the stack is up", 60)
    made = newcomer.discador("schedule", "create", file.name)
    assert made.returncode == 0, made.stderr
    assert "Schedule teste was created." in made.stdout
    assert f"file    {file}" in made.stdout, "the path means the same to the worker"
    assert "brought up to date" in newcomer.asks("schedule", "create", file.name).stdout
    wait_for(lambda: bool(_listed(newcomer)), "the schedule is in the list", 30)
    assert newcomer.asks("schedule", "pause", "teste", "--reason", "carnival").returncode == 0
    (one,) = _listed(newcomer)
    assert (one["campaign"], one["paused"], one["note"], one["last"]) == (
        "teste",
        True,
        "carnival",
        None,
    )
    assert len(one["next"]) == 3
    assert all(at.endswith("T09:00:00-04:00") for at in one["next"])
    resumed = newcomer.asks("schedule", "resume", "teste", "--json")
    assert json.loads(resumed.stdout)["paused"] is False
    assert newcomer.asks("schedule", "delete", "teste").returncode == 0
    gone = newcomer.asks("schedule", "delete", "teste")
    assert gone.returncode == 1
    assert gone.stderr.startswith("There is no schedule teste;")
    assert stack.end(signal.SIGINT) == 0, stack.output()


def test_a_file_that_is_wrong_makes_no_schedule(newcomer: Newcomer) -> None:
    """All its problems are told as `validate` tells them, before Temporal is asked for anything."""
    file = newcomer.campaign()
    text = file.read_text(encoding="utf-8").replace("purpose: service", "purpose: hobby")
    file.write_text(text + SCHEDULE.format(repeat="0 25 * * *"), encoding="utf-8")
    refused = newcomer.asks("schedule", "create", file.name)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "[not_a_choice]" in refused.stderr
    assert "the hour goes from 0 to 23 [bad_cron]" in refused.stderr

"""Campaigns from the command line: to the end, stopped, interrupted, gone on with."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.console.newcomer import Newcomer, Running, the_report
from tests.console.watching import wait_for


def _many(count: int) -> list[str]:
    return [f"C{n};4899{n:07d}" for n in range(1, count + 1)]


def _journal(newcomer: Newcomer) -> list[dict[str, Any]]:
    """Read what the local provider kept: every call, and every change of its timeline."""
    file = newcomer.folder / ".discador" / "sandbox" / "sandbox-calls.ndjson"
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def test_a_campaign_runs_to_its_report(newcomer: Newcomer) -> None:
    """`run --sandbox` calls everybody, reports on the screen and as JSON, and leaves no process."""
    rows = [*_many(10), "C11;190", "C12;"]
    done = newcomer.discador(
        "run", str(newcomer.campaign(rows)), "--sandbox", "--speed", "600", "--json", "report.json"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    newcomer.no_process_is_left()
    report = the_report(newcomer.folder / "report.json")
    assert report["campaign"] == "teste"
    assert report["status"] == "completed"
    assert report["contacts"]["total"] == 10
    assert report["contacts"]["rejected"] == 2
    assert "due" not in report["contacts"]["by_outcome"]
    assert report["attempts"]["total"] >= 10
    assert report["started_at"] < report["ended_at"]
    assert [row["line"] for row in report["rejected_rows"]] == [12, 13]
    assert "line 12" in done.stderr
    assert "completed" in done.stdout
    assert (
        newcomer.asks("report", report["run"], "--json", "-").stdout
        == json.dumps(report, ensure_ascii=False, indent=2) + "\n"
    )
    assert report["run"] in newcomer.asks("status").stdout


def test_the_demo_ends_well(newcomer: Newcomer) -> None:
    """`discador demo` calls its 300 people, with retries, and leaves neither process nor file."""
    done = newcomer.discador("demo", "--json", "demo.json")
    assert done.returncode == 0, done.stdout + done.stderr
    newcomer.no_process_is_left()
    report = the_report(newcomer.folder / "demo.json")
    assert report["contacts"]["total"] >= 300
    assert report["attempts"]["total"] > report["contacts"]["total"]
    rejected = {row["line"] for row in report["rejected_rows"]}
    assert len(rejected) == report["contacts"]["rejected"]
    assert rejected <= {
        int(line) for line in re.findall(r"^  line (\d+)", done.stderr, re.MULTILINE)
    }
    assert not (newcomer.folder / ".discador").exists()


def test_a_wrong_token_stops_the_campaign_and_is_told(newcomer: Newcomer) -> None:
    """The API's 403 ends the run at once with its reason; the exit code says incomplete."""
    sandbox = newcomer.begin("sandbox", "--token", "right")
    sandbox.wait_until_it_says("url")
    newcomer.environ = {
        "ZENVIA_BASE_URL": json.loads(sandbox.output())["url"],
        "ZENVIA_ACCESS_TOKEN": "wrong",
    }
    done = newcomer.discador("run", str(newcomer.campaign()), "--json", "report.json")
    assert sandbox.end(signal.SIGTERM) == 0
    assert done.returncode == 3, done.stdout + done.stderr
    report = json.loads((newcomer.folder / "report.json").read_text(encoding="utf-8"))
    assert report["status"] == "failed"
    assert "refuses this account" in report["reason"]
    assert "refuses this account" in done.stdout
    assert report["attempts"]["total"] == 0


def _dialing(newcomer: Newcomer, *options: str) -> Running:
    """Begin a run that takes a while, and wait until it dials."""
    file = newcomer.campaign(_many(200), rate=4)
    running = newcomer.begin("run", str(file), "--sandbox", "--speed", "600", *options)
    running.wait_until_it_says(" live  ")
    return running


def test_the_caps_of_the_account_bind_every_campaign(newcomer: Newcomer) -> None:
    """With one channel for the account there is never more than one live call."""
    newcomer.environ = {"DISCADOR_ACCOUNT_CHANNELS": "1"}
    done = newcomer.discador("run", str(newcomer.campaign(_many(6))), "--sandbox")
    assert done.returncode == 0, done.stdout + done.stderr
    calls = {call["id"]: call for call in _journal(newcomer)}
    moments = sorted((call["live_from"], call["ended_at"]) for call in calls.values())
    assert len(moments) >= 6
    assert all(ended <= begun for (_, ended), (begun, _) in pairwise(moments))


def test_a_stop_from_another_shell_ends_the_run(newcomer: Newcomer) -> None:
    """`discador stop` reaches a `run` of the same directory, which ends as incomplete."""
    running = _dialing(newcomer, "--json", "report.json")
    stopped = newcomer.discador("stop", "--hangup")
    assert stopped.returncode == 0, stopped.stderr
    assert running.process.wait(60) == 3, running.output()
    assert the_report(newcomer.folder / "report.json")["status"] == "stopped"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_while_dialing_leaves_no_process(
    newcomer: Newcomer, number: signal.Signals
) -> None:
    """However a run is ended, Temporal, sandbox and worker end with it; it says what is kept.

    SIGKILL is below, in the run that goes on after it.
    """
    running = _dialing(newcomer)
    assert len(newcomer.processes()) >= 4
    code = running.end(number)
    newcomer.no_process_is_left()
    assert "Traceback" not in running.output()
    assert code == 1
    assert "goes on where it stopped" in running.output().splitlines()[-1]
    log = newcomer.folder / ".discador" / "sandbox" / "logs" / "worker.log"
    assert "worker_stopped" in log.read_text(encoding="utf-8"), "it was not let drain"


@pytest.mark.parametrize("parts", [0, 1, 2, 3])
def test_a_signal_during_the_start_leaves_no_process(newcomer: Newcomer, parts: int) -> None:
    """Ctrl-C while only some parts of the stack have started ends those too."""
    running = newcomer.begin("run", str(newcomer.campaign()), "--sandbox")
    wait_for(lambda: len(newcomer.processes()) > parts, f"{parts} parts have started")
    # While the interpreter itself is not up yet, what it says of a signal is its own.
    maps = Path(f"/proc/{running.process.pid}/maps")
    wait_for(lambda: "site-packages" in maps.read_text(), "it loads what it is made of")
    running.end(signal.SIGINT)
    newcomer.no_process_is_left()
    assert "Traceback" not in running.output()


def test_two_signals_end_at_once_what_one_would_end_in_order(newcomer: Newcomer) -> None:
    """An impatient second Ctrl-C kills what still drains."""
    running = _dialing(newcomer)
    running.process.send_signal(signal.SIGINT)
    running.end(signal.SIGINT)
    newcomer.no_process_is_left()
    assert "Traceback" not in running.output()


def test_a_killed_worker_is_started_again(newcomer: Newcomer) -> None:
    """A worker that dies costs a delay: the stack starts another, and everybody is called once."""
    file = newcomer.campaign(_many(30), rate=10)
    running = newcomer.begin(
        "run", str(file), "--sandbox", "--speed", "600", "--json", "report.json"
    )
    running.wait_until_it_says(" live  ")
    stack = json.loads((newcomer.folder / ".discador" / "stack.json").read_text(encoding="utf-8"))
    os.kill(stack["children"]["worker"], signal.SIGKILL)
    assert running.process.wait(90) == 0, running.output()
    assert "The worker ended by itself" in running.output()
    assert the_report(newcomer.folder / "report.json")["contacts"]["total"] == 30


def test_a_killed_run_goes_on_where_it_stopped(newcomer: Newcomer) -> None:
    """After SIGKILL nothing is left; the same command follows the live calls and calls the rest.

    In the provider's journal no attempt is there twice, and nobody is left out.
    """
    arguments = ("run", str(newcomer.campaign(_many(40), rate=10)), "--sandbox", "--speed", "60")
    running = newcomer.begin(*arguments)
    running.wait_until_it_says(" live  ")
    wait_for(
        lambda: _stored(newcomer, "select count(*) from attempts where state = 'placed'") > 4,
        "calls are live",
    )
    assert len(newcomer.processes()) >= 4
    running.end(signal.SIGKILL)
    newcomer.no_process_is_left()
    assert "Traceback" not in running.output()
    done = newcomer.discador(*arguments, "--json", "report.json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Going on with run" in done.stderr
    report = the_report(newcomer.folder / "report.json")
    assert report["contacts"]["total"] == 40
    assert "unknown" not in report["contacts"]["by_outcome"]
    ids_of_keys: dict[str, set[int]] = {}
    for call in _journal(newcomer):
        ids_of_keys.setdefault(call["tags"].split()[0], set()).add(call["id"])
    assert {len(ids) for ids in ids_of_keys.values()} == {1}
    assert len(ids_of_keys) == report["attempts"]["total"]


def test_a_worker_that_cannot_start_is_told_with_its_last_words(newcomer: Newcomer) -> None:
    """A part that fails at the start ends the command with that part's own message."""
    newcomer.environ = {"ZENVIA_BASE_URL": "http://127.0.0.1:9", "ZENVIA_ACCESS_TOKEN": "x"}
    folder = newcomer.folder / ".discador"
    folder.mkdir()
    (folder / "temporal.db").write_text("this is no database, " * 100, encoding="utf-8")
    done = newcomer.discador("run", str(newcomer.campaign()))
    assert done.returncode == 1
    assert "The temporal ended with exit code" in done.stderr
    assert "temporal.log" in done.stderr
    assert "Traceback" not in done.stderr
    newcomer.no_process_is_left()


def _up(newcomer: Newcomer) -> Running:
    running = newcomer.begin("up", "--sandbox", "--speed", "600")
    running.wait_until_it_says("Ctrl-C ends this")
    return running


def _stored(newcomer: Newcomer, query: str) -> Any:
    """Read one value from the store of the sandbox, which is quicker than asking a command."""
    file = newcomer.folder / ".discador" / "sandbox" / "discador.db"
    with closing(sqlite3.connect(file)) as connection:
        return connection.execute(query).fetchone()[0]


def test_up_carries_campaigns_that_other_commands_steer(newcomer: Newcomer) -> None:
    """Other commands of the directory find the stack; ended and started again it goes on.

    A name that is running is not started twice.
    """
    stack = _up(newcomer)
    file = str(newcomer.campaign(_many(40), rate=4))
    started = newcomer.discador("start", file)
    assert started.returncode == 0, started.stderr
    run = started.stdout.strip()
    assert re.fullmatch(r"[a-z]{9}", run)
    assert "is paused" in newcomer.discador("pause").stdout

    again = newcomer.asks("start", file)
    assert again.returncode == 1
    assert "teste is already running" in again.stderr
    wait_for(
        lambda: _stored(newcomer, "select count(*) from attempts where live") == 0,
        "the live calls have ended",
    )
    assert stack.end(signal.SIGINT) == 0, stack.output()
    newcomer.no_process_is_left()

    held = newcomer.asks("pause", run)
    assert held.returncode == 0, held.stderr
    assert "next start" in held.stdout
    assert "paused" in newcomer.asks("status", "teste").stdout

    stack = _up(newcomer)
    assert f"Going on with teste (run {run}, paused)" in stack.output()
    assert newcomer.asks("resume").returncode == 0
    wait_for(lambda: _stored(newcomer, "select state from runs") == "completed", "it completes")
    assert stack.end(signal.SIGTERM) == 0
    assert newcomer.asks("report", run, "--json", "report.json").returncode == 0
    assert the_report(newcomer.folder / "report.json")["contacts"]["total"] == 40


def test_a_stack_is_found_from_other_shells_and_is_the_only_one(newcomer: Newcomer) -> None:
    """A second stack is told who is there: two would share files.

    `worker --check`, for health checks, is 0 with a worker of this machine and 1 without.
    """
    assert newcomer.discador("worker", "--check").returncode == 1
    stack = _up(newcomer)
    assert newcomer.discador("worker", "--check").returncode == 0
    second = newcomer.discador("up", "--sandbox")
    assert second.returncode == 1
    assert str(stack.process.pid) in second.stderr
    assert stack.process.poll() is None
    stack.end(signal.SIGINT)


def test_status_says_where_no_worker_takes_a_run(newcomer: Newcomer) -> None:
    """A run may be `running` on a queue that nobody asks: the worker of another does not count."""
    stack = _up(newcomer)
    newcomer.asks("start", str(newcomer.campaign(name="outra", rate=0.01)))
    document = json.loads(newcomer.asks("status", "outra", "--json").stdout)
    assert (document["status"], document["worker_connected"]) == ("running", True)
    found = json.loads((newcomer.folder / ".discador" / "stack.json").read_text(encoding="utf-8"))
    newcomer.environ = {
        "TEMPORAL_ADDRESS": found["temporal_address"],
        "ZENVIA_ACCESS_TOKEN": "x",
        "ZENVIA_BASE_URL": "http://127.0.0.1:9",
        "DISCADOR_TASK_QUEUE": "nobody-is-here",
    }
    run = newcomer.asks("start", str(newcomer.campaign())).stdout.strip()
    del newcomer.environ["DISCADOR_TASK_QUEUE"]  # the queue is the one that the run is on
    told = newcomer.asks("status").stdout
    assert f"teste ({run}): no worker is connected, so nothing is dialed" in told
    assert "outra (" not in told
    stack.end(signal.SIGINT)


def test_sandbox_prints_where_it_listens_and_ends_on_sigterm(newcomer: Newcomer) -> None:
    """`discador sandbox` is one process that says its address in JSON and ends at once."""
    sandbox = newcomer.begin("sandbox", "--token", "segredo")
    sandbox.wait_until_it_says("url")
    assert json.loads(sandbox.output())["token"] == "segredo"
    assert newcomer.processes() == [sandbox.process.pid]
    assert sandbox.end(signal.SIGTERM) == 0

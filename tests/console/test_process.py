"""Children cannot outlive the command that started them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from console.process import Child, start_child
from tests.console.watching import is_running, wait_for

SLEEPER = "import time; print('ready', flush=True); time.sleep(600)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEPER}"
PARENT = """
import os, sys, time
from pathlib import Path
from console.process import start_child
command = [sys.executable, "-c", sys.argv[2]]
child = start_child("c", command, log=Path(sys.argv[1]), environ=os.environ)
print(child.pid, flush=True)
time.sleep(600)
"""


def _start(tmp_path: Path, code: str) -> Child:
    child = start_child(
        "part", [sys.executable, "-c", code], log=tmp_path / "part.log", environ=os.environ
    )
    wait_for(lambda: "ready" in child.output(), "the child runs")
    return child


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_parent_takes_its_child_along(tmp_path: Path, number: signal.Signals) -> None:
    """Even SIGKILL of the command, which it cannot answer, leaves no child behind."""
    log = tmp_path / "c.log"
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(log), STUBBORN], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    with parent.stdout:
        pid = int(parent.stdout.readline())
    wait_for(lambda: "ready" in log.read_text(encoding="utf-8"), "the child runs")
    parent.send_signal(number)
    parent.wait()
    wait_for(lambda: not is_running(pid), "the child is gone", 5)


async def test_a_child_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    """The grace has an end."""
    child = _start(tmp_path, STUBBORN)
    await child.stop(grace=0.2)
    assert child.exit_code == 128 + signal.SIGKILL


async def test_a_child_that_ends_on_sigterm_is_not_killed(tmp_path: Path) -> None:
    """A part that ends by itself within its grace is left to do so, and stopping twice is fine."""
    child = _start(tmp_path, SLEEPER)
    await child.stop(grace=30)
    await child.stop(grace=30)
    assert child.exit_code == 128 + signal.SIGTERM


def test_grandchildren_die_with_the_child(tmp_path: Path) -> None:
    """What a part has started itself is in its process group and ends with it."""
    code = (
        "import subprocess, sys\n"
        f"p = subprocess.Popen([sys.executable, '-c', {SLEEPER!r}])\n"
        "print('pid', p.pid, flush=True)\n"
        "p.wait()"
    )
    child = _start(tmp_path, code)
    wait_for(lambda: "pid" in child.output(), "the grandchild's id is known")
    words = child.output().split()
    grandchild = int(words[words.index("pid") + 1])
    child.kill()
    wait_for(lambda: not is_running(grandchild), "the grandchild is gone", 5)


def test_the_last_lines_are_those_of_this_start(tmp_path: Path) -> None:
    """A log that holds an earlier run does not lend its lines to a new error message."""
    (tmp_path / "part.log").write_text("an older complaint\n", encoding="utf-8")
    child = _start(tmp_path, "print('ready'); print('broken', flush=True)")
    child.process.wait()
    assert child.last_lines() == "  ready\n  broken"
    assert "an older complaint" in child.log.read_text(encoding="utf-8")


def test_a_program_that_does_not_exist_is_an_oserror(tmp_path: Path) -> None:
    """A binary that cannot run is known at once, not by a timeout."""
    with pytest.raises(OSError, match="no-such-program"):
        start_child("x", ["/no-such-program"], log=tmp_path / "x.log", environ=os.environ)

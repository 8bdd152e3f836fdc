"""A newcomer at a shell: runs the real `discador`, reads its output, and counts what is left."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import uuid
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

from console import main
from tests.console.watching import is_running, wait_for

DISCADOR = Path(sys.executable).parent / "discador"

CAMPAIGN = """\
campaign: {name}
purpose: service
dial_list: {{file: {list}, id: contrato, numbers: [celular]}}
call: {{contact_leg: origem, connect_to: "4000"}}
pacing: {{channels: 8, calls_per_second: {rate}}}
calling_hours: always
limits: {{per_contact: {{total: 3}}}}
reconcile: {{quiet: 2s, then: requeue}}
retry:
  - {{leg: contact, status: ocupado, after: 1s, times: 2}}
"""


@dataclass
class Newcomer:
    """A shell in an empty directory, with nothing configured but what a test says.

    Every process that comes of it carries a mark in its environment, so that those left behind
    are found whoever their parent is.
    """

    folder: Path
    environ: dict[str, str] = field(default_factory=dict)
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
            "DISCADOR_TEST_MARK": self.mark,
            **self.environ,
        }

    def discador(self, *arguments: str, seconds: float = 100) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            [str(DISCADOR), *arguments],
            cwd=self.folder,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    def asks(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end in this process, which has loaded already what it needs.

        For what it says and how it ends; what becomes of processes and signals is for `discador`.
        """
        out, err = io.StringIO(), io.StringIO()
        with (
            mock.patch.dict(os.environ, self._environment(), clear=True),
            mock.patch.object(os, "execv", side_effect=AssertionError("it would replace us")),
            mock.patch.object(sys, "stdin", io.StringIO()),
            chdir(self.folder),
            redirect_stdout(out),
            redirect_stderr(err),
        ):
            code = main._run(list(arguments))
        return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())

    def begin(self, *arguments: str) -> Running:
        """Start a command and leave it running."""
        log = self.folder / f"output-{uuid.uuid4().hex[:6]}.txt"
        with log.open("wb") as file:
            process = subprocess.Popen(
                [str(DISCADOR), *arguments],
                cwd=self.folder,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        return Running(process, log)

    def processes(self) -> list[int]:
        """List the processes that carry this newcomer's mark."""
        found = []
        for folder in Path("/proc").iterdir():
            try:
                environ = (folder / "environ").read_bytes()
            except OSError:
                continue
            if self.mark.encode() in environ and is_running(int(folder.name)):
                found.append(int(folder.name))
        return found

    def no_process_is_left(self) -> None:
        """Wait until nothing of this newcomer runs any more."""
        wait_for(lambda: not self.processes(), "no process is left", 10)

    def end_everything(self) -> None:
        """Kill whatever a failed test left behind."""
        for pid in self.processes():
            os.kill(pid, signal.SIGKILL)

    def campaign(
        self, rows: list[str] | None = None, *, name: str = "teste", rate: float = 20
    ) -> Path:
        """Write a campaign and its list of `contrato;celular` rows."""
        rows = [f"C{n};4899{n:07d}" for n in range(1, 11)] if rows is None else rows
        text = "\n".join(["contrato;celular", *rows, ""])
        (self.folder / f"{name}.csv").write_text(text, encoding="utf-8")
        file = self.folder / f"{name}.yaml"
        file.write_text(CAMPAIGN.format(name=name, list=f"{name}.csv", rate=rate), encoding="utf-8")
        return file


@dataclass
class Running:
    """A command that is running; its output is in `log`."""

    process: subprocess.Popen[bytes]
    log: Path

    def output(self) -> str:
        """Read what it has written so far."""
        return self.log.read_text(encoding="utf-8")

    def wait_until_it_says(self, text: str, seconds: float = 45) -> None:
        """Wait for a text in its output."""
        wait_for(
            lambda: text in self.output() or self.process.poll() is not None,
            f"it says {text!r}",
            seconds,
        )
        assert text in self.output(), self.output()

    def end(self, number: signal.Signals, seconds: float = 60) -> int:
        """Send it a signal and wait for its end; returns the exit code as Python has it."""
        self.process.send_signal(number)
        return self.process.wait(seconds)


def the_report(path: Path) -> dict[str, Any]:
    """Read a report and see that it adds up."""
    report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    contacts, attempts = report["contacts"], report["attempts"]
    assert sum(contacts["by_outcome"].values()) == contacts["total"]
    assert sum(attempts["by_status"].values()) == attempts["total"]
    return report

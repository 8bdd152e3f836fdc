"""Child processes that cannot outlive the command that started them.

Each child leads a session of its own, so that a Ctrl-C at the terminal reaches only the command,
which then ends its children in order. On Linux the kernel kills them should the command itself be
killed (`PR_SET_PDEATHSIG`), so not even SIGKILL leaves one behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_POLL_SECONDS = 0.03
_TAIL_BYTES = 64 * 1024


def _death_pact(parent: int) -> Callable[[], None] | None:
    """Make the function that a new child runs before its program, or None where unsupported."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def bind() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before the pact was made
            os._exit(1)

    return bind


@dataclass(frozen=True)
class Child:
    """A running program whose output goes to a file, its own part beginning at `log_start`."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    log_start: int

    @property
    def pid(self) -> int:
        """The process id, which is also the id of its process group."""
        return self.process.pid

    @property
    def exit_code(self) -> int | None:
        """The exit code as a shell would say it, or None while it runs."""
        code = self.process.poll()
        return 128 - code if code is not None and code < 0 else code

    def output(self) -> str:
        """Read what it has written since it started, the last 64 KiB of it at most."""
        with self.log.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(self.log_start, end - _TAIL_BYTES))
            return file.read().decode("utf-8", "replace")

    def last_lines(self, count: int = 12) -> str:
        """Return the last lines of its output, for an error message."""
        lines = [line for line in self.output().splitlines() if line.strip()]
        return "\n".join(f"  {line[:300]}" for line in lines[-count:]) or "  (it wrote nothing)"

    def signal_group(self, number: signal.Signals) -> None:
        """Send a signal to it and whatever it started; nothing happens once it has been reaped."""
        if self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, number)

    async def wait(self, seconds: float) -> bool:
        """Wait until it has ended, `seconds` at most; returns whether it has."""
        deadline = time.monotonic() + seconds
        while self.process.poll() is None:
            if time.monotonic() >= deadline:
                return False
            await asyncio.sleep(_POLL_SECONDS)
        return True

    async def stop(self, grace: float) -> None:
        """End it: SIGTERM, and SIGKILL once `grace` seconds have passed. Twice does no harm."""
        try:
            self.signal_group(signal.SIGTERM)
            await self.wait(grace)
        finally:
            self.kill()

    def kill(self) -> None:
        """End it now. Returns when it is gone; twice does no harm."""
        self.signal_group(signal.SIGKILL)
        self.process.wait()


def start_child(
    name: str, command: Sequence[str], *, log: Path, environ: Mapping[str, str]
) -> Child:
    """Start a program with its output appended to `log`; raises OSError when it cannot start.

    Call it from the main thread: Linux takes the end of the thread that forked for the death of
    the parent.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as file:
        log_start = file.tell()
        process = subprocess.Popen(  # noqa: S603 - our own programs, no shell
            command,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env=dict(environ),
            start_new_session=True,
            preexec_fn=_death_pact(os.getpid()),  # noqa: PLW1509 - one system call, no locks
        )
        return Child(name=name, process=process, log=log, log_start=log_start)

"""The sandbox of one scenario, as a process of its own, and what it has seen."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks.load import SEED, Load
from console.process import Child, start_child

TOKEN = "benchmark"
START_SECONDS = 30.0


class BenchmarkError(Exception):
    """A benchmark cannot go on; the text is for people."""


@dataclass(frozen=True)
class Stage:
    """A sandbox that nobody else uses, and a folder for whatever a contender keeps."""

    home: Path
    url: str
    child: Child
    _session: aiohttp.ClientSession

    async def stats(self) -> dict[str, Any]:
        """Return the sandbox's counters as of now."""
        async with self._session.get("/_sandbox/stats") as answer:
            return dict(await answer.json())

    async def ledger(self) -> list[dict[str, Any]]:
        """Return every accepted call as the provider saw it. It costs the sandbox a while."""
        async with self._session.get("/_sandbox/ledger") as answer:
            return [json.loads(line) async for line in answer.content]

    def start(self, name: str, command: list[str], environ: dict[str, str]) -> Child:
        """Start a process of a contender, its output in a file of the stage."""
        return start_in(self.home, name, command, environ)


def start_in(home: Path, name: str, command: list[str], environ: dict[str, str]) -> Child:
    """Start a process in a plain environment, its output in a file of `home`."""
    log = home / f"{name.replace(' ', '-')}.log"
    return start_child(name, command, log=log, environ=plain_environ() | environ)


def plain_environ() -> dict[str, str]:
    """Return the environment without what would configure a Temporal or an engine elsewhere."""
    ours = ("TEMPORAL", "DISCADOR", "ZENVIA", "CELERY")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return kept | {
        "TEMPORAL_CONFIG_FILE": os.devnull,
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": str(Path(__file__).parent.parent),  # the benchmarks are not installed
    }


async def until_said(child: Child, text: str, seconds: float = START_SECONDS) -> None:
    """Wait until a process has printed `text`. Raises `BenchmarkError` with its last words."""
    deadline = time.monotonic() + seconds
    while text not in child.output():
        if child.exit_code is not None or time.monotonic() > deadline:
            raise BenchmarkError(f"{child.name} did not start:\n{child.last_lines()}")
        await asyncio.sleep(0.05)


def _write_profile(home: Path, load: Load) -> Path:
    home.mkdir(parents=True, exist_ok=True)
    profile = home / "profile.yaml"
    profile.write_text(load.profile, encoding="utf-8")
    return profile


@asynccontextmanager
async def open_stage(home: Path, load: Load) -> AsyncIterator[Stage]:
    """Start a sandbox for a scenario; end it with the block."""
    profile = _write_profile(home, load)
    command = [sys.executable, "-P", "-m", "sandbox", "--seed", str(SEED), "--token", TOKEN]
    command += ["--speed", f"{load.speed:g}", "--profile", str(profile)]
    child = start_in(home, "sandbox", command, {})
    try:
        await until_said(child, "\n")
        url = json.loads(child.output().splitlines()[0])["url"]
        timeout = aiohttp.ClientTimeout(total=120)
        async with aiohttp.ClientSession(url, timeout=timeout) as session:
            yield Stage(home=home, url=url, child=child, _session=session)
    finally:
        child.kill()

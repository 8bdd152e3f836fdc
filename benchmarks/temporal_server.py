"""The Temporal of a contender: the development server on a SQLite file, the same for everybody."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from benchmarks.stage import START_SECONDS, BenchmarkError, Stage
from console import temporal
from console.embedded import free_port
from console.process import Child


@dataclass(frozen=True)
class TemporalServer:
    """A server that answers."""

    address: str
    child: Child


@asynccontextmanager
async def temporal_server(stage: Stage) -> AsyncIterator[TemporalServer]:
    """Start Temporal as `discador up` does, WAL pragmas included; end it with the block."""
    binary = temporal.find_temporal()
    if binary is None:
        raise BenchmarkError("there is no `temporal`; `make .venv` installs it")
    port = free_port()
    command = temporal.server_command(binary, stage.home / "temporal.db", port, None)
    child = stage.start("temporal", command, {})
    address = f"127.0.0.1:{port}"
    deadline = time.monotonic() + START_SECONDS
    try:
        while not await temporal.answers(address):
            if child.exit_code is not None or time.monotonic() > deadline:
                raise BenchmarkError(f"Temporal does not answer:\n{child.last_lines()}")
            await asyncio.sleep(0.05)
        yield TemporalServer(address, child)
    finally:
        child.kill()

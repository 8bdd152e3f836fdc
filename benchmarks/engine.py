"""Contender (d): this engine, run as its users run it.

A worker process, Temporal's development server on a SQLite file, and the SQLite store; the list was
imported before. It promises all that the README says: no call twice, nobody lost, caps held, every
decision kept, whatever is killed and restarted.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from temporalio.client import Client

from activities.settings import sqlite_url
from benchmarks.contender import Events, Running
from benchmarks.load import RAMAL, Load, write_list
from benchmarks.stage import TOKEN, BenchmarkError, Stage, start_in, until_said
from benchmarks.temporal_server import temporal_server
from console import carrying, engine
from console.embedded import free_port
from store import runs
from workflows.environment import DATA_CONVERTER

QUEUE = "benchmark"
IMPORT_SECONDS = 600.0
CAMPAIGN = """\
campaign: benchmark
purpose: service
dial_list: {{file: list.csv, id: contrato, numbers: [celular]}}
call: {{connect_to: "{ramal}", tags: "benchmark"}}
pacing: {{channels: {channels}, calls_per_second: {rate:g}}}
calling_hours: always
"""


async def import_list(home: Path, load: Load) -> dict[str, Any]:
    """Write a campaign with its list and import it in a process of its own; return its figures."""
    file = home / "campaign.yaml"
    text = CAMPAIGN.format(ramal=RAMAL, channels=load.channels, rate=load.calls_per_second)
    await asyncio.to_thread(file.write_text, text, "utf-8")
    await asyncio.to_thread(write_list, home / "list.csv", load.contacts)
    command = [sys.executable, "-P", "-m", "benchmarks.loading", str(file), str(store_file(home))]
    child = start_in(home, "import", command, {})
    try:
        await child.wait(IMPORT_SECONDS)
    finally:
        child.kill()
    if child.exit_code != 0:
        raise BenchmarkError(f"the list could not be imported:\n{child.last_lines()}")
    return dict(json.loads(child.output().splitlines()[-1]))


def store_file(home: Path) -> Path:
    """Name the store's file."""
    return home / "store.db"


class Engine:
    """The engine."""

    name = "engine"
    title = "(d) this engine"

    def missing(self) -> str | None:
        """Nothing: the engine brings what it needs."""
        return None

    @asynccontextmanager
    async def running(self, stage: Stage, load: Load) -> AsyncIterator[Running]:
        """Import, start Temporal and a worker, and let the run dial."""
        imported = await import_list(stage.home, load)
        async with temporal_server(stage) as server:
            monitor = f"127.0.0.1:{free_port()}"
            worker = stage.start(
                "worker",
                [sys.executable, "-P", "-m", "worker"],
                {
                    "ZENVIA_BASE_URL": stage.url,
                    "ZENVIA_ACCESS_TOKEN": TOKEN,
                    "DISCADOR_STORE_URL": sqlite_url(store_file(stage.home)),
                    "DISCADOR_TASK_QUEUE": QUEUE,
                    "TEMPORAL_ADDRESS": server.address,
                    "DISCADOR_MONITOR_LISTEN": monitor,
                },
            )
            try:
                await until_said(worker, "worker_started")
                client = await Client.connect(server.address, data_converter=DATA_CONVERTER)
                async with engine.opened(sqlite_url(store_file(stage.home))) as store:
                    run = await runs.get_run(store, imported["run"])
                    await carrying.begin_dialing(store, client, run, QUEUE)

                async def events() -> Events:
                    return Events(await history_events(client))

                async def densest() -> int:
                    return await asyncio.to_thread(densest_second, f"http://{monitor}/metrics")

                yield Running(
                    processes={"worker": worker, "Temporal": server.child},
                    events=events,
                    densest=densest,
                    facts={"import": imported},
                )
            finally:
                worker.kill()


def densest_second(metrics: str) -> int:
    """Read off a worker's metrics how many POSTs it has written within a second at the most."""
    with urlopen(metrics, timeout=30) as answer:
        for line in answer.read().decode().splitlines():
            if line.startswith("discador_densest_second "):
                return int(float(line.split()[1]))
    raise BenchmarkError(f"{metrics} does not tell the densest second")


async def history_events(client: Client) -> int:
    """Count the events of every workflow of this server, the runs before a continue-as-new too."""
    total = 0
    async for execution in client.list_workflows():
        handle = client.get_workflow_handle(execution.id, run_id=execution.run_id)
        total += (await handle.describe()).history_length
    return total

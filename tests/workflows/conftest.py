"""One real Temporal server for all tests here; a queue, a store and a sandbox for each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from tests.workflows import stage as stages
from tests.workflows.stage import TEMPORAL, TIMERS, Stage, open_stage
from workflows.environment import DATA_CONVERTER


async def _start() -> WorkflowEnvironment:
    return await WorkflowEnvironment.start_local(
        dev_server_existing_path=TEMPORAL,
        dev_server_log_level="error",
        dev_server_extra_args=TIMERS,
    )


@pytest.fixture(scope="session")
def temporal() -> Iterator[str]:
    """Start `temporal server start-dev` once; gives its address."""
    environment = asyncio.run(_start())
    yield environment.client.service_client.config.target_host
    asyncio.run(environment.shutdown())


@pytest.fixture(scope="session", autouse=True)
def copied(template: Path) -> None:
    """Let every stage have a copy of a migrated store."""
    stages.MIGRATED.append(template)


@pytest.fixture
async def client(temporal: str) -> Client:
    """Give the test a client of its own, with our data converter."""
    return await Client.connect(temporal, data_converter=DATA_CONVERTER)


@pytest.fixture
async def stage(client: Client, tmp_path: Path) -> AsyncIterator[Stage]:
    """Give the test a store, a sandbox and a queue, without a worker."""
    async with open_stage(client, tmp_path) as stage:
        yield stage


@pytest.fixture
async def working(stage: Stage) -> AsyncIterator[Stage]:
    """Give the test the same with a worker."""
    async with stage.worker():
        yield stage

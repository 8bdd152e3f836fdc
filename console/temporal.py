"""The Temporal server of the embedded stack: its binary, its command line, when it answers."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError


class NoTemporalError(Exception):
    """There is no `temporal` binary and none could be fetched; the text says what to do."""


def find_temporal() -> str | None:
    """Find the `temporal` binary: on PATH, else beside this Python; None where there is none."""
    beside = Path(sys.executable).parent / "temporal"
    return shutil.which("temporal") or (str(beside) if os.access(beside, os.X_OK) else None)


async def fetch_temporal(destination: Path) -> str:
    """Let the SDK download the server into `destination`, which it does once, and name the file.

    Raises `NoTemporalError`.
    """
    from temporalio.testing import WorkflowEnvironment  # noqa: PLC0415 - rarely needed, slow

    try:
        _make_folder(destination)
        environment = await WorkflowEnvironment.start_local(download_dest_dir=str(destination))
        await environment.shutdown()
    except (RuntimeError, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise NoTemporalError(
            "There is no `temporal` binary on PATH or beside Python, and it could not be fetched: "
            f"{reason}. Install `discador[embedded]`, or set TEMPORAL_ADDRESS."
        ) from None
    return _fetched(destination)


def _make_folder(path: Path) -> None:
    path.mkdir(parents=True, exist_ok=True)


def _fetched(destination: Path) -> str:
    return str(max(destination.glob("temporal-sdk-python-*")))


def server_command(binary: str, database: Path, port: int, ui_port: int | None) -> list[str]:
    """Compose the command line of a server that keeps everything in the file `database`."""
    command = [binary, "server", "start-dev", "--ip", "127.0.0.1", "--port", str(port)]
    command += ["--headless"] if ui_port is None else ["--ui-port", str(ui_port)]
    command += ["--db-filename", str(database), "--log-level", "warn"]
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL"):
        command += ["--sqlite-pragma", pragma]
    # Without it every timer under a second takes a second.
    return [*command, "--dynamic-config-value", 'history.timerProcessorMaxTimeShift="10ms"']


async def answers(address: str) -> bool:
    """Whether a Temporal at this address serves its default namespace."""
    try:
        client = await Client.connect(address)
        await client.workflow_service.describe_namespace(
            DescribeNamespaceRequest(namespace=client.namespace)
        )
    except (RPCError, RuntimeError):
        return False
    return True

"""The embedded stack: Temporal, the local Voice API and the worker, as children of one command.

Everything of it lives in one directory: Temporal's database, the logs, and, unless the settings
say otherwise, the store. Started again on the same directory it goes on where it stopped.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

from pydantic import ValidationError
from temporalio.envconfig import ClientConnectConfig

from activities.settings import Settings
from console import temporal
from console.process import Child, start_child
from console.stackfile import SandboxAddress, StackInfo, own_stack, publish_stack
from workflows.options import GRACE

READY_SECONDS = 45.0
"""How long any part may take until it answers; a loaded machine needs a few seconds."""

WORKER_GRACE_SECONDS = GRACE.total_seconds() + 10.0
"""Above the worker's own drain, which is above its longest POST."""

TEMPORAL_GRACE_SECONDS = 8.0
SANDBOX_GRACE_SECONDS = 3.0

RESTARTS_PER_MINUTE = 3

_MINUTE = 60.0
_READY_POLL_SECONDS = 0.05
_WATCH_SECONDS = 0.25
_PORT_TRIES = 3

WorkerCheck = Callable[[ClientConnectConfig, str], Awaitable[bool]]
"""Whether a worker takes work at this Temporal, from this queue."""


class StackError(Exception):
    """The stack could not start or broke; the text says which part, why, and where its log is."""


@dataclass(frozen=True)
class SandboxOptions:
    """What the local Voice API is told; `speed` divides ringing and talking times."""

    seed: int = 1
    speed: float = 60.0


@dataclass(frozen=True)
class StackOptions:
    """Which stack, where. `home` is the directory's `.discador`; `sandbox` None means a real API.

    With `temporal` the stack uses that one instead of bringing its own. A throwaway stack is ended
    without ceremony: nobody will read its files again.
    """

    home: Path
    command: Literal["up", "run", "demo"]
    sandbox: SandboxOptions | None = None
    throwaway: bool = False
    ui: bool = False
    temporal: ClientConnectConfig | None = None

    @property
    def data(self) -> Path:
        """Where its files live: the sandbox's apart, so that its calls never count as real."""
        return self.home / "sandbox" if self.sandbox else self.home


def free_port() -> int:
    """Return a port of the loopback that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Stack:
    """The running parts. Made by `embedded_stack`, which also ends them."""

    options: StackOptions
    settings: Settings
    say: Callable[[str], None]
    sandbox: SandboxAddress | None = None
    temporal: ClientConnectConfig = field(default_factory=ClientConnectConfig)
    ui_address: str | None = None
    children: dict[str, Child] = field(default_factory=dict)
    _commands: dict[str, tuple[list[str], dict[str, str]]] = field(default_factory=dict)
    _restarts: list[float] = field(default_factory=list)

    @property
    def temporal_address(self) -> str:
        """Where its Temporal listens."""
        return self.temporal.get("target_host", "")

    def log(self, name: str) -> Path:
        """Return the file that a part writes to."""
        return self.options.data / "logs" / f"{name}.log"

    def info(self) -> StackInfo:
        """Describe the stack for other commands of the same directory."""
        return StackInfo(
            pid=os.getpid(),
            command=self.options.command,
            temporal_address=self.temporal_address,
            task_queue=self.settings.task_queue,
            store_url=self.settings.store_url,
            base_url=self.settings.base_url,
            sandbox=self.sandbox,
            children={name: child.pid for name, child in self.children.items()},
        )

    async def start(self, worker_takes_work: WorkerCheck) -> None:
        """Start every part and wait until all of them answer. Raises `StackError`."""
        try:
            async with asyncio.TaskGroup() as group:
                if self.options.temporal is None:
                    group.create_task(self._start_temporal())
                if self.options.sandbox:
                    group.create_task(self._start_sandbox(self.options.sandbox))
        except* StackError as errors:
            raise errors.exceptions[0] from None
        await self._start_worker(worker_takes_work)
        publish_stack(self.options.home, self.info())

    async def watch(self) -> None:
        """Start again whatever ends by itself; raises `StackError` when that is of no use.

        A worker or a Temporal that was killed costs a delay: both go on from their files. A
        sandbox would come back at another address, which a running worker does not look for.
        """
        while True:
            for name, child in list(self.children.items()):
                if child.exit_code is not None:
                    self._start_again(name, child)
            await asyncio.sleep(_WATCH_SECONDS)

    async def stop(self) -> None:
        """End every part, the worker first; cancelled, it kills them at once. Twice is harmless."""
        throwaway = self.options.throwaway
        try:
            await self._stop("worker", 3.0 if throwaway else WORKER_GRACE_SECONDS)
            await asyncio.gather(
                self._stop("sandbox", SANDBOX_GRACE_SECONDS),
                self._stop("temporal", 0.0 if throwaway else TEMPORAL_GRACE_SECONDS),
            )
        finally:
            for child in self.children.values():
                child.kill()

    async def _stop(self, name: str, grace: float) -> None:
        if name in self.children:
            await self.children[name].stop(grace)

    def _start_child(self, name: str, command: list[str], environ: Mapping[str, str]) -> Child:
        try:
            child = start_child(name, command, log=self.log(name), environ=environ)
        except OSError as error:
            raise StackError(f"The {name} could not be started: {error}") from None
        self.children[name] = child
        self._commands[name] = (command, dict(environ))
        return child

    def _start_again(self, name: str, child: Child) -> None:
        now = time.monotonic()
        self._restarts = [at for at in self._restarts if now - at < _MINUTE] + [now]
        if name == "sandbox" or len(self._restarts) > RESTARTS_PER_MINUTE:
            raise self._broken(name, child)
        self.say(f"The {name} ended by itself (exit code {child.exit_code}); starting it again.")
        child.kill()
        self._start_child(name, *self._commands[name])
        publish_stack(self.options.home, self.info())

    def _broken(self, name: str, child: Child) -> StackError:
        return StackError(
            f"The {name} ended with exit code {child.exit_code}. Its last lines "
            f"(all of them: {child.log}):\n{child.last_lines()}"
        )

    async def _ready(self, name: str, answers: Callable[[], Awaitable[bool]]) -> None:
        """Wait until a part answers; raises `StackError` when it ends or stays silent."""
        deadline = time.monotonic() + READY_SECONDS
        while not await answers():
            child = self.children[name]
            if child.exit_code is not None:
                raise self._broken(name, child)
            if time.monotonic() > deadline:
                raise StackError(
                    f"The {name} did not answer within {READY_SECONDS:.0f} seconds. Its last lines "
                    f"(all of them: {child.log}):\n{child.last_lines()}"
                )
            await asyncio.sleep(_READY_POLL_SECONDS)

    async def _start_temporal(self) -> None:
        try:
            binary = temporal.find_temporal() or await temporal.fetch_temporal(
                self.options.home / "bin"
            )
        except temporal.NoTemporalError as error:
            raise StackError(str(error)) from None
        for tries_left in range(_PORT_TRIES, 0, -1):
            port, ui_port = free_port(), free_port() if self.options.ui else None
            address = f"127.0.0.1:{port}"
            self.temporal = ClientConnectConfig(target_host=address)
            self.ui_address = f"http://127.0.0.1:{ui_port}" if ui_port else None
            command = temporal.server_command(
                binary, self.options.data / "temporal.db", port, ui_port
            )
            child = self._start_child("temporal", command, os.environ)
            try:
                await self._ready("temporal", partial(temporal.answers, address))
            except StackError:
                if tries_left == 1 or "address already in use" not in child.output():
                    raise
            else:
                return

    async def _start_sandbox(self, options: SandboxOptions) -> None:
        command = [sys.executable, "-P", "-m", "sandbox", "--port", "0"]
        command += ["--seed", str(options.seed), "--speed", str(options.speed)]
        command += ["--token", secrets.token_hex(16)]
        # Started again, it must know the calls that the store still follows.
        journal = (self.options.data / "sandbox-calls.ndjson").absolute()
        command += ["--set", f"journal={json.dumps(str(journal))}"]
        child = self._start_child("sandbox", command, {**os.environ, "PYTHONUNBUFFERED": "1"})

        async def listens() -> bool:
            self.sandbox = _announced(child.output())
            return self.sandbox is not None

        await self._ready("sandbox", listens)
        assert self.sandbox is not None
        self.settings = self.settings.model_copy(
            update={"base_url": self.sandbox.url, "access_token": self.sandbox.token}
        )

    async def _start_worker(self, takes_work: WorkerCheck) -> None:
        environ = {**os.environ, **self.settings.environment(), "PYTHONUNBUFFERED": "1"}
        if self.options.temporal is None:
            # The user's own profile is not for this Temporal.
            environ = {name: environ[name] for name in environ if not name.startswith("TEMPORAL_")}
            environ["TEMPORAL_ADDRESS"] = self.temporal_address
            environ["TEMPORAL_CONFIG_FILE"] = os.devnull
        self._start_child("worker", [sys.executable, "-P", "-m", "worker"], environ)
        await self._ready("worker", lambda: takes_work(self.temporal, self.settings.task_queue))


def _announced(output: str) -> SandboxAddress | None:
    """Read the line of JSON that the sandbox prints once it listens."""
    for line in output.splitlines():
        if line.startswith("{"):
            try:
                return SandboxAddress.model_validate_json(line)
            except ValidationError:
                continue
    return None


@asynccontextmanager
async def embedded_stack(
    options: StackOptions,
    settings: Settings,
    *,
    worker_takes_work: WorkerCheck,
    say: Callable[[str], None],
) -> AsyncIterator[Stack]:
    """Run the embedded stack inside the block; nothing of it is left behind, however it ends.

    Raises `AlreadyRunningError` when another command owns the stack of this directory, and
    `StackError` when a part does not start.
    """
    with own_stack(options.home):
        stack = Stack(options, settings, say, temporal=options.temporal or ClientConnectConfig())
        try:
            options.data.mkdir(parents=True, exist_ok=True)
            await stack.start(worker_takes_work)
            yield stack
        finally:
            await stack.stop()

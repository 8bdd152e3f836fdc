"""The long-running worker: settings, logs, client, store, Temporal, and an orderly end.

`python worker.py` and `discador worker` are the same. On SIGTERM or SIGINT it takes no new work,
lets turns answer, waits for every POST that is under way and for its result to be in the store, and
only then goes. Exit codes: 0 after a stop, 1 with one clear line otherwise.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import structlog
import uvicorn
from starlette.applications import Starlette
from temporalio.client import Client
from temporalio.runtime import PrometheusConfig, Runtime, TelemetryConfig
from temporalio.service import RPCError
from temporalio.worker import Interceptor, PollerBehaviorSimpleMaximum, Worker

from activities.api import api_activities
from activities.boundary import Boundary
from activities.dialing import HEARTBEAT, DialingActivities
from activities.metrics import observe_request
from activities.monitoring import Monitored, create_monitor
from activities.posting import Poster
from activities.running import RunActivities
from activities.scheduling import ScheduleActivities
from activities.settings import (
    ACCOUNT,
    Settings,
    SettingsError,
    load_settings,
    load_temporal,
    sqlite_file,
)
from activities.webhook_receiver import Hint, create_receiver
from store import watching
from store.engine import Store, StoreError, open_store
from store.runs import ensure_account
from store.trouble import StoreUnavailable
from workflows.environment import DATA_CONVERTER, WORKFLOWS, workflow_runner
from workflows.options import GRACE, STICKY
from zenvia.client import Timeouts, VoiceClient

CONNECT_SECONDS = 30.0
POLLERS = 2
"""Requests for work under way at once. A frozen worker has its own still waiting at the server, and
each can swallow a turn until a heartbeat is missed; turns are few, so two are plenty."""

MAX_ACTIVITIES = 200
"""Turns at once in one process: every lane that it carries needs one."""

_log = structlog.get_logger("discador.worker")


class StartError(Exception):
    """The worker cannot start; the text is for people."""


def configure_logs() -> None:
    """Log JSON lines, or coloured ones on a terminal; ids only, never a number or a token."""
    terminal = sys.stderr.isatty()
    renderer = structlog.dev.ConsoleRenderer() if terminal else structlog.processors.JSONRenderer()
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.format_exc_info, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
            foreign_pre_chain=[*shared, structlog.processors.format_exc_info],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)


async def connect(runtime: Runtime | None = None) -> Client:
    """Connect to the configured Temporal, waiting for it for a while. Raises `StartError`."""
    config = load_temporal()
    if config is None:
        raise StartError(
            "no Temporal is configured: set TEMPORAL_ADDRESS (for example 127.0.0.1:7233), "
            "or let `discador up` start everything"
        )
    deadline = time.monotonic() + CONNECT_SECONDS
    while True:
        try:
            return await Client.connect(**config, data_converter=DATA_CONVERTER, runtime=runtime)
        except (RPCError, RuntimeError, OSError) as error:
            if time.monotonic() >= deadline:
                address = config.get("target_host", "the configured address")
                raise StartError(
                    f"Temporal at {address} does not answer; is it running?"
                ) from error
        await asyncio.sleep(0.5)


@asynccontextmanager
async def reached(url: str, stop: asyncio.Event) -> AsyncIterator[Store]:
    """Open the store, waiting for a database server for a while: a machine starts both at once.

    Raises `StoreError`, also when it is told to stop meanwhile. A SQLite file is there or not;
    nobody is going to start it.
    """
    deadline = time.monotonic() + CONNECT_SECONDS
    async with AsyncExitStack() as stack:
        while True:
            try:
                store = await stack.enter_async_context(open_store(url))
                break
            except StoreUnavailable as error:
                late = time.monotonic() >= deadline
                if sqlite_file(url) is not None or late or stop.is_set():
                    raise
                _log.warning("store_awaited", reason=str(error))
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), 1.0)
        yield store


def build_worker(
    client: Client,
    *,
    task_queue: str,
    dialing: DialingActivities,
    running: RunActivities,
    scheduling: ScheduleActivities | None = None,
    api: Sequence[Callable[..., Any]] = (),
    interceptors: Sequence[Interceptor] = (),
) -> Worker:
    """Return a Temporal worker with every workflow and activity of the engine.

    `interceptors` stand inside the boundary that keeps personal data out of error texts.
    """
    return Worker(
        client,
        task_queue=task_queue,
        workflows=list(WORKFLOWS),
        activities=[
            dialing.advance,
            running.prepare,
            running.load_rules,
            running.change_state,
            running.close,
            *([scheduling.begin_scheduled] if scheduling else []),
            *api,
        ],
        workflow_runner=workflow_runner(),
        interceptors=[Boundary(), *interceptors],
        graceful_shutdown_timeout=GRACE,
        max_concurrent_activities=MAX_ACTIVITIES,
        max_heartbeat_throttle_interval=HEARTBEAT,
        sticky_queue_schedule_to_start_timeout=STICKY,
        workflow_task_poller_behavior=PollerBehaviorSimpleMaximum(POLLERS),
        activity_task_poller_behavior=PollerBehaviorSimpleMaximum(POLLERS),
    )


class _Receiver(uvicorn.Server):
    """A server that leaves signals to the worker."""

    def capture_signals(self) -> nullcontext[None]:  # type: ignore[override]  # a context as well
        """Take none."""
        return nullcontext()


@asynccontextmanager
async def listening(variable: str, address: str, application: Starlette) -> AsyncIterator[None]:
    """Serve an application while the body runs. Raises `StartError` naming the variable."""
    host, _, port = address.rpartition(":")
    try:
        bound = socket.create_server((host, int(port)))
    except (OSError, OverflowError) as error:
        raise StartError(f"{variable}: cannot listen at {address}: {error}") from None
    server = _Receiver(uvicorn.Config(application, access_log=False, log_config=None))
    task = asyncio.create_task(server.serve(sockets=[bound]))
    try:
        yield
    finally:
        server.should_exit = True
        await task


@asynccontextmanager
async def webhooks(settings: Settings, dialing: DialingActivities) -> AsyncIterator[None]:
    """Take the API's webhooks as hints while the body runs, where an address for them is set."""
    if settings.webhook_listen is None:
        yield
        return
    secret = settings.webhook_secret.get_secret_value() if settings.webhook_secret else ""

    async def wake(hint: Hint) -> None:
        dialing.hint(hint.id)

    try:
        receiver = create_receiver(secret, wake)
    except ValueError as error:
        raise StartError(f"DISCADOR_WEBHOOK_SECRET: {error}") from None
    async with listening("DISCADOR_WEBHOOK_LISTEN", settings.webhook_listen, receiver):
        yield


def _sdk_metrics(settings: Settings) -> tuple[Runtime | None, str | None]:
    """Let the SDK show its metrics on the loopback, for the monitor to pass on."""
    if settings.monitor_listen is None:
        return None, None
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = "{}:{}".format(*probe.getsockname())
    metrics = PrometheusConfig(bind_address=address, durations_as_seconds=True)
    return Runtime(telemetry=TelemetryConfig(metrics=metrics)), f"http://{address}/metrics"


@asynccontextmanager
async def monitor(
    settings: Settings,
    store: Store,
    temporal: Client,
    stop: asyncio.Event,
    temporal_metrics: str | None,
) -> AsyncIterator[None]:
    """Show health and metrics while the body runs, where an address for them is set."""
    if settings.monitor_listen is None:
        yield
        return

    async def of_store() -> str | None:
        await watching.answers(store)
        return None

    async def of_temporal() -> str | None:
        return None if await temporal.service_client.check_health() else "it is not serving"

    async def of_worker() -> str | None:
        return "it is draining" if stop.is_set() else None

    application = create_monitor(
        Monitored(
            store=store,
            checks={"store": of_store, "temporal": of_temporal, "worker": of_worker},
            temporal_metrics=temporal_metrics,
        )
    )
    async with listening("DISCADOR_MONITOR_LISTEN", settings.monitor_listen, application):
        yield


async def serve(settings: Settings, stop: asyncio.Event) -> None:
    """Work until `stop` is set, then drain. Raises `StartError`, `StoreError`, `SettingsError`."""
    if settings.access_token is None:
        raise StartError(
            "ZENVIA_ACCESS_TOKEN is not set, so nothing can be dialed; "
            "to try without an account use `discador run FILE --sandbox`"
        )
    runtime, temporal_metrics = _sdk_metrics(settings)
    temporal = await connect(runtime)
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(reached(settings.store_url, stop))
        # The caps of the account are the worker's to set: it is told them, and it dials.
        await ensure_account(
            store, ACCOUNT, settings.account_channels, settings.account_calls_per_second
        )
        voice = await stack.enter_async_context(
            VoiceClient(
                settings.base_url,
                settings.access_token.get_secret_value(),
                number_format=settings.number_format,
                requests_per_second=settings.api_requests_per_second,
                observe=observe_request,
            )
        )
        poster = Poster(store, voice)
        dialing = DialingActivities(
            store,
            voice,
            poster,
            loopback=settings.loopback,
            http_total=Timeouts().total,
        )
        worker = build_worker(
            temporal,
            task_queue=settings.task_queue,
            dialing=dialing,
            running=RunActivities(store),
            scheduling=ScheduleActivities(store, loopback=settings.loopback),
            api=api_activities(voice, store, Path(".discador")),
        )
        await stack.enter_async_context(webhooks(settings, dialing))
        await stack.enter_async_context(monitor(settings, store, temporal, stop, temporal_metrics))
        _log.info("worker_started", task_queue=settings.task_queue, pid=os.getpid())
        async with worker:
            await stop.wait()
            _log.info("worker_draining", posts=poster.in_flight)
        await dialing.close()
        await poster.drain()
        _log.info("worker_stopped")


def settle_memory() -> None:
    """Take what was loaded out of the collector's rounds, and make these rarer.

    A turn keeps thousands of small objects for a second: with the default of 700 new objects a
    round, a tenth of the worker's time went into looking at them in vain.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def be_punctual() -> None:
    """Let the loop, which sends POSTs at their slots, wait less for threads that compute."""
    sys.setswitchinterval(0.001)


async def _main() -> None:
    settings = load_settings()
    settle_memory()
    be_punctual()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await serve(settings, stop)


def main(_: Sequence[str] = ()) -> int:
    """Run the worker; return the exit code."""
    configure_logs()
    try:
        asyncio.run(_main())
    except (StartError, StoreError, SettingsError) as error:
        ended = ". This worker has ended." if isinstance(error, StoreUnavailable) else ""
        print(f"discador worker: {error}{ended}", file=sys.stderr)  # noqa: T201 - one clear line
        return 1
    return 0


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # the SDK's threads crash the interpreter's own exit now and then

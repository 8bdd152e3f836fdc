"""Health and metrics of a worker over HTTP: `/live`, `/ready` and `/metrics`.

`/live` says that the process turns; who fails it should be started again. `/ready` says that it can
work: Temporal and the store answer and it is not draining; who fails it needs no restart, and the
answer names the reason. `/metrics` is for Prometheus: this process's own counts, what the store
says of open runs, and the Temporal SDK's. Ids and words only. There is no authentication: listen
where only the monitoring reaches.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

from prometheus_client import generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector, CollectorRegistry
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from activities.metrics import REGISTRY
from store import watching
from store.engine import Store, StoreError
from store.watching import OpenRun

CHECK_SECONDS = 2.0
"""How long a part may take to answer before it counts as away."""

SDK_SECONDS = 2.0

Check = Callable[[], Awaitable[str | None]]
"""Says why a part cannot be worked with, or None while it can."""


@dataclass(frozen=True)
class Monitored:
    """What is asked: `checks` by the part's name, and where the Temporal SDK shows its metrics."""

    store: Store
    checks: Mapping[str, Check]
    temporal_metrics: str | None = None


class _OpenRuns(Collector):
    """The open runs as gauges, from one reading of the store."""

    def __init__(self, runs: Sequence[OpenRun]) -> None:
        self._runs = runs

    def collect(self) -> Iterator[GaugeMetricFamily]:
        labels = ["run", "campaign"]
        state = GaugeMetricFamily(
            "discador_run_state",
            "1 for the state that an open run is in.",
            labels=[*labels, "state"],
        )
        live = GaugeMetricFamily(
            "discador_live_calls",
            "Attempts of a run that hold a channel, by state.",
            labels=[*labels, "state"],
        )
        unknown = GaugeMetricFamily(
            "discador_unknowns", "Attempts of a run that nobody could decide.", labels=labels
        )
        due = GaugeMetricFamily(
            "discador_contacts_open", "Contacts of a run without an outcome yet.", labels=labels
        )
        guards = GaugeMetricFamily(
            "discador_guard_state",
            "1 for the state that a guard of a run is in: ok, warning, or open, which pauses it.",
            labels=[*labels, "guard", "state"],
        )
        for run in self._runs:
            names = [run.id, run.campaign]
            state.add_metric([*names, run.state], 1)
            for held, count in sorted(run.live.items()):
                live.add_metric([*names, held], count)
            unknown.add_metric(names, run.unknowns)
            due.add_metric(names, run.contacts_open)
            for name, stands in sorted(run.guards.items()):
                guards.add_metric([*names, name, stands], 1)
        yield from (state, live, unknown, due, guards)


def create_monitor(monitored: Monitored) -> Starlette:
    """Make the application."""

    async def live(_: Request) -> Response:
        return JSONResponse({"live": True})

    async def ready(_: Request) -> Response:
        names = list(monitored.checks)
        found = await asyncio.gather(*(_asked(monitored.checks[name]) for name in names))
        reasons = {name: why for name, why in zip(names, found, strict=True) if why}
        return JSONResponse(
            {"ready": not reasons, "reasons": reasons}, status_code=503 if reasons else 200
        )

    async def metrics(_: Request) -> Response:
        text = generate_latest(REGISTRY)
        registry = CollectorRegistry()
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                registry.register(_OpenRuns(await watching.open_runs(monitored.store)))
        except Exception:  # noqa: BLE001 - the store is away: what this process knows is still shown
            text += b"# the store does not answer: nothing of its runs\n"
        else:
            text += generate_latest(registry)
        if monitored.temporal_metrics:
            text += await _fetched(monitored.temporal_metrics)
        return Response(text, headers={"Content-Type": CONTENT_TYPE_LATEST})

    return Starlette(
        routes=[Route("/live", live), Route("/ready", ready), Route("/metrics", metrics)]
    )


async def _asked(check: Check) -> str | None:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            return await check()
    except TimeoutError:
        return f"no answer within {CHECK_SECONDS:g} s"
    except StoreError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - whatever it raises, it cannot be worked with
        return type(error).__name__


async def _fetched(url: str) -> bytes:
    """Return the SDK's own page, or a comment where it cannot be had."""
    try:
        return await asyncio.to_thread(_read, url)
    except (HTTPException, OSError, ValueError):
        return b"# the Temporal SDK shows no metrics\n"


def _read(url: str) -> bytes:
    parts = urlsplit(url)
    asked = HTTPConnection(parts.hostname or "", parts.port, timeout=SDK_SECONDS)
    with closing(asked):
        asked.request("GET", parts.path or "/")
        return asked.getresponse().read()

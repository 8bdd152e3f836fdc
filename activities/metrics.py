"""What this process counts and times, for Prometheus: ids and words, never a number or a name.

Counters are this process's own: sum them over workers. What a run as a whole is like (its state,
its unknowns, its live calls) is read from the store when somebody asks, so every worker tells the
same of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY: Final = CollectorRegistry()

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0)
_PACING = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0)

ATTEMPTS: Final = Counter(
    "discador_attempts",
    "Attempts settled by this process, by what they came to.",
    ["outcome"],
    registry=REGISTRY,
)
POSTS: Final = Counter(
    "discador_posts",
    "Calls asked of the API by this process, by what became of the request.",
    ["result"],
    registry=REGISTRY,
)
PACING_ERROR: Final = Histogram(
    "discador_pacing_error_seconds",
    "How long after its slot a POST was written.",
    buckets=_PACING,
    registry=REGISTRY,
)
DENSEST_SECOND: Final = Gauge(
    "discador_densest_second",
    "The most POSTs of one run that this process has written within a second, since it started.",
    registry=REGISTRY,
)
POLL_LAG: Final = Histogram(
    "discador_poll_lag_seconds",
    "How long after the planned instant calls under way were asked about.",
    buckets=_SECONDS,
    registry=REGISTRY,
)
API_SECONDS: Final = Histogram(
    "discador_api_request_seconds",
    "Duration of requests to the Voice API, answered or not.",
    ["operation"],
    buckets=_SECONDS,
    registry=REGISTRY,
)
API_ERRORS: Final = Counter(
    "discador_api_errors",
    "Requests to the Voice API that failed or were refused, by the kind of error.",
    ["operation", "error"],
    registry=REGISTRY,
)
TURNS: Final = Histogram(
    "discador_turn_seconds",
    "Duration of a lane's turns in this process.",
    buckets=(*_SECONDS, 30.0, 60.0),
    registry=REGISTRY,
)


_OF_OPERATION: dict[str, Histogram] = {}


def observe_request(operation: str, seconds: float, error: str | None) -> None:
    """Count one exchange with the API. `error` is the name of its class, None for a success."""
    seen = _OF_OPERATION.get(operation)
    if seen is None:
        seen = _OF_OPERATION[operation] = API_SECONDS.labels(operation)
    seen.observe(seconds)
    if error is not None:
        API_ERRORS.labels(operation, error).inc()


def count_settled(by_outcome: Mapping[str, int]) -> None:
    """Count attempts that were settled just now."""
    for outcome, count in by_outcome.items():
        ATTEMPTS.labels(outcome).inc(count)

"""How an activity asks the Voice API: what may be tried again, and what must never be.

Temporal tries an activity again after any failure that does not say otherwise, and also when a
worker was lost or took too long, with the first request perhaps still on its way. So an operation
that rings a phone is asked on the first attempt only.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, TypeVar

from temporalio import activity
from temporalio.exceptions import ApplicationError

from zenvia import errors

T = TypeVar("T")

UNSURE = "Unsure"
"""`ApplicationError.type` of a request that may have been carried out."""

_SLACK = 1.0  # seconds by which a request must leave before Temporal stops waiting for it


async def repeatable(request: Coroutine[Any, Any, T]) -> T:
    """Ask for something that does no harm when done twice.

    What may pass (not sent, unsure, 429) is retried by the activity's policy; what the API refused
    is not.
    """
    failure: ApplicationError
    try:
        return await request
    except errors.VoiceError as error:
        failure = _failure(error, again=True)
    raise failure


async def once(request: Coroutine[Any, Any, T]) -> T:
    """Ask for something that must not happen twice.

    A second attempt asks nothing and fails as `Unsure`. A cancellation waits for the answer, so
    that what was done is known. Every failure is final: nothing was sent (do it in a new activity),
    it was refused, or `Unsure` (find out first).
    """
    if activity.info().attempt > 1:
        request.close()
        raise ApplicationError(
            "an earlier attempt may have been carried out; find out before doing it again",
            type=UNSURE,
            non_retryable=True,
        )
    failure: ApplicationError
    task = asyncio.ensure_future(request)
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            continue
        except errors.VoiceError:
            break
    try:
        return task.result()
    except errors.VoiceError as error:
        failure = _failure(error, again=False)
    raise failure


def send_by() -> float:
    """Return the time (seconds since 1970) after which a request of this attempt must not leave."""
    allowed = (activity.info().start_to_close_timeout or timedelta(minutes=1)).total_seconds()
    return time.time() + max(allowed - _SLACK, allowed / 2)


def _failure(error: errors.VoiceError, *, again: bool) -> ApplicationError:
    kind = type(error).__name__
    delay: timedelta | None = None
    final = not again
    if isinstance(error, errors.Unsure):
        kind = UNSURE
    elif isinstance(error, errors.RateLimited):
        delay = None if error.retry_after is None else timedelta(seconds=error.retry_after)
    elif isinstance(error, errors.Refused | errors.RequestNotPossible):
        final = True
    return ApplicationError(str(error), type=kind, non_retryable=final, next_retry_delay=delay)

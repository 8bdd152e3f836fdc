"""What may leave an activity as an error: what it is and where, never what it was about.

An exception that nobody expected may quote what it choked on: a row, a statement's parameters, a
person's name. Temporal keeps error texts in the history and the SDK logs them, so at this boundary
every such error becomes one of ours, with the first line of its text, masked, as its message.
"""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

import structlog
from temporalio import activity
from temporalio.exceptions import ApplicationError, FailureError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from store.trouble import StoreError
from zenvia.errors import masked

_log = structlog.get_logger("discador.activities")


def described(error: Exception) -> str:
    """Return the first line of an error's text, masked.

    Of a database error that is the database's own first line: what follows quotes rows. What is
    wrong with the store is already told for people.
    """
    if isinstance(error, StoreError):
        return masked(str(error))
    lines = str(getattr(error, "orig", None) or error).splitlines()
    return f"{type(error).__name__}: {masked(lines[0])}" if lines else type(error).__name__


def place_of(error: Exception) -> str:
    """Return the file and line that raised an error, for whoever repairs it."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""


class Boundary(Interceptor):
    """Stands around every activity of the worker."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002 - the SDK's name
        """Put the boundary around the activities that come after `next`."""
        return _Around(next)


class _Around(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002 - the SDK's name
        """Run the activity; an error that was not raised for Temporal is described, not passed."""
        try:
            return await self.next.execute_activity(input)
        except FailureError:
            raise
        except Exception as error:  # noqa: BLE001 - everything else is the point of this class
            _log.error(
                "activity_failed",
                activity=activity.info().activity_type,
                attempt=activity.info().attempt,
                error=described(error),
                at=place_of(error),
            )
            failure = ApplicationError(described(error), type=type(error).__name__)
        raise failure

"""Every timeout and retry policy, named after the promise that it makes."""

from __future__ import annotations

from datetime import timedelta
from typing import TypedDict

from temporalio.common import RetryPolicy

LOOK_AGAIN = timedelta(seconds=60)
"""A lane that has nothing to do asks the store again after this, should a signal be lost; then
after twice as long, and so on."""

LOOK_AGAIN_AT_MOST = timedelta(minutes=5)
"""So late, at most, does a waiting lane see a stop that was written while Temporal was down."""

LOOK_AGAIN_BEFORE_DUE = timedelta(hours=1)
"""The same for a lane whose next contact is due much later: it costs six events a time, and a stop
that it has not seen yet keeps nobody waiting but the report."""

FIRST_BREATHER = timedelta(seconds=2)
BREATHER = timedelta(seconds=15)
"""Wait of a lane between two rounds of a turn that keeps failing: the first, doubled each time, at
most."""

TURN = timedelta(seconds=60)
"""A turn answers after this long at the latest, with or without news."""

GRACE = timedelta(seconds=40)
"""How long a worker that is asked to stop lets activities and POSTs finish: above the total HTTP
timeout and the longest time between a claim and its slot."""


HEARTBEAT_TIMEOUT = timedelta(seconds=6)
"""A turn whose worker has been silent for this long is given to another one."""

STICKY = timedelta(seconds=2)
"""A decision that the worker of the last one has not taken up after this long goes to any worker:
a dead one would hold it for the SDK's default of ten seconds, which is most of a recovery."""


class ActivityOptions(TypedDict, total=False):
    """The keyword arguments of `workflow.execute_activity` that we use."""

    start_to_close_timeout: timedelta
    heartbeat_timeout: timedelta
    retry_policy: RetryPolicy


def turn() -> ActivityOptions:
    """Let a turn be cut and done again: its token makes the second one continue the first.

    A dead worker is noticed within the heartbeat timeout. After the last attempt the lane takes a
    breather and starts another round, so nobody is lost to an outage.
    """
    return {
        "start_to_close_timeout": timedelta(minutes=5),
        "heartbeat_timeout": HEARTBEAT_TIMEOUT,
        "retry_policy": RetryPolicy(
            initial_interval=timedelta(milliseconds=500),
            backoff_coefficient=2.0,
            maximum_interval=timedelta(seconds=10),
            maximum_attempts=4,
        ),
    }


def intake() -> ActivityOptions:
    """Read a list of any size into the store; cut off, the next attempt goes on where it stopped.

    It is tried for as long as somebody may mend a store or a worker on the same day.
    """
    return {
        "start_to_close_timeout": timedelta(hours=2),
        "heartbeat_timeout": timedelta(seconds=15),
        "retry_policy": RetryPolicy(
            initial_interval=timedelta(seconds=1),
            backoff_coefficient=2.0,
            maximum_interval=timedelta(minutes=1),
            maximum_attempts=500,
        ),
    }


def store_only() -> ActivityOptions:
    """Look at the store, or change it, for a short time; safe to repeat."""
    return {
        "start_to_close_timeout": timedelta(seconds=60),
        "retry_policy": RetryPolicy(
            initial_interval=timedelta(milliseconds=500),
            backoff_coefficient=2.0,
            maximum_interval=timedelta(seconds=30),
            maximum_attempts=100,
        ),
    }

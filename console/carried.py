"""Who carries a run, as commands tell it. Loads nothing of Temporal, which takes its time."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Workers:
    """Whether a worker takes the work of a queue; None: nobody can tell.

    `silent` is how many seconds ago the last one was heard of that is gone, if any is known.
    """

    connected: bool | None
    silent: float | None = None


UNKNOWN = Workers(None)


@dataclass(frozen=True)
class Carried:
    """Who carries a run, and why nothing goes on where its turns fail."""

    workers: Workers = UNKNOWN
    trouble: str | None = None

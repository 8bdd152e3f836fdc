"""Inputs, results and updates of the workflows: one frozen model each."""

from __future__ import annotations

from pydantic import Field

from activities.messages import RunStateName
from campaigns.attempts import DialingRules, Step
from campaigns.definition import Frozen


class CampaignInput(Frozen):
    """Start a run that the store has prepared."""

    run: str


class CampaignResult(Frozen):
    """How a run ended; `by_outcome` counts contacts."""

    run: str
    state: RunStateName
    reason: str = ""
    by_outcome: dict[str, int] = Field(default_factory=dict)


class ScheduledInput(Frozen):
    """What a schedule starts: a campaign file, by a path that means the same to the worker.

    The times are those that the schedule was made of, for whoever lists it.
    """

    campaign: str
    file: str
    repeat: str | None = None
    start_at: str | None = None
    end_at: str | None = None
    timezone: str = "UTC"


class ScheduledResult(Frozen):
    """How the run of one firing ended; `by_outcome` counts contacts."""

    run: str
    state: RunStateName
    reason: str = ""
    by_outcome: dict[str, int] = Field(default_factory=dict)


class LaneCounters(Frozen):
    """What a lane has done so far."""

    turns: int = 0
    posted: int = 0
    decided: int = 0
    retried: int = 0
    finished: int = 0


class LaneInput(Frozen):
    """Open a lane, or go on after continue-as-new with what was decided and not yet settled."""

    run: str
    lane: int
    rules: DialingRules
    counters: LaneCounters = LaneCounters()
    steps: tuple[Step, ...] = ()


class LaneResult(Frozen):
    """What a lane came to."""

    counters: LaneCounters = LaneCounters()


class Progress(Frozen):
    """What a campaign or lane workflow knows without asking the store."""

    run: str
    state: RunStateName = "running"
    reason: str = ""
    lanes: int = 1
    lanes_finished: int = 0
    counters: LaneCounters = LaneCounters()


class PauseRequest(Frozen):
    """Stop placing; live calls go on."""

    reason: str = "paused by a person"


class ResumeRequest(Frozen):
    """Go on after a pause."""

    reason: str = ""


class StopRequest(Frozen):
    """Place nothing more and end when the last call has ended; `hang_up` ends live calls too."""

    reason: str = "stopped by a person"
    hang_up: bool = False


class StateChanged(Frozen):
    """The run's state after a pause, resume or stop."""

    state: RunStateName
    reason: str = ""


class StateSeen(Frozen):
    """What a lane found the run to be; a higher epoch is newer."""

    state: RunStateName
    reason: str = ""
    epoch: int = 0


class Wake(Frozen):
    """Look at the store again: its run may have changed."""

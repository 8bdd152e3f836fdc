"""What workflows and activities say to each other: one frozen model per message.

Nothing here names a person: attempts and contacts go by opaque ids. New fields need defaults, so
that an old history still reads.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from campaigns.attempts import DialingRules, Ended, Step
from campaigns.definition import Frozen

RunStateName = Literal[
    "preparing", "running", "paused", "stopping", "completed", "stopped", "failed"
]


class PrepareInput(Frozen):
    """Ask what a run needs before its lanes open."""

    run: str


class PrepareResult(Frozen):
    """The run's name, rules and lanes."""

    campaign: str
    rules: DialingRules
    lanes: int = 1
    total: int = 0


class BeginScheduledInput(Frozen):
    """Import the list of a campaign file as a new run, and let it dial.

    `firing` names the schedule and its time: the run's id comes from it.
    """

    campaign: str
    file: str
    firing: str


class BeginScheduledResult(Frozen):
    """The run of a firing, as it is now."""

    run: str
    campaign: str
    state: RunStateName
    reason: str = ""
    total: int = 0


class AdvanceInput(Frozen):
    """One turn of a lane: settle `steps`, reserve and place under `token`, track until news."""

    run: str
    lane: int
    token: str
    steps: tuple[Step, ...] = ()
    max_wait: float = 60.0


class AdvanceResult(Frozen):
    """What a turn came to.

    `ended` waits for decisions. `finished`: the lane has nothing left. `next_due` is seconds from
    now until a contact becomes due, None when none will. `resumes_in` is seconds until a paused run
    goes on by itself, None where it waits for a person. A higher `epoch` is a newer state.
    """

    state: RunStateName
    reason: str = ""
    epoch: int = 0
    ended: tuple[Ended, ...] = ()
    finished: bool = False
    live: int = 0
    placed: int = 0
    next_due: float | None = None
    rules_version: int = 1
    resumes_in: float | None = None


class RulesInput(Frozen):
    """Ask for the newest rules of a run."""

    run: str


class ChangeStateInput(Frozen):
    """Pause, resume or stop a run in the store."""

    run: str
    change: Literal["pause", "resume", "stop", "fail"]
    reason: str = ""
    hang_up: bool = False


class ChangeStateResult(Frozen):
    """The run's state after the change. A higher `epoch` is a newer one."""

    state: RunStateName
    reason: str = ""
    epoch: int = 0


class CloseInput(Frozen):
    """End a run whose lanes have finished."""

    run: str


class CloseResult(Frozen):
    """The final state, and contacts by outcome."""

    state: RunStateName
    reason: str = ""
    by_outcome: dict[str, int] = Field(default_factory=dict)

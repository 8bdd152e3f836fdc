"""Faults that a test switches on, and the limits that an account has."""

from random import Random
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Probability = Annotated[float, Field(ge=0, le=1)]

Fault = Literal[
    "rate_limited", "error_before", "reset_before", "lost_answer", "error_after", "reset_after"
]
BEFORE: tuple[Fault, ...] = ("rate_limited", "error_before", "reset_before")
AFTER: tuple[Fault, ...] = ("lost_answer", "error_after", "reset_after")


class Settable(BaseModel):
    """What the control plane takes; a key that is not known is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Slow(Settable):
    """Answers held back: a share of them, for so many real seconds.

    `when` tells whether the work is done before the wait or after it; with "before", a request
    whose sender has given up still takes effect.
    """

    share: Probability = 0.0
    seconds: float = Field(default=0.0, ge=0, le=600)
    when: Literal["before", "after"] = "after"


class Faults(Settable):
    """Shares of requests that go wrong; `report_lag` in real seconds.

    They befall the operations named (`*`: all of the API), by default only the one that dials.
    """

    lost_answer: Probability = 0.0
    error_before: Probability = 0.0
    error_after: Probability = 0.0
    reset_before: Probability = 0.0
    reset_after: Probability = 0.0
    rate_limited: Probability = 0.0
    slow: Slow = Slow()
    report_lag: float = Field(default=0.0, ge=0)
    operations: tuple[str, ...] = ("chamada.criar",)

    def befall(self, operation: str) -> bool:
        """Whether this operation is exposed to the faults."""
        return operation in self.operations or "*" in self.operations

    def before(self, luck: Random) -> Fault | None:
        """Draw what happens to a request before it takes effect."""
        return self._draw(BEFORE, luck)

    def after(self, luck: Random) -> Fault | None:
        """Draw what happens to the answer of a request that took effect."""
        return self._draw(AFTER, luck)

    def delay(self, luck: Random) -> float:
        """Draw how long an answer is held back, in real seconds."""
        slow = self.slow
        return slow.seconds if slow.share and luck.random() < slow.share else 0.0

    def _draw(self, kinds: tuple[Fault, ...], luck: Random) -> Fault | None:
        for fault in kinds:
            share: float = getattr(self, fault)
            if share and luck.random() < share:
                return fault
        return None

"""Faults that a test switches on."""

from random import Random
from typing import Annotated, Literal

from pydantic import Field

from sandbox.settable import Settable

Probability = Annotated[float, Field(ge=0, le=1)]

Fault = Literal[
    "rate_limited", "error_before", "reset_before", "lost_answer", "error_after", "reset_after"
]
BEFORE: tuple[Fault, ...] = ("rate_limited", "error_before", "reset_before")
AFTER: tuple[Fault, ...] = ("lost_answer", "error_after", "reset_after")


class Slow(Settable):
    """Answers held back: a share of them, for so many real seconds.

    `when` tells whether the work is done before the wait or after it; with "before", a request
    whose sender has given up still takes effect.
    """

    share: Probability = 0.0
    seconds: float = Field(default=0.0, ge=0, le=600)
    when: Literal["before", "after"] = "after"


class WebhookFaults(Settable):
    """What happens to events on their way: lost, sent twice, late by up to so many seconds.

    Delays are drawn for each event, so that events also overtake each other.
    """

    drop: Probability = 0.0
    duplicate: Probability = 0.0
    delay: float = Field(default=0.0, ge=0, le=600)

    def draw(self, luck: Random) -> float:
        """Draw the delay of one event, in real seconds."""
        return luck.random() * self.delay if self.delay else 0.0


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
    webhooks: WebhookFaults = WebhookFaults()
    truncated_recording: Probability = 0.0  # a download breaks off half-way
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

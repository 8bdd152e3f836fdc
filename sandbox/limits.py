"""What an account may do: live calls, calls and requests per second, money."""

from typing import Literal

from pydantic import Field

from sandbox.settable import Settable


class Limits(Settable):
    """Limits of the account; None is no limit.

    A call above `channels` is refused, or accepted and then congested, as `over_channels` says.
    `balance` is in reais, goes down as calls end, and stops new calls when nothing is left.
    """

    channels: int | None = Field(default=None, ge=0)
    over_channels: Literal["refuse", "congest"] = "refuse"
    calls_per_second: float | None = Field(default=None, gt=0)
    requests_per_second: float | None = Field(default=None, gt=0)
    balance: float | None = None


class Rate:
    """Lets `rate` things a second pass, with a burst of one second's worth."""

    def __init__(self, rate: float | None) -> None:
        self._rate = rate
        self._burst = max(1.0, rate or 0.0)
        self._tokens = self._burst
        self._at: float | None = None

    def take(self, now: float) -> bool:
        """Pass at `now` (epoch seconds), or say that it is too soon."""
        if self._rate is None:
            return True
        elapsed = max(0.0, now - self._at) if self._at is not None else 0.0
        self._at = now
        self._tokens = min(self._burst, self._tokens + elapsed * self._rate)
        if self._tokens < 1 - 1e-9:
            return False
        self._tokens -= 1
        return True

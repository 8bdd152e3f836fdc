"""What a reserve asks of the campaign's rules: may this contact be called now."""

from __future__ import annotations

from typing import Literal, NamedTuple, Protocol

from campaigns.attempts import Outcome


class Candidate(NamedTuple):
    """A contact that is due, and the number it would be called at.

    `number_calls` and `contact_calls` are when the number, and any number of the contact, were
    called before in all campaigns of the account, oldest first, as far back as the gate asks.
    """

    n: int
    e164: str
    kind: Literal["movel", "fixo"]
    number_calls: tuple[float, ...] = ()
    contact_calls: tuple[float, ...] = ()


class GateAnswer(NamedTuple):
    """Whether a candidate may be called now.

    `until` is the last instant at which the call may start (None: no limit). Where it may not be
    called, `wait_until` is when to ask again, or None for never; `why` is a short code, and
    `outcome` what the contact ends with if it has no further number.
    """

    allowed: bool = True
    until: float | None = None
    wait_until: float | None = None
    why: str = ""
    outcome: Outcome = Outcome.NOT_ALLOWED


class Gate(Protocol):
    """Decides whether a candidate may be called at an instant."""

    history: float
    """Seconds of past calls that the decision needs; 0: none."""

    def __call__(self, candidate: Candidate, now: float, /) -> GateAnswer:
        """Judge a candidate."""
        ...

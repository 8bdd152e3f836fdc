"""The gate that each request passes as its last act before bytes are written.

Who writes (`zenvia.wire`) opens it in the same step of the event loop in which the whole request is
handed to the socket, after any wait for a connection. There it compares the clock with the
deadline. It opens once, and never for a request that was given up.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto


class State(Enum):
    """Where a request stands. Only `OPEN` means that bytes may have left."""

    CLOSED = auto()
    OPEN = auto()
    EXPIRED = auto()
    GIVEN_UP = auto()


_CLOSED, _OPEN = State.CLOSED, State.OPEN  # asked for by name, a member takes 0.2 us


class Withheld(Exception):  # noqa: N818 - a signal to who would write, never seen above
    """Raised at who is about to write, so that nothing is written."""


class Gate:
    """Whether one request may be written; it opens at most once.

    It opens no later than `send_by` by `clock`, and only if `permit`, asked after that, agrees.
    """

    __slots__ = ("_clock", "_permit", "_send_by", "state")

    def __init__(
        self,
        *,
        send_by: float | None,
        clock: Callable[[], float],
        permit: Callable[[], bool] | None = None,
    ) -> None:
        self.state = _CLOSED
        self._send_by = send_by
        self._clock = clock
        self._permit = permit

    def open(self) -> None:
        """Last act before bytes are written; raises `Withheld` when they must not be."""
        if self.state is not _CLOSED:
            raise Withheld
        if self._send_by is not None and self._clock() > self._send_by:
            self.state = State.EXPIRED
            raise Withheld
        if self._permit is not None and not self._permit():
            self.state = State.EXPIRED
            raise Withheld
        self.state = _OPEN

    def give_up(self) -> None:
        """Keep the gate shut for good, unless it was open already."""
        if self.state is _CLOSED:
            self.state = State.GIVEN_UP

"""A call: its two legs, its absolute timeline, and what can be done to it.

A call's whole timeline is drawn when it is accepted; its state is a function of the clock, so no
task watches it and a clock that jumps by days is as good as one that ticks. All instants are
epoch seconds of the sandbox's clock; `FOREVER` is "not as things stand".
"""

from dataclasses import dataclass, field
from typing import Literal

from sandbox.numbers import Number

FOREVER = float("inf")
LegName = Literal["origem", "destino"]
General = Literal["criada", "curso", "finalizada"]


@dataclass(slots=True)
class Leg:
    """One leg. `status` and `reason` are what the API says once the leg has ended."""

    number: Number
    bina: str | None = None
    dialed_at: float = FOREVER
    answered_at: float = FOREVER
    ended_at: float = FOREVER
    status: str | None = None
    reason: str = "indefinido"
    machine: bool = False  # a machine answered and was recognised
    by_hand: bool = False  # rings a webphone: somebody has to answer there

    def cut(self, at: float) -> None:
        """End this leg at `at` because the call was hung up, unless it had ended by then."""
        if self.ended_at <= at and self.dialed_at <= at:
            return
        if self.dialed_at > at:
            self.dialed_at = self.answered_at = self.ended_at = FOREVER
            self.status, self.reason = None, "indefinido"
            return
        self.ended_at = at
        if self.answered_at > at:
            self.answered_at = FOREVER
            self.status, self.reason = "cancelada", "indefinido"
        else:
            self.status, self.reason = "atendida", "16. normal"

    def state(self, now: float) -> str | None:
        """Status of this leg at `now`, in the API's words."""
        if now >= self.ended_at:
            return self.status
        if now >= self.answered_at:
            return "atendida"
        return "chamando" if now >= self.dialed_at else "preparando"


@dataclass(slots=True)
class Transfer:
    """A leg moved to another number."""

    at: float
    perna: str
    numero: str


@dataclass(slots=True)
class Call:
    """One accepted call; its `id` is given when it is entered.

    `begins_at` is when it leaves `criada`, `ended_at` when it is over.
    """

    id: int
    accepted_at: float
    live_from: float
    origem: Leg
    destino: Leg
    tags: str | None = None
    gravar_audio: bool = False
    detecta_caixa: bool = False
    begins_at: float = FOREVER
    ended_at: float = FOREVER
    hung_up_by_api: bool = False
    from_webphone: bool = False
    attempt: int = 0  # how many calls to the same people came before
    talk: int = 0  # simulated seconds that the origem talks, once both are on the line
    cost: float | None = None  # reais, set once when the call is over
    listeners: list[tuple[str, int]] = field(default_factory=list)
    transfers: list[Transfer] = field(default_factory=list)
    partial_recordings: list[tuple[float, float | None]] = field(default_factory=list)
    rating: tuple[int, str | None] | None = None
    asked_at: float | None = None  # when the request had arrived: a slow API accepts it later
    printed: tuple[object, bytes] | None = field(default=None, repr=False)
    """The ended call as the API prints it, and the settings that it was printed by."""

    def general(self, now: float) -> General:
        """`status_geral` at `now`."""
        if now >= self.ended_at:
            return "finalizada"
        return "curso" if now >= self.begins_at else "criada"

    def live(self, now: float) -> bool:
        """Whether the call holds a channel at `now`."""
        return self.live_from <= now < self.ended_at

    def hang_up(self, at: float) -> None:
        """End the call at `at`, unless it ends sooner by itself.

        A call that never ran ends with nothing said of its legs; one that was scheduled, or had
        not begun, ends as `cancelada`.
        """
        if self.ended_at <= at:
            return
        never_ran = self.begins_at == FOREVER and self.live_from <= at
        begun = self.begins_at <= at
        for leg in (self.origem, self.destino):
            leg.cut(at)
        if not begun and not never_ran:
            self.origem.status = "cancelada"
        self.ended_at = at
        self.live_from = min(self.live_from, at)
        if not begun:
            self.begins_at = FOREVER

    def leg(self, name: LegName) -> Leg:
        """Pick the leg of that name."""
        return self.origem if name == "origem" else self.destino

    def moments(self) -> list[float]:
        """Every instant at which something visible changes, in order."""
        legs = (self.origem, self.destino)
        instants = {self.begins_at, self.ended_at}
        for leg in legs:
            instants.update((leg.dialed_at, leg.answered_at, leg.ended_at))
        return sorted(instants - {FOREVER})

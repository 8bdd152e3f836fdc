"""Draws the whole timeline of a call at its acceptance."""

from collections import defaultdict
from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field

from sandbox.behaviour import REPORTED, Behaviour, Fate, generator
from sandbox.calls import FOREVER, Call, Leg
from sandbox.numbers import Number
from sandbox.profile import Outcome
from sandbox.settings import SandboxSettings


class Scripted(BaseModel):
    """One scripted answer; what is not given is drawn. Times are simulated seconds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    outcome: Outcome
    ring: int | None = Field(default=None, ge=0)
    talk: int | None = Field(default=None, ge=0)


class Timeline:
    """Turns fates into instants, and remembers who was called how often."""

    def __init__(self, settings: SandboxSettings) -> None:
        self._settings = settings
        self._speed = settings.speed
        self._setup = settings.profile.setup
        self._behaviour = Behaviour(settings.profile, settings.seed)
        self._attempts: dict[str, int] = defaultdict(int)
        self._scripts: dict[str, list[Scripted]] = {}
        self._used: dict[str, int] = defaultdict(int)

    def script(self, scripts: Mapping[str, list[Scripted]]) -> None:
        """Say what calls to a number (by digits) will do, one entry a call; the last repeats.

        An empty list gives the number back to the profile. Setting a script starts it anew.
        """
        for digits, entries in scripts.items():
            self._used.pop(digits, None)
            if entries:
                self._scripts[digits] = list(entries)
            else:
                self._scripts.pop(digits, None)

    def draw(self, call: Call, starts_at: float) -> None:
        """Fill in the timeline of a call that is to start at `starts_at`."""
        people = identity(call)
        call.attempt = self._attempts[people]
        self._attempts[people] += 1
        fate = self._fate(call, "origem", call.origem.number, starts_at)
        if fate.outcome in ("never_ran", "never_ran_ended"):
            if fate.outcome == "never_ran_ended":
                call.ended_at = starts_at + fate.ring / self._speed
            return
        call.begins_at = starts_at + self._setup / self._speed
        self._dial(call.origem, fate, call.begins_at)
        if not fate.answered:
            call.ended_at = call.origem.ended_at
            return
        if fate.outcome == "voicemail" and call.detecta_caixa:
            delay = self._behaviour.detection_delay((identity(call), call.attempt))
            call.origem.machine = True
            call.origem.ended_at = call.ended_at = call.origem.answered_at + delay / self._speed
            return
        stays = None if fate.outcome == "answer" else fate.talk
        self.connect(call, call.origem.answered_at, fate.talk, leaves_after=stays)

    def connect(
        self, call: Call, at: float, origem_talk: int, *, leaves_after: int | None = None
    ) -> None:
        """Dial the destino at `at`, now that the origem has answered.

        A person of the origem waits for the destino and then talks for up to `origem_talk`; a
        machine (`leaves_after`) hangs up that long after its own answer, come what may.
        """
        origem, destino = call.origem, call.destino
        fate = self._fate(call, "destino", destino.number, at)
        self._dial(destino, fate, at)
        end = destino.ended_at
        if fate.answered and leaves_after is None:
            end = destino.answered_at + min(origem_talk, fate.talk) / self._speed
            destino.ended_at = end
        call.ended_at = origem.ended_at = end
        if leaves_after is not None:
            leaves_at = origem.answered_at + leaves_after / self._speed
            if leaves_at < end:
                origem.ended_at = call.ended_at = leaves_at
                destino.cut(leaves_at)

    def fate_of(self, call: Call, name: str, number: Number, at: float) -> Fate:
        """Draw what a further party of a call does (a transfer, a conference)."""
        return self._fate(call, name, number, at)

    def simulated(self, seconds: float) -> float:
        """Real seconds that this many simulated seconds take."""
        return seconds / self._speed

    def _fate(self, call: Call, name: str, number: Number, at: float) -> Fate:
        key = (identity(call), call.attempt, name)
        script = self._scripts.get(number.digits)
        if script is None:
            return self._behaviour.draw(number, key, at)
        used = self._used[number.digits]
        self._used[number.digits] += 1
        entry = script[min(used, len(script) - 1)]
        rng = generator(self._settings.seed, *key, used)
        fate = self._behaviour.fate(entry.outcome, rng)
        ring = fate.ring if entry.ring is None else entry.ring
        talk = fate.talk if entry.talk is None else entry.talk
        return Fate(entry.outcome, ring, talk)

    def _dial(self, leg: Leg, fate: Fate, at: float) -> None:
        leg.dialed_at = at
        leg.status, leg.reason = REPORTED[fate.outcome]
        rung_at = at + fate.ring / self._speed
        if fate.answered:
            leg.answered_at = rung_at
            leg.ended_at = rung_at + fate.talk / self._speed
        else:
            leg.answered_at, leg.ended_at = FOREVER, rung_at


def identity(call: Call) -> str:
    """Who is called, whatever else is on the line: the telephone numbers, else the ramais.

    A contact who is connected to one ramal or another is the same contact, so the fate of the
    n-th call to a number depends on neither the ramal nor the order of other people's calls.
    """
    legs = (call.origem.number, call.destino.number)
    outside = [number.digits for number in legs if number.kind != "ramal"]
    return "+".join(outside or [number.digits for number in legs])

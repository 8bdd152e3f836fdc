"""Draws the whole timeline of a call at its acceptance."""

from collections import defaultdict
from collections.abc import Callable, Mapping

from pydantic import Field

from sandbox.behaviour import REPORTED, Behaviour, Fate, generator
from sandbox.calls import FOREVER, Call, Leg, LegName, Transfer
from sandbox.numbers import Number
from sandbox.profile import Outcome
from sandbox.settable import Settable
from sandbox.settings import SandboxSettings


class Scripted(Settable):
    """One scripted answer; what is not given is drawn. Times are simulated seconds."""

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
        self.rings: Callable[[str], bool] = lambda _digits: False  # a webphone is connected there
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
        self._count(call)
        fate = self._fate(call, "origem", call.origem.number, starts_at)
        if fate.outcome in ("never_ran", "never_ran_ended"):
            if fate.outcome == "never_ran_ended":
                call.ended_at = starts_at + fate.ring / self._speed
            return
        call.begins_at = starts_at + self._setup / self._speed
        call.talk = fate.talk
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
        self.connect(call, call.origem.answered_at, leaves_after=stays)

    def draw_from_webphone(self, call: Call, starts_at: float) -> None:
        """Fill in a call that a webphone starts: only its destino is ever dialled."""
        self._count(call)
        call.begins_at = starts_at + self._setup / self._speed
        fate = self._fate(call, "destino", call.destino.number, starts_at)
        self._dial(call.destino, fate, call.begins_at)
        call.ended_at = call.destino.ended_at

    def connect(self, call: Call, at: float, *, leaves_after: int | None = None) -> None:
        """Dial the destino at `at`, now that the origem has answered.

        A person of the origem waits for the destino and then talks for up to `call.talk`; a
        machine (`leaves_after`) hangs up that long after its own answer, come what may.
        """
        origem, destino = call.origem, call.destino
        fate = self._fate(call, "destino", destino.number, at)
        self._dial(destino, fate, at)
        if fate.answered and leaves_after is None:
            destino.ended_at = destino.answered_at + min(call.talk, fate.talk) / self._speed
        call.ended_at = origem.ended_at = destino.ended_at
        if leaves_after is not None:
            leaves_at = origem.answered_at + leaves_after / self._speed
            if leaves_at < call.ended_at:
                origem.ended_at = call.ended_at = leaves_at
                destino.cut(leaves_at)

    def answer_by_hand(self, call: Call, name: LegName, at: float) -> None:
        """Somebody answers a leg that rings a webphone; the call goes on from there."""
        leg = call.leg(name)
        leg.answered_at = at
        leg.status, leg.reason = REPORTED["answer"]
        if name == "origem":
            call.talk = self._settings.profile.talk.maximum
            self.connect(call, at)
        else:
            leg.ended_at = call.origem.ended_at = call.ended_at = at + call.talk / self._speed

    def transfer(self, call: Call, name: LegName, number: Number, at: float) -> None:
        """Move a leg to another number and disconnect the other leg.

        The moved party waits while `number` rings and talks if it answers; a leg that nobody
        will answer ends as it would have.
        """
        moved, left = call.leg(name), call.leg("destino" if name == "origem" else "origem")
        fate = self._fate(call, f"transfer/{len(call.transfers)}", number, at)
        left.cut(at)
        call.transfers.append(Transfer(at, name, number.text))
        if moved.answered_at < FOREVER:
            since = max(at, moved.answered_at)
            moved.ended_at = since + (fate.ring + fate.talk) / self._speed
        call.ended_at = moved.ended_at if moved.ended_at < FOREVER else at

    def simulated(self, seconds: float) -> float:
        """Real seconds that this many simulated seconds take."""
        return seconds / self._speed

    def join(self, leg: Leg, key: tuple[object, ...], at: float) -> None:
        """Dial a leg that stands alone, in a conference; `key` names it among all calls."""
        self._dial(leg, self._drawn(leg.number, key, at), at + self._setup / self._speed)

    def remember(self, call: Call) -> None:
        """Count a call whose timeline was drawn in an earlier life."""
        self._attempts[identity(call)] = call.attempt + 1

    def _count(self, call: Call) -> None:
        people = identity(call)
        call.attempt = self._attempts[people]
        self._attempts[people] += 1

    def _fate(self, call: Call, name: str, number: Number, at: float) -> Fate:
        if number.kind == "ramal" and name in ("origem", "destino") and self.rings(number.digits):
            call.leg(name).by_hand = True  # type: ignore[arg-type]  # one of the two, as tested
            return Fate("no_answer", self._settings.profile.ring_timeout)
        return self._drawn(number, (identity(call), call.attempt, name), at)

    def _drawn(self, number: Number, key: tuple[object, ...], at: float) -> Fate:
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

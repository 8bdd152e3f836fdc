"""What happens to one leg of one call, drawn so that it never depends on the order of calls."""

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b

from sandbox.moments import BRASILIA
from sandbox.numbers import Number
from sandbox.profile import Line, Outcome, Profile, Range


@dataclass(frozen=True, slots=True)
class Fate:
    """What one leg will do: `ring` until something happens, then `talk` if it is answered.

    Both are whole simulated seconds; `talk` is how long this party stays if nobody hangs up.
    """

    outcome: Outcome
    ring: int
    talk: int = 0

    @property
    def answered(self) -> bool:
        """Whether somebody or something picks up."""
        return self.outcome in ("answer", "voicemail")


# What the API reports of a leg, by outcome.
REPORTED: Mapping[Outcome, tuple[str | None, str]] = {
    "answer": ("atendida", "16. normal"),
    "voicemail": ("atendida", "16. normal"),
    "no_answer": ("sem resposta", "19. sem resposta - mas chamou"),
    "busy": ("ocupado", "17. ocupado"),
    "reject": ("falha", "21. chamada rejeitada"),
    "absent": ("sem resposta", "20. assinante ausente"),
    "invalid": ("não existe", "1. telefone não existe"),
    "moved": ("não existe", "22. este número mudou"),
    "bad_format": ("não existe", "28. formato inválido de número"),
    "ported": ("falha", "14. telefone portado para outra operadora"),
    "network": ("falha", "41. falha temporária"),
    "congested": ("congestionado", "34. sem canal disponível"),
    "unregistered": ("falha", "50. não cadastrado"),
    "never_ran": (None, "indefinido"),
    "never_ran_ended": (None, "indefinido"),
}


def generator(*key: object) -> random.Random:
    """Make a generator that depends on the key alone."""
    digest = blake2b("/".join(map(str, key)).encode(), digest_size=8).digest()
    return random.Random(int.from_bytes(digest, "big"))


class Behaviour:
    """Draws fates from a profile and a seed."""

    def __init__(self, profile: Profile, seed: int) -> None:
        self._profile = profile
        self._seed = seed

    def draw(self, number: Number, key: tuple[object, ...], at: float) -> Fate:
        """Draw what `number` does at epoch second `at`; `key` names the call among all calls."""
        rng = generator(self._seed, *key)
        if number.kind == "ramal":
            return self._ramal(number, rng)
        line = self._profile.movel if number.kind == "movel" else self._profile.fixo
        lasting = generator(self._seed, "number", number.digits).random()
        if lasting < line.invalid:
            return self.fate("invalid", rng)
        if lasting < line.invalid + line.ported:
            return self.fate("ported", rng)
        return self.fate(self._outcome(line, rng, at), rng)

    def fate(self, outcome: Outcome, rng: random.Random) -> Fate:
        """Give an outcome its ringing and talking time."""
        profile = self._profile
        if outcome == "answer":
            return Fate(outcome, within(profile.ring_before_answer, rng), self._talk(rng))
        if outcome == "voicemail":
            ring = within(profile.ring_before_voicemail, rng)
            return Fate(outcome, ring, within(profile.machine_greeting, rng))
        if outcome == "no_answer":
            return Fate(outcome, profile.ring_timeout)
        return Fate(outcome, within(profile.ring_before_failure, rng))

    def detection_delay(self, key: tuple[object, ...]) -> int:
        """Seconds from a machine's answer to the provider's hang-up, 3 at most."""
        return within(self._profile.machine_detection, generator(self._seed, *key, "machine"))

    def _ramal(self, number: Number, rng: random.Random) -> Fate:
        ramais = self._profile.ramais
        if not ramais.first <= int(number.digits) <= ramais.last:
            return Fate("unregistered", 0)
        if rng.random() >= ramais.answer:
            return Fate("no_answer", self._profile.ring_timeout)
        # An agent stays until the other side hangs up.
        return Fate("answer", within(ramais.ring, rng), self._profile.talk.maximum)

    def _outcome(self, line: Line, rng: random.Random, at: float) -> Outcome:
        hour = datetime.fromtimestamp(at, BRASILIA).hour
        factor = self._profile.answer_by_hour.get(hour, 1.0)
        weights = [
            (outcome, weight * factor if outcome == "answer" else weight)
            for outcome, weight in line.weights()
        ]
        total = sum(weight for _, weight in weights)
        if total <= 0:
            return "no_answer"
        point = rng.random() * total
        for outcome, weight in weights:
            point -= weight
            if point < 0:
                return outcome
        return "no_answer"

    def _talk(self, rng: random.Random) -> int:
        talk = self._profile.talk
        drawn = round(math.exp(rng.gauss(math.log(talk.median), talk.sigma)))
        return max(talk.minimum, min(talk.maximum, drawn))


def within(choices: Range, rng: random.Random) -> int:
    """One of the whole seconds of a range."""
    return rng.randint(choices.low, choices.high)

"""Behaviour profile: how people, machines and networks answer, in numbers that a YAML file sets."""

from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import Field, ValidationError, model_validator

from sandbox.settable import Settable, problems

Outcome = Literal[
    "answer",
    "voicemail",
    "no_answer",
    "busy",
    "reject",
    "absent",
    "invalid",
    "moved",
    "bad_format",
    "ported",
    "network",
    "congested",
    "unregistered",
    "never_ran",
    "never_ran_ended",
]
Share = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[int, Field(ge=0, le=86_400)]


class Range(Settable):
    """Whole simulated seconds, each equally likely, both ends included."""

    low: Seconds
    high: Seconds

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low > self.high:
            raise ValueError(f"low ({self.low}) is above high ({self.high})")
        return self


class Talk(Settable):
    """Talk time: log-normal around `median`, cut to [`minimum`, `maximum`] seconds."""

    median: float = Field(default=45, gt=0)
    sigma: float = Field(default=0.7, ge=0)
    minimum: Seconds = 2
    maximum: Seconds = 1_200


class Line(Settable):
    """How one type of number behaves.

    `invalid` and `ported` are properties of the number: the same number is invalid every time.
    The other shares are weights of one call's outcome; they need not add up to one.
    """

    answer: Share = 0.38
    voicemail: Share = 0.18
    no_answer: Share = 0.26
    busy: Share = 0.08
    reject: Share = 0.03
    absent: Share = 0.03
    network: Share = 0.02
    congested: Share = 0.01
    never_ran: Share = 0.0
    invalid: Share = 0.04
    ported: Share = 0.01

    @model_validator(mode="after")
    def _something_can_happen(self) -> Self:
        if not any(weight for _, weight in self.weights()):
            raise ValueError("at least one outcome needs a share above 0")
        return self

    def weights(self) -> list[tuple[Outcome, float]]:
        """Outcomes of one call to a number that exists, with their weights."""
        return [
            ("answer", self.answer),
            ("voicemail", self.voicemail),
            ("no_answer", self.no_answer),
            ("busy", self.busy),
            ("reject", self.reject),
            ("absent", self.absent),
            ("network", self.network),
            ("congested", self.congested),
            ("never_ran", self.never_ran),
        ]


class Ramais(Settable):
    """The account's own extensions: those from `first` to `last` exist."""

    first: int = 4000
    last: int = 4099
    answer: Share = 1.0
    ring: Range = Range(low=1, high=3)


def _daytime() -> dict[int, float]:
    """People answer less early and late; 1.0 is the share as written in the profile."""
    return dict.fromkeys(range(8), 0.3) | dict.fromkeys(range(21, 24), 0.6)


class Profile(Settable):
    """How everyone who can be called behaves. All durations are simulated seconds."""

    movel: Line = Line()
    fixo: Line = Line(answer=0.42, voicemail=0.06, no_answer=0.34, absent=0.01, ported=0.0)
    ramais: Ramais = Ramais()
    setup: Seconds = 1
    ring_before_answer: Range = Range(low=4, high=22)
    ring_before_voicemail: Range = Range(low=8, high=25)
    ring_before_failure: Range = Range(low=1, high=4)
    ring_timeout: Seconds = 45
    talk: Talk = Talk()
    machine_greeting: Range = Range(low=10, high=40)
    machine_detection: Range = Range(low=1, high=3)
    answer_by_hour: dict[Annotated[int, Field(ge=0, le=23)], Annotated[float, Field(ge=0)]] = Field(
        default_factory=_daytime
    )
    """Hour of day in Brasilia to a factor on `answer`; hours not named count 1."""


class ProfileError(Exception):
    """The profile file cannot be used; the text says why, for a person."""


def load(path: Path) -> Profile:
    """Read a profile; raises ProfileError with every problem named by its place in the file."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ProfileError(f"{path}: cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ProfileError(f"{path}: is not YAML: {error}") from error
    try:
        return Profile.model_validate(content or {})
    except ValidationError as error:
        raise ProfileError(f"{path}: {problems(error)}") from error

"""Everything about the sandbox that the API document leaves open, as settings."""

from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches

import yaml
from pydantic import TypeAdapter, ValidationError

from sandbox.profile import Profile
from sandbox.settable import problems


@dataclass(frozen=True)
class SandboxSettings:
    """How this sandbox behaves.

    `speed` divides what a person would wait for (setting up, ringing, talking, the recording
    becoming available); timestamps stay on the real clock and reported durations stay those of
    the call that was simulated. Prices are reais per minute; delays are simulated seconds.
    """

    token: str = "sandbox-token"  # noqa: S105 - the default of a local server, not a secret
    seed: int = 0
    speed: float = 1.0
    profile: Profile = field(default_factory=Profile)
    first_id: int = 1_000_001
    cliente_id: int = 1
    conta_id: int = 1
    saldo: float = 100.0

    price_fixo: float = 0.06
    price_movel: float = 0.35
    price_ramal: float = 0.0
    price_machine_detection: float = 0.0
    billing_minimum: int = 60
    billing_step: int = 6

    hangup_delay: float = 1.0  # DELETE is a request; the call ends a moment later
    recording_delay: float = 2.0
    recording_seconds: int = 5  # recordings are cut to this length
    show_substatus: bool = True  # false: a machine shows only as a very short answered leg
    ended_id_is_not_active: bool = True  # false: DELETE and escuta of an ended call are 404/60
    add_number_case_insensitive: bool = True  # Go's `Numero` on POST /conferencia/{id}
    flat_conference: bool = False  # the second shape that the document prints
    report_totals: bool = False  # `total`, `posicao`, `limite` beside `relatorio`
    active_while_criada: bool = False
    blocked_numbers: frozenset[str] = frozenset()  # digits refused with 403/8, as a trial account
    account_disabled: bool = False
    only_own_binas: bool = False  # true: a caller ID outside `binas` is refused with 405/11
    binas: tuple[str, ...] = ("4832830151", "4832830152")  # confirmed ones at the start
    bina_code: str = "1234"  # the code that confirms a new one
    bina_report_bare: bool = True  # `dados` of /bina/relatorio is an array; false: {"relatorio"}
    webhook_names: tuple[str, ...] = ("chamada_fim", "status_tempo_real")
    webhook_timeout: float = 5.0  # real seconds
    webhook_interval: float = 2.0  # between two status_tempo_real of one call
    webphone_lifetime: float = 3_600.0  # real seconds that a URL opens a webphone
    webphone_signed: bool = True
    retry_after: float | None = None  # seconds, in the header of a 429; None: no header
    journal: str | None = None  # file that keeps the calls beyond the process

    def price(self, kind: str) -> float:
        """Price of one minute on a leg of this kind."""
        if kind == "movel":
            return self.price_movel
        return self.price_fixo if kind == "fixo" else self.price_ramal


class SettingError(Exception):
    """A setting that cannot be taken; the text says why, for a person."""


def changed(settings: SandboxSettings, assignments: Iterable[str]) -> SandboxSettings:
    """Change settings by `name=value`, values as YAML; raises SettingError at the first bad one."""
    known = [each.name for each in fields(SandboxSettings) if each.name != "profile"]
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if name not in known or not equals:
            near = get_close_matches(name, known, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise SettingError(f"{assignment}: not NAME=VALUE of a known setting{hint}")
        try:
            value = {"profile": settings.profile, name: yaml.safe_load(text)}
            read = TypeAdapter(SandboxSettings).validate_python(value)
        except yaml.YAMLError as error:
            raise SettingError(f"{assignment}: the value is not YAML") from error
        except ValidationError as error:
            raise SettingError(f"{assignment}: {problems(error)}") from error
        settings = replace(settings, **{name: getattr(read, name)})
    return settings

"""What a call came to, seen from the contact: pure, from the two legs of a finished call.

The API reports two legs, `origem` and `destino`. A campaign says which of them is the contact; the
other one is `connect_to`. Everything here speaks of `contact` and `other`, so that a campaign that
rings the contact first and one that rings an agent first are judged by the same words.

Source of codes and statuses: sections 3.9, 5.2 and 6 of the API rulings. A status or code that is
not known is never read as a failure of the person.
"""

from __future__ import annotations

import unicodedata

from campaigns.attempts import CallFacts, LegFacts, LegName, Outcome

ANSWERED_STATUS = "atendida"
VOICEMAIL_SUBSTATUS = "maquina_origem"
VOICEMAIL_SECONDS = 3
"""Where only the flag `detecta_caixa` is there: a leg hung up within this many spoken seconds."""

BUSY = frozenset({17})
NO_ANSWER = frozenset({18, 19})
UNREACHABLE = frozenset({20, 27})
REJECTED = frozenset({21, 29})
INVALID = frozenset({1, 22, 28})
TECHNICAL = frozenset({34, 41, 42, 44, 102, 111, 127})


def fold(text: str | None) -> str:
    """Return a status as it is compared: NFC, case folded, without blanks; null is empty."""
    return unicodedata.normalize("NFC", text or "").strip().casefold()


def answered(leg: LegFacts) -> bool:
    """Whether this leg was picked up, by a person or a machine."""
    return fold(leg.status) == ANSWERED_STATUS


def failing_leg(call: CallFacts) -> LegName | None:
    """Return the leg that kept the call from happening, or None when both were answered.

    The leg that rings first decides: while it has not answered, the second is never dialed and says
    nothing about anybody.
    """
    order: tuple[LegName, LegName] = (
        ("contact", "other") if call.contact_rings_first else ("other", "contact")
    )
    for name in order:
        leg = call.contact if name == "contact" else call.other
        if not answered(leg):
            return name
    return None


def is_voicemail(call: CallFacts) -> bool:
    """Whether a machine took the contact's leg, as far as the API tells.

    `substatus` says so outright. Where it is left out, a call with detection on whose contact leg
    was picked up and dropped within `VOICEMAIL_SECONDS`, before the other leg answered, counts.
    """
    if fold(call.contact.substatus) == VOICEMAIL_SUBSTATUS:
        return True
    return (
        call.voicemail_detection is True
        and call.contact_rings_first
        and not call.hung_up
        and answered(call.contact)
        and not answered(call.other)
        and not fold(call.other.status)
        and max(call.contact.talked, call.contact.total if not call.contact.talked else 0)
        <= VOICEMAIL_SECONDS
    )


def _by_reason(code: int | None) -> Outcome | None:
    for outcome, codes in (
        (Outcome.BUSY, BUSY),
        (Outcome.NO_ANSWER, NO_ANSWER),
        (Outcome.UNREACHABLE, UNREACHABLE),
        (Outcome.REJECTED, REJECTED),
        (Outcome.INVALID_NUMBER, INVALID),
        (Outcome.TECHNICAL, TECHNICAL),
    ):
        if code in codes:
            return outcome
    return None


_BY_STATUS = {
    "ocupado": Outcome.BUSY,
    "sem resposta": Outcome.NO_ANSWER,
    "congestionado": Outcome.TECHNICAL,
    "falha": Outcome.TECHNICAL,
    "não existe": Outcome.INVALID_NUMBER,
}


def never_ran(call: CallFacts) -> bool:
    """Whether the API took the call and then dialed nobody: no status and no second on any leg."""
    return all(
        not fold(leg.status) and leg.total == 0 and leg.talked == 0
        for leg in (call.contact, call.other)
    )


def classify(call: CallFacts) -> Outcome:
    """Return the outcome of a finished call. Pure: the same facts give the same outcome."""
    if is_voicemail(call):
        return Outcome.VOICEMAIL
    if never_ran(call):
        return Outcome.NEVER_RAN
    failed = failing_leg(call)
    if failed is None:
        return Outcome.ANSWERED
    if call.hung_up:
        return Outcome.HUNG_UP
    if failed == "other":
        return Outcome.OTHER_LEG
    leg = call.contact
    return _by_reason(leg.reason) or _BY_STATUS.get(fold(leg.status)) or Outcome.OTHER


SHORT_SECONDS = 6
"""Anatel, Despacho 22/2024/RCTS/SRC: a call ended within so many seconds is a short one."""


def is_short(call: CallFacts) -> bool | None:
    """Whether a call counts as short for the regulator; None where the contact was not dialed.

    Short is what was not completed for any reason, went to voicemail, or ended within
    `SHORT_SECONDS`, whoever ended it.
    """
    contact = call.contact
    if not fold(contact.status) and contact.total == 0 and contact.talked == 0:
        return None
    if is_voicemail(call) or not answered(contact):
        return True
    return contact.talked <= SHORT_SECONDS

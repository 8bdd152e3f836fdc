"""The words of the Voice API that a campaign may use: leg statuses and disconnect reasons.

Data only, from the API's own document: 46 codes of `motivo_desconexao` and the statuses with which
a leg ends. The classes are ours; they say whose doing it was, which is what a retry depends on.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

#: Statuses with which a leg of an ended call is documented to end.
LEG_STATUSES: Final = (
    "atendida",
    "sem resposta",
    "ocupado",
    "congestionado",
    "falha",
    "cancelada",
    "não existe",
)

#: Every documented code of `motivo_desconexao`.
REASON_CODES: Final = frozenset(
    {
        *(1, 2, 3, 4, 6, 7, 8, 14, 16, 17, 18, 19, 20, 21, 22, 23, 26, 27, 28, 29, 30, 31, 34),
        *(41, 42, 44, 50, 52, 54, 57, 58, 65, 66, 69, 81, 88, 95, 96, 97, 98, 99, 100, 101, 102),
        *(111, 127),
    }
)

#: Names for groups of codes, usable wherever a rule lists reasons. A code may be in no class.
REASON_CLASSES: Final = MappingProxyType(
    {
        "busy": (17,),
        "no_answer": (18, 19),
        "unreachable": (20, 27),
        "rejected": (21, 29),
        "technical": (34, 41, 42, 44, 102, 111, 127),
        "number_suspect": (1, 22, 28),
    }
)

#: Outcomes that are not the word of a leg: what the engine concluded about the whole call.
OUTCOMES: Final = ("voicemail", "never_ran")

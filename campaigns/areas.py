"""The 67 area codes (DDD) of Brazil: which states they serve and which clocks their people live by.

The numbering libraries give the wrong zone for several area codes (Recife as Fernando de Noronha,
Belém as Manaus), so the table is ours. Each state keeps its own zone even where the hour equals
São Paulo's: should summer time return, it will not return to the North and the Northeast.
Municipalities and area codes as of December 2025; numbering plan of Anatel.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

_CODES_OF_STATE: Final = {
    "SP": "11 12 13 14 15 16 17 18 19",
    "RJ": "21 22 24",
    "ES": "27 28",
    "MG": "31 32 33 34 35 37 38",
    "PR": "41 42 43 44 45 46 47 49",
    "SC": "42 47 48 49",
    "RS": "51 53 54 55",
    "DF": "61",
    "GO": "61 62 64",
    "TO": "63",
    "MT": "65 66",
    "MS": "67",
    "AC": "68",
    "RO": "69",
    "BA": "71 73 74 75 77",
    "SE": "79",
    "PE": "81 87",
    "AL": "82",
    "PB": "83",
    "RN": "84",
    "CE": "85 88",
    "PI": "86 89",
    "PA": "91 93 94",
    "AM": "92 97",
    "RR": "95",
    "AP": "96",
    "MA": "98 99",
}

_ZONE_OF_STATE: Final = {
    "TO": "America/Araguaina",
    "MT": "America/Cuiaba",
    "MS": "America/Campo_Grande",
    "AC": "America/Rio_Branco",
    "RO": "America/Porto_Velho",
    "BA": "America/Bahia",
    "SE": "America/Maceio",
    "AL": "America/Maceio",
    "PE": "America/Recife",
    "PB": "America/Fortaleza",
    "RN": "America/Fortaleza",
    "CE": "America/Fortaleza",
    "PI": "America/Fortaleza",
    "MA": "America/Fortaleza",
    "PA": "America/Belem",
    "AP": "America/Belem",
    "AM": "America/Manaus",
    "RR": "America/Boa_Vista",
}

# Area codes whose clock is not their state's: western Pará, and western Amazonas, where 13 of 38
# towns are an hour behind Manaus. 81 stays Recife: only the island of Noronha differs.
_ZONES_OF_CODE: Final = {
    "93": ("America/Santarem",),
    "97": ("America/Manaus", "America/Eirunepe"),
}


def _states() -> dict[str, tuple[str, ...]]:
    table: dict[str, tuple[str, ...]] = {}
    for state, codes in _CODES_OF_STATE.items():
        for code in codes.split():
            table[code] = (*table.get(code, ()), state)
    return dict(sorted(table.items()))


#: Area code -> the states it serves; more than one for 42, 47, 49 and 61.
UFS: Final = MappingProxyType(_states())

#: Area code -> IANA zones of its people; more than one for 97 only.
ZONES: Final = MappingProxyType(
    {
        code: _ZONES_OF_CODE.get(code, (_ZONE_OF_STATE.get(states[0], "America/Sao_Paulo"),))
        for code, states in UFS.items()
    }
)


def is_area_code(ddd: str) -> bool:
    """Whether two digits are one of the 67 area codes in use."""
    return ddd in UFS


def ufs(ddd: str) -> tuple[str, ...]:
    """Give the states that an area code serves; the law of each may apply. KeyError if none."""
    return UFS[ddd]


def zones(ddd: str) -> tuple[str, ...]:
    """Give the zones of an area code; hours must hold in all of them. KeyError if none."""
    return ZONES[ddd]

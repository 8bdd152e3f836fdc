"""The operations of the Voice API: name, verb and path, each settled in one place.

The API document contradicts itself on some of them; `ruling` says which way was taken and on what
evidence. Names are those of the command line (`discador chamada criar`).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation. `path` has `{id}` where the id of a call or conference goes."""

    name: str
    verb: str
    path: str
    ruling: str = ""


CREATE_CALL = Operation("chamada criar", "POST", "/chamada")
HANG_UP = Operation(
    "chamada desligar",
    "DELETE",
    "/chamada/{id}",
    "the text says POST; the sample and all seven official clients send DELETE",
)
FETCH_CALL = Operation("chamada buscar", "GET", "/chamada/{id}")
CALL_REPORT = Operation(
    "chamada relatorio",
    "GET",
    "/chamada/relatorio",
    "no filter by tags exists; times are sent as ISO with Z",
)

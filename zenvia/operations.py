"""The operations of the Voice API: name, verb and path, each settled in one place.

The API document contradicts itself on some of them; `ruling` says which way was taken and on what
evidence. Names are those of the command line (`discador chamada criar`).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation. `path` has `{id}` where the id of a call or conference goes.

    `method` is the client's method for it.
    """

    name: str
    verb: str
    path: str
    method: str
    ruling: str = ""


CREATE_CALL = Operation(
    "chamada criar",
    "POST",
    "/chamada",
    "create_call",
    "booleans are sent as booleans (the sample has text); numbers as E.164 unless the account "
    "wants area code and number; the API has no idempotency key, so nothing sends it twice",
)
HANG_UP = Operation(
    "chamada desligar",
    "DELETE",
    "/chamada/{id}",
    "hang_up",
    "the text says POST; the sample and all seven official clients send DELETE",
)
FETCH_CALL = Operation(
    "chamada buscar",
    "GET",
    "/chamada/{id}",
    "fetch_call",
    "`duracao*` is text HH:MM:SS (the table says integer); offsets in times are honoured",
)
CALL_RECORDING = Operation(
    "chamada gravacao",
    "GET",
    "/chamada/{id}/gravacao",
    "call_recording",
    "MP3 bytes without an envelope; the JSON printed in the document is the answer's headers",
)
CALL_REPORT = Operation(
    "chamada relatorio",
    "GET",
    "/chamada/relatorio",
    "iter_call_report",
    "there is no filter by tags; times are sent as ISO with Z; pages of 200 until a short one",
)
LISTEN_IN = Operation(
    "chamada escuta",
    "POST",
    "/chamada/{id}/escuta",
    "listen_in",
    "the text says GET; the sample and all seven official clients send POST",
)
TRANSFER = Operation(
    "chamada transferir",
    "POST",
    "/chamada/{id}/transfer",
    "transfer",
    "the path ends in `transfer`; the named leg moves and the other one is disconnected",
)
RATE_CALL = Operation(
    "chamada avaliar",
    "POST",
    "/chamada/{id}/avaliar",
    "rate_call",
    "POST, not GET; the key is `nota` (the sample's `numero` is a slip); `comentario` is optional",
)
CREATE_CONFERENCE = Operation(
    "conferencia criar",
    "POST",
    "/conferencia",
    "create_conference",
    "takes no parameters; the sample's body belongs to another resource",
)
ADD_TO_CONFERENCE = Operation(
    "conferencia adicionar",
    "POST",
    "/conferencia/{id}",
    "add_to_conference",
    "not in the document; all seven official clients have it, and only one reads an id back",
)
FETCH_CONFERENCE = Operation(
    "conferencia buscar",
    "GET",
    "/conferencia/{id}",
    "fetch_conference",
    "two shapes are printed; both are read, the one with `chamadas` is taken for the real one",
)
END_CONFERENCE = Operation(
    "conferencia encerrar",
    "DELETE",
    "/conferencia/{id}",
    "end_conference",
    "as the text and six of the official clients have it",
)
CONFERENCE_REPORT = Operation(
    "conferencia relatorio",
    "GET",
    "/conferencia/relatorio",
    "iter_conference_report",
    "`posicao` and `limite` are optional; rows come in either shape of a conference",
)
CONFERENCE_CALLS_REPORT = Operation(
    "conferencia chamadas",
    "GET",
    "/conferencia/chamadas/relatorio",
    "iter_conference_calls_report",
    "not in the document; three official clients have it; rows are calls into conferences",
)
WEBPHONE_URL = Operation(
    "webphone url",
    "GET",
    "/webphone",
    "webphone_url",
    "`id_ramal` wins over `ramal`; the address is read with and without a signature",
)

OPERATIONS = (
    CREATE_CALL,
    HANG_UP,
    FETCH_CALL,
    CALL_RECORDING,
    CALL_REPORT,
    LISTEN_IN,
    TRANSFER,
    RATE_CALL,
    CREATE_CONFERENCE,
    ADD_TO_CONFERENCE,
    FETCH_CONFERENCE,
    END_CONFERENCE,
    CONFERENCE_REPORT,
    CONFERENCE_CALLS_REPORT,
    WEBPHONE_URL,
)

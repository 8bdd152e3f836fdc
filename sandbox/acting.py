"""What can be done to a call while it runs, and its rating."""

from sandbox import envelope
from sandbox.account import Account
from sandbox.calls import LegName
from sandbox.chamadas import find, find_active
from sandbox.envelope import Answer, ApiError
from sandbox.incoming import Incoming, number, whole

MODES = (1, 2, 3)
RATINGS = range(1, 6)
LONGEST_COMMENT = 1_000
LEGS: tuple[LegName, LegName] = ("origem", "destino")


def escuta(account: Account, incoming: Incoming) -> Answer:
    """Let a telephone listen in (1), whisper (2) or join (3)."""
    fields = incoming.fields()
    listener = number(fields.get("numero"), ApiError(envelope.BAD_NUMERO))
    modo = whole(fields.get("modo"))
    if modo not in MODES:
        raise ApiError(envelope.BAD_MODO)
    call = find_active(account, incoming, account.now())
    call.listeners.append((listener.text, modo))
    return Answer("escuta criada com sucesso")


def transferir(account: Account, incoming: Incoming) -> Answer:
    """Move a leg to another number; the other leg is disconnected."""
    fields = incoming.fields()
    perna = fields.get("perna")
    if perna not in LEGS:
        raise ApiError(envelope.BAD_PERNA)
    target = number(fields.get("numero"), ApiError(envelope.BAD_NUMERO))
    now = account.now()
    call = find_active(account, incoming, now)
    account.timeline.transfer(call, LEGS[LEGS.index(perna)], target, now)
    account.revised(call, now)
    return Answer("a chamada está sendo transferida")


def avaliar(account: Account, incoming: Incoming) -> Answer:
    """Rate a call, at any time; the last rating stands."""
    call = find(account, incoming)
    fields = incoming.fields()
    nota, comentario = whole(fields.get("nota")), fields.get("comentario")
    if nota is None or nota not in RATINGS:
        raise ApiError(envelope.BAD_NOTA)
    if comentario is not None and not (
        isinstance(comentario, str) and len(comentario) <= LONGEST_COMMENT
    ):
        raise ApiError(envelope.BAD_COMENTARIO)
    call.rating = (nota, comentario)
    return Answer("chamada avaliada com sucesso")

"""The operations on calls."""

from typing import Any

from sandbox import envelope
from sandbox.account import Account
from sandbox.calls import FOREVER, Call, Leg
from sandbox.chamada import printed
from sandbox.envelope import Answer, ApiError
from sandbox.incoming import Incoming, boolean, number
from sandbox.moments import parse as parse_moment
from sandbox.numbers import Number
from sandbox.numbers import parse as parse_number

MOST_ROWS = 200
DEFAULT_ROWS = 100
RETURNED = "dados retornados com sucesso"


def criar(account: Account, incoming: Incoming) -> Answer:
    """Accept a call. Sending it twice is two calls: there is no idempotency key."""
    fields = incoming.fields()
    now = account.now()
    origem = number(fields.get("numero_origem"), ApiError(envelope.BAD_ORIGEM))
    destino = number(fields.get("numero_destino"), ApiError(envelope.BAD_DESTINO))
    for side in (origem, destino):
        if side.digits in account.settings.blocked_numbers:
            raise ApiError(envelope.NUMBER_NOT_ALLOWED)
    starts_at = max(now, schedule(fields.get("data_criacao"), now))
    call = Call(
        id=0,
        accepted_at=now,
        live_from=starts_at,
        origem=Leg(origem, bina=bina(account, fields.get("bina_origem"))),
        destino=Leg(destino, bina=bina(account, fields.get("bina_destino"))),
        tags=tags(fields.get("tags")),
        gravar_audio=boolean(fields.get("gravar_audio")),
        detecta_caixa=boolean(fields.get("detecta_caixa_origem"))
        or boolean(fields.get("detecta_caixa")),
        asked_at=incoming.asked_at,
    )
    account.place(call, starts_at)
    return Answer("chamada criada com sucesso", {"id": call.id})


def schedule(value: object, now: float) -> float:
    """Read the instant a call was asked for; `now` when none was given."""
    if value is None:
        return now
    instant = parse_moment(value) if isinstance(value, str) else None
    if instant is None:
        raise ApiError(envelope.BAD_SCHEDULE)
    return instant


def bina(account: Account, value: object) -> str | None:
    """Read the caller ID to show; it must be a number, and one of the account's."""
    if value is None:
        return None
    shown = parse_number(value)
    if shown is None or (account.settings.only_own_binas and not account.may_show(shown.digits)):
        raise ApiError(envelope.BAD_BINA)
    return shown.text


def tags(value: object) -> str | None:
    """Free text; numbers are taken as text."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, (int, float)):
        return str(value)
    raise ApiError(envelope.invalid("tags"))


def find(account: Account, incoming: Incoming) -> Call:
    """Find the call that the path names, or 404/60."""
    call = account.book.get(incoming.path["id"])
    if call is None:
        raise ApiError(envelope.CALL_NOT_FOUND)
    return call


def find_active(account: Account, incoming: Incoming, now: float) -> Call:
    """Find the call that the path names, if it can still be acted on; else 404/60 or 404/80."""
    call = find(account, incoming)
    if call.general(now) == "finalizada":
        known = account.settings.ended_id_is_not_active
        raise ApiError(envelope.CALL_NOT_ACTIVE if known else envelope.CALL_NOT_FOUND)
    return call


def desligar(account: Account, incoming: Incoming) -> Answer:
    """Ask for the call to end; it ends a moment later."""
    now = account.now()
    call = find_active(account, incoming, now)
    account.hang_up(call, now, by_api=True)
    return Answer("encerrando chamada", None)


def buscar(account: Account, incoming: Incoming) -> Answer:
    """One call as it is now."""
    call = find(account, incoming)
    return Answer(RETURNED, printed(call, account.now(), account.settings, account.public_url))


def sem_id(_account: Account, _incoming: Incoming) -> Answer:
    """`GET /chamada` names no call."""
    raise ApiError(envelope.WHICH_CALL)


def relatorio(account: Account, incoming: Incoming) -> Answer:
    """One page of the calls created in a period, by ascending id."""
    query = incoming.query()
    start, end = period(query)
    skip, limit = page(query)
    origem, destino = wanted(query, "origem"), wanted(query, "destino")

    def keep(call: Call) -> bool:
        return (origem is None or call.origem.number.digits == origem.digits) and (
            destino is None or call.destino.number.digits == destino.digits
        )

    now = account.now()
    lag = account.faults.report_lag
    calls, total = account.book.between(
        start,
        end,
        skip=skip,
        limit=limit,
        accepted_by=now - lag if lag else FOREVER,
        keep=keep if origem or destino else None,
    )
    settings, base = account.settings, account.public_url
    dados: dict[str, Any] = {"relatorio": [printed(call, now, settings, base) for call in calls]}
    if settings.report_totals:
        dados |= {"total": total, "posicao": skip, "limite": limit}
    return Answer(RETURNED, dados)


def period(query: dict[str, str]) -> tuple[float, float]:
    """`data_inicio` and `data_fim` as epoch seconds; 405/10 when missing, 405/11 when unread."""
    limits = []
    for name in ("data_inicio", "data_fim"):
        if name not in query:
            raise ApiError(envelope.missing(name))
        instant = parse_moment(query[name], end_of_day=name == "data_fim")
        if instant is None:
            raise ApiError(envelope.invalid(name))
        limits.append(instant)
    return limits[0], limits[1]


def page(query: dict[str, str]) -> tuple[int, int]:
    """`posicao` and `limite`; more than 200 rows are never given."""
    values = []
    for name, default in (("posicao", 0), ("limite", DEFAULT_ROWS)):
        text = query.get(name, str(default)).strip()
        if not text.isdecimal() or len(text) > 9:  # noqa: PLR2004 - beyond any report
            raise ApiError(envelope.invalid(name))
        values.append(int(text))
    return values[0], min(values[1], MOST_ROWS)


def wanted(query: dict[str, str], name: str) -> Number | None:
    """Read a number filter, compared by digits."""
    if name not in query:
        return None
    return number(query[name], ApiError(envelope.invalid(name)))

"""`discador chamada ...`: every operation on calls, one command each."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import typer

from console.failures import CommandError
from console.voice import (
    Json,
    ask,
    moment,
    party,
    print_fields,
    print_json,
    print_json_rows,
    print_rows,
)
from zenvia.client import VoiceClient
from zenvia.models import Chamada, Leg, Modo, NewCall, Perna

app = typer.Typer(help="Calls: create, look at, end, record, report, listen in, transfer, rate.")

Id = Annotated[int, typer.Argument(help="The call's id.", min=0, max=2**63 - 1)]
Since = Annotated[str, typer.Option("--inicio", help="First day or instant, e.g. 2026-01-31.")]
Until = Annotated[str, typer.Option("--fim", help="Last day (to its end) or instant.")]
LegName = Literal["origem", "destino"]

_MODOS: dict[str, Modo] = {"1": 1, "2": 2, "3": 3, "escuta": 1, "sussurro": 2, "conferencia": 3}
_MAY_RING = (
    "A phone may be ringing. Look with `discador chamada relatorio` before you try it again."
)


@app.command()
def criar(
    origem: Annotated[str, typer.Argument(help="Leg A, rings first: a number or a ramal.")],
    destino: Annotated[str, typer.Argument(help="Leg B, rings when leg A answers.")],
    *,
    data_criacao: Annotated[
        str | None, typer.Option(help="Let the provider make the call then; default now.")
    ] = None,
    gravar_audio: Annotated[bool, typer.Option(help="Record the call.")] = False,
    bina_origem: Annotated[str | None, typer.Option(help="Number that leg A sees.")] = None,
    bina_destino: Annotated[str | None, typer.Option(help="Number that leg B sees.")] = None,
    tags: Annotated[str | None, typer.Option(help="Your own text, kept with the call.")] = None,
    detecta_caixa_origem: Annotated[
        bool, typer.Option(help="Hang up when leg A is a voicemail; costs extra.")
    ] = False,
    json: Json = False,
) -> None:
    """Call two parties and join them."""
    call = NewCall(
        numero_origem=party(origem),
        numero_destino=party(destino),
        data_criacao=None if data_criacao is None else moment(data_criacao),
        gravar_audio=gravar_audio or None,
        bina_origem=bina_origem,
        bina_destino=bina_destino,
        tags=tags,
        detecta_caixa_origem=detecta_caixa_origem or None,
    )
    created = ask(lambda client: client.create_call(call), unsure=_MAY_RING)
    if json:
        print_json({"id": created})
    else:
        print_fields([("id", created)])


@app.command()
def buscar(id: Id, *, json: Json = False) -> None:  # noqa: A002 - the API's own name
    """Show one call."""
    call = ask(lambda client: client.fetch_call(id))
    if json:
        print_json(call)
        return
    print_fields(
        [
            ("id", call.id),
            ("status_geral", call.status_geral),
            ("ativa", call.ativa),
            ("data_criacao", call.data_criacao),
            ("tags", call.tags),
            ("recording", "yes" if call.url_gravacao else None),
        ]
    )
    titles = ("leg", "numero", "tipo", "status", "duracao", "falada", "preco", "motivo_desconexao")
    print_rows(titles, [_leg_row("origem", call.origem), _leg_row("destino", call.destino)])


@app.command()
def desligar(id: Id, *, json: Json = False) -> None:  # noqa: A002 - the API's own name
    """End a running call."""
    ask(lambda client: client.hang_up(id))
    _done("ending", id, json=json)


@app.command()
def gravacao(
    id: Id,  # noqa: A002 - the API's own name
    *,
    saida: Annotated[
        Path | None, typer.Option(help="File to write; default gravacao-<id>.mp3.")
    ] = None,
    json: Json = False,
) -> None:
    """Download a call's recording (MP3); a download that breaks replaces nothing."""
    path = Path(f"gravacao-{id}.mp3") if saida is None else saida
    if path.is_dir() or not path.parent.is_dir():
        raise CommandError(f"{path} cannot be written: name a file in a folder that exists")
    try:
        kept = ask(lambda client: client.call_recording(id, path), unsure="Try it again.")
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror or error}") from None
    if json:
        print_json({"path": str(kept.path), "size": kept.size})
    else:
        print_fields([("file", kept.path), ("bytes", kept.size)])


@app.command()
def relatorio(
    inicio: Since,
    fim: Until,
    *,
    origem: Annotated[str | None, typer.Option(help="Only calls from this number.")] = None,
    destino: Annotated[str | None, typer.Option(help="Only calls to this number.")] = None,
    json: Json = False,
) -> None:
    """List the calls of a period, to the end."""
    since, until = moment(inicio), moment(fim, end_of_day=True)

    def rows(client: VoiceClient) -> AsyncIterator[Chamada]:
        return client.iter_call_report(since, until, origem=origem, destino=destino)

    if json:
        ask(lambda client: print_json_rows(rows(client)))
        return

    async def collect(client: VoiceClient) -> list[Chamada]:
        return [call async for call in rows(client)]

    titles = ("id", "data_criacao", "status_geral", "origem", "status", "destino", "status", "tags")
    print_rows(titles, [_report_row(call) for call in ask(collect)])


@app.command()
def escuta(
    id: Id,  # noqa: A002 - the API's own name
    numero: Annotated[str, typer.Argument(help="Number or ramal that will listen.")],
    *,
    modo: Annotated[str, typer.Option(help="1 escuta, 2 sussurro, 3 conferencia.")] = "1",
    json: Json = False,
) -> None:
    """Listen in to a running call."""
    mode = _MODOS.get(modo.casefold())
    if mode is None:
        raise CommandError("--modo is one of 1 (escuta), 2 (sussurro), 3 (conferencia)")
    listener = party(numero)
    ask(lambda client: client.listen_in(id, listener, mode), unsure=_MAY_RING)
    _done("listening in", id, json=json)


@app.command()
def transferir(
    id: Id,  # noqa: A002 - the API's own name
    numero: Annotated[str, typer.Argument(help="Number or ramal to move the leg to.")],
    *,
    perna: Annotated[str, typer.Option(help="The leg that moves: origem or destino.")],
    json: Json = False,
) -> None:
    """Move one leg of a running call; the other leg is disconnected."""
    leg = _perna(perna)
    target = party(numero)
    ask(lambda client: client.transfer(id, target, leg), unsure=_MAY_RING)
    _done("transferring", id, json=json)


@app.command()
def avaliar(
    id: Id,  # noqa: A002 - the API's own name
    nota: Annotated[int, typer.Argument(help="From 1 to 5.", min=1, max=5)],
    *,
    comentario: Annotated[str | None, typer.Option(help="At most 1,000 characters.")] = None,
    json: Json = False,
) -> None:
    """Rate a call."""
    ask(lambda client: client.rate_call(id, nota, comentario))
    _done("rated", id, json=json)


def _perna(text: str) -> Perna:
    for leg in get_args(Perna):
        if text == leg:
            return leg  # type: ignore[no-any-return] # get_args has no types
    raise CommandError("--perna is origem or destino")


def _done(what: str, id: int, *, json: bool) -> None:  # noqa: A002 - the API's own name
    if json:
        print_json({"id": id})
    else:
        print_fields([("id", id), ("done", what)])


def _leg_row(name: LegName, leg: Leg) -> list[Any]:
    return [
        name,
        leg.numero,
        leg.tipo,
        leg.status,
        leg.duracao,
        leg.duracao_falada,
        leg.preco,
        leg.motivo_desconexao,
    ]


def _report_row(call: Chamada) -> list[Any]:
    return [
        call.id,
        call.data_criacao,
        call.status_geral,
        call.origem.numero,
        call.origem.status,
        call.destino.numero,
        call.destino.status,
        call.tags,
    ]

"""`discador conferencia ...`: every operation on conferences, one command each."""

from __future__ import annotations

from typing import Annotated, Any

import typer

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
from zenvia.models import ConferenceCall, Conferencia

app = typer.Typer(help="Conferences: rooms that numbers are called into.")

Id = Annotated[int, typer.Argument(help="The conference's id.", min=0, max=2**63 - 1)]
Since = Annotated[str, typer.Option("--inicio", help="First day or instant, e.g. 2026-01-31.")]
Until = Annotated[str, typer.Option("--fim", help="Last day (to its end) or instant.")]

_MAY_RING = (
    "A phone may be ringing. Look with `discador conferencia buscar` before you try it again."
)
_CALL_TITLES = ("id", "conferencia_id", "numero", "status", "duracao", "falada", "preco")


@app.command()
def criar(*, json: Json = False) -> None:
    """Open a room."""
    created = ask(lambda client: client.create_conference())
    if json:
        print_json({"id": created})
    else:
        print_fields([("id", created)])


@app.command()
def adicionar(
    id: Id,  # noqa: A002 - the API's own name
    numero: Annotated[str, typer.Argument(help="Number or ramal to call into the room.")],
    *,
    bina: Annotated[str | None, typer.Option(help="Number that is shown.")] = None,
    gravar_audio: Annotated[bool, typer.Option(help="Record this call.")] = False,
    json: Json = False,
) -> None:
    """Call a number into a room."""
    called = party(numero)
    created = ask(
        lambda client: client.add_to_conference(
            id, called, bina=bina, gravar_audio=gravar_audio or None
        ),
        unsure=_MAY_RING,
    )
    if json:
        print_json({"id": created, "conferencia_id": id})
    else:
        print_fields([("id", created), ("conferencia_id", id)])


@app.command()
def buscar(id: Id, *, json: Json = False) -> None:  # noqa: A002 - the API's own name
    """Show a room and the calls into it."""
    room = ask(lambda client: client.fetch_conference(id))
    if json:
        print_json(room)
        return
    print_fields(_room_fields(room))
    print_rows(_CALL_TITLES, [_call_row(call) for call in room.chamadas])


@app.command()
def encerrar(id: Id, *, json: Json = False) -> None:  # noqa: A002 - the API's own name
    """Close a room."""
    ask(lambda client: client.end_conference(id))
    if json:
        print_json({"id": id})
    else:
        print_fields([("id", id), ("done", "ending")])


@app.command()
def relatorio(inicio: Since, fim: Until, *, json: Json = False) -> None:
    """List the rooms of a period, to the end."""
    since, until = moment(inicio), moment(fim, end_of_day=True)
    if json:
        ask(lambda client: print_json_rows(client.iter_conference_report(since, until)))
        return

    async def collect(client: VoiceClient) -> list[Conferencia]:
        return [room async for room in client.iter_conference_report(since, until)]

    rows = [
        (room.id, room.data_criacao, room.data_termino, len(room.chamadas)) for room in ask(collect)
    ]
    print_rows(("id", "data_criacao", "data_termino", "chamadas"), rows)


@app.command()
def chamadas(inicio: Since, fim: Until, *, json: Json = False) -> None:
    """List the calls into the rooms of a period, to the end."""
    since, until = moment(inicio), moment(fim, end_of_day=True)
    if json:
        ask(lambda client: print_json_rows(client.iter_conference_calls_report(since, until)))
        return

    async def collect(client: VoiceClient) -> list[ConferenceCall]:
        return [call async for call in client.iter_conference_calls_report(since, until)]

    print_rows(_CALL_TITLES, [_call_row(call) for call in ask(collect)])


def _room_fields(room: Conferencia) -> list[tuple[str, Any]]:
    return [
        ("id", room.id),
        ("data_criacao", room.data_criacao),
        ("data_termino", room.data_termino),
    ]


def _call_row(call: ConferenceCall) -> list[Any]:
    return [
        call.id,
        call.conferencia_id,
        call.numero,
        call.status,
        call.duracao,
        call.duracao_falada,
        call.preco,
    ]

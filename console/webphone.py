"""`discador webphone url`: the address that opens a ramal's webphone."""

from __future__ import annotations

from typing import Annotated, get_args

import typer

from console.failures import CommandError
from console.voice import Json, ask, party, print_fields, print_json
from zenvia.models import TipoWebphone

app = typer.Typer(help="Webphones: a ramal in the browser.")


@app.callback()
def group() -> None:
    """Webphones: a ramal in the browser."""


@app.command()
def url(
    *,
    ramal: Annotated[str | None, typer.Option(help="The ramal's number.")] = None,
    id_ramal: Annotated[int | None, typer.Option(help="The ramal's id; wins over --ramal.")] = None,
    ligar_para: Annotated[str | None, typer.Option(help="Dial this when the page opens.")] = None,
    fechar_fim: Annotated[bool, typer.Option(help="Close when the call ends.")] = False,
    tipo: Annotated[str, typer.Option(help="floating, embedded or hidden.")] = "floating",
    json: Json = False,
) -> None:
    """Print a fresh address. It opens the webphone without a login: keep it to yourself."""
    if ramal is None and id_ramal is None:
        raise CommandError("say whose webphone: --ramal 4000, or --id-ramal with its id")
    dialed = None if ligar_para is None else party(ligar_para)
    kind = _tipo(tipo)
    given = ask(
        lambda client: client.webphone_url(
            ramal=ramal,
            id_ramal=id_ramal,
            ligar_para=dialed,
            fechar_fim=fechar_fim or None,
            tipo=kind,
        )
    )
    if json:
        print_json({"url": given.url, "expires": given.expires})
    else:
        print(given.url)
        if given.expires is not None:
            print_fields([("expires", given.expires)])


def _tipo(text: str) -> TipoWebphone:
    for kind in get_args(TipoWebphone):
        if text == kind:
            return kind  # type: ignore[no-any-return] # get_args has no types
    raise CommandError("--tipo is floating, embedded or hidden")

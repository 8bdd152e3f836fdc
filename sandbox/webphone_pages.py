"""The webphone as pages: served from an origin of its own, unlike the API's."""

import html
import json
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from sandbox.webphone import Session, Webphones

PAGES = Path(__file__).parent / "pages"
FUNCTIONS = (
    "conectar",
    "desconectar",
    "chamaNumero",
    "answer",
    "hangup",
    "enviaDTMF",
    "mute",
    "transferir",
    "transferirConsulta",
    "recStart",
    "recStop",
    "pausarNaFila",
    "despausarNaFila",
    "entrarNaFila",
    "sairDaFila",
)
SECRETS = {"cache-control": "no-store"}  # the page holds the key of its session
SCRIPT = "text/javascript"


class Pages:
    """Serves webphones to browsers."""

    def __init__(self, webphones: Webphones) -> None:
        self._webphones = webphones
        self._page = (PAGES / "webphone.html").read_text(encoding="utf-8")
        self._hidden = (PAGES / "hidden.js").read_text(encoding="utf-8")
        self._script = (PAGES / "webphone.js").read_text(encoding="utf-8")

    def app(self) -> Starlette:
        """Build the application that listens on the webphone's own port."""
        return Starlette(
            routes=[
                Route("/w3/", self._open, methods=["GET"]),
                Route("/w3/webphone.js", self._javascript, methods=["GET"]),
                Route("/w3/comando", self._command, methods=["POST"]),
                Route("/w3/eventos", self._events, methods=["GET"]),
            ]
        )

    async def _open(self, request: Request) -> Response:
        session = self._session(request)
        if session is None:
            return expired()
        if session.tipo == "hidden" and "quadro" not in request.query_params:
            frame = f"{request.url}&quadro=1"
            script = self._hidden.replace('"{{frame}}"', json.dumps(frame))
            return Response(script, media_type=SCRIPT, headers=SECRETS)
        line = self._webphones.line(session)
        described = {
            "credentials": credentials(request),
            "functions": FUNCTIONS,
            "ramal": session.ramal,
            "tipo": session.tipo,
            "ligar_para": session.ligar_para,
            "fechar_fim": session.fechar_fim,
            "seen": len(line.events),
        }
        page = self._page.replace("{{session}}", html.escape(json.dumps(described)))
        return HTMLResponse(page, headers=SECRETS)

    async def _javascript(self, _request: Request) -> Response:
        return Response(self._script, media_type=SCRIPT)

    async def _command(self, request: Request) -> Response:
        session = self._session(request)
        if session is None:
            return expired()
        try:
            message = json.loads(await request.body())
        except ValueError:
            message = None
        if not isinstance(message, dict) or not self._webphones.line(session).command(message):
            return JSONResponse({"erro": "mensagem desconhecida"}, 400)
        return JSONResponse({})

    async def _events(self, request: Request) -> Response:
        session = self._session(request)
        if session is None:
            return expired()
        line = self._webphones.line(session)
        line.look()
        since = request.query_params.get("desde", "0")
        start = int(since) if since.isdecimal() else 0
        return JSONResponse({"eventos": line.events[start:], "total": len(line.events)})

    def _session(self, request: Request) -> Session | None:
        return self._webphones.open(dict(request.query_params))


def credentials(request: Request) -> dict[str, Any]:
    """Pick what the page has to repeat to speak for its session."""
    query = request.query_params
    return {name: query[name] for name in ("key", "signature", "expires") if name in query}


def expired() -> Response:
    """Answer for a URL that opens nothing (any more)."""
    return PlainTextResponse("Webphone expirado: peça outra URL em GET /webphone.", 403)

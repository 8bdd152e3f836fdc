"""`GET /webphone`: URLs that open a webphone, and who may still use one."""

from dataclasses import dataclass
from hashlib import blake2b, sha256
from itertools import count
from typing import Literal

from sandbox import envelope
from sandbox.account import Account
from sandbox.envelope import Answer, ApiError, Row, invalid
from sandbox.incoming import Incoming, boolean
from sandbox.numbers import parse
from sandbox.webphone_line import Line

Tipo = Literal["floating", "embedded", "hidden"]
TIPOS: tuple[Tipo, ...] = ("floating", "embedded", "hidden")
NO_RAMAL = Row(404, 60, "ramal não encontrada")  # sic
BAD_LIGAR_PARA = Row(405, 11, f"Parâmetro ligar_para inválido, {envelope.E164}")
LONGEST = 9


@dataclass(frozen=True, slots=True)
class Session:
    """What one URL opens."""

    key: str
    ramal: str
    tipo: Tipo
    ligar_para: str | None
    fechar_fim: bool
    expires: float


class Webphones:
    """The webphones of an account: one line a ramal, as many URLs as were asked for."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._order = count()
        self._sessions: dict[str, Session] = {}
        self._lines: dict[str, Line] = {}
        account.timeline.rings = self.connected

    def connected(self, ramal: str) -> bool:
        """Whether calls to this ramal ring a webphone."""
        line = self._lines.get(ramal)
        return line is not None and line.connected

    def url(self, account: Account, incoming: Incoming) -> Answer:
        """Make a URL; every request makes another one."""
        query = incoming.query()
        tipo = query.get("tipo", "floating")
        if tipo not in TIPOS:
            raise ApiError(invalid("tipo"))
        dial = query.get("ligar_para")
        if dial is not None and parse(dial) is None:
            raise ApiError(BAD_LIGAR_PARA)
        session = Session(
            key=self._secret("key", str(next(self._order)), size=16),
            ramal=self._ramal(query),
            tipo=TIPOS[TIPOS.index(tipo)],
            ligar_para=dial,
            fechar_fim=boolean(query.get("fechar_fim", "")),
            expires=account.now() + account.settings.webphone_lifetime,
        )
        self._sessions[session.key] = session
        return Answer("url webphone", {"url": self._link(session)})

    def open(self, query: dict[str, str]) -> Session | None:
        """Find what a URL opens; None when it was never given out, is altered or has expired."""
        session = self._sessions.get(query.get("key", ""))
        if session is None or session.expires <= self._account.now():
            return None
        if self._account.settings.webphone_signed and query.get("signature") != self.sign(session):
            return None
        return session

    def line(self, session: Session) -> Line:
        """Find the line that a session speaks for."""
        line = self._lines.get(session.ramal)
        if line is None:
            line = self._lines[session.ramal] = Line(self._account, session.ramal)
        return line

    def lines(self) -> list[Line]:
        """List the lines that have been opened."""
        return list(self._lines.values())

    def sign(self, session: Session) -> str:
        """Sign a session: 64 hex digits."""
        text = f"{self._account.settings.seed}/{session.key}/{int(session.expires)}"
        return sha256(text.encode()).hexdigest()

    def _ramal(self, query: dict[str, str]) -> str:
        ramais = self._account.settings.profile.ramais
        if "id_ramal" in query:
            text, offset = query["id_ramal"], ramais.first - 1
        else:
            text, offset = query.get("ramal", str(ramais.first)), 0
        if not text.isdecimal() or len(text) > LONGEST:
            raise ApiError(NO_RAMAL)
        ramal = int(text) + offset
        if not ramais.first <= ramal <= ramais.last:
            raise ApiError(NO_RAMAL)
        return str(ramal)

    def _link(self, session: Session) -> str:
        close = int(session.fechar_fim)
        if session.tipo == "floating":
            shape = "&pop=1" + ("&ver=2&fechar_fim=1" if close else "")
        elif session.tipo == "embedded":
            shape = f"&tipo=embedded&fechar_fim={close}&ver=2"
        else:
            shape = "&tipo=hidden&ver=2" + ("&fechar_fim=1" if close else "")
        if session.ligar_para:
            shape += f"&ligar_para={session.ligar_para.strip().replace('+', '%2B')}"
        if self._account.settings.webphone_signed:
            shape += f"&signature={self.sign(session)}&expires={int(session.expires)}"
        return f"{self._account.webphone_url}/w3/?key={session.key}{shape}"

    def _secret(self, *parts: str, size: int) -> str:
        text = "/".join((str(self._account.settings.seed), *parts))
        return blake2b(text.encode(), digest_size=size).hexdigest()

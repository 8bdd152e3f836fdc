"""A model of the Voice API, from its documentation alone: it shares no code with the engine.

Every accepted call gets its whole timeline at once; what a request shows is a function of the
clock. The ledger is what the promises are judged by. What goes wrong is drawn per request from
`Weather`, which clears up at `clear_at`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from contextvars import Context
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any

from tests.simulation.loop import FOREVER, clock

OURS = "4000"
"""The extension that contacts are connected to."""
HANG_UP_TAKES = 0.3

ANSWERS: Mapping[str, tuple[str | None, str]] = {
    "answer": ("atendida", "16. normal"),
    "voicemail": ("atendida", "16. normal"),
    "busy": ("ocupado", "17. usuario ocupado"),
    "no_answer": ("sem resposta", "19. sem resposta do usuario"),
    "rejected": ("falha", "21. chamada rejeitada"),
    "technical": ("congestionado", "34. sem circuito disponivel"),
    "invalid_number": ("não existe", "1. numero nao alocado"),
    "never_ran": (None, "indefinido"),
}
"""What the contact's leg says at the end, by what became of the call."""


@dataclass(frozen=True)
class Weather:
    """How often what goes wrong, as shares of 1 per request, and within which bounds.

    `post`, `report`, `fetch` and `hang_up` map fates to shares. `lag` is how many seconds the
    report is behind; `late` how many a POST may wait at the provider before it takes effect. The
    report does not show the share `hides` of all calls before they are `hidden` seconds old.
    """

    post: Mapping[str, float] = field(default_factory=dict)
    report: Mapping[str, float] = field(default_factory=dict)
    fetch: Mapping[str, float] = field(default_factory=dict)
    hang_up: Mapping[str, float] = field(default_factory=dict)
    unreachable: float = 0.0
    lag: float = 0.0
    late: float = 0.0
    hides: float = 0.0
    hidden: float = 0.0
    skew: float = 0.0
    clear_at: float = 30.0


@dataclass
class Call:
    """One accepted call; instants are seconds of our clock since 1970."""

    id: int
    key: str
    number: str
    contact_leg: str
    sent_at: float
    accepted_at: float
    kind: str
    rings_at: float
    answered_at: float
    ended_at: float
    machine: bool = False
    asked_to_end: bool = False
    hung_up: bool = False
    shown_from: float = 0.0

    def live(self, now: float) -> bool:
        """Whether it holds a channel."""
        return self.accepted_at <= now < self.ended_at


@dataclass
class Reply:
    """What goes back over the wire, `after` seconds; status 0: the connection breaks."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    after: float = 0.0


def _envelope(dados: str) -> bytes:
    head = '{"status":200,"sucesso":true,"motivo":0,"mensagem":"ok","dados":'
    return (head + dados + "}").encode()


def _no(status: int, motivo: int, after: float = 0.02, retry_after: int = 0) -> Reply:
    body = f'{{"status":{status},"sucesso":false,"motivo":{motivo},"mensagem":"no","dados":null}}'
    headers = {"retry-after": str(retry_after)} if retry_after else {}
    return Reply(status, body.encode(), headers, after)


class Provider:
    """The voice API of one account."""

    def __init__(
        self,
        rng: Random,
        weather: Weather,
        outcome: Callable[[str, int], tuple[str, float, float]],
        say: Callable[[str], None],
    ) -> None:
        self.rng = rng
        self.hiding = Random(rng.random()) if weather.hides else None
        self.weather = weather
        self.outcome = outcome
        """What becomes of the n-th call to a number: its kind, seconds of ringing, of talking."""
        self.say = say
        self.ledger: list[Call] = []
        self.invalid: set[str] = set()
        self.broke_until = 0.0
        self.calls_to: dict[str, int] = {}

    # What arrives ---------------------------------------------------------------------------------

    def take(self, verb: str, path: str, query: Mapping[str, str], body: bytes) -> Reply:
        """Do what a request asks for, or what the weather makes of it."""
        if verb == "POST":
            return self._create(json.loads(body))
        last = path.rsplit("/", 1)[1]
        if last == "relatorio":
            return self._weathered(self.weather.report, lambda: self._report(query))
        call = self.ledger[int(last) - 1]
        if verb == "DELETE":
            return self._hang_up(call)
        return self._weathered(self.weather.fetch, lambda: Reply(200, _envelope(self._show(call))))

    def reachable(self) -> bool:
        """Say whether a connection can be made now."""
        return self.rng.random() >= self.weather.unreachable or clock() >= self.weather.clear_at

    def _fate(self, shares: Mapping[str, float]) -> str:
        """Draw what the weather does to a request; each draw uses the generator the same."""
        draw = self.rng.random()
        if clock() >= self.weather.clear_at:
            return "ok"
        for fate, share in shares.items():
            draw -= share
            if draw < 0:
                return fate
        return "ok"

    def _weathered(self, shares: Mapping[str, float], answer: Callable[[], Reply]) -> Reply:
        fate = self._fate(shares)
        after = round(self.rng.uniform(0.005, 0.05), 4)
        if fate == "500":
            return _no(500, 50, after)
        if fate == "reset":
            return Reply(0, after=after)
        if fate == "silence":
            return Reply(0, after=FOREVER)
        if fate == "garbage":
            return Reply(200, b"<html>", after=after)
        if fate == "429":
            return _no(429, 0, after, 1)
        reply = answer()
        reply.after = round(self.rng.uniform(2.5, 8), 3) if fate == "slow" else after
        return reply

    # POST /chamada --------------------------------------------------------------------------------

    def _create(self, wanted: dict[str, Any]) -> Reply:
        sent_at = clock()
        fate = self._fate(self.weather.post)
        after = round(self.rng.uniform(0.005, 0.2), 4)
        number, leg = wanted["numero_origem"], "origem"
        if number == OURS:
            number, leg = wanted["numero_destino"], "destino"
        refused = self._refuses(number, fate, after)
        if refused is not None:
            return refused
        if fate == "late":
            wait = self.rng.uniform(0, self.weather.late)
            asyncio.get_running_loop().call_later(
                wait, self._accept, wanted, number, leg, sent_at, context=Context()
            )
            return Reply(0, after=FOREVER)
        call = self._accept(wanted, number, leg, sent_at)
        accepted = _envelope(f'{{"id":{call.id}}}')
        answers = {
            "reset after": Reply(0, after=after),
            "500 after": _no(500, 50, after),
            "garbage": Reply(200, b"<html>", after=after),
            "slow": Reply(200, accepted, after=40 * after),
        }
        return answers.get(fate) or Reply(200, accepted, after=after)

    def _refuses(self, number: str, fate: str, after: float) -> Reply | None:
        """Return what is said to a request that has no effect; None: it has one."""
        if fate == "402":
            self.broke_until = clock() + 3
        if clock() < self.broke_until:
            return _no(402, 9)
        if number in self.invalid:
            return _no(405, 11)
        answers = {
            "429": _no(429, 0, after, self.rng.choice((1, 2))),
            "reset before": Reply(0, after=after),
            "500 before": _no(500, 50, after),
            "silence": Reply(0, after=FOREVER),
        }
        return answers.get(fate)

    def _accept(self, wanted: dict[str, Any], number: str, leg: str, sent_at: float) -> Call:
        now = clock()
        nth = self.calls_to[number] = self.calls_to.get(number, 0) + 1
        kind, ring, talk = self.outcome(number, nth)
        begins = FOREVER if kind == "never_ran" else now + 0.1
        answered = begins + ring if kind in {"answer", "voicemail"} else FOREVER
        ended = begins + ring + (talk if answered < FOREVER else 0)
        key = (wanted.get("tags") or "").split(" ")[0]
        call = Call(
            id=len(self.ledger) + 1,
            key=key,
            number=number,
            contact_leg=leg,
            sent_at=sent_at,
            accepted_at=now,
            kind=kind,
            rings_at=begins,
            answered_at=answered,
            ended_at=ended,
            machine=kind == "voicemail",
        )
        if self.hiding is not None and self.hiding.random() < self.weather.hides:
            call.shown_from = now + self.weather.hidden
        self.ledger.append(call)
        self.say(f"accepts {key} as call {call.id}: {kind} until {ended - now:.2f} s from now")
        return call

    # DELETE /chamada/{id} -------------------------------------------------------------------------

    def _hang_up(self, call: Call) -> Reply:
        fate = self._fate(self.weather.hang_up)
        call.asked_to_end = True
        if fate == "500":
            return _no(500, 50)
        now = clock()
        if call.ended_at <= now:
            return _no(404, 80)
        if fate != "deaf" and now + HANG_UP_TAKES < call.ended_at:
            call.ended_at = now + HANG_UP_TAKES
            call.hung_up = True
            self.say(f"hangs up call {call.id}")
        if fate == "reset":
            return Reply(0)
        return Reply(200, _envelope("null"), after=0.02)

    # GET ------------------------------------------------------------------------------------------

    def _created(self, call: Call) -> int:
        return int(call.accepted_at + self.weather.skew)

    def _report(self, query: Mapping[str, str]) -> Reply:
        start, end = (
            datetime.fromisoformat(query[name]).timestamp() for name in ("data_inicio", "data_fim")
        )
        seen = clock() - self.weather.lag
        rows = [
            call
            for call in self.ledger
            if max(call.accepted_at, call.shown_from) <= seen
            and start <= self._created(call) <= end
        ]
        position, limit = int(query["posicao"]), int(query["limite"])
        shown = ",".join(self._show(call, seen) for call in rows[position : position + limit])
        return Reply(200, _envelope(f'{{"relatorio":[{shown}]}}'))

    def _show(self, call: Call, now: float | None = None) -> str:
        """Return a call as the API shows it at an instant."""
        now = clock() if now is None else now
        created = datetime.fromtimestamp(self._created(call), UTC).isoformat()
        over = now >= call.ended_at
        running = "curso" if now >= call.rings_at else "criada"
        general = "finalizada" if over else running
        contact, other = self._legs(call, now, over=over)
        first, second = (contact, other) if call.contact_leg == "origem" else (other, contact)
        return (
            f'{{"id":{call.id},"data_criacao":"{created}","ativa":{"false" if over else "true"},'
            f'"tags":"{call.key}","status_geral":"{general}","origem":{first},"destino":{second}}}'
        )

    @staticmethod
    def _legs(call: Call, now: float, *, over: bool) -> tuple[str, str]:
        began = call.rings_at < FOREVER and now >= call.rings_at
        picked_up = call.answered_at <= min(now, call.ended_at)
        status: str | None
        reason = "indefinido"
        if not began or call.ended_at < call.rings_at:
            status = None
        elif picked_up:
            status = "atendida"
            reason = "16. normal" if over else reason
        elif not over:
            status = "chamando"
        elif call.hung_up:
            status = "cancelada"
        else:
            status, reason = ANSWERS[call.kind]
        spoken = int(min(now, call.ended_at) - call.answered_at) if picked_up else 0
        machine = ',"substatus":"maquina_origem"' if call.machine and picked_up else ""
        contact = _leg(status, reason, spoken, machine)
        # The other leg: it rings second and answers at once, or it rang first and waits.
        there = call.contact_leg == "destino" and began
        if (picked_up and not call.machine) or there:
            return contact, _leg("atendida", "16. normal" if over else "indefinido", spoken)
        return contact, _leg(None, "indefinido", 0)


def _leg(status: str | None, reason: str, spoken: int, more: str = "") -> str:
    word = "null" if status is None else f'"{status}"'
    return (
        f'{{"status":{word},"motivo_desconexao":"{reason}","duracao_segundos":{spoken},'
        f'"duracao_falada_segundos":{spoken},"preco":0.1{more}}}'
    )

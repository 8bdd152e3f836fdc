"""Webhooks: their configuration, and which event is due when."""

import asyncio
import contextlib
import json
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from typing import Any, Protocol
from urllib.parse import urlsplit

from sandbox.account import Account
from sandbox.calls import Call
from sandbox.chamada import render
from sandbox.chamadas import RETURNED
from sandbox.envelope import Answer, ApiError, Row, invalid, missing
from sandbox.incoming import Incoming
from sandbox.moments import iso

BAD_URL = Row(405, 11, "o parametro url é inválido, informar ex: http://foooo.bar/x/y")
LOOK = 0.02  # real seconds between two looks at a clock that may jump


class Sender(Protocol):
    """Delivers one event; never raises."""

    async def send(self, url: str, body: bytes) -> bool:
        """POST the body as JSON; tell whether it was taken."""


class Webhooks:
    """The webhooks of one account.

    Nothing runs while none is configured. Then one task looks at the clock and posts what has
    become due: `chamada_fim` once at the end of a call, `status_tempo_real` at each change while
    it runs, at most one per interval and call.
    """

    def __init__(self, account: Account, sender: Sender) -> None:
        self._account = account
        self._sender = sender
        self._urls: dict[str, str] = {}
        self._due: list[tuple[float, int, float, Call]] = []  # post at, order, moment, call
        self._order = count()
        self._last: dict[int, float] = {}  # last status_tempo_real by call
        self._deferred: set[int] = set()  # calls whose next one waits for the interval
        self._ended: set[int] = set()
        self._task: asyncio.Task[None] | None = None
        self._posts: set[asyncio.Task[None]] = set()
        account.watchers.append(self._follow)

    def listar(self, _account: Account, _incoming: Incoming) -> Answer:
        """List those that have a URL."""
        rows = [{"webhook": name, "url": url} for name, url in self._urls.items()]
        return Answer(RETURNED, {"webhooks": rows})

    def salvar(self, default: str) -> Callable[[Account, Incoming], Answer]:
        """Make the endpoint that sets a URL; `default` is how its message names a webhook."""

        def handle(account: Account, incoming: Incoming) -> Answer:
            name = self._name(incoming)
            url = incoming.fields().get("url")
            if url is None:
                raise ApiError(missing("url"))
            if not usable(url):
                raise ApiError(BAD_URL)
            self._urls[name] = url
            self._start(account)
            return Answer(f"{default} atualizado com sucesso", None)

        return handle

    def apagar(self, default: str) -> Callable[[Account, Incoming], Answer]:
        """Make the endpoint that removes a URL."""

        def handle(_account: Account, incoming: Incoming) -> Answer:
            self._urls.pop(self._name(incoming), None)
            return Answer(f"{default} apagado com sucesso", None)

        return handle

    def sem_nome(self, _account: Account, _incoming: Incoming) -> Answer:
        """Answer PUT or DELETE without a name."""
        raise ApiError(missing("webhook"))

    async def stop(self) -> None:
        """Stop posting."""
        for task in (self._task, *self._posts):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        self._task = None

    def _name(self, incoming: Incoming) -> str:
        name: str = incoming.path["nome"]
        names = self._account.settings.webhook_names
        if name not in names:
            row = invalid("webhook")
            text = f"{row.mensagem}. Webhooks válidos: {', '.join(names)}"
            raise ApiError(Row(row.status, row.motivo, text))
        return name

    def _start(self, account: Account) -> None:
        if self._task is not None:
            return
        now = account.now()
        account.book.advance(now)
        self._task = asyncio.get_running_loop().create_task(self._run())
        for call in account.book.live_calls():
            self._follow(call)

    def _follow(self, call: Call) -> None:
        if self._task is None:
            return
        now = self._account.now()
        for moment in call.moments():
            if moment >= now:
                heappush(self._due, (moment, next(self._order), moment, call))

    async def _run(self) -> None:
        while True:
            now = self._account.now()
            while self._due and self._due[0][0] <= now:
                at, _, moment, call = heappop(self._due)
                self._event(call, at, moment)
            ahead = self._due[0][0] - now if self._due else LOOK
            await asyncio.sleep(min(LOOK, max(0.0, ahead)))

    def _event(self, call: Call, at: float, moment: float) -> None:
        deferred = at != moment
        if deferred:
            self._deferred.discard(call.id)
        if call.id in self._ended or not (deferred or moment in call.moments()):
            return  # over, or the call took another course since
        if call.general(at) == "finalizada":
            self._ended.add(call.id)
            self._last.pop(call.id, None)
            partial = [parcial(start, stop) for start, stop in call.partial_recordings]
            self._post("chamada_fim", call, at, {"gravacoes_parciais": partial})
            return
        settings = self._account.settings
        earliest = self._last.get(call.id, 0.0) + settings.webhook_interval / settings.speed
        if at >= earliest:
            self._last[call.id] = at
            self._post("status_tempo_real", call, at, {})
        elif earliest < call.ended_at and call.id not in self._deferred:
            self._deferred.add(call.id)
            heappush(self._due, (earliest, next(self._order), moment, call))

    def _post(self, name: str, call: Call, at: float, more: dict[str, Any]) -> None:
        url = self._urls.get(name)
        if url is None:
            return
        account = self._account
        content = render(call, at, account.settings, account.public_url) | more
        body = json.dumps(content, ensure_ascii=False).encode()
        faults, luck = account.faults.webhooks, account.luck
        if luck.random() < faults.drop:
            account.webhooks["dropped"] += 1
            return
        for _ in range(2 if luck.random() < faults.duplicate else 1):
            delivery = self._deliver(url, body, faults.draw(luck))
            task = asyncio.get_running_loop().create_task(delivery)
            self._posts.add(task)
            task.add_done_callback(self._posts.discard)

    async def _deliver(self, url: str, body: bytes, delay: float) -> None:
        await asyncio.sleep(delay)
        taken = await self._sender.send(url, body)
        self._account.webhooks["sent" if taken else "failed"] += 1


def usable(url: object) -> bool:
    """Whether events can be posted to this URL."""
    if not isinstance(url, str):
        return False
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def parcial(start: float, stop: float | None) -> dict[str, Any]:
    """Print a partial recording; the documents show no sample of one."""
    return {"data_inicio": iso(start), "data_fim": None if stop is None else iso(stop)}

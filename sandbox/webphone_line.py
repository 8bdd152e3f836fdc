"""One ramal's webphone: what it does when told, and what it tells.

Nothing runs by itself: `look` compares the clock with what was last told and adds the events that
are due, so it has to be asked now and then (the page does).
"""

from collections.abc import Callable
from typing import Any

from sandbox.account import Account
from sandbox.calls import FOREVER, Call, Leg, LegName
from sandbox.envelope import ApiError
from sandbox.numbers import Number, parse

STATS_EVERY = 5.0  # real seconds
KEYS = set("0123456789*#")
Event = dict[str, Any]


class Line:
    """The state of one ramal's webphone. Commands that make no sense now answer `status_erro`."""

    def __init__(self, account: Account, ramal: str) -> None:
        self._account = account
        self._number = Number(ramal, ramal, "ramal")
        self.ramal = ramal
        self.connected = False
        self.muted = False
        self.dtmf = ""
        self.queues: dict[str, bool] = {}  # id of a queue -> paused there
        self.events: list[Event] = []
        self.commands: list[str] = []
        self._ringing: list[tuple[Call, LegName]] = []
        self._announced: set[int] = set()
        self._call: Call | None = None
        self._side: LegName = "origem"  # which leg of the call this ramal is
        self._told: str | None = None
        self._consult: Number | None = None
        self._stats_at = -FOREVER
        account.watchers.append(self._watch)
        self._do: dict[str, Callable[[Event], None]] = {
            "conectar": self._connect,
            "desconectar": self._disconnect,
            "chamaNumero": self._dial,
            "answer": self._answer,
            "hangup": self._hang_up,
            "enviaDTMF": self._press,
            "mute": self._mute,
            "transferir": self._transfer,
            "transferirConsulta": self._ask,
            "recStart": self._record,
            "recStop": self._stop_recording,
            "pausarNaFila": self._pause,
            "despausarNaFila": self._unpause,
            "entrarNaFila": self._join,
            "sairDaFila": self._leave,
        }

    def command(self, message: Event) -> bool:
        """Carry out a message from the page that embeds the webphone; false if it is none."""
        act = self._do.get(str(message.get("message")))
        if act is None:
            return False
        self.commands.append(str(message["message"]))
        self.look()
        act(message)
        self.look()
        return True

    def look(self) -> None:
        """Add the events that have become due."""
        if not self.connected:
            return
        now = self._account.now()
        if now - self._stats_at >= STATS_EVERY:
            self._stats_at = now
            self._tell("stats_webphone", internet="ping 21 ms, jitter 2 ms", computador="CPU 7%")
        self._look_at_ringing(now)
        if self._call is None:
            return
        status = self._status(self._call, now)
        if status != self._told:
            self._told = status
            self._tell("status", status=status)
        if status == "encerrada":
            self._call = self._consult = None

    def state(self) -> Event:
        """Show the line, for tests."""
        return {
            "ramal": self.ramal,
            "connected": self.connected,
            "muted": self.muted,
            "dtmf": self.dtmf,
            "queues": self.queues,
            "commands": self.commands,
            "call": self._call.id if self._call else None,
        }

    def _tell(self, name: str, **values: Any) -> None:
        self.events.append({"message": name, **values})

    def _fail(self, why: str) -> None:
        self._tell("status_erro", status_erro=why)

    def _watch(self, call: Call) -> None:
        for name in ("origem", "destino"):
            leg = call.leg(name)
            mine = leg.by_hand and leg.number.digits == self.ramal
            if mine and call is not self._call and (call, name) not in self._ringing:
                self._ringing.append((call, name))

    def _look_at_ringing(self, now: float) -> None:
        for call, name in list(self._ringing):
            leg = call.leg(name)
            if now >= min(leg.ended_at, call.ended_at):
                self._ringing.remove((call, name))
                if call.id in self._announced:
                    self._tell("status", status="encerrada")
            elif now >= leg.dialed_at and call.id not in self._announced:
                self._announced.add(call.id)
                other = call.destino if name == "origem" else call.origem
                self._tell(
                    "chegandoChamada",
                    numeroChegando=other.number.text,
                    numeroDestino=self.ramal,
                    chamadaRecebidaId=call.id,
                )

    def _status(self, call: Call, now: float) -> str:
        mine = call.leg(self._side)
        moved = any(transfer.perna != self._side for transfer in call.transfers)
        if now >= call.ended_at or moved or (mine.ended_at <= now and mine.dialed_at <= now):
            return "encerrada"
        if self._consult is not None:
            return "conversando"
        return "conversando" if self._other(call).answered_at <= now else "chamando"

    def _other(self, call: Call) -> Leg:
        return call.destino if self._side == "origem" else call.origem

    def _begin(self, call: Call, side: LegName) -> None:
        self._call, self._side, self._told = call, side, None
        self._tell("chamada_id", chamada_id=call.id)

    def _connect(self, _message: Event) -> None:
        if not self.connected:
            self.connected = True
            self._tell("status", status="conectado")

    def _disconnect(self, _message: Event) -> None:
        if not self.connected:
            return
        if self._call is not None:
            self._hang_up({})
            self.look()
        self.connected = False
        self._tell("status", status="desconectado")

    def _dial(self, message: Event) -> None:
        target = parse(message.get("numero"))
        if not self.connected:
            self._fail("webphone desconectado")
        elif target is None:
            self._fail("número inválido")
        elif self._call is not None:
            self._fail("já existe uma chamada em andamento")
        else:
            self._place(target)

    def _place(self, target: Number) -> None:
        now = self._account.now()
        call = Call(0, now, now, Leg(self._number), Leg(target), from_webphone=True)
        try:
            self._account.place(call, now, self._account.timeline.draw_from_webphone)
        except ApiError as error:
            self._fail(error.row.mensagem)
            return
        self._begin(call, "origem")

    def _answer(self, _message: Event) -> None:
        now = self._account.now()
        for call, name in self._ringing:
            if call.id in self._announced and self._call is None:
                self._ringing.remove((call, name))
                self._account.timeline.answer_by_hand(call, name, now)
                self._begin(call, name)
                self._account.revised(call, now)
                return
        self._fail("não há chamada para atender")

    def _hang_up(self, _message: Event) -> None:
        now = self._account.now()
        if self._call is not None:
            if self._consult is not None:
                self._move(self._consult, now)
            else:
                self._call.hang_up(now)
                self._account.revised(self._call, now)
            return
        for call, name in self._ringing:
            if call.id in self._announced:
                call.hang_up(now)
                leg = call.leg(name)
                leg.status, leg.reason = "falha", "21. chamada rejeitada"
                self._account.revised(call, now)
                return
        self._fail("não há chamada ativa")

    def _talking(self) -> Call | None:
        if self._call is None:
            self._fail("não há chamada ativa")
        return self._call

    def _press(self, message: Event) -> None:
        keys = str(message.get("dtmf", ""))
        if not keys or not set(keys) <= KEYS:
            self._fail("DTMF inválido")
        elif self._talking():
            self.dtmf += keys

    def _mute(self, _message: Event) -> None:
        self.muted = not self.muted

    def _target(self, message: Event) -> Number | None:
        target = parse(message.get("numeroTelefone"))
        if self._talking() is None:
            return None
        if target is None:
            self._fail("número inválido")
        return target

    def _transfer(self, message: Event) -> None:
        target = self._target(message)
        if target is not None:
            self._move(target, self._account.now())

    def _ask(self, message: Event) -> None:
        self._consult = self._target(message)  # a hang-up completes the transfer

    def _move(self, target: Number, now: float) -> None:
        call = self._call
        if call is None:
            return
        other: LegName = "destino" if self._side == "origem" else "origem"
        self._account.timeline.transfer(call, other, target, now)
        self._account.revised(call, now)

    def _record(self, _message: Event) -> None:
        call = self._talking()
        if call is not None and not self._recording(call):
            call.partial_recordings.append((self._account.now(), None))

    def _stop_recording(self, _message: Event) -> None:
        call = self._talking()
        if call is None:
            return
        if not self._recording(call):
            self._fail("não há gravação em andamento")
            return
        start, _ = call.partial_recordings[-1]
        call.partial_recordings[-1] = (start, self._account.now())

    def _recording(self, call: Call) -> bool:
        return bool(call.partial_recordings) and call.partial_recordings[-1][1] is None

    def _queues(self, message: Event) -> list[str]:
        given = message.get("filaId")
        if given is None or given == "":
            return list(self.queues)
        return [queue for queue in (str(given),) if queue in self.queues]

    def _pause(self, message: Event) -> None:
        self._set_paused(message, paused=True)

    def _unpause(self, message: Event) -> None:
        self._set_paused(message, paused=False)

    def _set_paused(self, message: Event, *, paused: bool) -> None:
        queues = self._queues(message)
        if not queues:
            self._fail("o ramal não está na fila")
            return
        self.queues.update(dict.fromkeys(queues, paused))
        self._tell("pausou_na_fila" if paused else "despausou_na_fila")

    def _join(self, message: Event) -> None:
        queue = message.get("filaId")
        if queue is None or queue == "":
            self._fail("informe a fila")
            return
        self.queues[str(queue)] = False
        self._tell("entrou_na_fila")

    def _leave(self, message: Event) -> None:
        queues = self._queues(message)
        if not queues:
            self._fail("o ramal não está na fila")
            return
        for queue in queues:
            del self.queues[queue]
        self._tell("saiu_da_fila")

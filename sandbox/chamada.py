"""The Chamada object as the API prints it, at one instant."""

from hashlib import blake2b
from typing import Any

from orjson import Fragment

from sandbox.billing import Bill, bill
from sandbox.calls import FOREVER, Call, Leg, LegName
from sandbox.envelope import as_json
from sandbox.moments import clock, iso
from sandbox.settings import SandboxSettings


def recording_key(call_id: int, seed: int) -> str:
    """Derive the secret in `url_gravacao`, ten hex digits."""
    return blake2b(f"rec/{seed}/{call_id}".encode(), digest_size=5).hexdigest()


def recording_ready(call: Call, now: float, settings: SandboxSettings) -> bool:
    """Whether the recording of an ended, answered call has become available."""
    return (
        call.gravar_audio
        and call.ended_at + settings.recording_delay / settings.speed <= now
        and FOREVER not in (call.origem.answered_at, call.ended_at)
    )


def printed(call: Call, now: float, settings: SandboxSettings, base_url: str) -> Fragment:
    """Print the whole object as JSON.

    An ended call is printed once: reports show it again and again, and it changes no more.
    """
    if call.printed is None or call.printed[0] is not settings or now < call.ended_at:
        text = as_json(render(call, now, settings, base_url))
        if now < call.ended_at or call.gravar_audio != recording_ready(call, now, settings):
            return Fragment(text)
        call.printed = (settings, text)
    return Fragment(call.printed[1])


def render(call: Call, now: float, settings: SandboxSettings, base_url: str) -> dict[str, Any]:
    """Give the whole object; what is not known before the end is null while the call runs."""
    general = call.general(now)
    url = None
    if recording_ready(call, now, settings):
        key = recording_key(call.id, settings.seed)
        url = f"{base_url}/rec/?id={call.id}&x={key}&cid={settings.conta_id}"
    rendered: dict[str, Any] = {
        "id": call.id,
        "data_criacao": iso(call.accepted_at),
        "ativa": general == "curso" or (general == "criada" and settings.active_while_criada),
        "url_gravacao": url,
        "cliente_id": settings.cliente_id,
        "conta_id": settings.conta_id,
        "ramal_id_origem": ramal_id(call.origem, settings),
        "tags": call.tags,
        "status_geral": general,
        "origem": leg(call, "origem", now, settings),
        "destino": leg(call, "destino", now, settings),
    }
    if call.detecta_caixa:
        rendered["detecta_caixa"] = True
    return rendered


def leg(call: Call, name: LegName, now: float, settings: SandboxSettings) -> dict[str, Any]:
    """One leg of the object."""
    side = call.leg(name)
    rendered: dict[str, Any] = {
        "data_inicio": iso(side.dialed_at) if side.dialed_at <= now else None,
        "numero": side.number.text,
        "tipo": side.number.kind,
    }
    general = call.general(now)
    if general == "finalizada":
        rendered["status"] = side.status
        rendered.update(billed(bill(side, settings)))
        rendered["motivo_desconexao"] = side.reason
    else:
        begun = general == "curso"
        # `duracao` counts from the beginning of the call, also on a leg not dialled yet.
        since = side.dialed_at if side.dialed_at <= now else call.begins_at
        elapsed = int((min(now, side.ended_at) - since) * settings.speed) if begun else 0
        rendered["status"] = side.state(now) if begun else waiting(name)
        rendered.update(running(elapsed))
    if side.bina is not None:
        rendered[f"bina_{name}"] = side.bina
    if side.machine and now >= side.ended_at and settings.show_substatus:
        rendered["substatus"] = "maquina_origem"
    return rendered


def waiting(name: LegName) -> str | None:
    """Status of a leg while the call is `criada`."""
    return "preparando" if name == "origem" else None


def billed(bill: Bill) -> dict[str, Any]:
    """Print the six durations and the price of an ended leg."""
    return {
        "duracao_segundos": bill.duracao,
        "duracao": clock(bill.duracao),
        "duracao_cobrada_segundos": bill.cobrada,
        "duracao_cobrada": clock(bill.cobrada),
        "duracao_falada_segundos": bill.falada,
        "duracao_falada": clock(bill.falada),
        "preco": bill.preco,
    }


def running(elapsed: int) -> dict[str, Any]:
    """Print the same keys while the leg runs: only its age is known."""
    return {
        "duracao_segundos": elapsed,
        "duracao": clock(elapsed),
        "duracao_cobrada_segundos": None,
        "duracao_cobrada": None,
        "duracao_falada_segundos": None,
        "duracao_falada": None,
        "preco": None,
        "motivo_desconexao": "indefinido",
    }


def ramal_id(leg: Leg, settings: SandboxSettings) -> int | None:
    """Give the id of the ramal that a leg is on: ids count the existing ramais from 1."""
    if leg.number.kind != "ramal":
        return None
    ramais = settings.profile.ramais
    ramal = int(leg.number.digits)
    return ramal - ramais.first + 1 if ramais.first <= ramal <= ramais.last else None

"""Client to sandbox and back: every operation gives its typed result, every refusal its error."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sandbox.server import SandboxServer
from zenvia import errors
from zenvia.client import VoiceClient
from zenvia.models import Chamada, NewCall, TipoWebphone

NUMBER, OTHER, AGENT = "+5548999990001", "+5548999990002", "4000"


class Clock:
    """The sandbox's time, moved by the test."""

    def __init__(self) -> None:
        self.now = float(int(time.time()))

    def __call__(self) -> float:
        """Tell the time in epoch seconds."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """Give the sandbox's clock."""
    return Clock()


@pytest.fixture
async def sandbox(clock: Clock) -> AsyncIterator[SandboxServer]:
    """Give a sandbox whose phones all answer and talk for a minute."""
    async with SandboxServer(clock=clock, seed=1) as server:
        answers = [{"outcome": "answer", "ring": 5, "talk": 60}]
        server.script({NUMBER: answers, OTHER: answers, AGENT: answers})
        yield server


@pytest.fixture
async def voice(sandbox: SandboxServer) -> AsyncIterator[VoiceClient]:
    """Give a client of the sandbox."""
    async with VoiceClient(sandbox.url, sandbox.token) as client:
        yield client


async def running(voice: VoiceClient, clock: Clock, **more: Any) -> int:
    """Place a call and let it go on until both talk."""
    call = NewCall(numero_origem=AGENT, numero_destino=NUMBER, **more)
    created = await voice.create_call(call)
    clock.now += 20
    assert (await voice.fetch_call(created)).status_geral == "curso"
    return created


def today(clock: Clock) -> tuple[datetime, datetime]:
    """Return an hour before and an hour after the sandbox's time."""
    now = datetime.fromtimestamp(clock.now, UTC)
    return now - timedelta(hours=1), now + timedelta(hours=1)


async def test_a_call_is_created_looked_at_and_ends(voice: VoiceClient, clock: Clock) -> None:
    """A call goes from `criada` over `curso` to `finalizada`, and its legs tell how."""
    call = NewCall(
        numero_origem=AGENT,
        numero_destino=NUMBER,
        gravar_audio=True,
        bina_origem="4832830151",
        bina_destino="4832830152",
        tags="clienteUm",
        detecta_caixa_origem=True,
    )
    created = await voice.create_call(call)
    fresh = await voice.fetch_call(created)
    assert (fresh.id, fresh.status_geral, fresh.tags) == (created, "criada", "clienteUm")
    assert abs((fresh.data_criacao or datetime.now(UTC)).timestamp() - clock.now) < 2

    clock.now += 20
    live = await voice.fetch_call(created)
    assert (live.status_geral, live.ativa) == ("curso", True)
    assert live.destino.preco is None

    clock.now += 200
    ended = await voice.fetch_call(created)
    assert ended.ended
    assert ended.ativa is False
    assert (ended.origem.tipo, ended.destino.tipo) == ("ramal", "movel")
    assert ended.destino.status == "atendida"
    assert ended.destino.disconnect_reason.code == 16
    assert (ended.destino.duracao_falada_segundos, ended.destino.duracao_falada) == (60, "00:01:00")
    assert (ended.destino.preco or 0) > 0
    assert ended.url_gravacao


async def test_a_scheduled_call_waits(voice: VoiceClient, clock: Clock) -> None:
    """`data_criacao` lets the provider place the call later."""
    later = datetime.fromtimestamp(clock.now + 600, UTC)
    call = NewCall(numero_origem=AGENT, numero_destino=NUMBER, data_criacao=later)
    created = await voice.create_call(call)
    clock.now += 300
    assert (await voice.fetch_call(created)).status_geral == "criada"
    clock.now += 320
    assert (await voice.fetch_call(created)).status_geral == "curso"


async def test_a_running_call_is_hung_up(voice: VoiceClient, clock: Clock) -> None:
    """It ends a moment after the request; a second request finds nothing to end."""
    created = await running(voice, clock)
    await voice.hang_up(created)
    clock.now += 5
    assert (await voice.fetch_call(created)).ended
    with pytest.raises(errors.NotActive):
        await voice.hang_up(created)


async def test_a_recording_is_downloaded(voice: VoiceClient, clock: Clock, tmp_path: Path) -> None:
    """The file is the MP3 that the sandbox made; a call without one says so."""
    recorded = await running(voice, clock, gravar_audio=True)
    silent = await running(voice, clock)
    clock.now += 200
    kept = await voice.call_recording(recorded, tmp_path / "a.mp3")
    data = kept.path.read_bytes()
    assert len(data) == kept.size > 100
    assert data[:3] == b"ID3" or data[0] == 0xFF
    with pytest.raises(errors.NoRecording):
        await voice.call_recording(silent, tmp_path / "b.mp3")
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp3"]  # noqa: ASYNC240 - a test may


async def test_a_truncated_recording_replaces_nothing(
    sandbox: SandboxServer, voice: VoiceClient, clock: Clock, tmp_path: Path
) -> None:
    """A download that breaks off half-way leaves the whole one that was there."""
    recorded = await running(voice, clock, gravar_audio=True)
    clock.now += 200
    path = tmp_path / "a.mp3"
    await voice.call_recording(recorded, path)
    whole = path.read_bytes()
    sandbox.faults(truncated_recording=1.0, operations=["chamada.gravacao"])
    with pytest.raises(errors.ConnectionLost):
        await voice.call_recording(recorded, path)
    assert path.read_bytes() == whole


async def test_the_report_is_paged_and_filtered(voice: VoiceClient, clock: Clock) -> None:
    """All of 430 calls come once over three pages; a filter by number leaves its own."""
    made = [
        await voice.create_call(
            NewCall(numero_origem=AGENT, numero_destino=NUMBER if n % 2 else OTHER, tags=f"k{n}")
        )
        for n in range(430)
    ]
    since, until = today(clock)
    found = [call async for call in voice.iter_call_report(since, until)]
    assert sorted(call.id for call in found) == sorted(made)
    assert {call.tags for call in found} == {f"k{n}" for n in range(430)}
    filtered = [call async for call in voice.iter_call_report(since, until, destino=OTHER)]
    assert len(filtered) == 215
    assert len(await voice.call_report(since, until, posicao=400, limite=50)) == 30
    assert await voice.call_report(until, until + timedelta(hours=1)) == []


@pytest.mark.parametrize("modo", [1, 2, 3])
async def test_a_call_is_listened_to(voice: VoiceClient, clock: Clock, modo: Any) -> None:
    """The three modes are taken while the call runs, and not afterwards."""
    created = await running(voice, clock)
    await voice.listen_in(created, "4001", modo)
    clock.now += 200
    with pytest.raises(errors.NotActive):
        await voice.listen_in(created, "4001", modo)


@pytest.mark.parametrize("perna", ["origem", "destino"])
async def test_a_leg_is_transferred(voice: VoiceClient, clock: Clock, perna: Any) -> None:
    """Either leg can be moved while the call runs, and not afterwards."""
    created = await running(voice, clock)
    await voice.transfer(created, OTHER, perna)
    clock.now += 400
    with pytest.raises(errors.NotActive):
        await voice.transfer(created, OTHER, perna)


async def test_a_call_is_rated(voice: VoiceClient, clock: Clock) -> None:
    """With and without a comment; the last rating stands."""
    created = await running(voice, clock)
    await voice.rate_call(created, 5, "muito boa")
    await voice.rate_call(created, 1)


@pytest.mark.parametrize("flat", [False, True], ids=["declared", "flat"])
async def test_a_conference_is_opened_filled_read_and_closed(clock: Clock, flat: bool) -> None:  # noqa: FBT001 - a case
    """Every operation on conferences, in either shape of the answer."""
    async with (
        SandboxServer(clock=clock, flat_conference=flat) as sandbox,
        VoiceClient(sandbox.url, sandbox.token) as voice,
    ):
        sandbox.script({NUMBER: [{"outcome": "answer", "ring": 5, "talk": 60}]})
        room = await voice.create_conference()
        added = await voice.add_to_conference(room, NUMBER, bina="4832830151", gravar_audio=True)
        assert added is not None
        clock.now += 20
        seen = await voice.fetch_conference(room)
        assert seen.id == room
        assert [call.numero for call in seen.chamadas] == [NUMBER]
        assert seen.chamadas[0].conferencia_id == room
        assert seen.chamadas[0].status == "atendida"
        await voice.end_conference(room)
        with pytest.raises((errors.NotActive, errors.NotFound)):
            await voice.add_to_conference(room, NUMBER)
        clock.now += 200
        since, until = today(clock)
        assert [r.id async for r in voice.iter_conference_report(since, until)] == [room]
        calls = [c async for c in voice.iter_conference_calls_report(since, until)]
        assert [(c.id, c.conferencia_id, c.numero) for c in calls] == [(added, room, NUMBER)]


@pytest.mark.parametrize("tipo", ["floating", "embedded", "hidden"])
@pytest.mark.parametrize("signed", [True, False])
async def test_a_webphone_address_is_given(clock: Clock, tipo: TipoWebphone, signed: bool) -> None:  # noqa: FBT001 - a case
    """Each type, by the ramal's number or id, signed or not."""
    async with (
        SandboxServer(clock=clock, webphone_signed=signed) as sandbox,
        VoiceClient(sandbox.url, sandbox.token) as voice,
    ):
        address = await voice.webphone_url(
            ramal="4000", ligar_para=NUMBER, fechar_fim=True, tipo=tipo
        )
        assert (address.expires is not None) is signed
        assert address.origin == sandbox.webphone_url


REFUSALS: list[
    tuple[str, Callable[[VoiceClient], Awaitable[object]], type[errors.Refused], Any]
] = [
    ("no call", lambda c: c.fetch_call(5), errors.NotFound, (404, 60)),
    ("no call to end", lambda c: c.hang_up(5), errors.NotFound, (404, 60)),
    ("no call to listen to", lambda c: c.listen_in(5, "4001", 1), errors.NotFound, (404, 60)),
    ("no call to move", lambda c: c.transfer(5, "4001", "origem"), errors.NotFound, (404, 60)),
    ("no call to rate", lambda c: c.rate_call(5, 5), errors.NotFound, (404, 60)),
    (
        "no call recorded",
        lambda c: c.call_recording(5, Path("never-written.mp3")),
        errors.NotFound,
        (404, 60),
    ),
    (
        "bad origem",
        lambda c: c.create_call(NewCall(numero_origem="12", numero_destino=AGENT)),
        errors.ParameterRefused,
        (405, 11),
    ),
    (
        "bad destino",
        lambda c: c.create_call(NewCall(numero_origem=AGENT, numero_destino="12")),
        errors.ParameterRefused,
        (405, 11),
    ),
    ("bad listener", lambda c: c.listen_in(5, "12", 1), errors.ParameterRefused, (405, 11)),
    (
        "bad mode",
        lambda c: c.listen_in(5, "4001", 4),  # type: ignore[arg-type] # wrong on purpose
        errors.ParameterRefused,
        (405, 11),
    ),
    ("bad target", lambda c: c.transfer(5, "12", "origem"), errors.ParameterRefused, (405, 11)),
    (
        "bad leg",
        lambda c: c.transfer(5, "4001", "meio"),  # type: ignore[arg-type] # wrong on purpose
        errors.ParameterRefused,
        (405, 11),
    ),
    ("no room", lambda c: c.fetch_conference(5), errors.NotFound, (404, 60)),
    ("no room to close", lambda c: c.end_conference(5), errors.NotFound, (404, 60)),
    ("no room to fill", lambda c: c.add_to_conference(5, "4001"), errors.NotFound, (404, 60)),
    ("no ramal", lambda c: c.webphone_url(ramal="9999"), errors.NotFound, (404, 60)),
    (
        "bad ligar_para",
        lambda c: c.webphone_url(ramal="4000", ligar_para="12"),
        errors.ParameterRefused,
        (405, 11),
    ),
]


@pytest.mark.parametrize(
    ("ask", "kind", "codes"), [c[1:] for c in REFUSALS], ids=[c[0] for c in REFUSALS]
)
async def test_a_refusal_is_a_typed_error(
    voice: VoiceClient,
    ask: Callable[[VoiceClient], Awaitable[object]],
    kind: type[errors.Refused],
    codes: tuple[int, int],
) -> None:
    """HTTP code, motivo, the API's own message and the operation's name."""
    with pytest.raises(kind) as caught:
        await ask(voice)
    error = caught.value
    assert (error.status, error.motivo) == codes
    assert error.mensagem
    assert str(error).startswith(f"{error.operation}: {error.mensagem}")


async def test_a_rating_out_of_range_is_refused(voice: VoiceClient, clock: Clock) -> None:
    """The API judges it."""
    created = await running(voice, clock)
    with pytest.raises(errors.ParameterRefused):
        await voice.rate_call(created, 6)


CALL = NewCall(numero_origem=AGENT, numero_destino=NUMBER)


async def test_a_bad_token_is_refused(sandbox: SandboxServer) -> None:
    """403 with motivo 40: there is no 401 in this API."""
    async with VoiceClient(sandbox.url, "wrong") as voice:
        with pytest.raises(errors.AuthenticationRefused) as caught:
            await voice.create_call(CALL)
    assert (caught.value.status, caught.value.motivo) == (403, 40)
    assert sandbox.ledger() == []


async def test_a_disabled_account_is_refused(clock: Clock) -> None:
    """403 with motivo 8."""
    async with (
        SandboxServer(clock=clock, account_disabled=True) as sandbox,
        VoiceClient(sandbox.url, sandbox.token) as voice,
    ):
        with pytest.raises(errors.PermissionRefused):
            await voice.create_call(CALL)


async def test_an_account_without_balance_is_refused(
    sandbox: SandboxServer, voice: VoiceClient
) -> None:
    """402 with motivo 9."""
    sandbox.limits(balance=0.0)
    with pytest.raises(errors.BalanceRefused) as caught:
        await voice.create_call(CALL)
    assert (caught.value.status, caught.value.motivo) == (402, 9)


async def test_another_path_is_refused(sandbox: SandboxServer) -> None:
    """404 with motivo 90: the address is not the API's."""
    async with VoiceClient(f"{sandbox.url}/v2", sandbox.token) as voice:
        with pytest.raises(errors.PathNotFound):
            await voice.create_call(CALL)


FAULTS: list[tuple[str, type[errors.VoiceError], int]] = [
    ("rate_limited", errors.RateLimited, 0),
    ("error_before", errors.ServerError, 0),
    ("error_after", errors.ServerError, 1),
    ("reset_before", errors.ConnectionLost, 0),
    ("reset_after", errors.ConnectionLost, 1),
    ("lost_answer", errors.ConnectionLost, 1),
]


@pytest.mark.parametrize(("fault", "kind", "accepted"), FAULTS)
async def test_a_fault_is_what_it_is(
    sandbox: SandboxServer,
    voice: VoiceClient,
    fault: str,
    kind: type[errors.VoiceError],
    accepted: int,
) -> None:
    """Only 429 is certain; after the others the call may be there, and was sent once."""
    sandbox.faults(**{fault: 1.0})
    with pytest.raises(kind):
        await voice.create_call(CALL)
    assert len(sandbox.ledger()) == accepted
    assert issubclass(kind, errors.Unsure) or kind is errors.RateLimited


async def test_old_accounts_get_area_code_and_number(sandbox: SandboxServer) -> None:
    """The ledger shows the number as it was sent."""
    async with VoiceClient(sandbox.url, sandbox.token, number_format="ddd") as voice:
        await voice.create_call(CALL)
    assert sandbox.ledger()[0]["numero_destino"] == NUMBER.removeprefix("+55")


async def test_concurrent_calls_are_all_accepted_once(
    sandbox: SandboxServer, voice: VoiceClient
) -> None:
    """Five hundred at once: each key once in the provider's ledger."""
    calls = [CALL.model_copy(update={"tags": f"k{n}"}) for n in range(500)]
    made = await asyncio.gather(*(voice.create_call(call) for call in calls))
    assert len(set(made)) == 500
    assert sorted(entry["tags"] for entry in sandbox.ledger()) == sorted(
        c.tags or "" for c in calls
    )
    found: list[Chamada] = [await voice.fetch_call(made[0])]
    assert found[0].tags == "k0"

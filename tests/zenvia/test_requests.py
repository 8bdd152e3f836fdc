"""What each operation writes, byte by byte, and what stays out of errors and logs."""

from __future__ import annotations

import asyncio
import json
import logging
import traceback
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.zenvia.raw_server import RawServer, envelope, http
from zenvia import errors
from zenvia.client import VoiceClient
from zenvia.models import NewCall
from zenvia.transport import HttpTransport, Timeouts

NUMBER = "+5548999990001"
SINCE = datetime(2026, 1, 31, 12, 0, 0, 5, tzinfo=timezone(timedelta(hours=-3)))
UNTIL = datetime(2026, 1, 31, 13, 0, 0, 5, tzinfo=timezone(timedelta(hours=-3)))

Ask = Callable[[VoiceClient], Awaitable[Any]]


async def _all(rows: Any) -> list[Any]:
    return [row async for row in rows]


async def sent(ask: Ask, dados: Any = None, *, ddd: bool = False) -> tuple[str, str, Any, Any]:
    """Return verb, path, query and JSON body of the one request that `ask` makes."""
    async with RawServer(http(200, envelope(dados))) as server:
        number_format = "ddd" if ddd else "e164"
        async with VoiceClient(server.url, "t0ken", number_format=number_format) as voice:  # type: ignore[arg-type] # one of the two
            await ask(voice)
        assert len(server.received) == 1
        head, _, body = server.received[0].partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        verb, target, _ = lines[0].split(" ")
        headers = dict(line.lower().split(": ", 1) for line in lines[1:])
        assert headers["access-token"] == "t0ken"
        assert "authorization" not in headers
        assert ("application/json" in headers.get("content-type", "")) == bool(body)
        parts = urlsplit(target)
        return verb, parts.path, parse_qs(parts.query), json.loads(body) if body else None


CASES: list[tuple[Ask, Any, tuple[str, str, Any, Any]]] = [
    (lambda c: c.fetch_call(5), {"id": 5}, ("GET", "/chamada/5", {}, None)),
    (lambda c: c.hang_up(5), None, ("DELETE", "/chamada/5", {}, None)),
    (
        lambda c: c.listen_in(5, NUMBER, 2),
        None,
        ("POST", "/chamada/5/escuta", {}, {"numero": NUMBER, "modo": 2}),
    ),
    (
        lambda c: c.transfer(5, "4001", "destino"),
        None,
        ("POST", "/chamada/5/transfer", {}, {"numero": "4001", "perna": "destino"}),
    ),
    (
        lambda c: c.rate_call(5, 4, "muito boa"),
        None,
        ("POST", "/chamada/5/avaliar", {}, {"nota": "4", "comentario": "muito boa"}),
    ),
    (lambda c: c.rate_call(5, 1), None, ("POST", "/chamada/5/avaliar", {}, {"nota": "1"})),
    (lambda c: c.create_conference(), {"id": 9}, ("POST", "/conferencia", {}, {})),
    (
        lambda c: c.add_to_conference(9, NUMBER, bina="4832830151", gravar_audio=True),
        None,
        (
            "POST",
            "/conferencia/9",
            {},
            {"numero": NUMBER, "bina": "+554832830151", "gravar_audio": True},
        ),
    ),
    (lambda c: c.fetch_conference(9), {"id": 9}, ("GET", "/conferencia/9", {}, None)),
    (lambda c: c.end_conference(9), None, ("DELETE", "/conferencia/9", {}, None)),
    (
        lambda c: c.webphone_url(ramal="4000", ligar_para=NUMBER, fechar_fim=True, tipo="hidden"),
        {"url": "https://example.org/w3/"},
        (
            "GET",
            "/webphone",
            {"ramal": ["4000"], "ligar_para": [NUMBER], "fechar_fim": ["true"], "tipo": ["hidden"]},
            None,
        ),
    ),
    (
        lambda c: c.webphone_url(id_ramal=77),
        {"url": "https://example.org/w3/"},
        ("GET", "/webphone", {"id_ramal": ["77"]}, None),
    ),
    (
        lambda c: c.call_report(SINCE, UNTIL, origem="4000", destino=NUMBER, posicao=200),
        {"relatorio": []},
        (
            "GET",
            "/chamada/relatorio",
            {
                "data_inicio": ["2026-01-31T15:00:00Z"],
                "data_fim": ["2026-01-31T16:00:01Z"],
                "posicao": ["200"],
                "limite": ["200"],
                "origem": ["4000"],
                "destino": [NUMBER],
            },
            None,
        ),
    ),
]


@pytest.mark.parametrize(("ask", "dados", "expected"), CASES)
async def test_an_operation_writes_what_the_rulings_say(
    ask: Ask, dados: Any, expected: tuple[str, str, Any, Any]
) -> None:
    """Verb, path, query and body, with `+` in a query kept a plus."""
    assert await sent(ask, dados) == expected


@pytest.mark.parametrize(
    ("path", "ask"),
    [
        ("/conferencia/relatorio", lambda c: _all(c.iter_conference_report(SINCE, UNTIL))),
        (
            "/conferencia/chamadas/relatorio",
            lambda c: _all(c.iter_conference_calls_report(SINCE, UNTIL)),
        ),
    ],
)
async def test_conference_reports_share_the_query_of_calls(path: str, ask: Ask) -> None:
    """Both undocumented and documented reports take a period and a page."""
    verb, sent_path, query, _ = await sent(ask, {"relatorio": []})
    assert (verb, sent_path) == ("GET", path)
    assert set(query) == {"data_inicio", "data_fim", "posicao", "limite"}


async def test_a_new_call_carries_what_was_given_and_nothing_else() -> None:
    """Fields that were not given are absent; booleans are booleans; the schedule ends in Z."""
    bare = NewCall(numero_origem=NUMBER, numero_destino="4000")
    whole = NewCall(
        numero_origem=NUMBER,
        numero_destino="4000",
        data_criacao=SINCE,
        gravar_audio=True,
        bina_origem="4832830151",
        bina_destino="(48) 3283-0152",
        tags="clienteUm é",
        detecta_caixa_origem=False,
    )
    assert (await sent(lambda c: c.create_call(bare), {"id": 1}))[3] == {
        "numero_origem": NUMBER,
        "numero_destino": "4000",
    }
    assert (await sent(lambda c: c.create_call(whole), {"id": 1}, ddd=True))[3] == {
        "numero_origem": "48999990001",
        "numero_destino": "4000",
        "data_criacao": "2026-01-31T15:00:00Z",
        "gravar_audio": True,
        "bina_origem": "4832830151",
        "bina_destino": "4832830152",
        "tags": "clienteUm é",
        "detecta_caixa_origem": False,
    }


async def test_a_time_without_a_zone_is_refused() -> None:
    """Nobody guesses which noon was meant."""
    async with VoiceClient("http://127.0.0.1:9", "t0ken") as voice:
        with pytest.raises(ValueError, match="zone"):
            await voice.call_report(datetime(2026, 1, 1), UNTIL)  # noqa: DTZ001 - on purpose


async def test_text_that_cannot_be_sent_was_not_sent() -> None:
    """Half a character, as a command line may bring it, is an error before anything leaves."""
    async with RawServer() as server, VoiceClient(server.url, "t0ken") as voice:
        with pytest.raises(errors.RequestNotPossible):
            await voice.listen_in(5, "\udc80", 1)
        with pytest.raises(errors.RequestNotPossible):
            await voice.call_report(SINCE, UNTIL, destino="\udc80")
        assert server.received == []


async def test_a_request_is_written_byte_by_byte_like_this() -> None:
    """Head and body of a POST, the prefix of the address, and what needs quoting in a query."""
    async with RawServer() as server, VoiceClient(server.url + "/v1/", "t0ken") as voice:
        await voice.create_call(NewCall(numero_origem="4000", numero_destino="4001"))
        await voice.hang_up(5)
        exchange = voice._transport.exchange
        await exchange("op", "GET", "/webphone", query={"a": "+1 é&=\r\nX: y", "b": "~*"})
        host = server.url.removeprefix("http://")
        common = (
            f"Host: {host}\r\nAccess-Token: t0ken\r\nAccept: application/json\r\n"
            "Accept-Encoding: gzip, deflate\r\nUser-Agent: discador\r\n"
        )
        post, delete, get = (request.decode() for request in server.received)
        assert post == (
            f"POST /v1/chamada HTTP/1.1\r\n{common}Content-Type: application/json\r\n"
            'Content-Length: 48\r\n\r\n{"numero_origem":"4000","numero_destino":"4001"}'
        )
        assert delete == f"DELETE /v1/chamada/5 HTTP/1.1\r\n{common}\r\n"
        target = "/v1/webphone?a=%2B1+%C3%A9%26%3D%0D%0AX%3A+y&b=~%2A"
        assert get == f"GET {target} HTTP/1.1\r\n{common}\r\n"


@given(query=st.dictionaries(st.text(max_size=9), st.text(max_size=9), max_size=3))
def test_a_query_is_written_as_httpx_writes_it(query: dict[str, str]) -> None:
    """Whatever text is asked for, the target is the one that a library would send."""
    transport = HttpTransport("http://h:81/v1", "t", timeouts=Timeouts(), connections=1)
    written = transport._request("GET", "/webphone", query, None).split(b" ")[1]
    assert written == httpx.URL("http://h:81/v1/webphone").copy_merge_params(query).raw_path


@pytest.mark.parametrize(
    ("verb", "path"),
    [
        ("POST", "/a\r\nX: y"),
        ("POST", "/a\nX: y"),
        ("POST", "/a\0"),
        ("POST", "/\udc80"),
        ("GET\r\nX: y", "/a"),
        ("HEAD", "/a"),
        ("", "/a"),
    ],
)
async def test_no_header_can_be_smuggled_in(verb: str, path: str) -> None:
    """A line break in verb or path is an error before anything leaves."""
    async with RawServer() as server, VoiceClient(server.url, "t0ken") as voice:
        with pytest.raises(errors.RequestNotPossible):
            await voice._transport.exchange("op", verb, path, body=b"{}")
        assert (server.received, server.connections) == ([], 0)


@pytest.mark.parametrize(
    ("url", "host", "connects_to"),
    [
        ("http://h", b"h", ("h", 80)),
        ("https://h/v1", b"h", ("h", 443)),
        ("http://h:8080/", b"h:8080", ("h", 8080)),
        ("http://[::1]:8080", b"[::1]:8080", ("::1", 8080)),
        ("http://ção.example", b"xn--o-xfal.example", ("xn--o-xfal.example", 80)),
    ],
)
def test_the_host_is_named_with_its_port(
    url: str, host: bytes, connects_to: tuple[str, int]
) -> None:
    """As the address has it; IPv6 in brackets, other scripts as the DNS knows them."""
    transport = HttpTransport(url, "t", timeouts=Timeouts(), connections=1)
    request = transport._request("GET", "/a", None, None)
    assert request.split(b"\r\n")[1] == b"Host: " + host
    assert (transport._host, transport._port) == connects_to


def rows(first: int, count: int) -> bytes:
    """Write a page of a report."""
    return http(200, envelope({"relatorio": [{"id": first + n} for n in range(count)]}))


@pytest.mark.parametrize(
    ("pages", "total", "requests"),
    [
        ([rows(0, 0)], 0, 1),
        ([rows(0, 7)], 7, 1),
        ([rows(0, 200), rows(200, 3)], 203, 2),
        ([rows(0, 200), rows(200, 0)], 200, 2),
        ([rows(0, 100), rows(100, 100), rows(200, 5)], 205, 3),
        ([rows(0, 200), rows(150, 60)], 210, 2),
    ],
    ids=["empty", "short", "two pages", "exact", "server ignores limite", "rows moved"],
)
async def test_a_report_is_read_to_its_end(pages: list[bytes], total: int, requests: int) -> None:
    """Page after page until a short one; each call once."""
    async with RawServer(*pages) as server, VoiceClient(server.url, "t0ken") as voice:
        found = [call.id async for call in voice.iter_call_report(SINCE, UNTIL)]
        assert sorted(found) == list(range(total))
        assert len(server.received) == requests


async def test_a_report_that_does_not_move_on_is_an_error() -> None:
    """An API that ignores `posicao` must not be taken for one with no more calls."""
    async with RawServer(rows(0, 200)) as server, VoiceClient(server.url, "t0ken") as voice:
        with pytest.raises(errors.Undecodable):
            await _all(voice.iter_call_report(SINCE, UNTIL))


async def test_a_report_with_an_unreadable_row_is_an_error() -> None:
    """A row that names no call may be the one that is looked for."""
    page = http(200, envelope({"relatorio": [{"id": 1}, {"id": None}]}))
    async with RawServer(page) as server, VoiceClient(server.url, "t0ken") as voice:
        with pytest.raises(errors.Undecodable):
            await voice.call_report(SINCE, UNTIL)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"rubbish\r\n\r\n",
        b"HTTP/1.1 999999 X\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\n\r\n",
    ],
    ids=[
        "nothing",
        "rubbish",
        "code",
        "cut",
        "length",
        "chunk",
        "cut chunk",
        "gzip",
        "long",
        "204",
    ],
)
async def test_broken_http_is_unsure(answer: bytes) -> None:
    """Whatever a server writes after taking the request, it may have acted on it."""

    async def reply(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()
        writer.close()

    async with RawServer(reply) as server, VoiceClient(server.url, "t0ken") as voice:
        with pytest.raises(errors.Unsure):
            await voice.create_call(NewCall(numero_origem="4000", numero_destino="4001"))
        assert len(server.received) == 1


async def test_an_answer_has_a_limit() -> None:
    """Sixteen megabytes of an answer are enough."""

    async def endless(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n")
        for _unused in range(200):
            writer.write(b" " * 2**17)
            await writer.drain()

    async with RawServer(endless) as server, VoiceClient(server.url, "t0ken") as voice:
        with pytest.raises(errors.Undecodable):
            await voice.fetch_call(1)


SECRET = "s3cretT0ken0123456789"


async def test_no_error_or_log_shows_the_token_or_a_number(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Every kind of failure is printed with its whole chain, and all that was logged is read."""
    said = f"{NUMBER} inválido, token {SECRET}"
    refused = http(405, envelope(sucesso=False, status=405, motivo=11, mensagem=said))
    script = [
        refused,
        http(500, envelope(sucesso=False, motivo=50, mensagem=said)),
        http(200, b'{"' + NUMBER.encode() + SECRET.encode()),
        None,
        http(200, envelope({"relatorio": []})),
    ]
    shown: list[str] = []
    with caplog.at_level(logging.DEBUG):
        async with RawServer(*script) as server, VoiceClient(server.url, SECRET) as voice:
            shown.append(f"{voice!r} {voice._transport!r}")
            for _ in range(4):
                with pytest.raises(errors.VoiceError) as caught:
                    await voice.call_report(SINCE, UNTIL, destino=NUMBER)
                shown.append("".join(traceback.format_exception(caught.value)))
                assert caught.value.__cause__ is None
                assert caught.value.__context__ is None
            await voice.call_report(SINCE, UNTIL, destino=NUMBER)
    shown += [record.getMessage() for record in caplog.records]
    text = "\n".join(shown)
    assert "HTTP Request" not in text
    for private in (SECRET, NUMBER, NUMBER[1:], "999990001"):
        assert private not in text


@pytest.mark.parametrize(
    ("url", "token"),
    [
        ("voice-api.zenvia.com", "t"),
        ("ftp://example.org", "t"),
        ("https://user:pw@example.org", "t"),
        ("https://example.org/?token=x", "t"),
        ("https://example.org", ""),
        ("https://example.org", "two words"),
        ("https://example.org", "line\nbreak"),
        ("https://example.org", "tøken"),
    ],
)
def test_an_impossible_setting_is_refused_at_once(url: str, token: str) -> None:
    """A bad address or token is an error at the start, and the error does not repeat it."""
    with pytest.raises(ValueError, match=r"address|token") as caught:
        VoiceClient(url, token)
    assert "pw" not in str(caught.value)
    assert "words" not in str(caught.value)


async def test_times_are_sent_in_utc() -> None:
    """The period is the same instant, whatever zone it was given in."""
    query = (await sent(lambda c: c.call_report(SINCE.astimezone(UTC), UNTIL), {"relatorio": []}))[
        2
    ]
    assert query["data_inicio"] == ["2026-01-31T15:00:00Z"]

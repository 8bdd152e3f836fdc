"""Connections are kept, shared, waited for and closed; none is lost, and none is used when dead."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from unittest import mock

import pytest

from tests.zenvia.raw_server import RawServer, envelope, http
from zenvia import errors, pool
from zenvia.client import Timeouts, VoiceClient
from zenvia.models import NewCall
from zenvia.pool import Pool
from zenvia.wire import Connection

CALL = NewCall(numero_origem="4000", numero_destino="4001", tags="k1")
PEM = Path(__file__).with_name("localhost.pem")
"""A certificate and its key for this test alone; nobody else trusts it."""


def client(server: RawServer, *, connections: int = 10, **seconds: float) -> VoiceClient:
    """Open a client on the server with limits in seconds."""
    return VoiceClient(server.url, "t0ken", timeouts=Timeouts(**seconds), connections=connections)


def created(number: int, *headers: str) -> bytes:
    """Write the answer to a new call."""
    return http(200, envelope({"id": number}), *headers)


class Held:
    """An answer that is held back until `release` is set."""

    def __init__(self) -> None:
        self.release = asyncio.Event()

    async def __call__(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer as soon as it is allowed."""
        await self.release.wait()
        writer.write(created(7))
        await writer.drain()


@contextmanager
def listening() -> Iterator[tuple[socket.socket, str]]:
    """Give a socket that takes connections only when told, and its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(5)
        yield listener, f"http://127.0.0.1:{listener.getsockname()[1]}"


async def answered(voice: VoiceClient, peer: socket.socket) -> None:
    """Create a call and answer it by hand."""
    task = asyncio.create_task(voice.create_call(CALL))
    await taken(peer)
    peer.sendall(created(7))
    assert await task == 7


async def taken(peer: socket.socket) -> bytes:
    """Read what one side of a socket was sent, leaving the loop its turns."""
    peer.setblocking(False)
    async with asyncio.timeout(5):
        while True:
            with contextlib.suppress(BlockingIOError):
                return peer.recv(65536)
            await asyncio.sleep(0.001)


async def test_the_connection_that_was_used_last_is_used_next() -> None:
    """One after another, requests share a connection however many are open."""
    async with RawServer() as server, client(server) as voice:
        await asyncio.gather(*(voice.create_call(CALL) for _ in range(5)))
        opened = server.connections
        assert opened == 5
        for _ in range(5):
            await voice.create_call(CALL)
        assert server.connections == opened


@pytest.mark.parametrize(
    ("answer", "kept"),
    [
        (created(7), True),
        (created(7, "Connection: keep-alive"), True),
        (created(7, "Connection: close"), False),
        (created(7).replace(b"HTTP/1.1", b"HTTP/1.0"), False),
        (created(7, "Connection: keep-alive").replace(b"HTTP/1.1", b"HTTP/1.0"), True),
        (created(7) + created(8), False),
        (created(7) + b"HTTP", False),
        (created(7) + b"\0", False),
    ],
    ids=["1.1", "keep-alive", "close", "1.0", "1.0 kept", "two answers", "half of one", "rubbish"],
)
async def test_a_connection_is_kept_only_after_an_answer_and_nothing_else(
    answer: bytes,
    kept: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """What follows an answer is the answer to nothing: never to the next request."""
    async with RawServer(answer, created(9)) as server, client(server) as voice:
        assert await voice.create_call(CALL) == 7
        assert await voice.create_call(CALL) == 9
        assert (server.connections, len(server.received)) == (1 if kept else 2, 2)


async def test_an_answer_that_nobody_asked_for_closes_the_connection() -> None:
    """Bytes on an idle connection are not taken for the answer to the next request."""
    with listening() as (listener, url), mock.patch.object(pool, "_KEEPALIVE", 60.0):
        async with VoiceClient(url, "t0ken") as voice:
            task = asyncio.create_task(voice.create_call(CALL))
            await asyncio.sleep(0)
            peer = await asyncio.to_thread(lambda: listener.accept()[0])
            with peer:
                await taken(peer)
                peer.sendall(created(7))
                assert await task == 7
                peer.sendall(created(666))
                assert await taken(peer) == b""
            task = asyncio.create_task(voice.create_call(CALL))
            second = await asyncio.to_thread(lambda: listener.accept()[0])
            with second:
                await taken(second)
                second.sendall(created(8))
                assert await task == 8


async def test_an_end_that_the_loop_has_not_read_yet_is_noticed() -> None:
    """The server hangs up while this process stands still: the next request goes elsewhere."""
    with listening() as (listener, url):
        async with VoiceClient(url, "t0ken") as voice:
            task = asyncio.create_task(voice.create_call(CALL))
            peer = await asyncio.to_thread(lambda: listener.accept()[0])
            await taken(peer)
            peer.sendall(created(7))
            assert await task == 7
            peer.close()  # and the event loop gets no turn before the next request
            task = asyncio.create_task(voice.create_call(CALL))
            peer = await asyncio.to_thread(lambda: listener.accept()[0])
            with peer:
                await taken(peer)
                peer.sendall(created(8))
                assert await task == 8


@asynccontextmanager
async def asked() -> AsyncIterator[tuple[asyncio.Task[int], socket.socket, Connection]]:
    """Give a request that waits for its answer, the server's end of it, and ours."""
    with listening() as (listener, url):
        async with VoiceClient(url, "t0ken") as voice:
            task = asyncio.create_task(voice.create_call(CALL))
            peer = await asyncio.to_thread(lambda: listener.accept()[0])
            with peer:
                await taken(peer)
                assert voice._transport._pool is not None
                (connection,) = voice._transport._pool._all
                yield task, peer, connection


@pytest.mark.parametrize("late", ["_heard_at", "_deadline"])
async def test_an_answer_that_came_during_a_standstill_is_read(late: str) -> None:
    """A process that stood still for longer than it waits looks before it gives an answer up."""
    async with asked() as (task, peer, connection):
        peer.sendall(created(7))
        setattr(connection, late, 0.0)
        connection._late()  # the timer is looked at before the socket
        assert await task == 7


async def test_a_second_standstill_in_one_answer_is_looked_into_like_the_first() -> None:
    """What came meanwhile is read each time: a long download may be stopped and go on often."""
    async with asked() as (task, peer, connection):
        answer = created(7)
        for part in (answer[:10], answer[10:20], answer[20:]):
            connection._heard_at = 0.0
            peer.sendall(part)
            connection._stop_watching()
            connection._late()  # the timer is looked at before the socket
            while connection._heard_at == 0.0 and not task.done():  # noqa: ASYNC110
                await asyncio.sleep(0)
            connection._stop_watching()
            connection._late()  # in time again
        assert await task == 7


async def test_each_request_of_a_connection_has_its_own_time() -> None:
    """What is left of a patient one's time is not given to the next, nor a short one's end."""
    held = Held()

    async def silence(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async with (
        RawServer(created(1), held, silence) as server,
        client(server, read=60, total=60) as voice,
    ):
        assert await voice.create_call(CALL) == 1
        assert voice._transport._pool is not None
        (connection,) = voice._transport._pool._all
        connection._stop_watching()
        now = asyncio.get_running_loop().time()
        connection._watch(now + 0.05)  # as if that had been all the time of the first
        task = asyncio.create_task(voice.create_call(CALL))

        def waits_on() -> bool:
            return connection._timer is not None and connection._timer.when() > now + 30

        while not waits_on() and not task.done():  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        held.release.set()
        assert await task == 7
        async with asyncio.timeout(10):
            with pytest.raises(errors.TotalTimeout):
                await voice._transport.exchange("x", "GET", "/x", total=0.05)
        assert server.connections == 1


async def test_an_idle_connection_is_closed_in_time() -> None:
    """Before the server closes it by itself."""
    with mock.patch.object(pool, "_KEEPALIVE", 0.03):
        async with RawServer() as server, client(server) as voice:
            await asyncio.gather(*(voice.create_call(CALL) for _ in range(3)))
            await server.until(lambda s: s.closed == s.connections)
            assert await voice.create_call(CALL) == 7


async def test_who_waits_for_a_connection_waits_in_order() -> None:
    """With one connection, requests leave in the order in which they were asked for."""
    async with RawServer() as server, client(server, connections=1) as voice:
        calls = [CALL.model_copy(update={"tags": f"k{n}"}) for n in range(10)]
        await asyncio.gather(*(voice.create_call(call) for call in calls))
        tags = [json.loads(request.split(b"\r\n\r\n")[1])["tags"] for request in server.received]
        assert tags == [f"k{n}" for n in range(10)]
        assert server.connections == 1


@pytest.mark.parametrize("steps", range(6))
async def test_a_connection_is_not_lost_with_the_one_who_waited_for_it(steps: int) -> None:
    """Cancelled in the line, in the very step in which it is served, or after it."""
    held = Held()
    async with RawServer(held, created(8)) as server, client(server, connections=1) as voice:
        first = asyncio.create_task(voice.create_call(CALL))
        await server.until(lambda s: len(s.received) == 1)
        second = asyncio.create_task(voice.create_call(CALL))
        third = asyncio.create_task(voice.create_call(CALL))
        await asyncio.sleep(0)
        first.add_done_callback(lambda _: steps == 0 and second.cancel())
        held.release.set()
        assert await first == 7
        for _ in range(steps):
            await asyncio.sleep(0)
        second.cancel()
        assert await third == 8
        with contextlib.suppress(asyncio.CancelledError):
            await second
        assert await voice.create_call(CALL) == 8


@pytest.mark.parametrize("what", ["request", "connection"])
async def test_what_ends_in_the_step_that_hands_a_connection_over(what: str) -> None:
    """The one that was to have it is cancelled, or the connection dies: the next one is served."""
    held, free, on = Held(), Pool.free, False

    def free_and_end(self: Pool, connection: Connection) -> None:
        nonlocal on
        free(self, connection)
        if on:
            on = False
            if what == "request":
                second.cancel()
            else:
                connection.abort()

    async with RawServer(held, created(8)) as server:
        with mock.patch.object(Pool, "free", free_and_end):
            async with client(server, connections=1) as voice:
                first = asyncio.create_task(voice.create_call(CALL))
                await server.until(lambda s: len(s.received) == 1)
                second = asyncio.create_task(voice.create_call(CALL))
                third = asyncio.create_task(voice.create_call(CALL))
                await asyncio.sleep(0)
                on = True
                held.release.set()
                assert (await first, await third) == (7, 8)
                if what == "connection":
                    assert await second == 8
        assert len(server.received) == (2 if what == "request" else 3)


async def test_a_connection_for_a_request_that_was_given_up_serves_the_next() -> None:
    """The request is gone, what was being made for it is not."""
    connect, go_on = Pool._connected, asyncio.Event()

    async def slow(self: Pool) -> Connection:
        await go_on.wait()
        return await connect(self)

    async with RawServer() as server, client(server, connections=1, connect=9.0) as voice:
        with mock.patch.object(Pool, "_connected", slow):
            first = asyncio.create_task(voice.create_call(CALL))
            await asyncio.sleep(0)
            second = asyncio.create_task(voice.create_call(CALL))
            await asyncio.sleep(0)
            first.cancel()
            with pytest.raises(asyncio.CancelledError):
                await first
            go_on.set()
            assert await second == 7
        assert (server.connections, len(server.received)) == (1, 1)


async def test_whose_connection_cannot_be_made_is_told_and_the_rest_goes_on() -> None:
    """Each failure is told to one; those for whom there was no room until then get their turn."""
    connect, failing = Pool._connected, 3

    async def unlucky(self: Pool) -> Connection:
        nonlocal failing
        failing -= 1
        if failing >= 0:
            raise ConnectionRefusedError
        return await connect(self)

    async with RawServer() as server, client(server, connections=2) as voice:
        with mock.patch.object(Pool, "_connected", unlucky):
            results = await asyncio.gather(
                *(voice.create_call(CALL) for _ in range(8)), return_exceptions=True
            )
        assert [type(result) for result in results] == [errors.ConnectError] * 3 + [int] * 5
        assert len(server.received) == 5


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (OSError(), errors.ConnectError),
        (ssl.SSLError(), errors.ConnectError),
        (socket.gaierror(), errors.ConnectError),
        (ConnectionResetError(), errors.ConnectError),
        (TimeoutError(), errors.ConnectTimeout),
        (UnicodeError(), errors.RequestNotPossible),
        (ValueError(), errors.RequestNotPossible),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
async def test_a_connection_that_is_not_made_has_sent_nothing(
    raised: Exception, told: type[errors.NotSent]
) -> None:
    """Whatever goes wrong before there is a connection has its class."""

    async def fails(_: Pool) -> Connection:
        raise raised

    async with RawServer() as server, client(server) as voice:
        with mock.patch.object(Pool, "_connected", fails), pytest.raises(told) as caught:
            await voice.create_call(CALL)
        assert type(caught.value) is told


async def test_a_silent_network_is_a_connect_timeout() -> None:
    """Nobody takes the connection: within the time allowed, and not sent."""

    async def never(_: Pool, __: str) -> Connection:
        await asyncio.Event().wait()
        raise AssertionError

    async with RawServer() as server, client(server, connect=0.05) as voice:
        with mock.patch.object(Pool, "_reached", never), pytest.raises(errors.ConnectTimeout):
            await voice.create_call(CALL)


async def test_a_host_is_tried_at_each_of_its_addresses() -> None:
    """The first address does not answer in its share of the time; the second one does."""
    reached, tried = Pool._reached, []

    async def looked_up(_: Pool) -> list[str]:
        return ["192.0.2.1", "127.0.0.1"]

    async def dead_first(self: Pool, address: str) -> Connection:
        tried.append(address)
        if address == "192.0.2.1":
            await asyncio.Event().wait()
        return await reached(self, address)

    async with RawServer() as server, client(server, connect=0.5) as voice:
        with (
            mock.patch.object(Pool, "_looked_up", looked_up),
            mock.patch.object(Pool, "_reached", dead_first),
        ):
            assert await voice.create_call(CALL) == 7
        assert tried == ["192.0.2.1", "127.0.0.1"]


async def test_closing_ends_everything_and_says_what_is_certain() -> None:
    """In flight is unsure, in the line is not sent; every connection and task is gone."""
    held = Held()
    before = asyncio.all_tasks()
    async with RawServer(held) as server:
        async with client(server, connections=2) as voice:
            flying = [asyncio.create_task(voice.create_call(CALL)) for _ in range(2)]
            await server.until(lambda s: len(s.received) == 2)
            waiting = asyncio.create_task(voice.create_call(CALL))
            await asyncio.sleep(0)
        results = await asyncio.gather(*flying, waiting, return_exceptions=True)
        assert [type(result) for result in results] == [
            errors.ConnectionLost,
            errors.ConnectionLost,
            errors.ConnectError,
        ]
        with pytest.raises(errors.RequestNotPossible):
            await voice.create_call(CALL)
        held.release.set()
        await server.until(lambda s: s.closed == 2)
        assert len(server.received) == 2
    await asyncio.sleep(0)
    assert asyncio.all_tasks() <= before | {asyncio.current_task()}


async def test_closing_while_a_connection_is_made_leaves_none() -> None:
    """The request is told that nothing was sent, and what was being made is given up."""

    async def never(_: Pool) -> Connection:
        await asyncio.Event().wait()
        raise AssertionError

    async with RawServer() as server:
        with mock.patch.object(Pool, "_connected", never):
            async with client(server) as voice:
                task = asyncio.create_task(voice.create_call(CALL))
                await asyncio.sleep(0)
            with pytest.raises(errors.ConnectError):
                await task
        assert server.connections == 0


BIG = b"x" * 2**25
"""More than the sockets of both sides take by themselves."""


async def test_a_server_that_does_not_read_is_a_write_timeout() -> None:
    """Part of the request has left: unsure, and the rest of it never follows."""
    with listening() as (listener, url):
        async with VoiceClient(url, "t0ken", timeouts=Timeouts(write=0.05)) as voice:
            exchange = voice._transport.exchange("op", "POST", "/chamada", body=BIG)
            with pytest.raises(errors.WriteTimeout):
                await exchange
            assert 0 < await asyncio.to_thread(_read_all, listener) < len(BIG)


async def test_a_request_cancelled_half_way_is_not_finished() -> None:
    """What the socket had not taken when the caller gave up is dropped."""
    with listening() as (listener, url):
        async with VoiceClient(url, "t0ken") as voice:
            task = asyncio.create_task(
                voice._transport.exchange("op", "POST", "/chamada", body=BIG)
            )
            peer = await asyncio.to_thread(lambda: listener.accept()[0])
            with peer:
                peer.settimeout(5)
                assert await asyncio.to_thread(peer.recv, 1000, socket.MSG_PEEK)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                assert await asyncio.to_thread(_drain, peer) < len(BIG)


def _read_all(listener: socket.socket) -> int:
    peer, _ = listener.accept()
    with peer:
        peer.settimeout(5)
        return _drain(peer)


def _drain(peer: socket.socket) -> int:
    count = 0
    with contextlib.suppress(ConnectionResetError):
        while data := peer.recv(2**20):
            count += len(data)
    return count


class TlsServer:
    """Answers over TLS as `localhost`, and notes what it was greeted with."""

    def __init__(self) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(PEM)
        self.context.set_alpn_protocols(["h2", "http/1.1"])
        self.context.sni_callback = lambda _, name, __: self.names.append(name)
        self.names: list[str | None] = []
        self.protocols: list[str | None] = []
        self.requests: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer each request until the other side hangs up."""
        self.protocols.append(writer.get_extra_info("ssl_object").selected_alpn_protocol())
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                body = await reader.readexactly(int(head.rsplit(b": ", 1)[1]))
                self.requests.append(head + body)
                writer.write(created(7))
                await writer.drain()
        writer.close()


@pytest.mark.parametrize("trusted", [True, False])
async def test_tls_is_spoken_with_who_can_prove_its_name(
    monkeypatch: pytest.MonkeyPatch,
    trusted: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """The name is asked for and verified, HTTP/1.1 is agreed on, and a stranger gets nothing."""
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(PEM))
    tls = TlsServer()
    server = await asyncio.start_server(tls.serve, "127.0.0.1", 0, ssl=tls.context)
    url = f"https://localhost:{server.sockets[0].getsockname()[1]}"
    async with server, VoiceClient(url, "t0ken") as voice:
        if trusted:
            assert [await voice.create_call(CALL) for _ in range(2)] == [7, 7]
            assert (tls.names, tls.protocols) == (["localhost"], ["http/1.1"])
            assert len(tls.requests) == 2
        else:
            with pytest.raises(errors.ConnectError):
                await voice.create_call(CALL)
            assert tls.requests == []


async def test_a_server_without_tls_gets_nothing() -> None:
    """What does not answer as TLS does is not spoken to in the clear."""
    async with RawServer(b"HTTP/1.1 400 Bad Request\r\n\r\n") as server:
        url = server.url.replace("http:", "https:")
        timeouts = Timeouts(connect=0.2)
        async with VoiceClient(url, "t0ken", timeouts=timeouts) as voice:
            with pytest.raises(errors.NotSent):
                await voice.create_call(CALL)
    assert not any(b"POST" in request for request in server.received)

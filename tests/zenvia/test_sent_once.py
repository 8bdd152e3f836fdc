"""A request leaves at most once and never late: judged by the bytes that a server receives."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Iterator
from typing import Any
from unittest import mock

import pytest

from tests.zenvia.raw_server import RawServer, envelope, http
from zenvia import errors
from zenvia.answers import Answer
from zenvia.client import Timeouts, VoiceClient
from zenvia.models import NewCall
from zenvia.pool import Pool
from zenvia.wire import Connection

CALL = NewCall(numero_origem="+5548999990001", numero_destino="4000", tags="k1")


class Clock:
    """A clock that only moves when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


def client(server: RawServer, *, connections: int = 10, **seconds: float) -> VoiceClient:
    """Open a client on the server with limits in seconds."""
    return VoiceClient(server.url, "t0ken", timeouts=Timeouts(**seconds), connections=connections)


async def test_a_deadline_passed_while_connecting_sends_nothing() -> None:
    """A cold connection that took too long gets no byte of it, until it is closed."""
    clock = Clock()

    async with RawServer() as server, client(server) as voice:
        connect = Pool._connected

        async def slow(self: Pool) -> Connection:
            connection = await connect(self)
            clock.now += 10
            return connection

        with (
            mock.patch.object(Pool, "_connected", slow),
            pytest.raises(errors.DeadlinePassed),
        ):
            await voice.create_call(CALL, send_by=1005.0, clock=clock)
    await server.until(lambda s: s.closed == 1)
    assert server.received == []
    assert server.silent == 1


async def test_a_deadline_passed_on_a_warm_connection_sends_nothing() -> None:
    """A kept connection does not let a late request slip out, and the next one works."""
    clock = Clock()
    async with RawServer() as server, client(server) as voice:
        assert await voice.create_call(CALL, send_by=1005.0, clock=clock) == 7
        clock.now = 1005.001
        with pytest.raises(errors.DeadlinePassed):
            await voice.create_call(CALL, send_by=1005.0, clock=clock)
        assert len(server.received) == 1
        assert await voice.create_call(CALL, send_by=1006.0, clock=clock) == 7
        assert len(server.received) == 2


async def test_a_deadline_passed_while_waiting_for_the_pool_sends_nothing() -> None:
    """A request that waited for another's connection looks at the clock after the wait."""
    clock = Clock()
    release = asyncio.Event()

    async def answer_later(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await release.wait()
        writer.write(http(200, envelope({"id": 7})))

    async with RawServer(answer_later) as server, client(server, connections=1) as voice:
        first = asyncio.create_task(voice.create_call(CALL, send_by=1005.0, clock=clock))
        await server.until(lambda s: len(s.received) == 1)
        second = asyncio.create_task(voice.create_call(CALL, send_by=1005.0, clock=clock))
        await asyncio.sleep(0)
        clock.now += 10
        release.set()
        assert await first == 7
        with pytest.raises(errors.DeadlinePassed):
            await second
        assert len(server.received) == 1


async def test_a_worker_frozen_at_the_last_moment_sends_nothing() -> None:
    """The clock is read after every hop of the event loop: a freeze in any of them is noticed.

    The clock jumps between the step that takes the connection and the step that writes.
    """
    clock = Clock()
    async with RawServer() as server, client(server) as voice:
        await voice.create_call(CALL, clock=clock)

        exchange = Connection.exchange

        async def frozen(self: Connection, *args: Any) -> Answer:
            clock.now += 10
            return await exchange(self, *args)

        with (
            mock.patch.object(Connection, "exchange", frozen),
            pytest.raises(errors.DeadlinePassed),
        ):
            await voice.create_call(CALL, send_by=1005.0, clock=clock)
        assert len(server.received) == 1


async def test_the_bytes_leave_in_the_step_that_compares_the_clock() -> None:
    """Nothing that was to run next runs between the comparison and the bytes, on any loop."""
    steps: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        async with VoiceClient(url, "t0ken") as voice:
            first = asyncio.create_task(voice.create_call(CALL))
            peer = await asyncio.to_thread(lambda: listener.accept()[0])

            def answer() -> bytes:
                request = peer.recv(65536)
                peer.sendall(http(200, envelope({"id": 7})))
                return request

            def next_step() -> None:
                with contextlib.suppress(BlockingIOError):
                    request = peer.recv(65536, socket.MSG_DONTWAIT | socket.MSG_PEEK)
                    steps.append(request.decode()[-12:])

            def clock() -> float:
                steps.append("clock")
                return 1000.0

            with peer:
                await asyncio.to_thread(answer)
                assert await first == 7
                second = asyncio.create_task(voice.create_call(CALL, send_by=1005.0, clock=clock))
                asyncio.get_running_loop().call_soon(next_step)
                await asyncio.sleep(0)
                assert steps == ["clock", '"tags":"k1"}']
                await asyncio.to_thread(answer)
                assert await second == 7


def operations(voice: VoiceClient) -> Iterator[Callable[[], Awaitable[object]]]:
    """Give one POST, one GET and one DELETE."""
    yield lambda: voice.create_call(CALL)
    yield lambda: voice.fetch_call(5)
    yield lambda: voice.hang_up(5)


@pytest.mark.parametrize("which", [0, 1, 2], ids=["POST", "GET", "DELETE"])
async def test_no_layer_sends_again_on_a_connection_that_dies(which: int) -> None:
    """A kept connection closed after it took the request: unsure, and one request received.

    Other clients repeat GET and DELETE in this case by themselves; here it must not be.
    """
    chamada = http(200, envelope({"id": 7}))
    async with RawServer(chamada, None, chamada) as server, client(server) as voice:
        await voice.create_call(CALL)
        with pytest.raises(errors.ConnectionLost):
            await list(operations(voice))[which]()
        assert len(server.received) == 2


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_not_followed(status: int) -> None:
    """An answer that points elsewhere is not an answer of this API, and nothing goes there."""
    moved = http(status, b"", "Location: /elsewhere")
    async with RawServer(moved) as server, client(server) as voice:
        with pytest.raises(errors.Undecodable) as caught:
            await voice.create_call(CALL)
        assert caught.value.status == status
        assert len(server.received) == 1


async def test_an_answer_that_never_comes_is_unsure() -> None:
    """Silence after the request was written: a read timeout, not a failure to connect."""

    async def silence(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async with RawServer(silence) as server, client(server, read=0.05) as voice:
        with pytest.raises(errors.ReadTimeout):
            await voice.create_call(CALL)


async def test_the_total_limit_covers_an_answer_that_drips() -> None:
    """Each byte comes in time, the whole does not."""

    async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while True:
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.005)

    async with RawServer(drip) as server, client(server, total=0.1) as voice:
        with pytest.raises(errors.TotalTimeout):
            await voice.create_call(CALL)


async def test_a_request_given_up_in_the_queue_is_certain() -> None:
    """No connection came free in time: not sent, and not sent afterwards either."""
    release = asyncio.Event()

    async def answer_later(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await release.wait()
        writer.write(http(200, envelope({"id": 7})))

    async with (
        RawServer(answer_later) as server,
        client(server, connections=1, pool=0.03) as voice,
    ):
        first = asyncio.create_task(voice.create_call(CALL))
        await server.until(lambda s: len(s.received) == 1)
        with pytest.raises(errors.PoolTimeout):
            await voice.create_call(CALL)
        release.set()
        assert await first == 7
        assert await voice.create_call(CALL) == 7
        assert len(server.received) == 2


async def test_the_total_limit_before_writing_is_certain() -> None:
    """The whole limit ran out while connecting: not sent."""

    async def never(_: Pool) -> Connection:
        await asyncio.Event().wait()
        raise AssertionError

    async with RawServer() as server, client(server, total=0.05) as voice:
        with (
            mock.patch.object(Pool, "_connected", never),
            pytest.raises(errors.ConnectTimeout),
        ):
            await voice.create_call(CALL)
        assert server.received == []


async def test_a_refused_connection_was_not_sent() -> None:
    """Nobody listens: certain that nothing was sent."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        async with VoiceClient(f"http://127.0.0.1:{port}", "t0ken") as voice:
            with pytest.raises(errors.ConnectError):
                await voice.create_call(CALL)


async def test_a_cancelled_request_is_not_written_later() -> None:
    """Cancelled between taking a connection and writing: nothing is left that writes."""
    async with RawServer() as server, client(server) as voice:
        await voice.create_call(CALL)
        reached = asyncio.Event()
        exchange = Connection.exchange

        async def held(self: Connection, *args: Any) -> Answer:
            reached.set()
            await asyncio.Event().wait()
            return await exchange(self, *args)

        with mock.patch.object(Connection, "exchange", held):
            task = asyncio.create_task(voice.create_call(CALL))
            await reached.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert await voice.create_call(CALL) == 7
        assert len(server.received) == 2


async def test_a_hundred_posts_are_a_hundred_requests() -> None:
    """Concurrent requests on shared connections are each written once."""
    async with RawServer() as server, client(server, connections=20) as voice:
        calls = [CALL.model_copy(update={"tags": f"k{n}"}) for n in range(100)]
        await asyncio.gather(*(voice.create_call(call) for call in calls))
        tags = [request.rsplit(b'"tags":"', 1)[1].rstrip(b'"}') for request in server.received]
        assert sorted(tags) == sorted(f"k{n}".encode() for n in range(100))
        assert server.connections <= 20

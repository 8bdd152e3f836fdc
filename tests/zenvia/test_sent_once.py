"""A request leaves at most once and never late: judged by the bytes that a server receives."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator
from unittest import mock

import aiohttp
import pytest

from tests.zenvia.raw_server import RawServer, envelope, http
from zenvia import errors
from zenvia.client import Timeouts, VoiceClient
from zenvia.models import NewCall

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
    """A cold connection that took too long is closed without a byte."""
    clock = Clock()

    async with RawServer() as server, client(server) as voice:
        connect = aiohttp.TCPConnector.connect

        async def slow(self: aiohttp.TCPConnector, *args: object, **named: object) -> object:
            connection = await connect(self, *args, **named)  # type: ignore[arg-type] # passed on
            clock.now += 10
            return connection

        with (
            mock.patch.object(aiohttp.TCPConnector, "connect", slow),
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

        write = aiohttp.ClientRequest.write_bytes

        async def frozen(self: aiohttp.ClientRequest, *args: object) -> None:
            clock.now += 10
            await write(self, *args)  # type: ignore[arg-type] # passed on

        with (
            mock.patch.object(aiohttp.ClientRequest, "write_bytes", frozen),
            pytest.raises(errors.DeadlinePassed),
        ):
            await voice.create_call(CALL, send_by=1005.0, clock=clock)
        assert len(server.received) == 1


async def test_the_clock_is_compared_in_the_step_that_writes() -> None:
    """Nothing else of the event loop runs between the comparison and the bytes."""
    steps: list[str] = []
    loop = asyncio.get_running_loop()

    def clock() -> float:
        steps.append("clock")
        loop.call_soon(steps.append, "next step")
        return 1000.0

    async with RawServer() as server, client(server) as voice:
        write = aiohttp.http_writer.StreamWriter._writelines

        def writing(self: aiohttp.http_writer.StreamWriter, chunks: tuple[bytes, ...]) -> None:
            steps.append("write")
            write(self, chunks)

        with mock.patch.object(aiohttp.http_writer.StreamWriter, "_writelines", writing):
            await voice.create_call(CALL, send_by=1005.0, clock=clock)
    assert steps[:2] == ["clock", "write"]
    assert steps.count("write") == 1


def operations(voice: VoiceClient) -> Iterator[Callable[[], Awaitable[object]]]:
    """Give one POST, one GET and one DELETE."""
    yield lambda: voice.create_call(CALL)
    yield lambda: voice.fetch_call(5)
    yield lambda: voice.hang_up(5)


@pytest.mark.parametrize("which", [0, 1, 2], ids=["POST", "GET", "DELETE"])
async def test_no_layer_sends_again_on_a_connection_that_dies(which: int) -> None:
    """A kept connection closed after it took the request: unsure, and one request received.

    aiohttp repeats GET and DELETE in this case by itself; here it must not.
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
        client(server, connections=1, pool=0.03, connect=0.03) as voice,
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

    async def never(*_: object, **__: object) -> None:
        await asyncio.Event().wait()

    async with RawServer() as server, client(server, total=0.05) as voice:
        with (
            mock.patch.object(aiohttp.TCPConnector, "connect", never),
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
    """Cancelled between taking a connection and writing: the body's own task writes nothing."""
    async with RawServer() as server, client(server) as voice:
        await voice.create_call(CALL)
        reached = asyncio.Event()
        write = aiohttp.ClientRequest.write_bytes

        async def held(self: aiohttp.ClientRequest, *args: object) -> None:
            reached.set()
            await asyncio.shield(asyncio.sleep(0.02))
            await write(self, *args)  # type: ignore[arg-type] # passed on

        with mock.patch.object(aiohttp.ClientRequest, "write_bytes", held):
            task = asyncio.create_task(voice.create_call(CALL))
            await reached.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        await server.until(lambda s: s.closed == 1)
        assert len(server.received) == 1


async def test_a_hundred_posts_are_a_hundred_requests() -> None:
    """Concurrent requests on shared connections are each written once."""
    async with RawServer() as server, client(server, connections=20) as voice:
        calls = [CALL.model_copy(update={"tags": f"k{n}"}) for n in range(100)]
        await asyncio.gather(*(voice.create_call(call) for call in calls))
        tags = [request.rsplit(b'"tags":"', 1)[1].rstrip(b'"}') for request in server.received]
        assert sorted(tags) == sorted(f"k{n}".encode() for n in range(100))
        assert server.connections <= 20

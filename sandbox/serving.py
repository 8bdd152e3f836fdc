"""Runs the application: in its own thread for tests, in the main thread for the command."""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

import uvicorn
import uvloop
from starlette.applications import Starlette
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from sandbox import control, ledger
from sandbox.account import Account
from sandbox.operations import CONNECTION
from sandbox.settings import SandboxSettings

T = TypeVar("T")
TICK = 0.1  # seconds; uvicorn counts on ten a second
TICKS_A_DAY = 864_000
HOST = "127.0.0.1"
PATIENCE = 30.0  # seconds for a start, a stop or an answer of the server's own thread


class Protocol(HttpToolsProtocol):
    """Hands the connection to the application, which cuts it when a fault says so."""

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self.scope["extensions"] = {CONNECTION: self.transport}  # type: ignore[dict-item]


class Server(uvicorn.Server):
    """A uvicorn server that leaves signals alone and tells when it listens."""

    def __init__(
        self, app: Starlette, listening: Callable[[], None], lifespan: Literal["on", "off"]
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=Protocol,
                ws="none",
                lifespan=lifespan,
                log_level="error",
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=1,
                timeout_keep_alive=75,
                backlog=4096,
            )
        )
        self._listening = listening

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none: whoever started the server ends it."""
        yield

    def end(self) -> None:
        """End at once; safe from any thread once it listens."""
        self.should_exit = True
        self._loop.call_soon_threadsafe(self._ended.set)

    async def main_loop(self) -> None:
        """Tick as uvicorn does, but without its delay at the end."""
        counter = 0
        while not await self.on_tick(counter):
            counter = (counter + 1) % TICKS_A_DAY
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), TICK)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to listen, and say so."""
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        await super().startup(sockets)
        self._listening()


def bind(port: int) -> socket.socket:
    """Take a listening address on the loopback interface; port 0 takes any free one."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((HOST, port))
    return sock


class SandboxServer:
    """A sandbox on a port of its own, in a thread of its own: usable from any test.

    A context manager, plain or asynchronous. `options` are fields of `SandboxSettings`.
    """

    def __init__(
        self,
        settings: SandboxSettings | None = None,
        *,
        clock: Callable[[], float] = time.time,
        port: int = 0,
        webphone_port: int = 0,
        **options: Any,
    ) -> None:
        self.settings = replace(settings or SandboxSettings(), **options)
        self._clock = clock
        self._port = port
        self._webphone_port = webphone_port

    @property
    def token(self) -> str:
        """The access token that the sandbox takes."""
        return self.settings.token

    def ledger(self, after_id: int = 0) -> list[dict[str, Any]]:
        """Every accepted call as the provider saw it, in order of acceptance."""
        return self.inside(lambda account: list(ledger.entries(account, after_id)))

    def stats(self) -> dict[str, Any]:
        """Counters as of now."""
        return self.inside(lambda account: account.stats())

    def faults(self, **faults: Any) -> None:
        """Replace all faults; none named: all off."""
        self.inside(lambda account: control.set_faults(account, faults))

    def limits(self, **limits: Any) -> None:
        """Replace all limits; none named: unlimited."""
        self.inside(lambda account: control.set_limits(account, limits))

    def script(self, scripts: dict[str, list[Any]]) -> None:
        """Say what calls to some numbers will do."""
        self.inside(lambda account: control.set_script(account, scripts))

    def inside(self, work: Callable[[Account], T]) -> T:
        """Run `work` in the server's own thread, between two requests."""
        future: Future[T] = Future()

        def run() -> None:
            try:
                future.set_result(work(self._account))
            except BaseException as error:  # noqa: BLE001 - handed to whoever asked
                future.set_exception(error)

        self._loop.call_soon_threadsafe(run)
        return future.result(PATIENCE)

    def start(self) -> None:
        """Start, and return when both origins listen: the API, and the webphone's pages."""
        from sandbox.server import create_app  # noqa: PLC0415 - server names this class too

        app = create_app(self.settings, clock=self._clock)
        self._account: Account = app.state.account
        sockets = [bind(self._port)]
        try:
            sockets.append(bind(self._webphone_port))
        except OSError:
            sockets[0].close()
            raise
        self.url, self.webphone_url = (f"http://{HOST}:{sock.getsockname()[1]}" for sock in sockets)
        self._account.public_url, self._account.webphone_url = self.url, self.webphone_url
        ready = threading.Semaphore(0)
        self._servers = [
            Server(app, ready.release, lifespan="on"),
            Server(app.state.webphone, ready.release, lifespan="off"),
        ]
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(
            target=self._run, args=(sockets,), name="sandbox", daemon=True
        )
        self._thread.start()
        if not all(ready.acquire(timeout=PATIENCE) for _ in self._servers):
            raise RuntimeError("the sandbox did not start to listen")

    def stop(self) -> None:
        """Stop, and return when the thread has ended. Twice is the same as once."""
        if not self._thread.is_alive():
            return
        for server in self._servers:
            server.end()
        self._thread.join(PATIENCE)

    def _run(self, sockets: list[socket.socket]) -> None:
        async def serve() -> None:
            pairs = zip(self._servers, sockets, strict=True)
            await asyncio.gather(*(server.serve([sock]) for server, sock in pairs))

        try:
            self._loop.run_until_complete(serve())
        finally:
            self._loop.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self.start)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await asyncio.to_thread(self.stop)

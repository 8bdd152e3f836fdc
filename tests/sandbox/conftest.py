"""A sandbox on its own port, and a plain way to talk to it."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from sandbox.server import SandboxServer

START = 1_760_000_000.25
CONTACT = "48999990001"
WAIT = 10  # seconds for one answer


def eventually(holds: Callable[[], object], patience: float = WAIT) -> None:
    """Wait until something holds, for so many seconds at most."""
    deadline = time.monotonic() + patience
    while not holds():
        if time.monotonic() > deadline:
            raise AssertionError(f"it did not come to hold within {patience} s")
        time.sleep(0.005)


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        """Read the clock."""
        return self.now


class Api:
    """The Voice API over HTTP, with the token, as a test speaks to it."""

    def __init__(self, server: SandboxServer) -> None:
        self.server = server
        self._session = requests.Session()
        self._session.trust_env = False

    def __call__(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = None,
        headers: dict[str, str] | None = None,
        data: bytes | None = None,
    ) -> requests.Response:
        """Send one request."""
        return self._session.request(
            method,
            self.server.url + path,
            json=body,
            data=data,
            headers={"Access-Token": token or self.server.token, **(headers or {})},
            timeout=WAIT,
        )

    def create(self, **fields: Any) -> int:
        """Create a call and return its id."""
        body = {"numero_origem": CONTACT, "numero_destino": "4000", **fields}
        answer = self("POST", "/chamada", body).json()
        assert answer["sucesso"], answer
        call_id: int = answer["dados"]["id"]
        return call_id

    def fetch(self, call_id: int) -> dict[str, Any]:
        """Fetch a call."""
        dados: dict[str, Any] = self("GET", f"/chamada/{call_id}").json()["dados"]
        return dados

    def refusal(self, method: str, path: str, body: Any = None) -> tuple[int, int]:
        """Send a request that is refused; return its HTTP status and motivo."""
        answer = self(method, path, body)
        envelope = answer.json()
        assert envelope["sucesso"] is False
        assert envelope["status"] == answer.status_code
        assert envelope["dados"] is None
        return answer.status_code, envelope["motivo"]

    def script(self, *entries: Any, number: str = CONTACT) -> None:
        """Script what calls to a number do."""
        self.server.script({number: list(entries)})

    def close(self) -> None:
        """Close the connections."""
        self._session.close()


Sandboxes = Callable[..., Api]


@pytest.fixture
def clock() -> Clock:
    """Give the test a clock that it moves."""
    return Clock()


@pytest.fixture
def sandbox() -> Iterator[Sandboxes]:
    """Give the test as many sandboxes as it wants; options are those of SandboxServer."""
    running: list[Api] = []

    def start(**options: Any) -> Api:
        server = SandboxServer(**{"seed": 1, **options})
        server.start()
        running.append(Api(server))
        return running[-1]

    yield start
    for api in running:
        api.close()
        api.server.stop()


@pytest.fixture
def api(sandbox: Sandboxes, clock: Clock) -> Api:
    """Give the test a sandbox on its clock."""
    return sandbox(clock=clock)

"""The webphone's page in a real browser: every function and event, in the three types."""

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from sandbox.server import SandboxServer
from sandbox.webphone import TIPOS
from sandbox.webphone_pages import FUNCTIONS
from tests.sandbox.conftest import CONTACT, Api, eventually

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
OTHER = "48999990009"
PATIENCE = 10_000  # milliseconds
EVENTS = {
    "chegandoChamada",
    "status",
    "chamada_id",
    "status_erro",
    "stats_webphone",
    "entrou_na_fila",
    "saiu_da_fila",
    "pausou_na_fila",
    "despausou_na_fila",
}

# A page that embeds a webphone as the provider's samples do, and keeps what it is sent.
HOST = """<!doctype html><body><script>
window.events = [];
addEventListener("message", (event) => {
  window.events.push({ ...event.data, origin: event.origin, mine: event.source === target() });
});
function target() {
  const phone = window.webphone;
  return phone instanceof HTMLIFrameElement ? phone.contentWindow : phone;
}
function send(message) { target().postMessage(message, window.phoneOrigin); }
function open_embedded(url) {
  const frame = document.createElement("iframe");
  frame.allow = "microphone";
  frame.src = url;
  window.webphone = frame;
  document.body.append(frame);
}
function open_hidden(url) {
  const container = document.createElement("div");
  container.id = "widget-evoline-api-container";
  const script = document.createElement("script");
  script.src = url;
  document.body.append(container, script);
}
function open_floating(url) { window.webphone = window.open(url, "phone", "popup"); }
function intrude(url) {
  const frame = document.createElement("iframe");
  frame.src = url;
  document.body.append(frame);
}
</script></body>"""
INTRUDER = """<!doctype html><body><script>
const frames = [...Array(parent.frames.length).keys()].map((index) => parent.frames[index]);
const others = parent === window ? [window.open("", "phone")] : frames;
for (const other of others) {
  if (other && other !== window) {
    other.postMessage({ message: "chamaNumero", numero: "48999990009" }, "*");
  }
}
parent.postMessage({ done: true }, "*");
</script></body>"""


class Site:
    """A web site with both pages, on an origin of its own."""

    def __init__(self) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = (INTRUDER if self.path == "/intruder" else HOST).encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its signature
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.origin = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start Debian's Chromium once."""
    if not CHROMIUM.exists():
        pytest.fail(
            "The webphone is tested in Debian's Chromium: apt-get install chromium", pytrace=False
        )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def host() -> Iterator[Site]:
    """Serve the page that embeds webphones."""
    site = Site()
    yield site
    site.close()


@pytest.fixture(scope="module")
def foreign() -> Iterator[Site]:
    """Serve the same pages on another origin."""
    site = Site()
    yield site
    site.close()


@pytest.fixture
def quick() -> Iterator[Api]:
    """Start a sandbox in which rings are short and talks long."""
    with SandboxServer(seed=1, speed=20.0) as server:
        api = Api(server)
        api.script({"outcome": "answer", "ring": 2, "talk": 9_000})
        api.script({"outcome": "answer", "ring": 2, "talk": 9_000}, number=OTHER)
        yield api
        api.close()


@pytest.fixture
def page(browser: Browser, host: Site) -> Iterator[Page]:
    """Open the host's page."""
    page = browser.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(host.origin)
    yield page
    page.context.close()


class Phone:
    """A webphone that a page has opened, driven as that page would."""

    def __init__(self, api: Api, page: Page, tipo: str, query: str = "ramal=4000") -> None:
        self.api = api
        self.page = page
        self.url = api("GET", f"/webphone?tipo={tipo}&{query}").json()["dados"]["url"]
        parts = urlsplit(self.url)
        self.origin = f"{parts.scheme}://{parts.netloc}"
        page.evaluate("origin => { window.phoneOrigin = origin; }", self.origin)
        page.evaluate(f"url => open_{tipo}(url)", self.url)
        deadline = time.monotonic() + PATIENCE / 1_000
        while not self.up():
            assert time.monotonic() < deadline, "the webphone's page did not come up"
            page.wait_for_timeout(10)  # lets the browser's news in

    def up(self) -> bool:
        """Whether the webphone's own page is up."""
        frames = [frame for page in self.page.context.pages for frame in page.frames]
        mine = [frame for frame in frames if frame.url.startswith(f"{self.origin}/w3/?")]
        return bool(mine and mine[0].evaluate("document.readyState") == "complete")

    def send(self, message: str, **values: Any) -> None:
        """Post one message to the webphone."""
        self.page.evaluate("message => send(message)", {"message": message, **values})

    def wait(self, message: str, **values: Any) -> dict[str, Any]:
        """Wait for an event that has not been waited for, and return it."""
        wanted = {"message": message, **values}
        found = self.page.wait_for_function(
            """wanted => {
              const keys = Object.keys(wanted);
              const fits = (event) => keys.every((key) => event[key] === wanted[key]);
              const index = window.events.findIndex((event) => !event.taken && fits(event));
              if (index < 0) return null;
              window.events[index].taken = true;
              return window.events[index];
            }""",
            arg=wanted,
        )
        event: dict[str, Any] = found.json_value()
        return event

    def line(self) -> dict[str, Any]:
        """Read the state of the line from the control plane."""
        line: dict[str, Any] = self.api("GET", "/_sandbox/webphones").json()[0]
        return line

    def did(self, command: str) -> None:
        """Wait until the sandbox has carried out a message."""
        eventually(lambda: command in self.line()["commands"])


@pytest.mark.parametrize("tipo", TIPOS)
def test_every_function_and_every_event(quick: Api, page: Page, tipo: str) -> None:
    """Each documented message does its work and each documented event arrives, in every type."""
    phone = Phone(quick, page, tipo)
    if tipo == "embedded":
        phone.send("conectar")
    phone.wait("status", status="conectado")
    stats = phone.wait("stats_webphone")
    assert stats["internet"]
    assert stats["computador"]

    phone.send("chamaNumero", numero=CONTACT)
    call = phone.wait("chamada_id")["chamada_id"]
    assert quick.fetch(call)["destino"]["numero"] == CONTACT
    phone.wait("status", status="chamando")
    phone.wait("status", status="conversando")
    for message, values in (
        ("enviaDTMF", {"dtmf": "5"}),
        ("mute", {}),
        ("recStart", {}),
        ("recStop", {}),
        ("transferirConsulta", {"numeroTelefone": OTHER}),
    ):
        phone.send(message, **values)
        phone.did(message)
    assert (phone.line()["dtmf"], phone.line()["muted"]) == ("5", True)
    phone.send("hangup")
    phone.wait("status", status="encerrada")
    assert quick.server.ledger()[0]["transfers"][0]["numero"] == OTHER

    incoming = quick.create(numero_origem="4000", numero_destino=CONTACT)
    arriving = phone.wait("chegandoChamada")
    assert (arriving["numeroChegando"], arriving["numeroDestino"]) == (CONTACT, "4000")
    assert arriving["chamadaRecebidaId"] == incoming
    phone.send("answer")
    phone.wait("status", status="conversando")
    phone.send("transferir", numeroTelefone=OTHER)
    phone.wait("status", status="encerrada")
    phone.send("transferir", numeroTelefone=OTHER)
    assert phone.wait("status_erro")["status_erro"] == "não há chamada ativa"

    for message, told in (
        ("entrarNaFila", "entrou_na_fila"),
        ("pausarNaFila", "pausou_na_fila"),
        ("despausarNaFila", "despausou_na_fila"),
        ("sairDaFila", "saiu_da_fila"),
    ):
        phone.send(message, filaId=7)
        phone.wait(told)
    phone.send("desconectar")
    phone.wait("status", status="desconectado")
    if tipo != "embedded":
        phone.send("conectar")
        phone.did("conectar")

    events = page.evaluate("window.events")
    assert {event["message"] for event in events} == EVENTS
    assert {event["origin"] for event in events} == {phone.origin}
    assert all(event["mine"] for event in events)
    assert set(phone.line()["commands"]) == set(FUNCTIONS)


@pytest.mark.parametrize("tipo", ["embedded", "hidden"])
@pytest.mark.parametrize("whose", ["another origin", "the same origin"])
def test_messages_from_another_frame_are_ignored(
    quick: Api, page: Page, host: Site, foreign: Site, *, whose: str, tipo: str
) -> None:
    """No other frame can make the webphone dial, foreign or not; its own page still can."""
    phone = Phone(quick, page, tipo)
    phone.send("conectar")
    phone.wait("status", status="conectado")
    site = foreign if whose == "another origin" else host
    page.evaluate("url => intrude(url)", f"{site.origin}/intruder")
    page.wait_for_function("window.events.some((event) => event.done)")
    ours = next(frame for frame in page.frames if frame.url.startswith(f"{phone.origin}/w3/?"))
    ours.wait_for_function("Number(document.body.dataset.ignored) === 1")
    phone.send("chamaNumero", numero=CONTACT)
    phone.wait("status", status="conversando")
    assert [entry["numero_destino"] for entry in quick.server.ledger()] == [CONTACT]


def test_a_floating_webphone_ignores_a_site_that_took_its_openers_place(
    quick: Api, page: Page, foreign: Site
) -> None:
    """When the opener's window goes to another site, that site cannot use the popup."""
    phone = Phone(quick, page, "floating")
    phone.wait("status", status="conectado")
    popup = next(other for other in page.context.pages if other is not page)
    page.goto(f"{foreign.origin}/intruder")
    popup.wait_for_function("Number(document.body.dataset.ignored) === 1")
    assert quick.server.ledger() == []


def test_a_message_aimed_at_another_origin_never_arrives(quick: Api, page: Page) -> None:
    """A page that names the API's origin as its target speaks to nobody."""
    phone = Phone(quick, page, "embedded")
    page.evaluate("origin => { window.phoneOrigin = origin; }", quick.server.url)
    phone.send("conectar")
    page.evaluate("origin => { window.phoneOrigin = origin; }", phone.origin)
    phone.send("chamaNumero", numero=CONTACT)
    assert phone.wait("status_erro")["status_erro"] == "webphone desconectado"
    assert phone.line()["commands"] == ["chamaNumero"]


def test_a_floating_webphone_dials_on_opening_and_closes_at_the_end(quick: Api, page: Page) -> None:
    """With `ligar_para` and `fechar_fim` the popup calls at once and goes away when it is over."""
    phone = Phone(quick, page, "floating", f"ligar_para={CONTACT}&fechar_fim=true")
    phone.wait("status", status="conversando")
    popup = next(other for other in page.context.pages if other is not page)
    with popup.expect_event("close", timeout=PATIENCE):
        phone.send("hangup")
    assert [entry["numero_destino"] for entry in quick.server.ledger()] == [CONTACT]


def test_the_buttons_of_the_page_work(quick: Api, page: Page) -> None:
    """A person can dial and hang up on the page itself."""
    page.goto(quick("GET", "/webphone?ramal=4001").json()["dados"]["url"])
    page.wait_for_function("document.getElementById('status').textContent === 'conectado'")
    page.fill("#numero", CONTACT)
    page.click("text=Ligar")
    page.wait_for_function("document.getElementById('status').textContent === 'conversando'")
    page.click("text=Desligar")
    page.wait_for_function("document.getElementById('status').textContent === 'encerrada'")


def test_a_recording_is_audio_that_a_browser_decodes(quick: Api, page: Page) -> None:
    """The MP3 of a recorded call decodes to as many seconds as it says."""
    quick.script({"outcome": "answer", "ring": 1, "talk": 4}, number=OTHER)
    call = quick.create(numero_origem=OTHER, gravar_audio=True)
    eventually(lambda: quick.fetch(call)["url_gravacao"])
    seconds = page.evaluate(
        """async (url) => {
          const bytes = await (await fetch(url)).arrayBuffer();
          const audio = await new OfflineAudioContext(1, 1, 32000).decodeAudioData(bytes);
          return audio.duration;
        }""",
        quick.fetch(call)["url_gravacao"],
    )
    assert 4 <= seconds <= 5.2

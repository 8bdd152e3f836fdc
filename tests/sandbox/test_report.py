"""The report of calls: periods, filters and pages."""

from typing import Any
from urllib.parse import quote

from sandbox.moments import iso
from tests.sandbox.conftest import CONTACT, START, Api, Clock, Sandboxes

ALL = "data_inicio=2000-01-01&data_fim=2100-01-01"


def rows(api: Api, query: str = ALL) -> list[dict[str, Any]]:
    """Read one page."""
    answer = api("GET", f"/chamada/relatorio?{query}").json()
    found: list[dict[str, Any]] = answer["dados"]["relatorio"]
    return found


def test_pages_follow_each_other_by_id(api: Api) -> None:
    """Pages of any size give every call once, by ascending id, and at most 200 at a time."""
    made = [api.create() for _ in range(205)]
    assert [row["id"] for row in rows(api)] == made[:100]
    assert [row["id"] for row in rows(api, f"{ALL}&limite=1000")] == made[:200]
    paged = [
        row["id"]
        for skip in range(0, 210, 7)
        for row in rows(api, f"{ALL}&posicao={skip}&limite=7")
    ]
    assert paged == made
    assert rows(api, f"{ALL}&posicao=205") == []


def test_a_period_includes_both_its_ends_in_whole_seconds(api: Api, clock: Clock) -> None:
    """A call made at 10:00:00.25 is inside a period that begins or ends at 10:00:00."""
    before = api.create()
    clock.now += 1
    call = api.create()
    clock.now += 1
    after = api.create()
    second = quote(iso(START + 1))
    assert [row["id"] for row in rows(api, f"data_inicio={second}&data_fim={second}")] == [call]
    until = f"data_inicio=2000-01-01&data_fim={second}"
    assert [row["id"] for row in rows(api, until)] == [before, call]
    since = f"data_inicio={second}&data_fim=2100-01-01"
    assert [row["id"] for row in rows(api, since)] == [call, after]


def test_filters_compare_digits(api: Api) -> None:
    """A number matches in whatever form it was sent and is asked for; a raw plus is a space."""
    mine = api.create()
    other = api.create(numero_origem="+5548999990002", numero_destino="4001")
    assert [row["id"] for row in rows(api, f"{ALL}&origem=+55{CONTACT}")] == [mine]
    assert [row["id"] for row in rows(api, f"{ALL}&origem=48999990002&destino=4001")] == [other]
    assert rows(api, f"{ALL}&origem={CONTACT}&destino=4001") == []


def test_a_lag_hides_young_calls_from_the_report_alone(api: Api, clock: Clock) -> None:
    """With a report lag a call appears late in the report, though GET finds it at once."""
    api.server.faults(report_lag=30)
    call = api.create()
    assert rows(api) == []
    assert api.fetch(call)["id"] == call
    clock.now += 29
    young = api.create()
    assert rows(api) == []
    clock.now += 1
    assert [row["id"] for row in rows(api)] == [call]
    clock.now += 29
    assert [row["id"] for row in rows(api)] == [call, young]


def test_totals_are_shown_only_on_request(sandbox: Sandboxes) -> None:
    """`total`, `posicao` and `limite` stand beside the rows when the settings say so."""
    api = sandbox(report_totals=True)
    for _ in range(3):
        api.create()
    dados = api("GET", f"/chamada/relatorio?{ALL}&posicao=1&limite=1").json()["dados"]
    assert {name: dados[name] for name in ("total", "posicao", "limite")} == {
        "total": 3,
        "posicao": 1,
        "limite": 1,
    }

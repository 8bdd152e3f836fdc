"""`docs/api.md` says what the code has, and the code has every cell."""

from __future__ import annotations

from dataclasses import replace

import pytest

from console import api_table
from zenvia.client import VoiceClient
from zenvia.operations import OPERATIONS

OPERATIONS_OF_THE_API = {
    "chamada": {
        "criar",
        "desligar",
        "buscar",
        "gravacao",
        "relatorio",
        "escuta",
        "transferir",
        "avaliar",
    },
    "conferencia": {"criar", "adicionar", "buscar", "encerrar", "relatorio", "chamadas"},
    "webphone": {"url"},
}


def test_the_document_is_what_the_code_says() -> None:
    """A change of an operation, a name or a ruling shows in the file, or this fails."""
    assert api_table.FILE.read_text(encoding="utf-8") == api_table.render(), (
        "run `python -m console.api_table`"
    )


def test_every_operation_of_the_api_is_there() -> None:
    """The resources' operations as the API's document has them, in order and in every place."""
    names = {f"{group} {name}" for group, all_ in OPERATIONS_OF_THE_API.items() for name in all_}
    assert {row.operation for row in api_table.rows()} == names
    assert all(all(row) for row in api_table.rows())


def test_every_method_of_the_client_is_in_the_table() -> None:
    """A method that reads one page, or less of each row, stands behind the one that reads all."""
    public = {name.removeprefix("iter_") for name in vars_of(VoiceClient)} - {"call_states"}
    assert public == {operation.method.removeprefix("iter_") for operation in OPERATIONS}


def vars_of(owner: type[object]) -> set[str]:
    """Return the public methods of a class."""
    return {
        name for name in dir(owner) if not name.startswith("_") and callable(getattr(owner, name))
    }


@pytest.mark.parametrize(
    ("change", "cell"),
    [
        ({"method": "no_such"}, "client method"),
        ({"method": "conference_calls"}, "client method"),
        ({"name": "chamada nada"}, "command"),
        ({"verb": "PATCH"}, "route"),
        ({"path": "/nada"}, "route"),
        ({"ruling": ""}, "ruling"),
    ],
)
def test_a_missing_cell_is_an_error(
    monkeypatch: pytest.MonkeyPatch, change: dict[str, str], cell: str
) -> None:
    """An operation that lacks one of its places does not pass for complete."""
    monkeypatch.setattr(api_table, "OPERATIONS", (replace(OPERATIONS[0], **change),))
    with pytest.raises(api_table.MissingCellError, match=cell):
        api_table.rows()


def test_a_missing_activity_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """The activity is looked up among Temporal's own definitions."""
    monkeypatch.setattr(api_table, "_activities", dict[str, object]().items)
    with pytest.raises(api_table.MissingCellError, match="activity create_call"):
        api_table.rows()

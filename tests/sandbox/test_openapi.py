"""The sandbox against its own OpenAPI document, with requests that schemathesis makes up."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
import yaml
from hypothesis import HealthCheck, settings
from schemathesis.core.result import Ok
from schemathesis.pytest.lazy import get_all_tests
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

import sandbox
from sandbox.account import Account
from sandbox.api import endpoints
from sandbox.server import SandboxServer
from sandbox.settings import SandboxSettings
from sandbox.webhooks import Webhooks
from sandbox.webphone import Webphones
from tests.sandbox.conftest import CONTACT, WAIT, Api

DOCUMENT = yaml.safe_load(
    (Path(sandbox.__file__).with_name("openapi.yaml")).read_text(encoding="utf-8")
)


@schemathesis.check
def no_internal_error(context: Any, response: Any, case: Any) -> None:
    """Let 501 pass, which the API documents for what it does not do; no other server error."""
    assert response.status_code < 500 or response.status_code == 501


CHECKS = [
    no_internal_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
OPERATIONS = [
    f"{method.upper()} {path}"
    for path, item in DOCUMENT["paths"].items()
    for method in item
    if method != "parameters"
]
HOW_MANY = settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def peopled() -> Iterator[Api]:
    """Start one sandbox in compressed time, with calls in every state and a room."""
    with SandboxServer(seed=11, speed=600.0) as server:
        api = Api(server)
        api.script("never_ran", number="48999990002")
        for number in (CONTACT, "48999990002", "4832830151"):
            api.create(numero_origem=number, gravar_audio=True)
        api("POST", "/conferencia")
        yield api
        api.close()


def _is_answered_as_the_document_says(case: schemathesis.Case[Any], peopled: Api) -> None:
    parameters = case.path_parameters or {}
    if isinstance(parameters.get("id"), int) and parameters["id"] % 2 == 0:
        parameters["id"] = peopled.server.settings.first_id + parameters["id"] % 7
    case.call_and_validate(
        base_url=peopled.server.url,
        headers={"Access-Token": peopled.server.token},
        checks=CHECKS,
        timeout=WAIT,
    )


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_answer_is_as_the_document_says(operation: str, peopled: Api) -> None:
    """Whatever is sent, the status, the content type and the shape of the answer are documented.

    `schema.parametrize()` would make up the requests of all operations wherever tests are
    collected, which is in every process of a session and takes each of them seconds.
    """
    [made] = get_all_tests(
        schema=schemathesis.openapi.from_dict(DOCUMENT).include(name=operation),
        test_func=_is_answered_as_the_document_says,
        settings=HOW_MANY,
        given_kwargs=None,
    )
    assert isinstance(made, Ok), made.err()
    _, send_all = made.ok()
    send_all(peopled=peopled)


def test_the_document_is_published_with_this_address(api: Api) -> None:
    """The document can be fetched, names the server that it came from, and lists every path."""
    published = requests.get(f"{api.server.url}/_sandbox/openapi.json", timeout=WAIT).json()
    assert published["servers"] == [{"url": api.server.url}]
    assert published["paths"].keys() == DOCUMENT["paths"].keys()


def test_the_document_and_the_routes_name_the_same_operations() -> None:
    """No operation is served and not documented, or documented and not served."""
    account = Account(SandboxSettings(), lambda: 0.0)
    unused = Webhooks(account, sender=None)  # type: ignore[arg-type]  # nothing is posted here
    served = {
        (endpoint.name, endpoint.method, endpoint.path.replace(":digits", ""))
        for endpoint in endpoints(account, unused, Webphones(account))
        if endpoint.name not in {"not_built", "webhook.sem_nome", "webhook_default.sem_nome"}
    }
    documented = {
        (operation["operationId"], method.upper(), path)
        for path, item in DOCUMENT["paths"].items()
        for method, operation in item.items()
        if method != "parameters"
    }
    assert documented == served

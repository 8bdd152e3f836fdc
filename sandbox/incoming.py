"""A request as the operations see it, with the leniency that the official clients need."""

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, parse_qsl

from sandbox.envelope import NOT_JSON, ApiError
from sandbox.numbers import Number, parse

TRUE = ("true", "1")


@dataclass(frozen=True, slots=True)
class Incoming:
    """One request. Query and body are read only where an operation asks for them."""

    path: dict[str, Any]
    query_string: bytes
    body: bytes
    content_type: str
    token: str | None
    asked_at: float = 0.0  # epoch seconds: when all of it had arrived

    def fields(self) -> dict[str, Any]:
        """Return the keys that were given: null and the empty string count as not given.

        No body at all is no keys. Raises ApiError (400) when the body is not a JSON object.
        """
        if not self.body.strip():
            return {}
        try:
            content = json.loads(self.body)
        except (ValueError, RecursionError) as error:
            # `curl -d` calls JSON a form; only what is not JSON is taken for a form.
            if self.content_type.startswith("application/x-www-form-urlencoded"):
                return dict(parse_qsl(self.body.decode("utf-8", "replace")))
            raise ApiError(NOT_JSON) from error
        if not isinstance(content, dict):
            raise ApiError(NOT_JSON)
        return {key: value for key, value in content.items() if value is not None and value != ""}

    def query(self) -> dict[str, str]:
        """Query parameters that were given; of one given twice, the last."""
        text = self.query_string.decode("ascii", "replace")
        return {key: values[-1] for key, values in parse_qs(text).items()}


def boolean(value: object) -> bool:
    """Read a flag as the clients send it: true, "true", "True", 1, "1"."""
    return value is True or (value is not False and str(value).strip().lower() in TRUE)


def whole(value: object) -> int | None:
    """Read a small whole number sent as a number or as text; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, str) and value.strip().isdecimal() and len(value) < 10:  # noqa: PLR2004
        return int(value)
    return None


def number(value: object, error: ApiError) -> Number:
    """Read a telephone number or ramal, or raise `error`."""
    parsed = parse(value)
    if parsed is None:
        raise error
    return parsed

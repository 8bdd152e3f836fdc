"""Reading one answer after another from the bytes of a connection (HTTP/1.1 and 1.0).

The parser is llhttp, in C, by way of httptools. Here its pieces become an `Answer`, within bounds,
or the reason why there is none. Headers are kept as they are read; nothing else is made of them.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TypeVar

from httptools import HttpResponseParser

from zenvia import errors
from zenvia.inflating import Layers, inflater

Sink = Callable[[Mapping[str, str]], Callable[[bytes], object] | None]
"""Shown the headers of a success, gives what takes its body, or None to have it in the answer."""

_OK: int = HTTPStatus.OK  # asked for by name, a member takes 0.6 us, and each answer asks
_SWITCHING_PROTOCOLS: int = HTTPStatus.SWITCHING_PROTOCOLS
_Given = TypeVar("_Given")
_Result = TypeVar("_Result")

_MAX_ANSWER = 16 * 2**20  # bytes; a full report page is about 0.2 MB
_MAX_HEAD = 64 * 2**10  # bytes read in a row that belong to no body
_BODILESS = frozenset(
    {HTTPStatus.SWITCHING_PROTOCOLS, HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: HTTP code, headers with lower-case names, and the whole body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Failed(Exception):  # noqa: N818 - a signal to `zenvia.transport`, never seen above
    """An exchange ended without an answer; `kind` says how, `status` what had come by then."""

    def __init__(self, kind: type[errors.VoiceError], status: int = 0) -> None:
        super().__init__()
        self.kind = kind
        self.status = status


class SinkFailed(Exception):  # noqa: N818 - carries the caller's own error past ours
    """What the caller's sink raised."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


class Reader:
    """Reads the answers of one connection; `begin` before each."""

    def __init__(self) -> None:
        self._parser = HttpResponseParser(self)
        self._parser.set_dangerous_leniencies(
            lenient_headers=True,
            lenient_optional_cr_before_lf=True,
            lenient_spaces_after_chunk_size=True,
        )
        self.begin(None)

    def begin(self, sink: Sink | None) -> None:
        """Read a new answer from the next byte on."""
        self.status = 0
        self._sink = sink
        self._take: Callable[[bytes], object] | None = None
        self._inflater: Layers | None = None
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._size = 0
        self._outside_body = 0
        self._until_eof = False
        self._complete = False
        self._keep = False
        self._failure: Exception | None = None

    def feed(self, data: bytes) -> Answer | Exception | None:
        """Read on; gives the answer when it is whole, or why there will be none."""
        self._outside_body += len(data)
        try:
            self._parser.feed_data(data)
        except Exception:  # noqa: BLE001 - not HTTP, or one of the methods below has given up
            self._keep = False
            if not self._complete:
                return self._failure or Failed(errors.ConnectionLost, self.status)
        if self._complete:
            return self._answer()
        if self._outside_body > _MAX_HEAD:
            return Failed(errors.ConnectionLost, self.status)
        return None

    def end(self) -> Answer | Exception:
        """Say what an orderly end of the connection makes of what was read."""
        if self._until_eof:
            return self._answer()
        return Failed(errors.ConnectionLost, self.status)

    @property
    def may_go_on(self) -> bool:
        """Whether another answer may follow on this connection."""
        return self._keep

    def _answer(self) -> Answer | Exception:
        if self._take is not None and self._inflater is not None and not self._inflater.whole:
            return Failed(errors.Undecodable, self.status)  # JSON shows by itself that it is cut
        return Answer(self.status, self._headers, b"".join(self._body))

    def on_message_begin(self) -> None:
        """Refuse what nobody asked for."""
        if self._complete:
            raise Failed(errors.ConnectionLost)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; what comes after a body says nothing that is needed."""
        if self.status:
            return
        key, text = name.decode("latin-1").lower(), value.strip().decode("latin-1")
        before = self._headers.get(key)
        self._headers[key] = text if before is None else f"{before}, {text}"

    def on_headers_complete(self) -> None:
        """Settle how the body is to be read; an interim answer (1xx) is passed over."""
        status = self._parser.get_status_code()
        if status // 100 == 1 and status != _SWITCHING_PROTOCOLS:
            self._headers = {}
            return
        headers = self._headers
        self.status = status
        self._until_eof = (
            status not in _BODILESS
            and "content-length" not in headers
            and not headers.get("transfer-encoding", "").lower().endswith("chunked")
        )
        self._inflater = inflater(headers.get("content-encoding"))
        if self._sink is not None and status == _OK:
            self._take = self._outside(self._sink, headers)

    def on_body(self, data: bytes) -> None:
        """Take a piece of the body."""
        self._outside_body = 0
        if self._inflater is None:
            self._took(data)
            return
        try:
            for piece in self._inflater.feed(data):
                self._took(piece)
        except zlib.error:
            self._failure = Failed(errors.Undecodable, self.status)
            raise

    def on_message_complete(self) -> None:
        """Note that the answer is whole, unless it was an interim one."""
        if self.status:
            self._complete = True
            self._keep = self.status != _SWITCHING_PROTOCOLS and self._parser.should_keep_alive()

    def _took(self, data: bytes) -> None:
        if self._take is not None:
            self._outside(self._take, data)
            return
        self._size += len(data)
        if self._size > _MAX_ANSWER:
            self._failure = Failed(errors.Undecodable, self.status)
            raise self._failure
        self._body.append(data)

    def _outside(self, function: Callable[[_Given], _Result], given: _Given) -> _Result:
        """Call the caller's function so that what it raises is not taken for ours."""
        try:
            return function(given)
        except Exception as error:
            self._failure = SinkFailed(error)
            raise

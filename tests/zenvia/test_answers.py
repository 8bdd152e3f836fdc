"""Every form that HTTP/1.1 gives an answer is read alike, however cut; the rest is refused."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Mapping

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from zenvia import errors
from zenvia.answers import Answer, Failed, Reader, SinkFailed

BODY = b'{"sucesso":true,"dados":{"id":7}}'


def read(data: bytes, *, cut: int = 0, reader: Reader | None = None) -> Answer | Exception | None:
    """Read the bytes of one connection, in pieces of `cut` bytes, and then its end."""
    reader = reader or Reader()
    reader.begin(None)
    cut = cut or len(data) or 1
    for start in range(0, len(data), cut):
        result = reader.feed(data[start : start + cut])
        if result is not None:
            return result
    return reader.end()


def sized(body: bytes, *headers: str) -> bytes:
    """Write an answer with its length."""
    lines = ["HTTP/1.1 200 OK", *headers, f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def bare_deflate(data: bytes) -> bytes:
    """Compress without zlib's wrapping, as some servers do."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunk(data: bytes) -> bytes:
    """Write a chunk."""
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


CHUNKS = chunk(BODY[:5]) + chunk(BODY[5:])
TWO_MEMBERS = gzip.compress(BODY[:9]) + gzip.compress(BODY[9:])
WHOLE = {
    "length": sized(BODY),
    "chunks": CHUNKED + CHUNKS + b"0\r\n\r\n",
    "trailers": CHUNKED + CHUNKS + b"0\r\nContent-Type: x/y\r\n\r\n",
    "extension": CHUNKED + CHUNKS.replace(b"5\r\n", b"5;x=y\r\n", 1) + b"0\r\n\r\n",
    "until the end": b"HTTP/1.1 200 OK\r\n\r\n" + BODY,
    "1.0": b"HTTP/1.0 200 OK\r\n\r\n" + BODY,
    "no reason": sized(BODY).replace(b" OK", b""),
    "100": b"HTTP/1.1 100 Continue\r\n\r\n" + sized(BODY),
    "103": b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 3 + sized(BODY),
    "gzip": sized(gzip.compress(BODY), "Content-Encoding: gzip"),
    "two members": sized(TWO_MEMBERS, "Content-Encoding: gzip"),
    "GZip": sized(gzip.compress(BODY), "content-encoding: GZip"),
    "deflate": sized(zlib.compress(BODY), "Content-Encoding: deflate"),
    "bare deflate": sized(bare_deflate(BODY), "Content-Encoding: deflate"),
    "two codings": sized(gzip.compress(zlib.compress(BODY)), "Content-Encoding: deflate, gzip"),
    "identity": sized(BODY, "Content-Encoding: identity"),
    "gzip in chunks": CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n")
    + chunk(gzip.compress(BODY))
    + b"0\r\n\r\n",
    "bare line feeds": sized(BODY).replace(b"\r\n", b"\n"),
}


@pytest.mark.parametrize("cut", [0, 1, 2, 7])
@pytest.mark.parametrize("data", WHOLE.values(), ids=list(WHOLE))
def test_an_answer_is_the_same_in_every_form(data: bytes, cut: int) -> None:
    """Length, chunks, the connection's end, interim answers and codings; cut anywhere."""
    answer = read(data, cut=cut)
    assert isinstance(answer, Answer)
    assert (answer.status, answer.body) == (200, BODY)


@pytest.mark.parametrize(
    "data", [data for name, data in WHOLE.items() if name not in {"until the end", "1.0"}]
)
def test_one_connection_gives_one_answer_after_another(data: bytes) -> None:
    """Nothing of one answer is left in the next."""
    reader = Reader()
    for number in range(3):
        more = f"HTTP/1.1 {200 + number} OK\r\nX-{number}: y\r\nContent-Length: 0\r\n\r\n".encode()
        answer = read(data, reader=reader)
        assert isinstance(answer, Answer)
        assert answer.body == BODY
        assert reader.may_go_on
        answer = read(more, reader=reader)
        assert isinstance(answer, Answer)
        assert answer.headers == {f"x-{number}": "y", "content-length": "0"}


def test_headers_have_lower_case_names_and_repeated_ones_are_joined() -> None:
    """As they are read: without blanks around them, and whatever bytes they are."""
    answer = read(sized(b"", "Retry-AFTER:  2 ", "X: a", "x: b", "Y: \xe9"))
    assert isinstance(answer, Answer)
    assert answer.headers["retry-after"] == "2"
    assert answer.headers["x"] == "a, b"
    assert set(answer.headers) == {"retry-after", "x", "y", "content-length"}


@pytest.mark.parametrize("status", [204, 304])
def test_some_answers_have_no_body(status: int) -> None:
    """204 and 304 are over with their head, and the connection is free."""
    reader = Reader()
    answer = read(f"HTTP/1.1 {status} X\r\n\r\n".encode(), reader=reader)
    assert isinstance(answer, Answer)
    assert (answer.status, answer.body, reader.may_go_on) == (status, b"", True)


@pytest.mark.parametrize("upgrade", ["", "Connection: upgrade\r\nUpgrade: h2c\r\n"])
def test_a_connection_that_is_switched_is_not_kept(upgrade: str) -> None:
    """Nobody asked for another protocol."""
    reader = Reader()
    answer = read(f"HTTP/1.1 101 X\r\n{upgrade}\r\n".encode(), reader=reader)
    assert isinstance(answer, Answer)
    assert (answer.status, reader.may_go_on) == (101, False)


def bomb(size: int) -> bytes:
    """Compress so many zeros."""
    return gzip.compress(bytes(size), mtime=0)


LOST, UNREADABLE = errors.ConnectionLost, errors.Undecodable


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", LOST),
        (b"rubbish\r\n\r\n", LOST),
        (b"\0", LOST),
        (b"HTTP/1.1 200 OK\r\nContent-Le", LOST),
        (sized(BODY)[:-1], LOST),
        (CHUNKED + CHUNKS, LOST),
        (CHUNKED + b"zz\r\n", LOST),
        (sized(BODY, "Transfer-Encoding: chunked"), LOST),
        (sized(BODY, "Content-Length: 1"), LOST),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000, LOST),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000, LOST),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 5000, LOST),
        (CHUNKED + CHUNKS + b"0\r\nX: " + b"y" * 100_000, LOST),
        (sized(BODY, "Content-Encoding: gzip"), UNREADABLE),
        (sized(b"no", "Content-Encoding: deflate"), UNREADABLE),
        (sized(zlib.compress(BODY) + b"x", "Content-Encoding: deflate"), UNREADABLE),
        (sized(bomb(2**24 + 1), "Content-Encoding: gzip"), UNREADABLE),
        (sized(gzip.compress(bomb(2**26)), "Content-Encoding: gzip, gzip"), UNREADABLE),
        (sized(bytes(2**24 + 1)), UNREADABLE),
    ],
)
@pytest.mark.parametrize("cut", [0, 2**14])
def test_what_is_no_answer_has_its_class(data: bytes, kind: type[Exception], cut: int) -> None:
    """Broken, cut, endless, or larger than anything that the API sends."""
    result = read(data, cut=cut)
    assert isinstance(result, Failed)
    assert result.kind is kind


@given(data=st.binary(max_size=300), cut=st.integers(0, 9))
@example(data=b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", cut=0)
@example(data=b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", cut=0)
def test_no_bytes_raise_anything(data: bytes, cut: int) -> None:
    """Rubbish, also after a good beginning, is an answer or a reason, never an exception."""
    for before in (b"", b"HTTP/1.1 200 OK\r\n", CHUNKED, sized(b"", "Content-Encoding: deflate")):
        assert isinstance(read(before + data, cut=cut), Answer | Failed)


def test_a_sink_takes_the_body_in_pieces_and_never_a_cut_one() -> None:
    """Undone from its coding, in pieces of bounded size; one that is cut is not taken for whole."""
    pieces: list[bytes] = []

    def sink(_: Mapping[str, str]) -> Callable[[bytes], object]:
        return pieces.append

    reader = Reader()
    whole = bomb(2**25)
    reader.begin(sink)
    answer = reader.feed(sized(whole, "Content-Encoding: gzip"))
    assert isinstance(answer, Answer)
    assert (answer.body, sum(map(len, pieces)), max(map(len, pieces))) == (b"", 2**25, 2**16)
    reader.begin(sink)
    cut = reader.feed(sized(whole[:-1], "Content-Encoding: gzip"))
    assert isinstance(cut, Failed)
    assert cut.kind is errors.Undecodable


def test_what_a_sink_raises_is_its_own() -> None:
    """It comes back as it was, and nothing more is given to it."""
    calls: list[bytes] = []

    def take(piece: bytes) -> None:
        calls.append(piece)
        raise OSError("disk full")

    reader = Reader()
    reader.begin(lambda _: take)
    result = reader.feed(CHUNKED + CHUNKS)
    assert isinstance(result, SinkFailed)
    assert str(result.error) == "disk full"
    assert len(calls) == 1

"""Bodies that were compressed on their way: gzip and deflate, in pieces of bounded size."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

PIECE = 2**16
"""No piece is longer, so a small body that grows without end never stands in memory as a whole."""

_GZIP = 16 + zlib.MAX_WBITS
_ZLIB = zlib.MAX_WBITS
_BARE = -zlib.MAX_WBITS
_HEADER = 2  # bytes that tell zlib's wrapping from bare deflate


class Inflater:
    """Undoes one layer of `gzip` or `deflate`; the latter with or without zlib's wrapping.

    `whole` is whether the compressed data came to its own end, or there was none at all.
    """

    def __init__(self, coding: str) -> None:
        self._gzip = coding == "gzip"
        self._held = b""
        self._zlib = zlib.decompressobj(_GZIP) if self._gzip else None
        self.whole = True

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Give what these bytes stand for; raises `zlib.error` for what is not compressed data."""
        if self._zlib is None:
            self._held += data
            if len(self._held) < _HEADER:
                self.whole = False
                return
            data = self._held
            wrapped = data[0] & 15 == zlib.DEFLATED and int.from_bytes(data[:2], "big") % 31 == 0
            self._zlib = zlib.decompressobj(_ZLIB if wrapped else _BARE)
        piece = b""
        while data or len(piece) == PIECE:
            if self._zlib.eof:
                if not self._gzip:
                    raise zlib.error("more after the end")
                self._zlib = zlib.decompressobj(_GZIP)
            piece = self._zlib.decompress(data, PIECE)
            self.whole = self._zlib.eof
            data = self._zlib.unused_data if self.whole else self._zlib.unconsumed_tail
            if piece:
                yield piece
            if self.whole and not data:
                return


class Layers:
    """What a `Content-Encoding` with several codings says, undone from the last to the first."""

    def __init__(self, codings: list[str]) -> None:
        self._layers = [Inflater(coding) for coding in reversed(codings)]

    @property
    def whole(self) -> bool:
        """Whether every layer came to its own end."""
        return all(layer.whole for layer in self._layers)

    def feed(self, data: bytes, layer: int = 0) -> Iterator[bytes]:
        """Give what these bytes stand for; raises `zlib.error`."""
        if layer == len(self._layers):
            yield data
            return
        for piece in self._layers[layer].feed(data):
            yield from self.feed(piece, layer + 1)


def inflater(content_encoding: str | None) -> Layers | None:
    """Make what undoes a `Content-Encoding`; None when nothing of it is ours to undo."""
    if not content_encoding:
        return None
    named = [name.strip().lower() for name in content_encoding.split(",")]
    codings = [name for name in named if name in {"gzip", "deflate"}]
    return Layers(codings) if codings else None

"""Remembers where a value was first seen, in 12 bytes for each slot instead of a dict's hundred.

A list of a million rows has two million ids and numbers to remember; as a dict of integers they
would cost more memory than all the rest of an import.
"""

from __future__ import annotations

from array import array
from typing import Final

_FIRST_BITS: Final = 10
_EXACT_DIGITS: Final = 17
_WORD: Final = (1 << 64) - 1
_SPREAD: Final = 0x9E3779B97F4A7C15


class Seen:
    """A map from whole numbers of 64 bits to the line of their first row; nothing is taken out.

    Numbers are remembered exactly, texts by 64 bits of their hash: the chance that two of a million
    different texts are taken for the same is below one in ten million.
    """

    __slots__ = ("_asked", "_bits", "_keys", "_lines", "_place", "_room")

    def __init__(self) -> None:
        self._size(_FIRST_BITS)

    def _size(self, bits: int) -> None:
        self._bits = bits
        self._keys = array("Q", bytes(8 << bits))
        self._lines = array("I", bytes(4 << bits))
        self._room = (1 << bits) * 5 // 8
        self._asked = self._place = 0  # the last key, while its slot is the one that was found

    def _slot(self, key: int) -> int:
        if key == self._asked:
            return self._place
        keys, bits = self._keys, self._bits
        slot = (key * _SPREAD & _WORD) >> (64 - bits)
        while (found := keys[slot]) and found != key:
            slot = (slot + 1) & ((1 << bits) - 1)
        self._asked, self._place = key, slot
        return slot

    def line_of(self, key: int) -> int | None:
        """Give the line that was remembered for a key (1 to 2**64 - 1), or None."""
        return self._lines[self._slot(key)] or None

    def remember(self, key: int, line: int) -> None:
        """Remember the line of a key, unless the key is known."""
        slot = self._slot(key)
        if self._keys[slot]:
            return
        self._keys[slot], self._lines[slot] = key, line
        self._room -= 1
        if not self._room:
            self._grow()

    def _grow(self) -> None:
        old, old_lines = self._keys, self._lines
        self._size(self._bits + 1)
        keys, lines, shift, mask = self._keys, self._lines, 64 - self._bits, (1 << self._bits) - 1
        for at, key in enumerate(old):
            if key:
                slot = (key * _SPREAD & _WORD) >> shift
                while keys[slot]:
                    slot = (slot + 1) & mask
                keys[slot], lines[slot] = key, old_lines[at]
                self._room -= 1


def key_of(text: str) -> int:
    """Give the key of a text: its own value for plain digits, else a hash."""
    if text.isascii() and text.isdigit() and len(text) <= _EXACT_DIGITS and text[0] != "0":
        return int(text)
    return hash(text) & _WORD | 1

"""Zone data made for tests: Brazil with a summer time that it does not have."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from io import BytesIO
from zoneinfo import ZoneInfo

from campaigns.clocks import packaged_zone

#: The zones in which summer time was kept until 2019.
SOUTHERN = frozenset({"America/Sao_Paulo", "America/Cuiaba", "America/Campo_Grande"})


def compiled(name: str, first: timedelta, changes: Sequence[tuple[datetime, timedelta]]) -> tzinfo:
    """Compile a zone as zone files are: an offset, then instants (UTC) with the next offsets."""
    offsets = [first, *(offset for _, offset in changes)]
    kinds = b"".join(
        struct.pack(">lbb", int(offset.total_seconds()), offset != first, 0) for offset in offsets
    )
    moments = [int(at.replace(tzinfo=UTC).timestamp()) for at, _ in changes]
    body = struct.pack(f">{len(moments)}q", *moments) + bytes(range(1, len(offsets)))
    counts = (0, 0, 0, len(moments), len(offsets), 4)
    empty = b"TZif2" + bytes(15) + struct.pack(">6l", 0, 0, 0, 0, 1, 4) + bytes(6) + b"ABC\0"
    whole = b"TZif2" + bytes(15) + struct.pack(">6l", *counts) + body + kinds + b"ABC\0\n\n"
    return ZoneInfo.from_file(BytesIO(empty + whole), key=name)


def with_summer_time(begins: datetime, ends: datetime) -> Callable[[str], tzinfo]:
    """Give zone data in which the South keeps summer time between two local midnights."""

    def source(name: str) -> tzinfo:
        real = packaged_zone(name)
        if name not in SOUTHERN:
            return real
        standard = begins.replace(tzinfo=real).utcoffset() or timedelta()
        summer = standard + timedelta(hours=1)
        changes = [(begins - standard, summer), (ends - summer, standard)]
        return compiled(name, standard, changes)

    return source

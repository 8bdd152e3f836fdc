"""Rewrites `bad/*.out` from what the loader says today; read the difference before committing it.

python tests/campaigns/write_golden.py
"""

import os
from pathlib import Path

from campaigns.loader import check
from campaigns.problems import render

BAD = Path(__file__).parent / "bad"


def said_of(name: str) -> str:
    """Give all that the loader says of a case. The working folder is the folder of the cases."""
    return render(check(Path(name), loopback=False).problems) + "\n"


def main() -> None:
    """Write one `.out` beside each `.yaml`."""
    os.chdir(BAD)
    for case in sorted(Path().glob("*.yaml")):
        case.with_suffix(".out").write_text(said_of(case.name), encoding="utf-8")


if __name__ == "__main__":
    main()

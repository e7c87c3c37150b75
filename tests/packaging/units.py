"""What a unit file says."""

from __future__ import annotations

import re
from pathlib import Path


def settings(unit: Path) -> dict[str, list[str]]:
    """What a unit sets, in the order it stands."""
    found: dict[str, list[str]] = {}
    for line in unit.read_text().splitlines():
        if match := re.fullmatch(r"(\w+)=(.*)", line):
            found.setdefault(match[1], []).append(match[2])
    return found

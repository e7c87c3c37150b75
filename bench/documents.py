"""Writing what was measured into the documentation, with the machine that it was measured on."""

from __future__ import annotations

import os
import platform
import sqlite3
from collections.abc import Sequence

from holdfast import __version__

_DOCS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "docs")


def write(name: str, introduction: str, lines: Sequence[str], explanation: str, beside: str) -> None:
    """Write ``docs/NAME``: what this is, the table, what its rows mean, and on what machine ``beside`` what."""
    with open(os.path.join(_DOCS, name), "w", encoding="utf-8") as file:
        file.write("\n".join([introduction, "", *lines, "", explanation, "", *_machine(beside), ""]))


def _machine(beside: str) -> list[str]:
    return [
        f"Measured with Holdfast {__version__}, {_processor()}, {os.cpu_count()} cores, Linux {platform.release()},",
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}. Beside it: {beside}.",
    ]


def _processor() -> str:
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
        names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    return names[0] if names else platform.machine()

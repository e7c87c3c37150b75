"""The database of udev, which every user may read: what was found out about a block device when it appeared."""

from __future__ import annotations

import os
from collections.abc import Iterator

DATABASE = "/run/udev/data"


def properties(device: str, database: str = DATABASE) -> dict[str, str]:
    """What is known about a block device ("major:minor"); nothing where there is no udev, or no such device."""
    try:
        with open(f"{database}/b{device}", encoding="utf-8", errors="replace") as file:
            lines = file.read().splitlines()
    except (FileNotFoundError, PermissionError):
        return {}
    return dict(line[2:].split("=", 1) for line in lines if line.startswith("E:") and "=" in line)


def block_devices(database: str = DATABASE) -> Iterator[tuple[str, dict[str, str]]]:
    """Every block device that is connected, with what is known about it."""
    try:
        names = os.listdir(database)
    except (FileNotFoundError, PermissionError):
        return
    for name in names:
        if name.startswith("b"):
            yield name[1:], properties(name[1:], database)

"""The mount points that the administrator has planned, whether anything is mounted there or not.

Only what people or their tools have written for this machine counts. Units that a distribution ships are not all in
use.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

FSTAB = "/etc/fstab"
UNITS = ("/etc/systemd/system", "/run/systemd/system", "/run/systemd/generator", "/run/systemd/generator.late")
AUTO_MASTER = "/etc/auto.master"


class Plans:
    """Where the plans are written."""

    def __init__(self, fstab: str = FSTAB, units: tuple[str, ...] = UNITS, auto_master: str = AUTO_MASTER) -> None:
        self._fstab = fstab
        self._units = units
        self._auto_master = auto_master

    def mount_points(self) -> set[str]:
        """Every planned mount point but the root, without a slash at its end."""
        found = {*self._of_fstab(), *self._of_units(), *self._of_autofs()}
        return {place.rstrip("/") for place in found if place.startswith("/")} - {""}

    def _of_fstab(self) -> Iterator[str]:
        for fields in _fields(self._fstab):
            if len(fields) > 1:
                yield _unescape(fields[1])

    def _of_units(self) -> Iterator[str]:
        for directory in self._units:
            for name in _entries(directory):
                if name.endswith((".mount", ".automount")):
                    yield from _where(f"{directory}/{name}")

    def _of_autofs(self) -> Iterator[str]:
        masters = [self._auto_master]
        masters += [f"{self._auto_master}.d/{name}" for name in _entries(f"{self._auto_master}.d")]
        for master in masters:
            for fields in _fields(master):
                if fields[0] != "/-":
                    yield fields[0]
                elif len(fields) > 1:  # a direct map: its keys are the mount points
                    yield from (entry[0] for entry in _fields(fields[1].removeprefix("file:")))


def _where(path: str) -> Iterator[str]:
    for line in _lines(path):
        key, equals, value = line.partition("=")
        if equals and key.strip() == "Where":
            yield value.strip()


def _fields(path: str) -> Iterator[list[str]]:
    return (line.split() for line in _lines(path) if line.strip() and not line.lstrip().startswith("#"))


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read().splitlines()
    except (FileNotFoundError, PermissionError, NotADirectoryError, IsADirectoryError):
        return []


def _entries(directory: str) -> list[str]:
    try:
        return sorted(os.listdir(directory))
    except (FileNotFoundError, PermissionError, NotADirectoryError):
        return []


def _unescape(field: str) -> str:
    """Undo fstab's escapes of space and tab (fstab(5))."""
    return field.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")

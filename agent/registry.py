"""What an agent remembers between runs besides the journals: its enrolment, its volumes, and where import paths lead.

One JSON file in the state directory, replaced whole at every change, so that a crash leaves the old or the new one.
"""

from __future__ import annotations

import os
import tempfile

import msgspec

from agent.exposure import Exposure, of_before
from agent.volume import Volume
from holdfast.assignments import Assignment, Binding
from holdfast.scans import WantedScan

# 2: what may be shown is written down.
FORMAT = 2


class RegistryUnusable(Exception):
    """The registry cannot be read. The text says what to do."""


class Registry(msgspec.Struct, kw_only=True):
    """``agent`` is the id that the sidecar gave.

    ``assignment`` is the last one received: with it the agent works on while the sidecar is away.
    ``plain_directories`` are those of which a person said that they are on no disk of their own. ``exposure`` is what
    the agent may show.
    """

    format: int = FORMAT
    agent: str | None = None
    volumes: dict[str, Volume] = {}
    bindings: dict[str, Binding] = {}
    unions: dict[str, list[str]] = {}
    assignment: Assignment | None = None
    plain_directories: list[str] = []
    exposure: Exposure = msgspec.field(default_factory=Exposure)


def load(path: str) -> Registry:
    """Read the registry, or begin a new one when there is none."""
    try:
        with open(path, "rb") as file:
            registry = msgspec.json.decode(file.read(), type=Registry)
    except FileNotFoundError:
        return Registry()
    except msgspec.DecodeError as error:
        raise RegistryUnusable(
            f"{path} cannot be read ({error}). Move it away and restart; volumes are recognised by their identity."
        ) from error
    if registry.format > FORMAT:
        raise RegistryUnusable(f"{path} was written by a newer Holdfast. Install that version again.")
    if registry.format < FORMAT:
        registry.format = FORMAT
        registry.exposure = of_before(list(registry.bindings.values()))
    return registry


def save(path: str, registry: Registry) -> None:
    """Replace the registry on the disk."""
    write_private(path, msgspec.json.format(msgspec.json.encode(registry), indent=1))


def write_private(path: str, content: bytes) -> None:
    """Replace a file of the agent's own, readable by its user only, whole or not at all."""
    directory = os.path.dirname(path)
    descriptor, temporary = tempfile.mkstemp(dir=directory, prefix=".new-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    parent = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(parent)
    finally:
        os.close(parent)


def wanted_scans(registry: Registry, volume: str) -> list[WantedScan]:
    """The scans of a volume that somebody asks for."""
    assignment = registry.assignment
    return [] if assignment is None else [one for one in assignment.wanted_scans if one.volume == volume]

"""Import paths that only the sidecar calls bound: they are shown as soon as the agent has found them below a root."""

from __future__ import annotations

import math
from collections.abc import Sequence

import structlog
from msgspec import structs

from agent import bindings
from agent.messages import Inspected
from agent.parts import Place
from agent.ports import Mount
from agent.probing import Prober
from agent.registry import Registry
from holdfast import paths
from holdfast.assignments import Binding

_log = structlog.get_logger("agent.binder")

# Where looking has failed, it is tried again after this long.
_RETRY_S = 30.0


class Vouching:
    """Times are of the boot clock. See :mod:`agent.exposure`."""

    def __init__(self, registry: Registry, prober: Prober) -> None:
        self._registry = registry
        self._prober = prober
        # What was looked at and may not be shown, by when it is looked at again. What lies below no root stays there
        # until something changes, and its disk may sleep.
        self._refused: dict[str, float] = {}

    def hurry(self) -> None:
        """Something has changed: look at everything again."""
        self._refused.clear()

    def ask(self, table: Sequence[Mount], roots: list[str], now: float) -> None:
        """Have a look at what is here, and is not known to lie below a root."""
        for binding in bindings.unvouched(self._registry):
            place = place_of(self._registry, table, binding)
            if place is not None and self._refused.get(binding.import_path, 0.0) <= now:
                self._refused.pop(binding.import_path, None)
                self._prober.inspect(binding.import_path, place.path, roots, now)

    def due(self) -> float:
        """When something is to be looked at again."""
        return min(self._refused.values(), default=math.inf)

    def take(self, table: Sequence[Mount], binding: Binding, found: Inspected, now: float) -> bool:
        """Take the answer; returns whether anything has changed by it."""
        place = place_of(self._registry, table, binding)
        if place is None or self._registry.exposure.vouches_for(binding):
            return False  # it went away meanwhile, or was asked for twice
        told = found.refusal
        if told is None and found.canonical != place.path:
            told = f"{place.path} leads to {found.canonical}, so it is not what the sidecar calls it."
        self._registry.bindings[binding.import_path] = structs.replace(binding, message=told)
        if told is None:
            _log.info("import_path.found_again", import_path=binding.import_path, path=place.path)
            return self._registry.exposure.add(binding.volume or "", place.directory)
        self._refused[binding.import_path] = now + _RETRY_S if found.errno else math.inf
        if told != binding.message:
            _log.warning("import_path.not_exposed", import_path=binding.import_path, detail=told)
        return told != binding.message


def place_of(registry: Registry, table: Sequence[Mount], binding: Binding) -> Place | None:
    """Where the directory that an import path is bound to is on this host now; None while it is not here."""
    volume = registry.volumes.get(binding.volume or "")
    if volume is None or volume.epoch is None or binding.directory is None:
        return None
    mount = next((one for one in table if one.mount_id == volume.table_id), None)
    if mount is None:
        return None
    path = paths.from_os(mount.mount_point)
    return Place(mount, f"{path.rstrip('/')}/{binding.directory}" if binding.directory else path, "")

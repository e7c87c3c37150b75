"""Import paths on their way to a volume: inspected in a worker, the mount below them probed, and then bound."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import structlog

from agent import bindings
from agent.config import AgentConfig
from agent.messages import Inspected
from agent.ports import Clock, Mount, Mounts
from agent.probing import Prober
from agent.registry import Registry
from holdfast.assignments import Binding

_log = structlog.get_logger("agent.importing")

# Import paths that were refused are looked at again this often, and at every change of the mount table.
_REBIND_S = 30.0


class ImportPaths:
    """Those that lead nowhere yet. ``due`` is when they are looked at again, by the boot clock."""

    def __init__(self, book: Registry, table: Mounts, prober: Prober, clock: Clock) -> None:
        self._registry = book
        self._mounts = table
        self._prober = prober
        self._clock = clock
        self._inspected: dict[str, Inspected] = {}
        self.due = 0.0

    def inspect(self, roots: list[str], now: float) -> None:
        """Have them looked at, when it is time."""
        if now < self.due:
            return
        self.due = now + _REBIND_S
        for path in bindings.unbound(self._registry):
            self._prober.inspect(path.id, path.path, roots, now)

    def take(self, found: Inspected) -> None:
        """One was looked at."""
        self._inspected[found.import_path] = found

    def bind(
        self, table: Sequence[Mount], config: AgentConfig, new_volume: Callable[[], str], now: float
    ) -> Iterator[tuple[Binding, bool]]:
        """Bind those that were looked at, once the mount they lie on was probed; each with whether that is news."""
        for import_path, found in list(self._inspected.items()):
            mount = bindings.mount_of(table, found)
            unique_id = None if mount is None else self._mounts.unique_id(mount.mount_point)
            probe = None if unique_id is None else self._prober.probes.get(unique_id)
            if mount is not None and unique_id is not None and probe is None:
                self._prober.probe(mount, unique_id, now)
                continue
            del self._inspected[import_path]
            before = self._registry.bindings.get(import_path)
            wall = self._clock.now().wall
            plain = config.plain_directories
            binding = bindings.bind(self._registry, found, mount, probe, new_volume, wall, plain)
            if binding != before:
                _log.info("import_path.inspected", import_path=import_path, state=binding.state, detail=binding.message)
            yield binding, binding != before

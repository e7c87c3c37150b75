"""Everything that a worker touches storage with, on the kernel."""

from __future__ import annotations

import os
from collections.abc import Callable

from agent.filesystems import is_served, traits
from agent.linux.blockdev import device_of, has_heads
from agent.linux.clock import SystemClock
from agent.linux.files import MountedFiles
from agent.linux.fuse import read_branches
from agent.linux.inspection import inspect
from agent.linux.probe import probe
from agent.linux.watches import choose
from agent.messages import Adopt, Inspect, Inspected
from agent.ports import Mount, Probe, Trouble, Watch
from agent.store import Store


class KernelStorage:
    """Implements :class:`agent.worker.Storage`."""

    def __init__(self) -> None:
        self.clock = SystemClock()

    def entropy(self, count: int) -> bytes:
        """Random bytes."""
        return os.urandom(count)

    def store(self, path: str, volume: str) -> Store:
        """Open the journal of a volume."""
        return Store(path, volume)

    def probe(self, mount: Mount) -> Probe | Trouble:
        """What stands at the root of a mount."""
        return probe(mount)

    def inspect(self, question: Inspect) -> Inspected:
        """What is at a host path."""
        seen = inspect(question.path, question.roots, shown_at=question.shown_at, managed=question.managed)
        return Inspected(question.import_path, seen.canonical, seen.refusal, seen.errno)

    def branches(self, mount_point: str) -> list[str]:
        """The branches of a union. Raises :class:`OSError`."""
        return read_branches(mount_point)

    def files(self, order: Adopt, asked_to_let_go: Callable[[], bool]) -> MountedFiles:
        """The files of the volume that is to be adopted."""
        device, reliable = device_of(order.mount), traits(order.mount.fs_type)
        return MountedFiles(
            order.mount.mount_point,
            order.epoch.mount_id,
            device=device,
            identity=order.identity,
            marker=order.marker,
            remote=not reliable.local,
            by_inode=reliable.stable_inodes,
            parallel=is_served(order.mount.fs_type) or not has_heads(device),
            asked_to_let_go=asked_to_let_go,
        )

    def watch(self, order: Adopt, about_to_ask: Callable[[], None]) -> tuple[Watch | None, str]:
        """A watch of the volume that is to be adopted, and why it is no better one, or none."""
        return choose(order.mount, order.epoch.mount_id, order.settings.watch, about_to_ask)

"""The mount table as a tree: which mount a path leads to, and which mounts are hidden by others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from agent.ports import Mount


def resolve(table: Sequence[Mount], path: str) -> Mount | None:
    """The mount that an absolute path leads to, as the kernel walks it, or None when the table has no root.

    The longest mount point that contains the path would be the wrong answer: a mount on an ancestor covers
    everything that was mounted below it before.
    """
    children: dict[int, list[Mount]] = {}
    for mount in table:
        children.setdefault(mount.parent_id, []).append(mount)
    current = _root(table)
    if current is None:
        return None
    # A walk starts *in* the root mount, so what was mounted over "/" itself is never met.
    candidates = [m for m in children.get(current.mount_id, ()) if m.mount_point != "/"]
    while found := _first_on_the_way(candidates, path):
        current = found
        candidates = [m for m in children.get(current.mount_id, ()) if m is not current]
    return current


def covered(table: Sequence[Mount], mount: Mount) -> bool:
    """Whether something else was mounted over this mount, so that its path leads elsewhere (rule R14)."""
    top = resolve(table, mount.mount_point)
    return top is None or top.mount_id != mount.mount_id


def below(table: Sequence[Mount], mount: Mount) -> list[Mount]:
    """The mounts that stand somewhere inside this one and can be reached: volumes of their own (rule R13)."""
    return [m for m in table if m.parent_id == mount.mount_id and m is not mount and not covered(table, m)]


def contains(mount_point: str, path: str) -> bool:
    """Whether an absolute path is the mount point or lies below it, by whole segments."""
    return mount_point in ("/", path) or path.startswith(f"{mount_point}/")


def inside(mount: Mount, path: str) -> str:
    """An absolute path as seen from the root of the mount that it leads to; "" is that root."""
    return path.removeprefix(mount.mount_point).strip("/")


def _root(table: Iterable[Mount]) -> Mount | None:
    tops = [m for m in table if m.mount_point == "/"]
    known = {m.mount_id for m in tops}
    # Of several, the root is the one that stands on none of the others.
    return next((m for m in tops if m.parent_id not in known or m.parent_id == m.mount_id), None)


def _first_on_the_way(candidates: Iterable[Mount], path: str) -> Mount | None:
    """Of the mounts on one parent, the one that a walk along the path meets first. Of two at the same point, the
    later one lies on top."""
    met = [m for m in candidates if contains(m.mount_point, path)]
    return min(reversed(met), key=lambda m: len(m.mount_point)) if met else None

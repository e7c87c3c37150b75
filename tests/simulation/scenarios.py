"""Small stories, each of one thing that happens to one disk, for failing at every call of every port in turn.

A story begins when the disk is known and ends with everything healed; what it does in between takes as few calls as
its subject allows, since it is told again for each of them.
"""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Callable

from agent.ports import Unreachable
from tests.simulation.crashes import Crash
from tests.simulation.world import World

_MOMENT_S = 4.0
_A_WHILE_S = 12.0


def first_scan(world: World) -> None:
    """The first scan finds what is there. It is the one story that begins before anything is known."""
    world.run(_MOMENT_S)


def delete(world: World) -> None:
    """A file is deleted."""
    world.home.disk.unlink("trip/a.jpg")
    world.run(_MOMENT_S)


def delete_folder(world: World) -> None:
    """A folder is deleted."""
    world.home.disk.rmtree("trip")
    world.run(_MOMENT_S)


def move(world: World) -> None:
    """A file gets another name in another folder, and a folder another name."""
    world.home.disk.rename("trip/a.jpg", "moved.jpg")
    world.run(1.0)
    world.home.disk.rename("trip", "holiday")
    world.run(_MOMENT_S)


def write(world: World) -> None:
    """A file comes, and another one changes."""
    world.home.disk.write("new.jpg")
    world.home.disk.write("trip/b.jpg", 77)
    world.run(_MOMENT_S)


def unmount_and_remount(world: World) -> None:
    """The disk is unmounted, changed elsewhere, and mounted again."""
    world.home.host.umount(world.home.place)
    world.run(1.0)
    world.home.disk.unlink("trip/b.jpg")
    world.cables.mount(world.home)
    world.run(_MOMENT_S)


def yank(world: World) -> None:
    """The disk is pulled and plugged in again."""
    world.home.host.yank(world.home.disk)
    world.run(6.0)
    world.cables.replug(world.home)
    world.cables.mount(world.home)
    world.run(1.0)


def replace(world: World) -> None:
    """Another disk takes its place, and gives it back."""
    world.cables.replace(world.home)
    world.run(1.0)
    world.home.host.umount(world.home.place)
    world.cables.mount(world.home)
    world.run(1.0)


def empty(world: World) -> None:
    """The disk lists empty for a while, and files are deleted meanwhile."""
    world.home.disk.faults.empty = True
    world.home.disk.unlink("trip/a.jpg")
    world.run(_MOMENT_S)
    world.home.disk.faults.clear()
    world.run(_MOMENT_S)


def hang(world: World) -> None:
    """The disk does not answer for a while."""
    world.home.disk.faults.hung = True
    world.home.disk.write("new.jpg")
    world.run(_A_WHILE_S)
    world.home.disk.faults.clear()
    world.run(1.0)


def deny(world: World) -> None:
    """A folder is closed to the agent, and opened again."""
    world.home.disk.deny("trip")
    world.run(1.0)
    world.home.disk.deny("trip", 0)
    world.run(1.0)


def scan(world: World) -> None:
    """Somebody asks for a scan of everything, and for a close look at one file, which goes meanwhile."""
    (library,) = world.sidecar.people.get("/libraries").json()["items"]
    for body in ({"mode": "new"}, {"mode": "full", "path": f"{world.home.place}/trip/a.jpg"}):
        world.sidecar.people.post(f"/libraries/{library['id']}/scan", json=body).raise_for_status()
    world.home.disk.unlink("trip/a.jpg")
    world.run(_A_WHILE_S)


def hold(world: World) -> None:
    """A loss is held, and approved."""
    world.sidecar.change(guard_files=0, guard_percent=0)
    world.home.disk.unlink("trip/a.jpg")
    world.run(_MOMENT_S)
    world.keeper.approve_all()


def journals_lost(world: World) -> None:
    """The agent loses its journals while a file goes."""
    world.home.disk.unlink("trip/a.jpg")
    world.main.lose_journals()
    world.run(_MOMENT_S)


def all_lost(world: World) -> None:
    """The agent loses registry and journals."""
    world.home.disk.unlink("trip/a.jpg")
    world.main.lose_everything()
    world.run(_MOMENT_S)


def set_back(world: World) -> None:
    """The agent's state is set back to an old copy."""
    world.main.back_up()
    world.home.disk.unlink("trip/a.jpg")
    world.run(_MOMENT_S)
    world.home.disk.write("new.jpg")
    world.main.restore(whole=True)
    world.run(_MOMENT_S)


def catalog_set_back(world: World) -> None:
    """The catalog is set back to an old backup."""
    world.sidecar.back_up()
    world.home.disk.unlink("trip/a.jpg")
    world.home.disk.write("new.jpg")
    world.run(_MOMENT_S)
    world.set_back(said=True)
    world.run(_MOMENT_S)


def reboot(world: World) -> None:
    """The machine loses its power, and the disk is mounted late."""
    world.home.disk.unlink("trip/a.jpg")
    world.run(2.5)
    world.main.lose_power()
    world.run(1.0)
    world.cables.mount(world.home)
    world.run(1.0)


def carry(world: World) -> None:
    """Another machine gets the disk, deletes a file, and gives the disk back."""
    (other,) = world.cables.sharers
    world.home.host.umount(world.home.place)
    other.mount(world.home.disk, world.home.place)
    world.run(_A_WHILE_S)
    world.home.disk.unlink("trip/a.jpg")
    world.run(_MOMENT_S)
    other.umount(world.home.place)
    world.cables.mount(world.home)
    world.run(_A_WHILE_S)


STORIES: dict[str, Callable[[World], None]] = {
    story.__name__: story
    for story in (
        first_scan,
        delete,
        delete_folder,
        move,
        write,
        unmount_and_remount,
        yank,
        replace,
        empty,
        hang,
        deny,
        scan,
        hold,
        journals_lost,
        all_lost,
        set_back,
        catalog_set_back,
        reboot,
        carry,
    )
}

# What fails: calls of these ports; the agent, which dies at a write; and the sidecar, which dies at a commit.
_FAILURES: dict[str, Callable[[], Exception]] = {
    "files": lambda: OSError(errno.EIO, "failed on purpose"),
    "probe": lambda: OSError(errno.EIO, "failed on purpose"),
    "mounts": lambda: OSError(errno.ENOMEM, "failed on purpose"),
    "watch": lambda: OSError(errno.ENOSPC, "failed on purpose"),
    "uplink": lambda: Unreachable("failed on purpose"),
    "store": lambda: sqlite3.OperationalError("database or disk is full"),
}
PORTS = (*_FAILURES, "agent", "sidecar")


class Failing:
    """Lets the n-th call of a port fail, counted while a story is told."""

    def __init__(self, world: World, port: str, number: int) -> None:
        self._world = world
        self._port = port
        self._number = number
        self.calls = 0

    @property
    def was_reached(self) -> bool:
        """Whether there were so many calls."""
        return self.calls >= self._number

    def begin(self) -> None:
        """From now on calls are counted."""
        if self._port == "agent":
            for machine in self._world.machines:
                machine.weir.arm(self._number, self._crash)
        elif self._port == "sidecar":
            self._world.sidecar.weir.arm(self._number, self._crash)
        else:
            for machine in self._world.machines:
                machine.host.before_call = self._called

    def _crash(self, where: str) -> Exception:
        self.calls = self._number
        return Crash(where)

    def _called(self, port: str, number: int) -> None:
        if port.partition(".")[0] == self._port:
            self.calls += 1
            if self.calls == self._number:
                raise _FAILURES[self._port]()


def tell(name: str, port: str, number: int) -> bool:
    """Tell a story with the n-th call of a port failing; whether there was such a call. Raises
    :class:`~tests.simulation.checks.CheckFailed` unless all is well in the end."""
    world = World(number, ("ext4",), writes=0, shared=name == "carry")
    failing = Failing(world, port, number)
    try:
        world.home.disk.write("keeper.jpg")
        world.home.disk.mkdir("trip")
        world.home.disk.write("trip/a.jpg")
        world.home.disk.write("trip/b.jpg", 5)
        world.advance(60)
        if name != first_scan.__name__:
            world.run(_MOMENT_S)
        failing.begin()
        STORIES[name](world)
        world.check()
        world.settle()
    finally:
        world.close()
    return failing.was_reached

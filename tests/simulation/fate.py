"""What happens in a seed: one thing after the other, drawn by weight."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable

from agent.ports import Unreachable
from tests.simulation.cables import WATCHES_MAX
from tests.simulation.checks import CheckFailed
from tests.simulation.machine import Machine
from tests.simulation.world import World

STEPS = 120
_KINDS = ("ext4", "fuse.sshfs", "btrfs", "vfat")
_PAUSES_S = (0.001, 0.01, 0.1, 0.1, 0.5, 1.0, 3.0, 10.0)
# So low that holds are a matter of course.
_SETTINGS = ({"guard_files": 2, "guard_percent": 10, "guard_window_s": 600}, {"guard_files": 100}, {"guard_files": 0})


def world_of(seed: int) -> World:
    """The world of a seed, before anything has happened."""
    rng = random.Random(f"{seed} world")
    settings = dict(rng.choice(_SETTINGS))
    if rng.random() < 0.2:
        settings["missing_grace_s"] = 60
    return World(
        seed,
        ("ext4", rng.choice(_KINDS)),
        shared=rng.random() < 0.3,
        recycles_ids=rng.random() < 0.15,
        settings=settings,
        planned=rng.random() < 0.7,
    )


class Fate:
    """Draws what happens next in a world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._random = world.random

    def live(self, steps: int) -> None:
        """All that happens in a seed, in rounds that each end with everything healed."""
        if self._random.random() < 0.2:
            self._start_before_mount()
        # The oldest backup may be from before anybody knew where the import paths lead.
        is_early = self._random.random() < 0.25
        if is_early:
            self._world.sidecar.back_up()
            self._world.ids.keep()
        self._world.settle()
        for home in self._world.cables.homes:
            if self._random.random() < 0.15 and not home.disk.is_remote:
                self._world.note(f"{home.disk.label} gets a marker")
                self._world.mark(home)
        if not is_early:
            self._world.sidecar.back_up()
            self._world.ids.keep()
        for _ in range(2):
            self._round(steps // 2)

    def last(self, seconds: float, steps: int) -> None:
        """Go on in such rounds, each of half as many steps, until so much time has passed in this world."""
        until = self._world.truth.now + seconds
        while self._world.truth.now < until:
            self._round(steps // 2)

    def _round(self, steps: int) -> None:
        for _ in range(steps):
            self.step()
        self._world.settle()

    def _start_before_mount(self) -> None:
        """The first start finds bare mount points, and stray files on them."""
        cables = self._world.cables
        for host in cables.hosts():
            cables.clear(host)
            for home in cables.homes:
                host.root_disk.write(f"{home.place.strip('/')}/stray.jpg")
        self._world.note("the agent starts before the disks are mounted")
        self._world.run(5.0)

    def step(self) -> None:
        """Something happens."""
        world = self._world
        world.advance(self._random.choice(_PAUSES_S))
        machine = self._machine()
        actions: list[tuple[float, Callable[[Machine], str]]] = [
            (20, self._person),
            (8, self._cables),
            (14, self._turn),
            (6, self._beat),
            (3, self._ask),
            (30, self._work),
            (14, self._ship),
            (4, self._run),
            (2, self._network),
            (2, self._keeper),
            (2, self._sidecar_works),
            (2, self._slow),
            (1.5, self._crash_at_a_write),
            (0.7, self._disk_is_full),
            (0.7, self._few_watches),
            (1, self._sidecar_crashes),
            (1, self._scan),
            (2, self._ask_for_scan),
            (0.4, self._cancel_scan),
            (1, self._jump),
            (0.7, self._crash),
            (0.5, self._reboot),
            (0.4, self._power_cut),
            (0.4, self._back_up),
            (0.4, self._agent_set_back),
            (0.4, self._agent_loses),
            (0.5, self._catalog_set_back),
            (1, self._silence),
        ]
        action = self._random.choices([one for _, one in actions], [weight for weight, _ in actions])[0]
        what = action(machine)
        world.truth.observe()
        world.note(f"{machine.name}: {what}")
        world.check()

    def _machine(self) -> Machine:
        machines = self._world.machines
        return machines[0] if self._random.random() < 0.75 else self._random.choice(machines)

    # People

    def _person(self, machine: Machine) -> str:
        return self._world.person.at_files(self._random.choice(self._world.cables.homes).disk)

    def _cables(self, machine: Machine) -> str:
        what = self._world.cables.happens()
        # What another agent has written, this one knows by its name only.
        self._world.ids.is_blurred = self._world.ids.is_blurred or "other machine" in what
        return what

    def _keeper(self, machine: Machine) -> str:
        if self._random.random() < 0.3:
            said = self._world.keeper.accepts(machine, self._world.cables.homes)
            return "what is there is accepted" if said else "nothing to accept"
        return self._world.keeper.decides()

    def _scan(self, machine: Machine) -> str:
        machine.request("scan")
        return "told to scan"

    def _ask_for_scan(self, machine: Machine) -> str:
        return self._world.keeper.asks_for_scan([home.place for home in self._world.cables.homes])

    def _cancel_scan(self, machine: Machine) -> str:
        return self._world.keeper.cancels_scan()

    # The agent

    def _turn(self, machine: Machine) -> str:
        machine.turn()
        states = ", ".join(f"{volume.label}={volume.reason.value}" for volume in machine.volumes())
        return f"supervisor: {states}"

    def _work(self, machine: Machine) -> str:
        for _ in range(self._random.choice([1, 1, 3, 8])):
            machine.work(self._random.randrange(16))
        return "works"

    def _run(self, machine: Machine) -> str:
        self._world.run(self._random.choice([0.5, 3.0, 20.0]))
        return "all goes on for a while"

    def _beat(self, machine: Machine) -> str:
        machine.beat()
        return "beats"

    def _ask(self, machine: Machine) -> str:
        machine.ask()
        return "asks"

    def _ship(self, machine: Machine) -> str:
        return f"ships {machine.deliver()}"

    def _crash(self, machine: Machine) -> str:
        machine.restart()
        return "the agent dies and starts again"

    def _crash_at_a_write(self, machine: Machine) -> str:
        ahead = self._random.randint(1, 6)
        machine.weir.arm(ahead)
        return f"will die at write {ahead} from now"

    def _disk_is_full(self, machine: Machine) -> str:
        ahead = self._random.randint(1, 6)
        machine.weir.arm(ahead, lambda where: sqlite3.OperationalError("database or disk is full"))
        return f"its disk will be full at write {ahead} from now"

    def _few_watches(self, machine: Machine) -> str:
        # What moves to where nobody watches is missed at its old place before a scan finds it at the new one.
        self._world.ids.is_blurred = True
        machine.host.watch_limit = self._random.choice([1, 3, WATCHES_MAX])
        return f"at most {machine.host.watch_limit} watches"

    def _reboot(self, machine: Machine) -> str:
        machine.reboot()
        return "reboots"

    def _power_cut(self, machine: Machine) -> str:
        self._world.ids.is_blurred = True
        machine.lose_power()
        return "loses power"

    def _back_up(self, machine: Machine) -> str:
        machine.back_up()
        return "the agent's state is copied"

    def _agent_set_back(self, machine: Machine) -> str:
        whole = self._random.random() < 0.5
        self._world.ids.is_blurred = True
        if not machine.restore(whole=whole):
            return "no copy of the agent's state"
        return "the agent's state is set back" + (", its registry too" if whole else "")

    def _agent_loses(self, machine: Machine) -> str:
        self._world.ids.is_blurred = True
        # When neither remembers where an import path leads, it is bound to whatever is there now, as people have asked.
        if self._random.random() < 0.5 or not self._world.is_bound():
            machine.lose_journals()
            return "the journals are lost"
        machine.lose_everything()
        return "registry and journals are lost"

    # Network, clocks and the sidecar

    def _network(self, machine: Machine) -> str:
        kind = self._random.choice(["down", "bad", "fine", "fine"])
        network = self._world.networks[self._world.machines.index(machine)]
        network.down = kind == "down"
        network.lost_request = network.lost_response = network.duplicate = network.late = 0.2 if kind == "bad" else 0.0
        return f"network is {kind}"

    def _jump(self, machine: Machine) -> str:
        seconds = self._random.choice([-3600, -1, 1, 3600, 90_000])
        clock = self._random.choice([machine.host.clock, self._world.sidecar_clock])
        clock.jump(seconds)
        whose = "the sidecar's" if clock is self._world.sidecar_clock else "its"
        return f"{whose} clock is set by {seconds} s"

    def _slow(self, machine: Machine) -> str:
        """Listings take long, and people are at work meanwhile."""
        world, host = self._world, machine.host
        if host.before_call is not None:
            host.before_call = None
            return "listings are quick again"

        def meanwhile(port: str, number: int) -> None:
            if port == "files.read" and number % 3 == 0:
                world.advance(1.5)
                world.note(f"    meanwhile {world.person.at_files(world.random.choice(world.cables.homes).disk)}")
                world.truth.observe()

        host.before_call = meanwhile
        return "listings are slow, and people work meanwhile"

    def _sidecar_works(self, machine: Machine) -> str:
        return f"the sidecar's worker finds {self._world.sidecar.work()} agents silent"

    def _silence(self, machine: Machine) -> str:
        """Nobody is heard for a while."""
        for _ in range(3):
            self._world.advance(15.0)
            self._world.sidecar.work()
        return "silence for 45 s"

    def _sidecar_crashes(self, machine: Machine) -> str:
        ahead = self._random.randint(1, 3)
        self._world.sidecar.weir.arm(ahead)
        return f"the sidecar will die at commit {ahead} from now"

    def _catalog_set_back(self, machine: Machine) -> str:
        world = self._world
        if not world.sidecar.has_backup() or self._random.random() < 0.5:
            world.sidecar.back_up()
            world.ids.keep()
            return "the catalog is backed up"
        if not world.is_known():
            return "nobody sets the catalog back now"  # for the same reason
        # That a catalog was set back in silence shows by what it expects of a stream. It cannot show to a journal that
        # has learned what the catalog believed and has told nothing yet.
        said = self._random.random() < 0.6 or not all(one.has_told() for one in world.machines)
        world.set_back(said=said)
        return "the catalog is set back" + ("" if said else " without a word")


def run(seed: int, steps: int = STEPS) -> World:
    """Run one seed. Raises :class:`CheckFailed`."""
    world = world_of(seed)
    try:
        Fate(world).live(steps)
    except (AssertionError, OSError, sqlite3.Error, Unreachable) as error:
        story = "\n".join(world.trace[-200:])
        raise CheckFailed(f"seed {seed}: {type(error).__name__} {error}\n{story}") from error
    finally:
        world.close()
    return world

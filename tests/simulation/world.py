"""The whole product in one thread: real supervisors, workers, engines and shippers, and the real sidecar application,
on fake disks, mounts, clocks and networks.

Nothing in here draws: :mod:`tests.simulation.fate` does that for seeds, and scenarios say what happens themselves.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Sequence
from tempfile import mkdtemp

from agent.ports import Marker
from agent.testing.clock import FakeClock
from agent.testing.disk import FakeDisk
from agent.testing.host import FakeHost
from agent.testing.uplink import FakeUplink, Network
from agent.uplink import HttpUplink
from holdfast import ids
from holdfast.assignments import BindingState
from holdfast.volumes import VolumeState
from tests.memory import PLACE
from tests.simulation.cables import Cables, Home
from tests.simulation.checks import (
    CheckedUplink,
    CheckFailed,
    Ids,
    check_available,
    check_bounds,
    check_catalog,
)
from tests.simulation.machine import Machine
from tests.simulation.mischief import KEEPER, Person
from tests.simulation.movers import Movers
from tests.simulation.person import Keeper
from tests.simulation.reader import Reader
from tests.simulation.sidecar import SimulatedSidecar, determined
from tests.simulation.truth import Truth

HOMES = ("/mnt/one", "/mnt/two")
INNER = "/mnt/one/inner"
# More rounds than this without coming to rest, when nothing happens any more, is a loop.
_REST_ROUNDS_MAX = 3_000
_REMOUNTS_MAX = 12
# As far ahead as a step of time goes: heartbeats must not stop, and devices are looked at every five seconds.
_STRIDE_S = 5.0
# How often the sidecar's worker looks for something to do.
_WORK_S = 1.0


class World:
    """Machines, disks and one sidecar. ``trace`` has one line a step; the same seed gives the same trace.

    ``kinds`` are the file systems of the disks, at most two, ``writes`` how often each was written to before.
    ``shared``: there is another machine, that may mount them too. ``planned``: the mount points are in the fstab.
    """

    def __init__(
        self,
        seed: int,
        kinds: Sequence[str] = ("ext4", "ext4"),
        *,
        shared: bool = False,
        recycles_ids: bool = False,
        settings: dict[str, int] | None = None,
        writes: int = 8,
        planned: bool = True,
    ) -> None:
        self.seed = seed
        self._writes = writes
        self._planned = list(HOMES) if planned else []
        self.random = random.Random(seed)
        self.trace: list[str] = []
        self.truth = Truth()
        self._elapsed = self._worked = 0.0
        self.sidecar_clock = FakeClock()
        self._determined = determined(self.sidecar_clock, random.Random(seed + 1))
        self._determined.__enter__()
        self.sidecar = SimulatedSidecar(self.sidecar_clock, random.Random(seed + 2))
        self._place = mkdtemp(dir=PLACE, prefix="hf")
        self.networks: list[Network] = []
        self._uplinks: list[HttpUplink] = []
        self.machines: list[Machine] = []
        self._make_disks(kinds, recycles_ids=recycles_ids)
        self.machines.append(self._machine("one", self.host))
        if shared:
            self._share()
        self.truth.observe()
        places = [(self.machines[0].agent, home.place) for home in self.cables.homes]
        self.sidecar.make_library(places + [(machine.agent, HOMES[0]) for machine in self.machines[1:]])
        self.sidecar.change(**(settings or {}))
        self.reader = Reader(self.sidecar)
        self.keeper = Keeper(self.sidecar, self.cables, self.random)
        self.ids = Ids()
        self.advance(3600)

    def close(self) -> None:
        """Throw everything away."""
        for machine in self.machines:
            machine.close()
        for uplink in self._uplinks:
            uplink.close()
        self.sidecar.close()
        self._determined.__exit__(None, None, None)
        shutil.rmtree(self._place)

    # Time

    def advance(self, seconds: float) -> None:
        """Let time pass, everywhere alike."""
        self._elapsed += seconds
        self.truth.now = self._elapsed
        for clock in {id(one): one for one in (self.sidecar_clock, *(m.host.clock for m in self.machines))}.values():
            clock.advance(seconds)

    def note(self, what: str) -> None:
        """Write a line of the trace."""
        self.trace.append(f"{self._elapsed:10.3f} {what}")

    # Letting things go on

    def run(self, seconds: float) -> None:
        """Let everything go on as it would by itself, for so long."""
        end = self._elapsed + seconds
        for _ in range(_REST_ROUNDS_MAX):
            if not self._round():
                left = end - self._elapsed
                if left <= 0:
                    return
                self._wait(min(left, self._next_due(_STRIDE_S)))
            self.truth.observe()
        raise CheckFailed(f"no end of work: {self._state()}")

    def settle(self) -> None:
        """Everything heals, a person decides what is open, a full scan runs, and then the catalog equals the disks."""
        self.cables.all_well()
        for network in self.networks:
            network.__init__()  # type: ignore[misc]
        for machine in self.machines:
            machine.weir.disarm()
        self.sidecar.weir.disarm()
        self.truth.observe()
        self.note("all is well again")
        self.rest()
        for machine in self.machines:
            machine.request("scan")
        self.rest()
        self.check()
        self._check_whole()
        self._move_photos()

    def rest(self) -> None:
        """Let everything go on until nothing is left to do; whatever needs a person's word gets it."""
        remounts = 0
        for _ in range(_REST_ROUNDS_MAX):
            self.truth.observe()
            if self._round():
                continue
            soon = self._next_due(120.0)
            if soon < 120.0 or not self._is_quiet():
                if self._ask_people():
                    continue
                self._wait(min(soon, _STRIDE_S))
            elif self._ask_people():
                continue
            elif (places := self._places_resting()) and remounts < _REMOUNTS_MAX:
                remounts += 1
                self.note(f"mounted anew: {places}")
                if self.host.recycles_ids:
                    # A number that is used again does not tell one mount from another; a boot does.
                    self.machines[0].reboot()
                    self.cables.all_well()
                for place in () if self.host.recycles_ids else places:
                    self.cables.remount(place)
            else:
                return
        raise CheckFailed(f"no rest: {self._state()}")

    def check(self) -> None:
        """What must hold at every moment."""
        if problem := self.reader.look():
            raise CheckFailed(problem)
        for machine in self.machines:
            check_bounds([ship for ship in machine.session.ships.values() if ship.store is not None])

    @property
    def main(self) -> Machine:
        """The machine where the disks belong."""
        return self.machines[0]

    @property
    def home(self) -> Home:
        """The first disk."""
        return self.cables.homes[0]

    def mark(self, home: Home) -> None:
        """Let a disk be recognised by a marker file."""
        home.marker = Marker(f"{self.random.getrandbits(128):032x}", 1)
        home.disk.mark(home.marker)
        self.main.request("enrol", path=home.place, marker=home.marker)

    def set_back(self, *, said: bool) -> None:
        """Set the catalog back to its backup. ``said``: whoever did it told the sidecar."""
        self.sidecar.restore(said=said)
        self.reader.renewed()
        if not said:
            self.reader.begin_anew()
        self.ids.restore()

    def is_bound(self) -> bool:
        """Whether the catalog knows where every import path of the main machine leads."""
        agent = ids.from_text("agent", self.main.agent)
        query = "SELECT COUNT(*) FROM import_path WHERE agent_id = ? AND state = 'bound' AND parent_id IS NULL"
        return bool(self.sidecar.table.execute(query, (agent,)).fetchone()[0] == len(self.cables.homes))

    def is_known(self) -> bool:
        """Whether the main machine's agent does."""
        bound = [one for one in self.main.book.bindings.values() if one.state is BindingState.BOUND]
        return len(bound) == len(self.cables.homes)

    def disks(self) -> dict[str, FakeDisk]:
        """The photo disks by their labels, as they are now."""
        found = {home.disk.label: home.disk for home in self.cables.homes}
        if self.cables.is_nested:
            found[self.cables.inner.disk.label] = self.cables.inner.disk
        return found

    # Details

    def _round(self) -> bool:
        busy = [machine.run_ready() for machine in self.machines]
        return any(busy)

    def _wait(self, seconds: float) -> None:
        self.advance(max(seconds, 0.0) + 0.001)
        if self._elapsed >= self._worked + _WORK_S:
            self._worked = self._elapsed
            self.sidecar.work()

    def _next_due(self, most: float) -> float:
        """In how many seconds something goes on by itself, at most so many."""
        found = most
        for machine in self.machines:
            due = machine.due()
            if due is not None:
                found = min(found, due - machine.host.clock.now().boot)
        return max(found, 0.0)

    def _is_quiet(self) -> bool:
        """Whether nothing is to be told, and every volume is as it should be."""
        if self.sidecar.table.execute("SELECT 1 FROM held LIMIT 1").fetchone():
            return False  # a time of grace is running, or a decision is being carried out
        if self.sidecar.scans_to_do():
            return False  # whoever has the storage has still to hear of them
        if any(machine.pending() or machine.session.problem is not None for machine in self.machines):
            return False
        volumes = {volume.label: volume for volume in self.main.volumes()}
        wanted = self.disks().keys()
        return all(label in volumes and volumes[label].state is VolumeState.ONLINE for label in wanted)

    def _ask_people(self) -> bool:
        said = [self.keeper.accepts(machine, self.cables.homes) for machine in self.machines]
        approved = self.keeper.approve_all()
        if approved or any(said):
            self.note("a person approves and accepts what is open")
        return approved or any(said)

    def _places_resting(self) -> list[str]:
        book = self.machines[0].book
        return [
            place for volume in self.machines[0].resting() if (place := book.volumes[volume].mounted_at) is not None
        ]

    def _check_whole(self) -> None:
        check_catalog(self.sidecar, self.disks(), self.keeper.dismissed)
        check_available(self.sidecar, {home.place: home.disk for home in self.cables.homes})

        def is_swapped(disk: FakeDisk, path: str) -> bool:
            node = disk.look(path)
            return (node.inode, node.birth_ns) in self.person.swapped

        self.ids.check(self.sidecar, self.disks(), self.truth, is_swapped)

    def _move_photos(self) -> None:
        """What has no inode that lasts is known by its content."""
        movers = Movers(self.sidecar, self.disks(), self.keeper.dismissed, int(self._elapsed))
        if not movers.moved:
            return
        self.note(f"moved, to be known again: {sorted(movers.moved.values())}")
        for machine in self.machines:
            machine.request("scan")
        self.rest()
        movers.check()
        self._check_whole()

    def _state(self) -> str:
        return "; ".join(
            f"{machine.name}: pending {machine.pending()}, candidates {machine.candidates()}, resting "
            f"{machine.resting()}, scans {self.sidecar.scans_to_do()}, {machine.session.problem}, "
            f"{[machine.session.shipping_problem(one) for one in machine.session.ships]}, "
            f"{[(v.label, v.reason.value, v.detail) for v in machine.volumes()]}, "
            f"{[(one.state.value, one.message) for one in machine.book.bindings.values()]}"
            for machine in self.machines
        )

    # Making it

    def _make_disks(self, kinds: Sequence[str], *, recycles_ids: bool) -> None:
        self.host = FakeHost(FakeClock(), seed=self.seed, recycles_ids=recycles_ids)
        self.person = Person([self.host], self.random)
        homes = []
        for place, kind in zip(HOMES, kinds, strict=False):
            disk = self.host.disk(place.rpartition("/")[2], kind)
            homes.append(Home(self.host, place, disk))
            disk.write(KEEPER)
            for _ in range(self._writes):
                self.person.anywhere(disk)
        inner = Home(self.host, INNER, self.host.disk("inner"))
        inner.disk.write("deep.jpg")
        stranger = self.host.disk("stranger")
        stranger.write("foreign.jpg")
        for disk in self.host.disks:
            self.truth.is_storage(disk, disk.label)
        self.truth.add_host(self.host)
        self.cables = Cables(homes, {id(self.host): stranger}, inner, self.truth, self.random)
        for home in homes:
            self.host.mount(home.disk, home.place)

    def _share(self) -> None:
        other = FakeHost(FakeClock(), seed=self.seed + 7)
        other.disks += [home.disk for home in self.cables.homes]
        self.truth.is_storage(other.root_disk, "other root")
        self.truth.add_host(other)
        self.cables.sharers.append(other)
        self.person.hosts.append(other)
        self.machines.append(self._machine("other", other))

    def _machine(self, name: str, host: FakeHost) -> Machine:
        agent, token = self.sidecar.enrol(name)
        http = HttpUplink("http://localhost", token, transport=self.sidecar.transport)
        self._uplinks.append(http)
        network = Network()
        self.networks.append(network)
        checked = CheckedUplink(http, self.sidecar, self.truth, self.note)
        uplink = FakeUplink(checked, network=network, seed=self.seed, called=host.called)
        rng = random.Random(f"{self.seed} {name}")
        return Machine(name, host, agent, uplink, f"{self._place}/{name}", rng, self._planned)

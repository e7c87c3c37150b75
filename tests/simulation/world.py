"""The whole product in one thread: the real engine and the real sidecar application, on fake disks, mounts, clocks
and networks, driven by a seed.

After every step the checkers look; at the end everything heals, and then the catalog must equal the disks.
"""

from __future__ import annotations

import gzip
import random
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from agent.ports import Refused, Unreachable
from agent.testing.disk import FakeDisk
from agent.testing.host import FakeHost
from agent.testing.uplink import FakeUplink, Network
from agent.uplink import HttpUplink
from holdfast.assignments import Assignment, BelievedPage, Heartbeat, HeartbeatResponse
from holdfast.reports import Receipt, Report
from tests.simulation.agent import Disk, SimulatedAgent
from tests.simulation.mischief import KEEPER, Person, Storage
from tests.simulation.sidecar import SimulatedSidecar
from tests.simulation.truth import FileKey, Truth, photos

HOMES = ("/mnt/one", "/mnt/two")
# More steps than this without coming to rest, when nothing happens any more, is a loop.
_REST_STEPS_MAX = 4_000


class CheckFailed(AssertionError):
    """A checker found something that must never be. The text has the seed and the last steps."""


@dataclass
class Checked:
    """An uplink that checks every report before it goes out."""

    beyond: HttpUplink
    check: Callable[[str, bytes], None]

    def heartbeat(self, heartbeat: Heartbeat) -> HeartbeatResponse:
        return self.beyond.heartbeat(heartbeat)

    def assignment(self, revision: int | None, wait_s: float) -> Assignment | None:
        return self.beyond.assignment(revision, wait_s)

    def send(self, volume: str, sequence: int, body: bytes, fence: int) -> Receipt:
        self.check(volume, body)
        return self.beyond.send(volume, sequence, body, fence)

    def known(self, volume: str, fence: int, cursor: str | None) -> BelievedPage:
        return self.beyond.known(volume, fence, cursor)


@dataclass
class World:
    """One run. ``trace`` is one line a step; the same seed gives the same trace."""

    seed: int
    sidecar: SimulatedSidecar
    trace: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.host = FakeHost(seed=self.seed)
        self.clock = self.host.clock
        self.disks: dict[str, FakeDisk] = {}
        for index, home in enumerate(HOMES):
            # The second one is a file system whose inodes cannot be trusted, every other time.
            fs_type = "ext4" if index == 0 or self.seed % 2 else "fuse.sshfs"
            self.disks[home] = self.host.disk(home.rpartition("/")[2], fs_type)
        stranger = self.host.disk("stranger")
        stranger.write("foreign.jpg")
        self.truth = Truth(self.host)
        self.person = Person(self.host, self.random)
        self.storage = Storage(self.host, self.disks, stranger, self.random)
        for home, disk in self.disks.items():
            disk.write(KEEPER)
            for _ in range(8):
                self.person.anywhere(disk)
            self.host.mount(disk, home)
        self.truth.observe()
        self.clock.advance(3600)
        self.network = Network()
        self._client = HttpUplink("http://localhost", self.sidecar.agent_token, transport=self.sidecar.transport)
        self.uplink = FakeUplink(Checked(self._client, self._check_report), network=self.network, seed=self.seed)
        self.kept = Disk()
        self.kept.registry.agent = self.sidecar.agent
        self.agent = SimulatedAgent(self.host, self.uplink, self.kept, self.random)
        self.sidecar.make_library([*HOMES])
        self.ids: dict[FileKey, str] = {}

    def close(self) -> None:
        """Throw the agent's files away."""
        self.agent.crash()
        self._client.close()
        for store in self.kept.stores.values():
            store.close()

    # One step

    def step(self) -> None:
        """Something happens."""
        self.clock.advance(self.random.choice([0.001, 0.01, 0.1, 0.1, 0.5, 1.0, 3.0, 10.0]))
        actions: list[tuple[int, Callable[[], str]]] = [
            (20, lambda: self.person.at_files(self._any_disk())),
            (6, self.storage.happens),
            (10, self._look),
            (8, self._beat),
            (3, self._ask),
            (40, self._work),
            (16, self._ship),
            (2, self._network),
            (1, self._crash),
            (1, self._scan),
            (1, self._jump),
            (1, self._reboot),
        ]
        action = self.random.choices([one for _, one in actions], [weight for weight, _ in actions])[0]
        what = action()
        self.truth.observe()
        self.note(what)

    def note(self, what: str) -> None:
        """Write a line of the trace."""
        self.trace.append(f"{self.clock.now().boot:10.3f} {what}")

    def _any_disk(self) -> FakeDisk:
        return self.disks[self.random.choice(HOMES)]

    def _look(self) -> str:
        self.agent.look()
        return "agent looks: " + ", ".join(
            f"{volume.label}={volume.reason.value}" for volume in self.agent.registry.volumes.values()
        )

    def _beat(self) -> str:
        self.agent.beat()
        return "agent beats"

    def _ask(self) -> str:
        self.agent.ask()
        return "agent asks"

    def _work(self) -> str:
        volumes = sorted(self.agent.engines())
        for volume in volumes:
            self.agent.work(volume)
        return "agent works"

    def _ship(self) -> str:
        sent = [volume for volume in sorted(self.kept.stores) if self._ship_one(volume)]
        return f"agent ships {len(sent)}"

    def _ship_one(self, volume: str) -> bool:
        try:
            return self.agent.ship(volume)
        except Refused as error:
            raise CheckFailed(f"the sidecar refused a report: {error}") from error

    def _network(self) -> str:
        kind = self.random.choice(["down", "bad", "fine", "fine"])
        self.network.down = kind == "down"
        chance = 0.2 if kind == "bad" else 0.0
        self.network.lost_request = self.network.lost_response = chance
        self.network.duplicate = self.network.late = chance
        return f"network is {kind}"

    def _crash(self) -> str:
        self.agent.crash()
        self.agent = SimulatedAgent(self.host, self.uplink, self.kept, self.random)
        return "agent crashes and starts again"

    def _scan(self) -> str:
        self.agent.scan()
        return "agent is told to scan"

    def _jump(self) -> str:
        seconds = self.random.choice([-3600, -1, 1, 3600, 90_000])
        self.clock.jump(seconds)
        return f"the clock is set by {seconds} s"

    def _reboot(self) -> str:
        self.agent.crash()
        self.clock.reboot()
        self.host.reboot()
        self.agent = SimulatedAgent(self.host, self.uplink, self.kept, self.random)
        return "the host reboots"

    # Checkers

    def check(self) -> None:
        """What must hold at every moment."""
        self.sidecar.follow()
        if problem := self.sidecar.feed_differs():
            raise CheckFailed(problem)

    def _check_report(self, volume: str, body: bytes) -> None:
        identity = self.kept.registry.volumes[volume].identity
        disk = next(one for one in self.disks.values() if (None if one.is_remote else one.uuid) == identity.uuid)
        report = msgspec.json.decode(gzip.decompress(body), type=Report)
        for one in report.observations:
            self.note(f"    {disk.label} {report.sequence}: {one}")
        if false := self.truth.false_absences(report, disk.uuid or ""):
            raise CheckFailed(f"false absence of {false} in report {report.sequence} of {disk.label}")

    # The end

    def settle(self) -> None:
        """Everything heals, a full scan runs, and then the catalog equals the disks."""
        self.storage.all_well()
        self.truth.observe()
        self.network.__init__()  # type: ignore[misc]
        self.note("all is well again")
        self._until_rest()
        self.agent.scan()
        self._until_rest()
        self.check()
        self._check_catalog()
        self._check_ids()

    def _until_rest(self) -> None:
        """Let the agent do what is due, and time pass in between, until nothing is left to do."""
        for _ in range(_REST_STEPS_MAX):
            self.agent.ask()
            self.agent.look()
            for volume in sorted(self.agent.engines()):
                self.agent.work(volume)
            self.agent.beat()
            shipped = [self._ship_one(volume) for volume in sorted(self.kept.stores)]
            now = self.clock.now().boot
            due = [time for time in self.agent.due() if time < now + 120]
            if not due and not any(shipped) and not self.agent.pending() and self._all_online():
                return
            later = [time - now for time in due if time > now]
            if not any(shipped) and not any(time <= now for time in due):
                self.clock.advance(min(later, default=1.0) + 0.001)
            self.truth.observe()
        raise CheckFailed(
            f"no rest: pending {self.agent.pending()}, {self.agent.stalled()}, "
            f"{[(v.label, v.reason, v.detail) for v in self.agent.registry.volumes.values()]}"
        )

    def _all_online(self) -> bool:
        volumes = self.agent.registry.volumes.values()
        return len(volumes) == len(HOMES) and all(volume.reason == "verified" for volume in volumes)

    def _check_catalog(self) -> None:
        wrong = []
        catalog = self.sidecar.assets()
        for home, disk in self.disks.items():
            there = {f"{home}/{path}" for path in photos(disk)}
            present = {a["wire"] for a in catalog if a["wire"].startswith(f"{home}/") and a["status"] == "present"}
            if there != present:
                wrong.append(
                    f"{home}: only on disk {sorted(there - present)}, only in catalog {sorted(present - there)}"
                )
        others = {a["status"] for a in catalog} - {"present", "missing"}
        if wrong or others:
            raise CheckFailed(f"the catalog differs from the disks: {wrong} {others}")
        unavailable = [a["wire"] for a in catalog if a["availability"] != "online"]
        if unavailable:
            raise CheckFailed(f"unavailable although all is well: {unavailable}")

    def _check_ids(self) -> None:
        """A file that stayed on its disk kept its id, whatever happened to its name."""
        present = {a["wire"]: a["id"] for a in self.sidecar.assets() if a["status"] == "present"}
        for home, disk in self.disks.items():
            if disk.is_remote:
                continue
            for path, key in photos(disk).items():
                asset = present[f"{home}/{path}"]
                # Of two files that trade names, one in a place not looked at yet, the name wins: a file that is
                # replaced by another one of its name is a changed photo.
                if key in self.truth.untraceable or disk.look(path) in self.person.swapped:
                    continue
                if self.ids.setdefault(key, asset) != asset:
                    raise CheckFailed(f"{home}/{path} was asset {self.ids[key]} and is now {asset}")


def run(seed: int, sidecar: SimulatedSidecar, steps: int) -> World:
    """Run one seed, in rounds that each end with everything healed. Raises :class:`CheckFailed`."""
    world = World(seed, sidecar)
    try:
        world.settle()
        for _ in range(2):
            for number in range(steps // 2):
                world.step()
                if number % 10 == 0:
                    world.check()
            world.settle()
    except (CheckFailed, Unreachable) as error:
        story = "\n".join(world.trace[-200:])
        raise CheckFailed(f"seed {seed}: {error}\n{story}") from error
    finally:
        world.close()
    return world

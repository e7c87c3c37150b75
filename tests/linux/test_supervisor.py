"""A supervisor with real workers and a real disk: what it concludes, and whom it tells. The sidecar is in memory."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.config import AgentConfig
from agent.linux.clock import SystemClock
from agent.linux.devices import KernelDevices
from agent.linux.kernel import boot_id
from agent.linux.mountinfo import MountTable
from agent.linux.systemd import Service
from agent.local_socket import Request, ask_status, send_request
from agent.registry import Registry
from agent.session import Session
from agent.supervisor import Supervisor
from holdfast.status import VolumeReading
from holdfast.volumes import Reason, VolumeState
from tests.agent.listening import ListeningSidecar
from tests.linux.disks import Disk, Disks, run, umount

pytestmark = pytest.mark.root

# Everything here happens within a second; a machine that is busy with other tests may take longer.
WAIT_S = 30.0


class Host:
    """An agent, to be started and stopped, on a host where one disk of photos is mounted."""

    def __init__(self, disk: Disk, home: Path) -> None:
        self.disk = disk
        self.place = disk.path
        self.sidecar = ListeningSidecar(str(self.place))
        self.registry = Registry()
        self._config = AgentConfig(
            state_dir=str(home), roots=[str(self.place)], settle_s=0.1, confirm_delay_s=0.01, rescan_s=60.0
        )
        (home / "journals").mkdir()
        self._supervisor: Supervisor | None = None
        self._thread: threading.Thread | None = None
        for name in ("a.jpg", "b.jpg", "2024/c.jpg"):
            self.photo(name)

    def photo(self, name: str) -> None:
        """Put an old photo on the disk."""
        path = self.place / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"\xff\xd8\xff\xe0")
        os.utime(path, (1, 1))

    def start(self) -> None:
        """Start the agent."""
        clock = SystemClock()
        self._supervisor = Supervisor(
            self._config,
            self.registry,
            MountTable(),
            clock,
            lambda on_assignment: Session(self.sidecar, clock, on_assignment),
            boot_id(),
            KernelDevices(),
        )
        self._thread = threading.Thread(target=self._supervisor.run, args=(Service(),), name="supervisor")
        self._thread.start()

    def stop(self) -> None:
        """Stop it as systemd would."""
        if self._supervisor is None or self._thread is None:
            return
        self._supervisor.inbox.stop()
        self._thread.join(WAIT_S)
        assert not self._thread.is_alive()
        self._supervisor = None

    def start_and_scan(self) -> None:
        """Start it, and wait until every photo is told and the volume is online."""
        self.start()
        self.sidecar.until(lambda: self.sidecar.listed() >= {"a.jpg", "b.jpg", "c.jpg"})
        self.sidecar.until(lambda: self.sidecar.is_said(Reason.VERIFIED))

    def reading(self) -> VolumeReading:
        """The volume, as the status socket tells it."""
        (found,) = ask_status(self._config.socket_path).volumes
        return found

    def ask(self, verb: str) -> None:
        """A local person asks for something about the volume."""
        (volume,) = self.registry.volumes
        send_request(self._config.socket_path, Request(verb, volume))

    def until_read(self, condition: Callable[[VolumeReading], bool]) -> None:
        """Wait until the status socket tells this."""
        deadline = time.monotonic() + WAIT_S
        while not condition(reading := self.reading()):
            assert time.monotonic() < deadline, reading
            time.sleep(0.02)  # the socket answers, and tells nobody of news


@pytest.fixture
def host(disks: Disks, tmp_path: Path) -> Iterator[Host]:
    disk = disks.make()
    disk.mount(tmp_path / "mnt")
    (tmp_path / "state").mkdir()
    one = Host(disk, tmp_path / "state")
    yield one
    one.stop()


def test_r4_what_an_earlier_run_knew_is_unknown_until_it_was_looked_at_again(host: Host) -> None:
    host.start_and_scan()
    host.stop()
    host.sidecar.heartbeats.clear()
    host.start()
    host.sidecar.until(lambda: host.sidecar.is_said(Reason.VERIFIED))
    first = host.sidecar.heartbeats[0].volumes[0]
    assert (first.state, first.epoch) == (VolumeState.UNKNOWN, None)


def test_r5_a_disk_that_was_away_is_another_attachment_and_loses_nothing(host: Host) -> None:
    host.start_and_scan()
    before = host.sidecar.volume()
    assert before is not None
    host.disk.umount()
    host.sidecar.until(lambda: host.sidecar.is_said(Reason.NOT_MOUNTED))
    host.disk.mount(host.place)
    host.sidecar.until(lambda: host.sidecar.is_said(Reason.VERIFIED))
    after = host.sidecar.volume()
    assert after is not None
    assert (after.volume, host.sidecar.absent()) == (before.volume, set())
    assert after.epoch != before.epoch


def test_r40_a_volume_that_a_person_wants_back_is_let_go_of_and_not_taken_up_again(host: Host, tmp_path: Path) -> None:
    host.start_and_scan()
    host.ask("release")
    host.until_read(lambda one: one.watching == "nothing")
    assert host.reading().status.state is VolumeState.UNKNOWN
    (tmp_path / "elsewhere").mkdir()
    run("mount", "-t", "tmpfs", "tmpfs", str(tmp_path / "elsewhere"))  # which is news, and no reason
    host.sidecar.never(lambda: host.sidecar.is_said(Reason.VERIFIED))
    umount(tmp_path / "elsewhere")
    host.disk.umount()
    host.disk.mount(host.place)
    host.sidecar.until(lambda: host.sidecar.is_said(Reason.VERIFIED))


def test_r10_while_a_clone_is_connected_nothing_is_called_absent(host: Host, disks: Disks, tmp_path: Path) -> None:
    host.disk.umount()
    clone = host.disk.clone()
    host.disk.mount(host.place)
    host.start_and_scan()
    clone.mount(tmp_path / "clone")
    host.sidecar.until(lambda: host.sidecar.is_said(Reason.CLONE))
    (host.place / "a.jpg").unlink()
    host.photo("new.jpg")
    host.sidecar.until(lambda: "new.jpg" in host.sidecar.listed())
    host.sidecar.never(lambda: host.sidecar.absent() != set())
    clone.umount()
    host.sidecar.until(lambda: host.sidecar.absent() == {"a.jpg"})


def test_r14_a_volume_that_was_covered_is_looked_at_again_when_it_is_uncovered(host: Host) -> None:
    host.start_and_scan()
    run("mount", "-t", "tmpfs", "tmpfs", str(host.place))
    host.sidecar.until(lambda: host.sidecar.is_said(Reason.COVERED))
    umount(host.place)
    host.photo("new.jpg")
    host.sidecar.until(lambda: "new.jpg" in host.sidecar.listed())
    assert host.sidecar.absent() == set()


def test_r13_what_was_covered_inside_a_volume_is_looked_at_when_it_is_there_again(host: Host) -> None:
    over = host.place / "2024"
    run("mount", "-t", "tmpfs", "tmpfs", str(over))
    host.start()
    host.sidecar.until(lambda: host.sidecar.listed() >= {"a.jpg", "b.jpg"})
    assert "c.jpg" not in host.sidecar.listed()
    umount(over)
    host.sidecar.until(lambda: "c.jpg" in host.sidecar.listed())


def test_r17_a_worker_that_dies_costs_nothing_but_a_moment(host: Host) -> None:
    host.start_and_scan()
    pid = host.reading().worker_pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    host.sidecar.until(lambda: host.sidecar.is_said(Reason.NOT_YET_VERIFIED))
    host.sidecar.until(lambda: host.sidecar.is_said(Reason.VERIFIED))
    assert host.reading().worker_deaths == 1
    host.photo("new.jpg")
    host.sidecar.until(lambda: "new.jpg" in host.sidecar.listed())
    assert host.sidecar.absent() == set()


def test_r33_who_is_not_the_writer_tells_availability_and_goes_on_when_it_is(host: Host) -> None:
    host.sidecar.granting = False
    host.start()
    host.sidecar.until(lambda: host.sidecar.is_said(Reason.VERIFIED))
    host.sidecar.never(lambda: host.sidecar.told() != [])
    host.sidecar.granting = True
    host.sidecar.until(lambda: host.sidecar.listed() == {"a.jpg", "b.jpg", "c.jpg"})

"""Rule R41: an agent with nothing to do lets disks sleep, and costs practically nothing.

The whole agent and the whole sidecar, with three disks that are watched; measured by the kernel's own counters.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.local_socket import ask_status
from holdfast.status import AgentStatus
from tests.linux.disks import Disk, Disks, run
from tests.linux.matrix.grounds import fill
from tests.story.stack import Stack, stack

pytestmark = [pytest.mark.root, pytest.mark.story]

FILE_SYSTEMS = ("ext4", "xfs", "btrfs")
SUBVOLUME = "photos"  # where the kernel refuses a mark for a file system: so there is an inotify among the fanotify
IDLE_S = 60.0
# A file system may have something of its own left to write, once. What the agent does, it does every minute.
ROUNDS_MAX = 2
CORE_SHARE = 0.002


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Stack]:
    """The stack, which may expose what is mounted below mnt."""
    home = tmp_path / "state"
    home.mkdir()
    with stack(home) as running:
        running.reads = "yes"
        running.start_agent(tmp_path / "mnt")
        yield running


def fill_and_settle(disk: Disk, place: Path) -> None:
    """Put photos on it, and let it do at once what it would do by itself within the next minutes: an XFS covers its
    log, a btrfs writes its last transaction."""
    if disk.fs_type == "btrfs":
        run("btrfs", "subvolume", "create", str(disk.mount(place) / SUBVOLUME))
        disk.umount()
    fill(disk.mount(place, *([f"subvol={SUBVOLUME}"] if disk.fs_type == "btrfs" else [])))
    run("fsfreeze", "--freeze", str(place))
    run("fsfreeze", "--unfreeze", str(place))


def requests_of(disk: Disk) -> list[int]:
    """Reads, writes, what is under way, and discards (Documentation/block/stat.rst). Flushes are left out: a sync(2) of
    anybody's is one for each disk."""
    fields = Path("/sys/block", Path(disk.device).name, "stat").read_text().split()
    return [int(fields[one]) for one in (0, 4, 8, 11)]


def status_of(parts: Stack) -> AgentStatus:
    return ask_status(str(parts.home / "agent" / "agent.sock"))


def processes_of(agent: int) -> list[int]:
    """The supervisor and all workers."""
    return [agent, *map(int, Path(f"/proc/{agent}/task/{agent}/children").read_text().split())]


def seconds_of(pids: list[int]) -> float:
    """The time that these processes have spent on a processor, all threads, in the kernel and outside of it."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def at_rest(parts: Stack) -> bool:
    """Whether everything is scanned, told and watched."""
    volumes = status_of(parts).volumes
    return len(volumes) == len(FILE_SYSTEMS) and all(
        one.scan is None and one.scans_finished and one.watched_directories and not one.status.pending
        for one in volumes
    )


def test_r41_an_idle_agent_lets_three_disks_sleep_and_costs_next_to_nothing(
    parts: Stack, disks: Disks, tmp_path: Path
) -> None:
    drawer = [disks.make(fs_type, label=fs_type) for fs_type in FILE_SYSTEMS]
    for disk in drawer:
        fill_and_settle(disk, tmp_path / "mnt" / disk.fs_type)
    parts.library(*(disk.path for disk in drawer))
    parts.feed.until_true(lambda: at_rest(parts))
    # What was read once is read no more.
    parts.feed.until_true(lambda: all(one["content_checksum"] for one in parts.assets().values()))
    parts.feed.until_true(lambda: at_rest(parts))
    assert Counter(one.watching.partition(",")[0] for one in status_of(parts).volumes) == {"fanotify": 2, "inotify": 1}
    processes = processes_of(status_of(parts).pid)
    spent_s, rounds, moved = seconds_of(processes), 0, True
    while moved and rounds < ROUNDS_MAX:
        rounds += 1
        requests = [requests_of(disk) for disk in drawer]
        time.sleep(IDLE_S)
        moved = [requests_of(disk) for disk in drawer] != requests
    assert not moved, f"the disks were used in each of {rounds} rounds"
    assert processes_of(status_of(parts).pid) == processes, "a process that ended would have been counted too little"
    share = (seconds_of(processes) - spent_s) / (rounds * IDLE_S)
    print(f"idle: {share:.3%} of a core")  # noqa: T201
    assert share < CORE_SHARE, f"{share:.2%} of a core"
    # And it was awake all the time.
    photo = drawer[0].path / "f000" / "new.jpg"
    photo.write_bytes(b"\xff\xd8\xff\xe0")
    added = parts.feed.until(lambda one: one["kind"] == "asset.added" and one["state"]["file_name"] == photo.name)
    assert added["state"]["host_path"] == str(photo)

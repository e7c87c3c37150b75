"""Questions to a FUSE file system that hangs, again and again: nothing of them is left behind."""

from __future__ import annotations

import errno
import os
import select
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.linux.mountinfo import MountTable
from agent.ports import Mount, Probe, Trouble
from agent.probing import Prober
from agent.processes import Workers
from tests import turns
from tests.linux.fuse_faults import Faults, FaultyMount
from tests.needs import needs

pytestmark = pytest.mark.root

ROUNDS = turns.share(100)
DEADLINE_S = 15.0
WAIT_S = 30.0


@pytest.fixture
def share(tmp_path: Path) -> Iterator[FaultyMount]:
    """A file system with nothing in it."""
    needs(os.access("/dev/fuse", os.R_OK | os.W_OK), "needs FUSE")
    (tmp_path / "far").mkdir()
    with FaultyMount(tmp_path / "far", tmp_path / "near") as mounted:
        yield mounted


@pytest.fixture
def workers() -> Iterator[Workers]:
    """Real processes."""
    pool = Workers()
    yield pool
    pool.close()


def children() -> int:
    return len(Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split())


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def line_of(share: FaultyMount) -> tuple[Mount, int]:
    """The mount in the table, and its unique id; neither is asked of the mount."""
    table = MountTable()
    try:
        (mount,) = [one for one in table.table() if one.mount_point == str(share.place)]
        unique_id = table.unique_id(mount.mount_point)
    finally:
        table.close()
    assert unique_id is not None
    return mount, unique_id


def answer(prober: Prober, mount: Mount, unique_id: int) -> Probe | Trouble:
    """Ask, and wait for the answer."""
    prober.forget([unique_id])
    prober.probe(mount, unique_id, time.monotonic())
    poll = select.poll()
    for descriptor in prober.lines():
        poll.register(descriptor, select.POLLIN)
    for descriptor, _ in poll.poll(WAIT_S * 1000):
        prober.answer(prober.lines()[descriptor], time.monotonic())
    return prober.probes[unique_id]


def silence(prober: Prober, share: FaultyMount, mount: Mount, unique_id: int, *, taken: bool) -> Probe | Trouble:
    """Ask one who does not answer, and let the deadline pass when the question has got there: into the queue, or,
    when it is ``taken``, to a program that lets it hang."""
    prober.forget([unique_id])
    now, before = time.monotonic(), share.taken()
    prober.probe(mount, unique_id, now)
    while share.waiting() == 0 or (taken and share.taken() == before):
        assert time.monotonic() < now + WAIT_S
        time.sleep(0.001)  # the kernel counts questions, and tells nobody
    prober.overdue(now + DEADLINE_S)
    return prober.probes[unique_id]


def reaped(workers: Workers) -> None:
    """Wait until those that were given up are dead. The kernel tells nobody but the one who waits for them."""
    until = time.monotonic() + WAIT_S
    while workers.reap():
        assert time.monotonic() < until
        time.sleep(0.001)


def test_r17_a_hundred_questions_to_a_stopped_daemon_leave_neither_process_nor_descriptor(
    share: FaultyMount, workers: Workers
) -> None:
    mount, unique_id = line_of(share)
    prober = Prober(workers, DEADLINE_S)
    share.stop()
    before = children(), descriptors()
    for _ in range(ROUNDS):
        assert silence(prober, share, mount, unique_id, taken=False) == Trouble(errno.ETIMEDOUT, "")
        reaped(workers)
        assert (children(), descriptors()) == before
    share.resume()
    assert isinstance(answer(prober, mount, unique_id), Probe)
    prober.close()


def test_r17_a_mount_that_holds_a_worker_beyond_killing_is_not_asked_again_until_it_lets_go(
    share: FaultyMount, workers: Workers
) -> None:
    mount, unique_id = line_of(share)
    prober = Prober(workers, DEADLINE_S)
    assert isinstance(answer(prober, mount, unique_id), Probe)
    before = children(), descriptors()
    for _ in range(10):
        share.set(Faults(hang=["/"]))
        assert silence(prober, share, mount, unique_id, taken=True) == Trouble(errno.ETIMEDOUT, "")
        assert workers.reap() == 1, "it sleeps in the kernel, and SIGKILL waits"
        prober.forget([unique_id])
        prober.probe(mount, unique_id, time.monotonic())
        assert prober.lines() == {}, "not asked a second time"
        share.set(Faults())
        reaped(workers)
        assert isinstance(answer(prober, mount, unique_id), Probe)
        assert (children(), descriptors()) == before
    prober.close()

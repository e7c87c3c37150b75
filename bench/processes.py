"""What the processes of both parts have and have spent, as the kernel counts it."""

from __future__ import annotations

import os
from collections.abc import Iterable

from demo.stage import Stage, StepFailed


def of_agent(stage: Stage) -> list[int]:
    """The processes of the agent: the supervisor and its workers."""
    status = stage.status()
    if status is None:
        raise StepFailed("the agent does not answer")
    return [status.pid, *_children(status.pid)]


def of_sidecar(stage: Stage) -> list[int]:
    """The processes of the sidecar: gunicorn's, and the one for what has its time."""
    parts = [stage.pid(name) for name in ("sidecar", "worker")]
    return parts + [child for part in parts for child in _children(part)]


def resident(pid: int) -> int:
    """How much memory a process has, in bytes; 0 for one that has just ended."""
    return _status(pid, "VmRSS")


def peak(pid: int) -> int:
    """The most memory that a process has had, in bytes; 0 for one that has just ended."""
    return _status(pid, "VmHWM")


def descriptors(pid: int) -> int:
    """How many descriptors a process has open; 0 for one that has just ended."""
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return 0


def spent_s(pids: Iterable[int]) -> float:
    """The processor time of all threads of these processes, in the kernel and outside of it (proc_pid_stat(5))."""
    return sum(map(_ticks, pids)) / os.sysconf("SC_CLK_TCK")


def _ticks(pid: int) -> int:
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
        fields = file.read().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def _children(pid: int) -> list[int]:
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(child) for child in file.read().split()]


def _status(pid: int, name: str) -> int:
    """A size from proc_pid_status(5), in bytes."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
            lines = dict(line.split(":", 1) for line in file)
    except OSError:
        return 0
    # One that has ended and is not yet waited for has no memory, and no such line.
    return int(lines.get(name, "0 kB").split()[0]) * 1024

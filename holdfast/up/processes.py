"""Starting, watching and stopping the parts, each a process of its own that logs into a file."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from holdfast.up import restarts

STOP_WAIT_S = 10.0
LOG_BYTES_MAX = 8 * 1024 * 1024  # a log is kept over restarts, and once more as .old when it has grown to this
TAIL_LINES = 8
_TAIL_BYTES = 8192
_LEASH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "leash.py")


class Exit(NamedTuple):
    """A part that ended by itself. ``status`` is as subprocess tells it: negative is a signal."""

    name: str
    status: int
    ran_s: float
    last_lines: list[str]

    @property
    def how(self) -> str:
        """For people: "ended with status 1", "was killed by SIGKILL"."""
        if self.status < 0:
            return f"was killed by {signal.Signals(-self.status).name}"
        return f"ended with status {self.status}"


class Part:
    """One process: a name for people, a command, a log file, and what is added to the environment."""

    def __init__(
        self, name: str, command: Sequence[str], log: str, environment: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.log = log
        self._command = list(command)
        self._environment = dict(environment or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self._log_start = 0

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start it, with its output going to the end of its log."""
        _turn_over(self.log)
        with open(self.log, "ab", opener=_private) as log:
            self._log_start = log.tell()
            # A session of its own: Ctrl-C on the terminal reaches only us, and we stop the parts in order.
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", _LEASH, str(os.getpid()), *self._command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=os.environ | self._environment,
                start_new_session=True,
            )
        self._started = time.monotonic()

    def ended(self) -> Exit | None:
        """How it ended, told once; None while it runs, or when it was not started."""
        if self._process is None or (status := self._process.poll()) is None:
            return None
        self._process = None
        return Exit(self.name, status, time.monotonic() - self._started, self._tail())

    def stop(self, wait_s: float) -> bool:
        """SIGTERM, then SIGKILL to its whole session after ``wait_s`` seconds. False when it had to be killed."""
        process, self._process = self._process, None
        if process is None:
            return True
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            process.wait(wait_s)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return False
        return True

    def _tail(self) -> list[str]:
        with open(self.log, "rb") as log:
            size = log.seek(0, os.SEEK_END)
            log.seek(max(self._log_start, size - _TAIL_BYTES))
            text = log.read().decode("utf-8", "replace")
        return [line for line in text.splitlines() if line.strip()][-TAIL_LINES:]


class Crew:
    """All parts, kept running, in the order they are started. They are stopped in the opposite order."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._parts: list[Part] = []
        self._records: dict[str, restarts.Record] = {}
        self._due: dict[str, float] = {}

    def add(self, part: Part) -> None:
        """Start a part and keep it running from now on."""
        self._parts.append(part)
        part.start()

    def pids(self) -> dict[str, int]:
        """The process ids of the parts that run, by name."""
        return {part.name: part.pid for part in self._parts if part.pid is not None}

    def tend(self) -> list[tuple[Exit, restarts.Again | restarts.GiveUp]]:
        """Start again what is due, and tell what has ended since the last call and what follows from it."""
        now = self._clock()
        told = []
        for part in self._parts:
            if part.name in self._due and now >= self._due[part.name]:
                del self._due[part.name]
                part.start()
            exit_ = part.ended()
            if exit_ is None:
                continue
            decision = restarts.after_exit(self._records.get(part.name, restarts.Record()), exit_.ran_s)
            if isinstance(decision, restarts.Again):
                self._records[part.name] = decision.record
                self._due[part.name] = now + decision.wait_s
            told.append((exit_, decision))
        return told

    def stop(self, wait_s: float = STOP_WAIT_S) -> list[str]:
        """Stop all parts, last started first, within ``wait_s`` seconds together; names those it had to kill."""
        self._due.clear()
        deadline = self._clock() + wait_s
        killed = []
        while self._parts:
            # One that hangs takes its share of the time, and leaves theirs to the others.
            share_s = max(0.0, deadline - self._clock()) / len(self._parts)
            part = self._parts.pop()
            if not part.stop(share_s):
                killed.append(part.name)
        return killed


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _turn_over(log: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        if os.stat(log).st_size > LOG_BYTES_MAX:
            os.replace(log, f"{log}.old")

"""Worker processes as the supervisor sees them: started before they touch storage, given up when they hang.

A worker is started with an exec of its own, so that nothing of the supervisor is shared with it, and one is always
kept warm, so that a disk that comes back is served at once. A worker in uninterruptible sleep cannot even be killed:
it is signalled, forgotten, and reaped when the kernel lets it go.
"""

from __future__ import annotations

import signal
import subprocess
import sys

from agent.messages import FromWorker, Line, ToWorker


class WorkerProcess:
    """One worker and the line to it. ``heard_at`` and ``busy`` are for the one who judges whether it hangs."""

    def __init__(self, now: float) -> None:
        ours, theirs = Line.pair()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "agent.worker", str(theirs.fileno())],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                cwd="/",
            )
        finally:
            theirs.close()
        self._line = Line(ours)
        self.heard_at = now
        self.busy = False

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def fileno(self) -> int:
        """The descriptor to poll for its messages."""
        return self._line.fileno()

    def send(self, message: ToWorker) -> bool:
        """Tell it something; False when it is gone, or has not taken anything for long."""
        try:
            self._line.send(message)
        except (BrokenPipeError, ConnectionResetError, BlockingIOError):
            return False
        return True

    def receive(self, now: float) -> list[FromWorker] | None:
        """What it said; None when it has ended."""
        messages = self._line.receive_from_worker()
        if messages:
            self.heard_at = now
        return messages

    def is_over(self) -> bool:
        """Whether the process has ended and was reaped."""
        return self._process.poll() is not None

    def give_up(self) -> None:
        """Kill it and hang up, without waiting: a process that sleeps in the kernel dies when it wakes."""
        if not self.is_over():
            self._process.send_signal(signal.SIGKILL)
        self._line.close()

    def join(self, timeout_s: float) -> bool:
        """Wait for it to end by itself."""
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        return True


class Workers:
    """All worker processes: one warm spare, and those that were given up and are not dead yet."""

    def __init__(self) -> None:
        self._spare: WorkerProcess | None = None
        self._abandoned: list[WorkerProcess] = []

    def warm(self, now: float) -> None:
        """Keep a spare ready."""
        if self._spare is None or self._spare.is_over():
            self._spare = WorkerProcess(now)

    def take(self, now: float) -> WorkerProcess:
        """A worker that has touched nothing yet."""
        worker, self._spare = self._spare, None
        if worker is None or worker.is_over():
            worker = WorkerProcess(now)
        worker.heard_at = now
        return worker

    def give_up(self, worker: WorkerProcess) -> None:
        """This one hangs, or has ended."""
        worker.give_up()
        self._abandoned.append(worker)

    def reap(self) -> int:
        """Collect those that are dead by now; returns how many still are not."""
        self._abandoned = [worker for worker in self._abandoned if not worker.is_over()]
        return len(self._abandoned)

    def close(self) -> None:
        """End the spare, and wait a moment for those that were given up."""
        if self._spare is not None:
            self.give_up(self._spare)
            self._spare = None
        for worker in self._abandoned:
            worker.join(1.0)
        self.reap()

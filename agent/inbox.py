"""What other threads and signal handlers have for the supervisor. Each call also ends the supervisor's wait."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping

from agent.config import AgentConfig
from holdfast.assignments import Assignment


class Inbox:
    """Filled from anywhere, emptied by the supervisor between two waits."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._assignments: deque[Assignment] = deque()
        self._overtaken: deque[Mapping[str, int]] = deque()
        self._reload: Callable[[], AgentConfig] | None = None
        self.stopping = False

    # From anywhere

    def wake(self) -> None:
        """Make the supervisor go round."""
        try:
            os.write(self._write, b"x")
        except BlockingIOError:
            return  # it is full of wake-ups already

    def stop(self) -> None:
        """The supervisor is to end."""
        self.stopping = True
        self.wake()

    def reload(self, config: Callable[[], AgentConfig]) -> None:
        """There is a new configuration."""
        self._reload = config
        self.wake()

    def assign(self, assignment: Assignment) -> None:
        """The sidecar has sent an assignment."""
        self._assignments.append(assignment)
        self.wake()

    def overtake(self, versions: Mapping[str, int]) -> None:
        """The sidecar has heard of volumes what seems later."""
        self._overtaken.append(versions)
        self.wake()

    # For the supervisor

    def fileno(self) -> int:
        """Readable when somebody has woken the supervisor."""
        return self._read

    def rest(self) -> None:
        """Take the wake-ups away."""
        os.read(self._read, 4096)

    def configuration(self) -> Callable[[], AgentConfig] | None:
        """How to read the new configuration, when there is one."""
        reload, self._reload = self._reload, None
        return reload

    def assignments(self) -> Iterator[Assignment]:
        """The assignments that wait, oldest first."""
        while self._assignments:
            yield self._assignments.popleft()

    def overtaken(self) -> Iterator[Mapping[str, int]]:
        """The versions that wait, oldest first."""
        while self._overtaken:
            yield self._overtaken.popleft()

    def close(self) -> None:
        """Close the descriptors."""
        os.close(self._read)
        os.close(self._write)

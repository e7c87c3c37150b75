"""A sidecar in memory, for agents whose session runs in threads of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable

from msgspec import structs

from agent.ports import Refused
from agent.testing.uplink import FakeSidecar
from holdfast.assignments import AssignedPath, Assignment, Heartbeat, HeartbeatResponse
from holdfast.reports import Absent, Listed, Observation, Receipt
from holdfast.volumes import Reason, VolumeStatus

# Everything here happens within a second; a machine that is busy with other tests may take longer.
WAIT_S = 20.0
# How long it is watched that something does not happen which otherwise takes a tenth of that.
WHILE_S = 1.5
# How often the agent talks to it.
_EVERY_S = 0.2


class ListeningSidecar(FakeSidecar):
    """One that lets others wait for what it hears. Without ``granting``, another agent is the writer. To be used by any
    number of threads."""

    def __init__(self, path: str) -> None:
        assigned = AssignedPath(id="imp_1", library="lib_1", path=path, server_path=path, exclusion_patterns=[])
        super().__init__(Assignment(revision=1, catalog="cat_1", volumes=[], import_paths=[assigned]))
        self._news = threading.Condition()
        self.granting = True

    def heartbeat(self, heartbeat: Heartbeat) -> HeartbeatResponse:
        with self._news:
            answer = super().heartbeat(heartbeat)
            self._news.notify_all()
            return structs.replace(answer, heartbeat_s=_EVERY_S, grants=answer.grants if self.granting else {})

    def assignment(self, revision: int | None, wait_s: float) -> Assignment | None:
        with self._news:
            # It may answer sooner than it has to, and here nobody has the time.
            self._news.wait_for(lambda: revision != self.current.revision, min(wait_s, _EVERY_S))
            return super().assignment(revision, wait_s)

    def send(self, volume: str, sequence: int, body: bytes, fence: int) -> Receipt:
        with self._news:
            if not self.granting:
                raise Refused(403, "two-writers", "another agent is the writer")
            receipt = super().send(volume, sequence, body, fence)
            self._news.notify_all()
            return receipt

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait until this holds, after something was heard."""
        with self._news:
            assert self._news.wait_for(condition, WAIT_S), (self.heartbeats[-1:], self.told())

    def never(self, condition: Callable[[], bool]) -> None:
        """Listen for a while; this must not come to hold."""
        with self._news:
            assert not self._news.wait_for(condition, WHILE_S)

    def volume(self) -> VolumeStatus | None:
        """The one volume, as it was heard of last."""
        return next(iter(self.heartbeats[-1].volumes), None) if self.heartbeats else None

    def is_said(self, reason: Reason) -> bool:
        """Whether this is why the volume is in the state that it is in."""
        shown = self.volume()
        return shown is not None and shown.reason is reason

    def told(self) -> list[Observation]:
        """Every observation that was delivered."""
        return [one for stream in self.streams.values() for report in stream.reports for one in report.observations]

    def listed(self) -> set[str]:
        """The names of all files that were told."""
        return {file.name for one in self.told() if isinstance(one, Listed) for file in one.files}

    def absent(self) -> set[str]:
        """Likewise of those that are gone."""
        return {name for one in self.told() if isinstance(one, Absent) for name in one.names}

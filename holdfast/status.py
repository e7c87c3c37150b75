"""What an agent tells about itself on its local status socket: one JSON document per connection, then the end.

The socket answers at once whatever storage does, because the supervisor that serves it never touches storage.
"""

from __future__ import annotations

import msgspec

from holdfast.assignments import Binding
from holdfast.scans import EndedScan, ScanProgress
from holdfast.volumes import Factor, VolumeStatus


class VolumeReading(msgspec.Struct, frozen=True, kw_only=True):
    """One volume: its state as the sidecar is told it, what is under way, and how its changes are seen.

    A volume that another agent reports is shown as ``two-writers`` here; the sidecar is told how it is. ``problem``
    says why nothing of it gets through, if so. ``spool_full``: looking waits until some of what was found is told.
    ``matched`` names the factors of its identity that agreed when it was recognised last. ``worker_deaths`` counts the
    worker processes that ended by themselves within the last hour. The rest is figures since the agent was started:
    scans that ended and the last one of them, worker processes that ended by themselves or were given up, and reports
    that the sidecar has acknowledged, with when it was that it acknowledged one last.
    """

    status: VolumeStatus
    scan: ScanProgress | None = None
    scans_finished: int = 0
    watching: str = "nothing"
    watched_directories: int = 0
    worker_pid: int | None = None
    matched: list[Factor] = []
    problem: str | None = None
    spool_full: bool = False
    worker_deaths: int = 0
    scans_total: int = 0
    last_scan: EndedScan | None = None
    worker_deaths_total: int = 0
    worker_hangs_total: int = 0
    reports_total: int = 0
    last_report_at: float | None = None


class AgentStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The whole agent. ``sidecar`` says how the session stands: "connected", or why it is not. Heartbeats that were
    answered and that were not are counted since the agent was started; so is in ``token_renewals`` how often it got
    another token."""

    version: str
    agent: str
    pid: int
    sidecar: str
    revision: int
    volumes: list[VolumeReading]
    bindings: list[Binding]
    heartbeats_total: int = 0
    heartbeat_failures_total: int = 0
    last_heartbeat_at: float | None = None
    token_renewals: int = 0

"""The agent's status as metrics, see ``holdfast-agent metrics``."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from holdfast.exposition import Family, Kind, Metric, Sample
from holdfast.status import AgentStatus, VolumeReading
from holdfast.volumes import VolumeState

_VOLUME = ("volume", "label")
# By what changes are seen. What else the status says of it is for people.
_BACK_ENDS = ("fanotify", "inotify", "scans")

UP = Metric("holdfast_agent_up", Kind.GAUGE, "Whether the agent answers at its status socket: 1, else 0.")
INFO = Metric("holdfast_agent_info", Kind.GAUGE, "1; the series names the agent and its version.", ("agent", "version"))
CONNECTED = Metric("holdfast_agent_connected", Kind.GAUGE, "Whether the sidecar has answered the last heartbeat.")
HEARTBEATS = Metric("holdfast_agent_heartbeats_total", Kind.COUNTER, "Heartbeats that the sidecar has answered.")
FAILURES = Metric(
    "holdfast_agent_heartbeat_failures_total", Kind.COUNTER, "Heartbeats that were not answered, or refused."
)
HEARD = Metric(
    "holdfast_agent_last_answer_timestamp_seconds", Kind.GAUGE, "When the sidecar has answered a heartbeat last."
)
WATCHES_MAX = Metric(
    "holdfast_agent_inotify_watches_max", Kind.GAUGE, "The kernel's limit of watches, for all programs of one user."
)

_ONE_EACH: tuple[tuple[Metric, Callable[[VolumeReading], float | None]], ...] = (
    (
        Metric(
            "holdfast_agent_volume_available",
            Kind.GAUGE,
            "Whether a volume is there: 1 when it is online or idle, else 0.",
            _VOLUME,
        ),
        lambda one: float(one.status.state in (VolumeState.ONLINE, VolumeState.IDLE)),
    ),
    (
        Metric(
            "holdfast_agent_volume_pending_observations",
            Kind.GAUGE,
            "What waits in the outbox of a volume to be told.",
            _VOLUME,
        ),
        lambda one: one.status.pending,
    ),
    (
        Metric(
            "holdfast_agent_volume_spool_full",
            Kind.GAUGE,
            "Whether so much waits that nothing more is looked at: 1, else 0.",
            _VOLUME,
        ),
        lambda one: one.spool_full,
    ),
    (
        Metric(
            "holdfast_agent_volume_delivery_stalled",
            Kind.GAUGE,
            "Whether nothing of a volume gets through to the sidecar: 1, else 0. `holdfast-agent status` says why.",
            _VOLUME,
        ),
        lambda one: one.problem is not None,
    ),
    (
        Metric(
            "holdfast_agent_volume_reports_total", Kind.COUNTER, "Reports that the sidecar has acknowledged.", _VOLUME
        ),
        lambda one: one.reports_total,
    ),
    (
        Metric(
            "holdfast_agent_volume_last_report_timestamp_seconds",
            Kind.GAUGE,
            "When the sidecar has acknowledged a report of a volume last, since the agent was started.",
            _VOLUME,
        ),
        lambda one: one.last_report_at,
    ),
    (
        Metric("holdfast_agent_volume_scans_total", Kind.COUNTER, "Scans of a whole volume that have ended.", _VOLUME),
        lambda one: one.scans_total,
    ),
    (
        Metric(
            "holdfast_agent_volume_last_scan_duration_seconds", Kind.GAUGE, "How long the last of them took.", _VOLUME
        ),
        lambda one: None if one.last_scan is None else one.last_scan.duration_s,
    ),
    (
        Metric("holdfast_agent_volume_last_scan_files", Kind.GAUGE, "How many files it has seen.", _VOLUME),
        lambda one: None if one.last_scan is None else one.last_scan.files,
    ),
    (
        Metric("holdfast_agent_volume_last_scan_errors", Kind.GAUGE, "How many folders it could not read.", _VOLUME),
        lambda one: None if one.last_scan is None else one.last_scan.errors,
    ),
    (
        Metric("holdfast_agent_volume_watched_directories", Kind.GAUGE, "Directories that are watched.", _VOLUME),
        lambda one: one.watched_directories,
    ),
    (
        Metric(
            "holdfast_agent_volume_worker_deaths_total",
            Kind.COUNTER,
            "Worker processes of a volume that ended by themselves and were started again.",
            _VOLUME,
        ),
        lambda one: one.worker_deaths_total,
    ),
    (
        Metric(
            "holdfast_agent_volume_worker_hangs_total",
            Kind.COUNTER,
            "Worker processes of a volume that were given up because its storage hung.",
            _VOLUME,
        ),
        lambda one: one.worker_hangs_total,
    ),
)
SINCE = Metric(
    "holdfast_agent_volume_state_since_timestamp_seconds",
    Kind.GAUGE,
    "Since when a volume is in its state; the series says in which, and why.",
    (*_VOLUME, "state", "reason"),
)
WATCHED = Metric(
    "holdfast_agent_volume_watch_info",
    Kind.GAUGE,
    "1; the series says by what changes are seen: fanotify, inotify, scans, or nothing.",
    (*_VOLUME, "by"),
)

METRICS = (
    UP,
    INFO,
    CONNECTED,
    HEARTBEATS,
    FAILURES,
    HEARD,
    WATCHES_MAX,
    SINCE,
    WATCHED,
    *(one for one, _ in _ONE_EACH),
)


def families(status: AgentStatus | None, watches_max: int) -> list[Family]:
    """All of them; without a status, because no agent answers, that it does not."""
    if status is None:
        return [(UP, [Sample(0)])]
    volumes = status.volumes
    heard = [] if status.last_heartbeat_at is None else [Sample(status.last_heartbeat_at)]
    return [
        (UP, [Sample(1)]),
        (INFO, [Sample(1, (status.agent, status.version))]),
        (CONNECTED, [Sample(status.sidecar == "connected")]),
        (HEARTBEATS, [Sample(status.heartbeats_total)]),
        (FAILURES, [Sample(status.heartbeat_failures_total)]),
        (HEARD, heard),
        (WATCHES_MAX, [Sample(watches_max)]),
        (SINCE, [Sample(one.status.since, (*_of(one), one.status.state, one.status.reason)) for one in volumes]),
        (WATCHED, [Sample(1, (*_of(one), _back_end(one))) for one in volumes]),
        *((metric, list(_samples(volumes, value))) for metric, value in _ONE_EACH),
    ]


def _samples(volumes: Iterable[VolumeReading], value: Callable[[VolumeReading], float | None]) -> Iterable[Sample]:
    return (Sample(found, _of(one)) for one in volumes if (found := value(one)) is not None)


def _back_end(one: VolumeReading) -> str:
    return next((word for word in _BACK_ENDS if one.watching.startswith(word)), "nothing")


def _of(one: VolumeReading) -> tuple[str, str]:
    return one.status.volume, one.status.label

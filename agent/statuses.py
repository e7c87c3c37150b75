"""What the agent tells of itself: to the sidecar in heartbeats, to people at its status socket."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from msgspec import structs

from agent import bindings
from agent.registry import Registry
from agent.session import Session
from agent.stewards import Steward
from agent.volume import status_of
from holdfast import __version__
from holdfast.assignments import Answered, Heartbeat
from holdfast.status import AgentStatus, VolumeReading
from holdfast.volumes import STATE_OF, Reason, VolumeState, VolumeStatus, sentence

# Progress moves all the time. It is told this often, and with whatever else is told.
_PROGRESS_S = 2.0


def heartbeat(registry: Registry, answers: Sequence[Answered], stewards: Mapping[str, Steward]) -> Heartbeat:
    """What the sidecar is told of every volume and import path, and on what it has asked: with the answers, and with
    how far the scans are."""
    return Heartbeat(
        volumes=_statuses(registry),
        bindings=list(registry.bindings.values()),
        answers=list(answers),
        scans=[scan for steward in stewards.values() if (scan := steward.progress()) is not None],
        version=__version__,
    )


def is_news(now: Heartbeat, told: Heartbeat | None, age_s: float) -> bool:
    """Whether a heartbeat is worth being told at once, when another one was told so long ago."""
    if told is None or structs.replace(now, scans=told.scans) != told:
        return True
    return now.scans != told.scans and age_s >= _PROGRESS_S


def agent_status(registry: Registry, session: Session, stewards: Mapping[str, Steward]) -> AgentStatus:
    """Everything about this agent."""
    return AgentStatus(
        version=__version__,
        agent=registry.agent or "",
        pid=os.getpid(),
        sidecar=session.problem or "connected",
        revision=0 if registry.assignment is None else registry.assignment.revision,
        volumes=[
            _reading(registry, session, stewards[status.volume], status)
            for status in _statuses(registry)
            if status.volume in stewards
        ],
        bindings=list(registry.bindings.values()),
        heartbeats_total=session.heartbeats,
        heartbeat_failures_total=session.heartbeat_failures,
        last_heartbeat_at=session.heartbeat_at,
        token_renewals=session.renewals,
    )


def summary(registry: Registry) -> str:
    """One line for the service manager: how many volumes are available, and why the others are not."""
    statuses = _statuses(registry)
    away = [one for one in statuses if one.state not in (VolumeState.ONLINE, VolumeState.IDLE)]
    available = f"{len(statuses) - len(away)} of {len(statuses)} volumes available"
    return "; ".join([available, *(f"{one.label}: {one.reason.value}" for one in away)])


def _reading(registry: Registry, session: Session, steward: Steward, status: VolumeStatus) -> VolumeReading:
    problem, matched = session.shipping_problem(status.volume), registry.volumes[status.volume].matched
    reports, at = session.acknowledged(status.volume)
    read = steward.reading(_shown(status, session), problem, matched)
    return structs.replace(read, reports_total=reports, last_report_at=at)


def _statuses(registry: Registry) -> list[VolumeStatus]:
    return [status_of(volume) for volume in bindings.in_use(registry)]


def _shown(status: VolumeStatus, session: Session) -> VolumeStatus:
    """A volume as people see it here. That another agent is its writer is no fact about the storage, and so the
    sidecar is not told."""
    status = structs.replace(status, pending=session.pending(status.volume))
    if status.state is not VolumeState.ONLINE or not session.is_held_back(status.volume):
        return status
    reason = Reason.TWO_WRITERS
    return structs.replace(
        status, state=STATE_OF[reason], reason=reason, detail=sentence(reason, status.mounted_at or "")
    )

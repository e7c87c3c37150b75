"""What was found out about agent, sidecar and host: frozen values, that a diagnosis is made from. Pure."""

from __future__ import annotations

from enum import Enum

import msgspec

from agent.ports import Mount
from agent.settings import WatchChoice
from holdfast.assignments import AssignedPath, Binding
from holdfast.status import AgentStatus
from holdfast.volumes import VolumeStatus


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Of the configuration, what a diagnosis needs."""

    path: str
    state_dir: str
    socket_path: str
    sidecar: str
    roots: list[str]
    watch: WatchChoice = "auto"


class AgentEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """``status``: what a running agent said; else ``silence`` is why none did. ``lock_pid``: who holds the lock of
    the state directory. ``others``: agents on this host with another state directory, by pid.

    ``bindings``, ``import_paths`` and ``volumes`` are of the registry: what was known when it was last written.
    ``closed`` are files of the agent's own that the person who asks may not read.
    """

    status: AgentStatus | None = None
    silence: str = ""
    lock_pid: int | None = None
    others: list[int] = []
    enrolled: bool = True
    volumes: list[VolumeStatus] = []
    bindings: list[Binding] = []
    import_paths: list[AssignedPath] = []
    registry_problem: str | None = None
    closed: list[str] = []


class SidecarAnswer(Enum):
    """How the sidecar answered."""

    WELL = "well"
    UNREACHABLE = "unreachable"
    NAME_UNKNOWN = "name-unknown"
    CONNECTION_REFUSED = "connection-refused"
    TLS = "tls"
    FAILING = "failing"
    NOT_A_SIDECAR = "not-a-sidecar"
    REFUSED = "refused"
    PLAIN_HTTP = "plain-http"
    BAD_URL = "bad-url"
    NOT_ASKED = "not-asked"


class SidecarEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """``detail`` is the sidecar's or the network's own word. ``ahead_s``: how far the sidecar's clock is ahead of
    this machine's, ``version`` which one it is; None when it did not say."""

    answer: SidecarAnswer
    detail: str = ""
    ahead_s: float | None = None
    version: str | None = None


class HostEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """The kernel as the agent sees it. ``mounts`` is the table of the agent's mount namespace where that can be
    read, and ``propagation`` tells which of them take part in later mounts of others ("shared", "slave", "private"),
    by their number in the table. ``secluded``: that namespace is not the one of the machine itself.
    """

    kernel: str
    recycles_mount_ids: bool
    max_user_watches: int
    max_user_instances: int
    mounts: list[Mount]
    propagation: dict[int, str]
    secluded: bool
    fusectl: str | None = None  # why it cannot be used, None when it can
    user: str = ""


class StateEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """The state directory: its real path, and the room on its file system. ``problem`` is why it cannot be used at
    all, ``not_writable`` why it can only be read, None when it is fine. ``foreign`` are files in it that belong to
    another user than it does itself, ``exposed`` secrets that everybody may read."""

    path: str
    problem: str | None = None
    not_writable: str | None = None
    foreign: list[str] = []
    exposed: list[str] = []
    free_bytes: int = 0
    total_bytes: int = 0
    free_inodes: int | None = None


class JournalEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """One journal. ``unreadable`` are directories that the agent could not read, as paths inside the volume;
    ``hidden`` those known places that now lie below another mount."""

    volume: str
    path: str
    problem: str | None = None
    directories: int = 0
    unreadable: list[str] = []
    unreadable_count: int = 0
    places: list[str] = []


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What a child process saw at a path, with the rights of the agent's user. ``errno`` 0: it could be read.
    ``hung``: it did not answer in time. ``entries`` are the first few names of the directory."""

    errno: int = 0
    hung: bool = False
    entries: list[str] = []


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """Everything. ``looks`` are by host path, and ``beneath`` are those at the folders that lie beneath mounts, by
    mount point. ``now`` is Unix time, ``version`` the one that is installed."""

    version: str
    settings: Settings
    now: float
    agent: AgentEvidence
    sidecar: SidecarEvidence
    host: HostEvidence
    state: StateEvidence
    journals: list[JournalEvidence]
    looks: dict[str, Look]
    beneath: dict[str, Look] = {}

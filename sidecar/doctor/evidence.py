"""What was found out about service, state, database and catalog: frozen values, that a diagnosis is made from. Pure."""

from __future__ import annotations

from enum import Enum

import msgspec

from holdfast.mapping import Mapped


class Answer(Enum):
    """How the REST API answered at the address where it listens."""

    WELL = "well"
    NOT_READY = "not-ready"
    NOBODY = "nobody"
    SOMEBODY_ELSE = "somebody-else"


class ServiceEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """``detail`` is the network's word, or the sidecar's own."""

    listen: str
    answer: Answer
    detail: str = ""


class StateEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """The state directory. ``problem`` is why it cannot be written, None when it can. ``foreign`` are files in it that
    belong to another user than it does itself, ``exposed`` those that everybody may read."""

    path: str
    problem: str | None = None
    foreign: list[str] = []
    exposed: list[str] = []
    free_bytes: int = 0
    total_bytes: int = 0


class Schema(Enum):
    """How the schema of the database stands to this program."""

    CURRENT = "current"
    NONE = "none"
    OLDER = "older"
    NEWER = "newer"


class ServerEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """What a MySQL or MariaDB server says of itself, and of a session as the sidecar has it. ``ahead_s``: how far its
    clock is ahead of this machine's. ``cluster`` is the state of a Galera node, "" for a server of its own."""

    version: str
    packet_bytes: int
    connections_max: int
    flushes_at_commit: bool
    writes_statements: bool
    isolation: str
    is_strict: bool
    ahead_s: float
    cluster: str = ""


class DatabaseEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """``url`` is without a password. ``problem`` is the database's word when it cannot be used at all, ``missing`` a
    package that is needed for it. ``read_only`` is why it takes no writes, None when it does. ``moved_to`` is where a
    catalog went that was promoted. ``fs_type`` and the bytes are of an SQLite file."""

    url: str
    missing: str | None = None
    problem: str | None = None
    schema: Schema = Schema.CURRENT
    read_only: str | None = None
    moved_to: str | None = None
    fs_type: str = ""
    free_bytes: int | None = None
    total_bytes: int = 0
    server: ServerEvidence | None = None


class AgentFacts(msgspec.Struct, frozen=True, kw_only=True):
    """An agent. ``silent_s``: how long nothing was heard of it, None when it never reported. ``ahead_s``: how far
    beyond now the latest time is that it told, 0 when none is."""

    name: str
    host: str
    version: str
    silent_s: float | None
    ahead_s: float = 0.0


class HookFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A web hook. ``failing_s``: for how long every attempt has failed, None when the last one did not. ``disabled``
    is why nothing is sent to it any more, None while it is active."""

    url: str
    failing_s: float | None = None
    disabled: str | None = None
    last_error: str = ""


class RefusedPath(msgspec.Struct, frozen=True, kw_only=True):
    """An import path that its agent refuses, and the agent's sentence about it."""

    path: str
    agent: str
    message: str


class FailedJob(msgspec.Struct, frozen=True, kw_only=True):
    """A job that failed within the last day."""

    id: str
    kind: str
    error: str


class CatalogEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """What the catalog says. ``has_worker``: a worker renewed its lease while we looked."""

    agents: list[AgentFacts] = []
    hooks: list[HookFacts] = []
    jobs: list[FailedJob] = []
    holds: int = 0
    held_files: int = 0
    has_worker: bool = True
    paths: list[Mapped] = []
    refused: list[RefusedPath] = []


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """Everything. ``catalog`` is None where the database cannot be read. ``config`` is the file that was read, "" for
    none; ``processes`` how many of ours open connections to the database."""

    version: str
    config: str
    processes: int
    silent_after_s: float
    service: ServiceEvidence
    state: StateEvidence
    database: DatabaseEvidence
    catalog: CatalogEvidence | None

"""Enrolment, heartbeats and assignments: what agent and sidecar say to each other besides reports."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from holdfast.reports import FileFacts
from holdfast.scans import ScanProgress, WantedScan
from holdfast.volumes import Identity, VolumeStatus

PROTOCOL = 1
# The request header that carries the fence of the grant under which a report is sent (rule R33). It is no part of the
# report: a report is immutable, and what it was sent under is not.
FENCE_HEADER = "Holdfast-Fence"


class EnrolRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new agent introduces itself, with a one-time enrolment token as its bearer token."""

    name: str
    host: str
    version: str
    protocol: int = PROTOCOL
    capabilities: list[str] = []


class EnrolResponse(msgspec.Struct, frozen=True, kw_only=True):
    """The agent's id, and its token, shown this once."""

    agent: str
    token: str


class BindingState(StrEnum):
    """What the agent found at an import path."""

    BOUND = "bound"  # it lies on a known volume
    REFUSED = "refused"  # it cannot be used, see the message
    PENDING = "pending"  # not looked at yet


# More file systems below one import path than this are no photo library.
PARTS_MAX = 256


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A further place that an import path shows: a file system mounted below it, or a branch of a union.

    ``path`` is the host path of the place, and ``below`` where it shows inside the import path ("" for a branch of
    the union that the path itself lies on). ``via`` is the union through which it is shown: its files can be opened
    only while that answers. None for what is mounted there itself.
    """

    path: str
    below: str
    volume: str
    directory: str
    via: str | None = None


class Binding(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where an import path leads. A binding, once made, stays: the path is then a place *inside a volume*,
    wherever that is mounted.

    ``directory`` is the path inside the volume. ``message`` is the sentence for people when it is refused.
    ``parts`` only grow: one that is away now will come back.
    """

    import_path: str
    state: BindingState
    volume: str | None = None
    directory: str | None = None
    message: str | None = None
    parts: list[Part] = []

    def is_view(self, volume: str) -> bool:
        """Whether this volume is a union whose files are those of its branches, which are parts themselves."""
        return any(part.via == volume for part in self.parts)


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """A host path that somebody thinks of making an import path: could it be one?"""

    id: str
    path: str


class Answered(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the agent says to a question: ``message`` is the sentence against the path, None when it is fine."""

    question: str
    message: str | None


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All volumes with their states; sent at every change at once, and otherwise every ``heartbeat_s``. ``answers``
    are to the questions of the last assignment, ``scans`` how far those are that it asks for and that are running."""

    volumes: list[VolumeStatus]
    bindings: list[Binding] = []
    answers: list[Answered] = []
    scans: list[ScanProgress] = []
    version: str
    protocol: int = PROTOCOL


class HeartbeatResponse(msgspec.Struct, frozen=True, kw_only=True):
    """``catalog`` is the catalog's incarnation; it changes when the catalog was restored from a backup.

    ``grants`` are the volumes of the heartbeat that this agent is the writer of, each with its fence. Of the others
    it tells availability only (rule R33).

    ``overtaken`` are the volumes whose status was ignored, since the catalog has heard a later one, each with the
    version of that. An agent whose registry or clock was set back goes on from there.

    ``renew_token``: the agent's token ends soon, and it should get another one while this one opens.
    """

    catalog: str
    revision: int
    server_time: float
    heartbeat_s: float
    grants: dict[str, int] = {}
    overtaken: dict[str, int] = {}
    renew_token: bool = False


class RenewedToken(msgspec.Struct, frozen=True, kw_only=True):
    """An agent's new token. The one before opens for a while as well, so that an answer that is lost costs nothing."""

    token: str


class AssignedPath(msgspec.Struct, frozen=True, kw_only=True):
    """An import path that this agent serves. ``path`` is the host path it was created with; ``server_path`` is
    what the photo server calls it, which exclusion patterns are matched against. ``volume`` and ``directory``
    are None until the agent has bound it. ``parts`` are those that it has told of."""

    id: str
    library: str
    path: str
    server_path: str
    exclusion_patterns: list[str]
    volume: str | None = None
    directory: str | None = None
    parts: list[Part] = []


class KnownVolume(msgspec.Struct, frozen=True, kw_only=True):
    """A volume that the agent may meet: one of its own, so that an agent that lost its registry recognises it, or
    one that was seen elsewhere and can be carried here."""

    id: str
    label: str
    identity: Identity
    last_mounted_at: str | None = None


class Assignment(msgspec.Struct, frozen=True, kw_only=True):
    """All that a sidecar asks of an agent. ``revision`` is its ETag and grows with every change. ``questions`` are
    those that nobody has answered yet; people wait for the answers. ``wanted_scans`` are those that have not ended, of
    every volume that the agent may meet.

    ``sought_sizes`` are the sizes, in bytes, of missing files whose content is known: a new file of such a size may be
    one of them, and is told together with its content. None: there are too many of them to say, and every new file
    may be."""

    revision: int
    catalog: str
    volumes: list[KnownVolume]
    import_paths: list[AssignedPath]
    questions: list[Question] = []
    sought_sizes: list[int] | None = []
    wanted_scans: list[WantedScan] = []


class BelievedDirectory(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Files that the catalog believes to be in ``directory`` of a volume; perhaps not all of them."""

    directory: str
    files: list[FileFacts]


class BelievedPage(msgspec.Struct, frozen=True, kw_only=True):
    """A part of what the catalog believes to be on a volume. A page may be empty and yet not the last. ``has_rules``:
    the catalog knows of ignore files, which may be others by now."""

    directories: list[BelievedDirectory]
    next_cursor: str | None
    has_rules: bool = False

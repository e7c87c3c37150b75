"""What a local person asks for, applied to the registry. What is to be done after that is the supervisor's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import structlog
from msgspec import structs

from agent import mounts
from agent.acceptance import accept, refusal
from agent.local_socket import Request
from agent.ports import Marker, Mount
from agent.registry import Registry
from agent.volume import Volume
from holdfast.volumes import Reason

_log = structlog.get_logger("agent.requests")


class ToDo(NamedTuple):
    """Volumes to scan, to verify anew, to let go of, whether refused import paths are to be looked at again, and
    whether the token is to be renewed; or why nothing is done."""

    scan: Sequence[str] = ()
    verify: Sequence[str] = ()
    release: Sequence[str] = ()
    rebind: bool = False
    renew_token: bool = False
    refusal: str = ""


def obey(book: Registry, request: Request, table: Sequence[Mount]) -> ToDo:
    """Write down what a person said, and tell what follows from it."""
    if request.volume is not None and request.volume not in book.volumes:
        return ToDo(refusal=f"There is no volume {request.volume} here any more.")
    match request.verb:
        case "scan":
            return ToDo(scan=[*book.volumes] if request.volume is None else [request.volume])
        case "rotate-token":
            return ToDo(renew_token=True)
        case "release" if request.volume is not None:
            attached = book.volumes[request.volume].epoch is not None
            return ToDo(release=[request.volume] if attached else [])
        case "accept" if request.volume is not None:
            return _accept(book, book.volumes[request.volume])
        case "enrol" if request.path is not None:
            return _enrol(book, request, request.path, table)
        case _:
            return ToDo(refusal=f"The running agent does not know how to {request.verb}. Restart it.")


def _accept(book: Registry, volume: Volume) -> ToDo:
    accepted = accept(volume)
    if accepted is None:
        # It may have changed since the command line asked.
        return ToDo(refusal=f"{volume.label}: {refusal(volume.reason, volume.detail)}")
    _log.warning("volume.accepted", volume=volume.id, reason=volume.reason, detail=volume.detail)
    book.volumes[volume.id] = accepted
    return ToDo(verify=[volume.id])


def _enrol(book: Registry, request: Request, path: str, table: Sequence[Mount]) -> ToDo:
    if request.plain and path not in book.plain_directories:
        book.plain_directories.append(path)
        _log.info("directory.plain", path=path)
    mount = mounts.resolve(table, path)
    marked = [] if request.marker is None or mount is None else _marked(book, request.marker, mount)
    return ToDo(verify=marked, rebind=True)


def _marked(book: Registry, marker: Marker, mount: Mount) -> list[str]:
    """Let the volume of this mount be recognised by its marker; returns its id."""
    found = []
    for volume in list(book.volumes.values()):
        is_attached = volume.table_id == mount.mount_id
        is_unmarked = volume.reason is Reason.MARKER_MISSING and volume.last_mounted_at == mount.mount_point
        # A marker that was just written says nothing about the state that the storage was set back to.
        if (is_attached or is_unmarked) and volume.reason is not Reason.ROLLED_BACK:
            identity = structs.replace(volume.identity, marker=marker.id)
            book.volumes[volume.id] = structs.replace(
                volume, identity=identity, marker_generation=marker.generation, version=volume.version + 1
            )
            _log.info("volume.marked", volume=volume.id, marker=marker.id, generation=marker.generation)
            found.append(volume.id)
    return found

"""From evidence to findings: roots, import paths, permissions, and what the photo server calls them. Pure."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator

from agent.doctor.evidence import Evidence
from agent.doctor.findings import Code
from agent.doctor.storage import by_id, some
from holdfast import mapping, paths, wording
from holdfast.assignments import AssignedPath, BindingState
from holdfast.findings import Finding, Severity
from holdfast.mapping import Mapped
from holdfast.volumes import VolumeStatus


def diagnose_folders(evidence: Evidence) -> Iterator[Finding]:
    """All that concerns folders."""
    yield from _roots(evidence)
    yield from _import_paths(evidence)
    yield from _beyond_roots(evidence)
    yield from _mapping(evidence)
    yield from _unreadable(evidence)


def _roots(evidence: Evidence) -> Iterator[Finding]:
    settings = evidence.settings
    if not settings.roots:
        yield Finding(
            code=Code.NO_ROOTS,
            severity=Severity.WARNING,
            sentence="The agent may expose no folder at all.",
            why=f"roots is empty in {settings.path}, so every path of a library is refused.",
            remedy=f'Add the folders that hold photos, such as roots = ["/mnt"], to {settings.path}; then: systemctl'
            " reload holdfast-agent",
        )
    away = [one.last_mounted_at for one in evidence.agent.volumes if one.mounted_at is None and one.last_mounted_at]
    for root in settings.roots:
        look = evidence.looks.get(root)
        if look is None or look.errno != errno.ENOENT or any(_contains(place, root) for place in away):
            continue
        yield Finding(
            code=Code.ROOT_NOT_THERE,
            severity=Severity.WARNING,
            sentence=f"The root {root} does not exist on this machine.",
            about=root,
            why=f"{settings.path} names it, so nothing can be exposed below it.",
            remedy=f"Mount what belongs there, or correct roots in {settings.path}.",
        )


def _outside(evidence: Evidence) -> list[AssignedPath]:
    """The refused import paths that lie below none of the roots, as they are written."""
    refused = {one.import_path for one in evidence.agent.bindings if one.state is BindingState.REFUSED}
    roots = [paths.from_os(root) for root in evidence.settings.roots]
    return [
        path
        for path in evidence.agent.import_paths
        if path.id in refused and not any(_contains(root, path.path) for root in roots)
    ]


def _beyond_roots(evidence: Evidence) -> Iterator[Finding]:
    roots = ", ".join(evidence.settings.roots) or "nothing"
    for wanted in _outside(evidence):
        path = wording.shown(wanted.path)
        yield Finding(
            code=Code.OUTSIDE_ROOTS,
            severity=Severity.FAULT,
            sentence=f"A library wants {path}, which the agent may not expose.",
            about=path,
            why=f"It is below none of roots in {evidence.settings.path}: {roots}. The path must be the one on this"
            " machine; what the photo server calls it is its server_path.",
            remedy=f"Correct the path in the library, or add it to roots in {evidence.settings.path}; then: systemctl"
            " reload holdfast-agent",
        )


def _mapping(evidence: Evidence) -> Iterator[Finding]:
    mapped = [Mapped(path=one.path, server_path=one.server_path) for one in evidence.agent.import_paths]
    yield from mapping.findings(mapped, Code.PATHS_OVERLAP, lambda one: wording.shown(one.path))


def _import_paths(evidence: Evidence) -> Iterator[Finding]:
    agent = evidence.agent
    if not agent.import_paths and agent.enrolled and agent.registry_problem is None and not agent.closed:
        yield Finding(
            code=Code.NOTHING_ASSIGNED,
            severity=Severity.NOTE,
            sentence="No library has a path on this machine yet, so there is nothing to watch.",
            remedy="Make a library at the sidecar (POST /api/v1/libraries) with a path below one of "
            f"{', '.join(evidence.settings.roots) or 'the roots in agent.toml'}.",
        )
    named = {path.id: path.path for path in agent.import_paths}
    outside = {path.id for path in _outside(evidence)}
    for binding in agent.bindings:
        # One that is bound has a message when the agent may not show what the sidecar says that it is bound to.
        if binding.state is not BindingState.REFUSED and binding.message is None:
            continue
        path = wording.shown(named.get(binding.import_path, binding.import_path))
        if binding.import_path in outside:
            continue
        yield Finding(
            code=Code.IMPORT_PATH_REFUSED,
            severity=Severity.FAULT,
            sentence=binding.message or f"{path} cannot be used.",
            about=path,
            why=f"A library wants {path}, and the agent does not look into it.",
            remedy="It is tried again by itself every half minute, and whenever something is mounted.",
        )


def _unreadable(evidence: Evidence) -> Iterator[Finding]:
    user = evidence.host.user or "the agent's user"
    # Without an agent nobody knows with which rights it will run: its unit lets it read everything.
    for where, look in evidence.looks.items() if evidence.agent.status is not None else ():
        if look.errno in (errno.EACCES, errno.EPERM):
            yield Finding(
                code=Code.UNREADABLE_FOLDERS,
                severity=Severity.FAULT,
                sentence=f"{user} may not read {where}.",
                about=where,
                why="It needs permission to read and enter it, and to enter every folder above.",
                remedy=f"setfacl -m u:{evidence.host.user or 'holdfast'}:rx {where}",
            )
    volumes = by_id(evidence)
    for journal in evidence.journals:
        volume = volumes.get(journal.volume)
        if volume is None or not journal.unreadable_count:
            continue
        folders = [_host_path(volume, directory) for directory in journal.unreadable]
        yield Finding(
            code=Code.UNREADABLE_FOLDERS,
            severity=Severity.WARNING,
            sentence=f"{wording.count(journal.unreadable_count, 'folder')} on {volume.label} cannot be read.",
            about=volume.label,
            why=f"{some(folders)}. Their photos are unreadable, which is not missing.",
            remedy=f"setfacl -R -m u:{evidence.host.user or 'holdfast'}:rX FOLDER",
        )


def _contains(root: str, path: str) -> bool:
    return root == "/" or paths.contains(root.rstrip("/"), path)


def _host_path(volume: VolumeStatus, directory: str) -> str:
    return os.path.join(volume.mounted_at or volume.last_mounted_at or "/", wording.shown(directory))

"""Where import paths lead: from a host path that somebody named to a place inside a volume.

A binding is made once. From then on the import path is that place, wherever the volume is mounted; it is made anew
only when the sidecar asks for a path it has not seen bound.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from msgspec import structs

from agent import mounts, places
from agent.messages import Inspected
from agent.ports import Mount, Probe, Trouble
from agent.recognition import recognise
from agent.registry import Registry
from agent.scopes import Scope
from agent.volume import Volume
from holdfast import paths
from holdfast.assignments import AssignedPath, Assignment, Binding, BindingState, Part


def adopt_assignment(registry: Registry, assignment: Assignment, now: float) -> None:
    """Take what the sidecar knows into the registry: bindings made before, and the volumes they need."""
    registry.assignment = assignment
    wanted = {path.id for path in assignment.import_paths}
    registry.bindings = {key: value for key, value in registry.bindings.items() if key in wanted}
    for path in assignment.import_paths:
        if path.volume is not None:
            before = registry.bindings.get(path.id)
            # What was found since is on its way to the sidecar.
            found = [] if before is None else [part for part in before.parts if part not in path.parts]
            registry.bindings[path.id] = Binding(
                import_path=path.id,
                state=BindingState.BOUND,
                volume=path.volume,
                directory=path.directory,
                message=None if before is None or before.state is not BindingState.BOUND else before.message,
                parts=[*path.parts, *found],
            )
    needed = _volumes_of(registry)
    for known in assignment.volumes:
        if known.id in needed and known.id not in registry.volumes:
            registry.volumes[known.id] = Volume(
                id=known.id,
                label=known.label,
                identity=known.identity,
                since=now,
                version=_first_version(now),
                last_mounted_at=known.last_mounted_at,
            )


def raise_versions(registry: Registry, now: float) -> None:
    """Begin to count above everything that was told before: a registry that was set back to an old copy would else say
    what the sidecar takes for words that have come late, and ignores."""
    for volume in list(registry.volumes.values()):
        version = max(volume.version + 1, _first_version(now))
        registry.volumes[volume.id] = structs.replace(volume, version=version)


def overtake(registry: Registry, versions: Mapping[str, int]) -> None:
    """Count on from the versions that the sidecar has heard, whatever this registry or its clock remember."""
    for volume_id, version in versions.items():
        volume = registry.volumes.get(volume_id)
        if volume is not None and volume.version <= version:
            registry.volumes[volume_id] = structs.replace(volume, version=version + 1)


def unvouched(registry: Registry) -> list[Binding]:
    """The import paths that the sidecar calls bound, and of which it is not known that they lie below a root."""
    known = registry.exposure
    return [one for one in registry.bindings.values() if one.state is BindingState.BOUND and not known.vouches_for(one)]


def unbound(registry: Registry) -> list[AssignedPath]:
    """The import paths that lead nowhere yet."""
    if registry.assignment is None:
        return []
    return [
        path
        for path in registry.assignment.import_paths
        if (binding := registry.bindings.get(path.id)) is None or binding.state is not BindingState.BOUND
    ]


def bind(
    registry: Registry,
    found: Inspected,
    mount: Mount | None,
    probe: Probe | Trouble | None,
    new_volume: Callable[[], str],
    now: float,
    plain: Sequence[str] = (),
) -> Binding:
    """Bind an inspected import path to the volume that is mounted there, enrolling that if it is new.

    What it shows besides is added by :func:`add_part`. ``plain`` are the directories that the configuration calls
    plain; the registry knows of others (R4).
    """
    refusal = found.refusal
    if refusal is None and mount is not None:
        given = (*plain, *registry.plain_directories)
        refusal = places.needs_word(paths.to_os(found.canonical), mount, given)
    if refusal is None and (mount is None or probe is None or isinstance(probe, Trouble)):
        refusal = "The storage there cannot be identified at the moment."
    if refusal is not None or mount is None or not isinstance(probe, Probe):
        binding = Binding(import_path=found.import_path, state=BindingState.REFUSED, message=refusal)
    else:
        volume = enrol(registry, mount, probe, new_volume, now)
        directory = paths.from_os(mounts.inside(mount, paths.to_os(found.canonical)))
        registry.exposure.add(volume.id, directory)
        binding = Binding(
            import_path=found.import_path, state=BindingState.BOUND, volume=volume.id, directory=directory
        )
    registry.bindings[found.import_path] = binding
    return binding


def scopes(registry: Registry, volume: str) -> list[Scope]:
    """The import paths on one volume, as far as they may be shown."""
    if registry.assignment is None:
        return []
    found = []
    known = registry.exposure
    for path in registry.assignment.import_paths:
        binding = registry.bindings.get(path.id)
        # A union that is only looked through has nothing of its own.
        if binding is None or binding.is_view(volume):
            continue
        patterns = tuple(path.exclusion_patterns)
        if binding.volume == volume and binding.directory is not None and known.has(volume, binding.directory):
            found.append(Scope(binding.directory, path.server_path, patterns, path.id, path.volume == volume))
        for part in binding.parts:
            if part.volume == volume and known.has(volume, part.directory):
                shown_at = f"{path.server_path.rstrip('/')}/{part.below}" if part.below else path.server_path
                found.append(Scope(part.directory, shown_at, patterns, path.id, part in path.parts))
    return sorted(found)


def missed(registry: Registry) -> list[int] | None:
    """The sizes of files that are missed somewhere; None: of any size."""
    return [] if registry.assignment is None else registry.assignment.sought_sizes


def add_part(registry: Registry, binding: Binding, part: Part) -> Binding:
    """The import path shows this too, from now on."""
    grown = structs.replace(binding, parts=[*binding.parts, part])
    registry.bindings[binding.import_path] = grown
    return grown


def in_use(registry: Registry) -> list[Volume]:
    """The volumes that an import path leads to, its parts included."""
    needed = _volumes_of(registry)
    return [volume for volume in registry.volumes.values() if volume.id in needed]


def mount_of(table: Sequence[Mount], found: Inspected) -> Mount | None:
    """The mount that an inspected path lies on."""
    return None if found.refusal is not None else mounts.resolve(table, paths.to_os(found.canonical))


def known(registry: Registry, probe: Probe) -> Volume | None:
    """The volume of the registry that was found, if it is one."""
    same = (one for one in registry.volumes.values() if recognise(one.identity, probe.identity).is_ours)
    return next(same, None)


def enrol(registry: Registry, mount: Mount, probe: Probe, new_volume: Callable[[], str], now: float) -> Volume:
    """The volume that was found here: a known one, or a new one from now on."""
    volume = known(registry, probe)
    if volume is not None:
        return volume
    if registry.assignment is not None:
        for told in registry.assignment.volumes:
            if recognise(told.identity, probe.identity).is_ours:
                return _add(registry, told.id, told.label, probe, mount, now)
    return _add(registry, new_volume(), probe.label, probe, mount, now)


def _volumes_of(registry: Registry) -> set[str | None]:
    return {
        volume
        for binding in registry.bindings.values()
        for volume in (binding.volume, *(part.volume for part in binding.parts), *(part.via for part in binding.parts))
    }


def _add(registry: Registry, volume_id: str, label: str, probe: Probe, mount: Mount, now: float) -> Volume:
    volume = Volume(
        id=volume_id,
        label=label,
        identity=probe.identity,
        since=now,
        version=_first_version(now),
        last_mounted_at=mount.mount_point,
        foundation=probe.foundation,
        generation=probe.generation,
        marker_generation=None if probe.marker is None else probe.marker.generation,
    )
    registry.volumes[volume_id] = volume
    return volume


def _first_version(now: float) -> int:
    """Versions begin at the time, so that an agent that lost its registry does not begin below its own old ones."""
    return int(now * 1000)

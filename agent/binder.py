"""Finds out where import paths lead and what they show, by asking workers, and notices when that grows.

Nothing here touches storage. An answer that is missing is asked for, and the import path is taken up again when it has
come.
"""

from __future__ import annotations

import errno
import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import structlog

from agent import bindings, mounts, parts, unions
from agent.config import AgentConfig
from agent.inquiries import Inquiries
from agent.messages import Branches, FromWorker, Inspected
from agent.parts import Place
from agent.ports import Mount, Mounts, Probe, Trouble
from agent.probing import Prober
from agent.registry import Registry
from agent.volume import Volume
from agent.vouching import Vouching, place_of
from holdfast.assignments import PARTS_MAX, Answered, Binding, BindingState

_log = structlog.get_logger("agent.binder")

# Import paths that were refused are looked at again this often, and at every change of the mount table.
_INSPECT_S = 30.0
# A union tells nobody that a branch was added or taken out, or that its program has died. Asking it costs one call
# that it answers from memory: no disk wakes up for it.
_ASK_S = 60.0
# A folder that a branch does not have yet may be made there. Looking can wake the branch's disk, so it is rare.
_LOOK_S = 900.0
# How a union says that it does not tell its branches. It is then a FUSE file system like any other.
_SECRETIVE = frozenset({errno.ENODATA, errno.EOPNOTSUPP, errno.ENOENT, errno.EACCES, errno.EPERM, errno.ENOSYS})
# How a branch says that it is out of reach, or not what the union shows: the union is then scanned itself.
_OUT_OF_REACH = frozenset({errno.EACCES, errno.EPERM, errno.EXDEV})
_NO_FOLDER = frozenset({errno.ENOENT, errno.ENOTDIR})


class _Missing(Exception):
    """An answer is missing; it was asked for."""


class _Refusal(Exception):
    """The import path cannot be bound now. The text says why."""


class Failed(NamedTuple):
    """A union does not tell its branches because it is in trouble."""

    unique_id: int
    trouble: Trouble


class Binder:
    """``new_volume`` makes an id; ``config`` is the configuration as it is now: which directories it calls plain (R4),
    and which the photo server manages. Times are of the boot clock, except ``wall``. ``inspect_at`` is when import
    paths that lead nowhere are looked at again."""

    def __init__(
        self,
        registry: Registry,
        table: Mounts,
        prober: Prober,
        new_volume: Callable[[], str],
        config: Callable[[], AgentConfig] = AgentConfig,
    ) -> None:
        self._registry = registry
        self._mounts = table
        self._prober = prober
        self._new_volume = new_volume
        self._config = config
        self._inquiries = Inquiries(prober)
        self.inspect_at = 0.0
        self._table: Sequence[Mount] = ()
        self._inspected: dict[str, Inspected] = {}
        # Of unions, by unique mount id: their branches, and when they are asked for them again.
        self._branches: dict[int, list[str]] = {}
        self._ask_at: dict[int, float] = {}
        # Folders of branches that were looked at, by the key of the question.
        self._looks: dict[str, Inspected] = {}
        self._look_at = 0.0
        # What was mounted directly on each attached volume, by this table.
        self._surveyed: Sequence[Mount] | None = None
        self._below: dict[str, frozenset[str]] = {}
        self._is_stale = True
        self._vouching = Vouching(registry, prober)

    def see(self, table: Sequence[Mount], *, changed: bool) -> None:
        """This is the mount table now. When it has changed, everything may show something else."""
        self._table = table
        if changed:
            self.hurry()
        if changed and self._mounts.recycles_ids:
            self._branches.clear()  # another union may have the id by now

    def uncovered(self) -> list[str]:
        """The volumes below which something was unmounted since the last call: what it covered is there again, and no
        watch tells of that."""
        if self._table is self._surveyed:
            return []
        self._surveyed = self._table
        before, self._below = self._below, {}
        for volume in bindings.in_use(self._registry):
            mount = self._attached(volume)
            if mount is not None:
                self._below[volume.id] = frozenset(one.mount_point for one in mounts.below(self._table, mount))
        return [one for one, points in before.items() if points - self._below.get(one, points)]

    def hurry(self) -> None:
        """Ask every union for its branches again, and look at their folders."""
        self._ask_at.clear()
        self._vouching.hurry()
        self.inspect_at = 0.0
        self._looks = {key: one for key, one in self._looks.items() if one.refusal is None}
        self._is_stale = True

    def inspect_unbound(self, roots: list[str], now: float) -> None:
        """Have a look at the import paths that lead nowhere yet, when it is time; at what the sidecar asks, at once."""
        questions = [] if self._registry.assignment is None else self._registry.assignment.questions
        self._inquiries.ask(questions, roots, self._config().managed_directories, now)
        self._vouching.ask(self._table, roots, now)
        if now < self.inspect_at:
            return
        self.inspect_at = now + _INSPECT_S
        for path in bindings.unbound(self._registry):
            self._prober.inspect(path.id, path.path, roots, now, managed=self._config().managed_directories)

    def take(self, answer: FromWorker) -> Failed | None:
        """Take an answer of a worker; returns what it says against a union."""
        self._is_stale = True
        match answer:
            case Inspected() if self._inquiries.has_asked(answer):
                vouched_for = (*self._config().plain_directories, *self._registry.plain_directories)
                self._inquiries.take(answer, bindings.mount_of(self._table, answer), vouched_for)
            case Inspected() if " " in answer.import_path:
                self._looks[answer.import_path] = answer
            case Inspected():
                self._inspected[answer.import_path] = answer
            case Branches(unique_id, found, 0):
                self._branches[unique_id] = found
            case Branches(unique_id, _, number) if number in _SECRETIVE:
                self._branches[unique_id] = []
            case Branches(unique_id, _, number):
                return Failed(unique_id, Trouble(number, ""))
            case _:
                pass
        return None

    def answers(self) -> list[Answered]:
        """What there is to say to the questions of the sidecar."""
        return self._inquiries.answers()

    def due(self) -> float | None:
        """When :meth:`step` or :meth:`inspect_unbound` has something to ask."""
        times = [*self._ask_at.values(), self._vouching.due()]
        if bindings.unbound(self._registry):
            times.append(self.inspect_at)
        soonest = min(times, default=math.inf)
        return None if soonest == math.inf else soonest

    def step(self, now: float, wall: float) -> set[str]:
        """Bind what can be bound, and add what is shown newly; returns the import paths whose bindings changed."""
        self._ask_unions(now)
        if not self._is_stale:
            return set()
        self._is_stale = False
        changed = {one for one in list(self._inspected) if self._bind(one, now, wall)}
        for binding in list(self._registry.bindings.values()):
            if self._grow(binding, now, wall):
                changed.add(binding.import_path)
        return changed

    def lost(self, volume: Volume) -> list[str] | None:
        """The branches that this union lacks; None while it is not known which it has."""
        found = None if volume.epoch is None else self._branches.get(volume.epoch.mount_id)
        if found is None:
            return None
        if volume.id in self._registry.unions:
            return unions.lost_names(self._registry.unions[volume.id], found)
        of_it = [part for binding in self._registry.bindings.values() for part in binding.parts]
        return unions.lost_parts(of_it, volume.id, found, self._registry.volumes, self._table)

    # Binding

    def _bind(self, import_path: str, now: float, wall: float) -> bool:
        found = self._inspected[import_path]
        before = self._registry.bindings.get(import_path)
        if before is not None and before.state is BindingState.BOUND:
            del self._inspected[import_path]
            return self._vouching.take(self._table, before, found, now)
        mount = bindings.mount_of(self._table, found)
        try:
            probe = None if mount is None else self._probe(mount, now)
            top = None if mount is None else Place(mount, found.canonical, "")
            is_probed = top is not None and isinstance(probe, Probe)
            shown = self._shown(top, now) if top is not None and is_probed else []
        except _Missing:
            return False
        except _Refusal as refusal:
            shown, found = [], Inspected(import_path, found.canonical, str(refusal))
        del self._inspected[import_path]
        binding = bindings.bind(
            self._registry, found, mount, probe, self._new_volume, wall, self._config().plain_directories
        )
        if binding.state is BindingState.BOUND:
            binding = self._add(binding, shown, wall)
            self._note_unions(binding, [] if mount is None else [mount, *(place.mount for place in shown)])
        if binding != before:
            _log.info("import_path.inspected", import_path=import_path, state=binding.state, detail=binding.message)
        return binding != before

    def _grow(self, binding: Binding, now: float, wall: float) -> bool:
        """Add what a bound import path shows newly."""
        top = place_of(self._registry, self._table, binding)
        if top is None or not self._registry.exposure.vouches_for(binding):
            return False
        try:
            shown = self._shown(top, now, binding=binding)
        except (_Missing, _Refusal):
            return False
        known = len(self._registry.exposure.places)
        grown = self._add(binding, shown, wall)
        self._note_unions(grown, [top.mount, *(place.mount for place in shown)])
        return grown != binding or len(self._registry.exposure.places) != known

    def _add(self, binding: Binding, shown: Sequence[Place], wall: float) -> Binding:
        """The binding with the parts that are new in it."""
        for place in shown:
            probe, via = self._probed(place.mount), None if place.via is None else self._probed(place.via)
            if not isinstance(probe, Probe) or (place.via is not None and not isinstance(via, Probe)):
                continue  # it cannot be told what it is; it may be later
            if len(binding.parts) >= PARTS_MAX:
                _log.warning("import_path.too_many_parts", import_path=binding.import_path, left_out=place.path)
                return binding
            volume = bindings.enrol(self._registry, place.mount, probe, self._new_volume, wall)
            self._registry.exposure.add(volume.id, place.directory)
            union = None
            if place.via is not None and isinstance(via, Probe):
                union = bindings.enrol(self._registry, place.via, via, self._new_volume, wall).id
            part = parts.new_part(binding, place, volume, union, self._registry.volumes)
            if part is not None:
                binding = bindings.add_part(self._registry, binding, part)
                _log.info("import_path.part", import_path=binding.import_path, path=part.path, volume=part.volume)
        return binding

    def _note_unions(self, binding: Binding, shown: Iterable[Mount]) -> None:
        """Remember the branches of unions that are scanned themselves; those that are added later belong to them."""
        for mount in shown:
            unique_id, probe = self._mounts.unique_id(mount.mount_point), self._probed(mount)
            found = None if unique_id is None else self._branches.get(unique_id)
            if not unions.is_union(mount.fs_type) or not found or not isinstance(probe, Probe):
                continue
            volume = bindings.known(self._registry, probe)
            if volume is not None and not binding.is_view(volume.id):
                before = self._registry.unions.get(volume.id, [])
                self._registry.unions[volume.id] = sorted({*before, *found})

    # What is shown

    def _shown(self, top: Place, now: float, *, binding: Binding | None = None) -> list[Place]:
        """Every place that this one shows besides itself, each on a mount that was probed.

        ``binding`` is that of the import path, None while it has none. Raises :class:`_Missing`.
        """
        found = list(parts.nested(self._table, top))
        for union in [one for one in (top, *found) if unions.is_union(one.mount.fs_type)]:
            if self._is_opaque(union, binding):
                continue
            for place in self._branch_places(union, now, first=binding is None):
                # A branch may hold the mount point of its own union.
                inner = [one for one in parts.nested(self._table, place) if one.mount != union.mount]
                found += [place, *inner]
        for place in found:
            self._probe(place.mount, now)
        return found

    def _is_opaque(self, place: Place, binding: Binding | None) -> bool:
        """Whether this union was bound as one that is scanned itself. It stays so: its photos are where they are."""
        probe = self._probe(place.mount, 0.0) if binding is not None else None
        volume = bindings.known(self._registry, probe) if isinstance(probe, Probe) else None
        if binding is None or volume is None:
            return False
        return volume.id in {binding.volume, *(part.volume for part in binding.parts)} and not binding.is_view(
            volume.id
        )

    def _branch_places(self, union: Place, now: float, *, first: bool) -> list[Place]:
        """The parts of a union's branches that this place on it shows; none when they are out of reach."""
        found = []
        for root in self._branches_of(union.mount, now):
            place = parts.branch(self._table, union, root)
            if place is None:
                continue
            look = self._look(union, place, now)
            if look.refusal is None and look.canonical == place.path:
                if not isinstance(self._probe(place.mount, now), Probe):
                    raise _Refusal(f"A branch of the union, {place.path}, cannot be identified at the moment.")
                found.append(place)
            elif look.refusal is None or look.errno in _OUT_OF_REACH:
                return []
            elif look.errno not in _NO_FOLDER and first:
                raise _Refusal(f"A branch of the union cannot be used now: {look.refusal}")
        return found

    def _look(self, union: Place, place: Place, now: float) -> Inspected:
        """What a folder of a branch is, as it was found last. It need not be below a root: the union is."""
        key = f"{self._mounts.unique_id(union.mount.mount_point)} {place.path}"
        if key not in self._looks:
            self._prober.inspect(key, place.path, ["/"], now, shown_at=union.path)
            raise _Missing
        return self._looks[key]

    # Answers that have come, or are asked for

    def _branches_of(self, mount: Mount, now: float) -> list[str]:
        unique_id = self._mounts.unique_id(mount.mount_point)
        if unique_id is None or unique_id not in self._branches:
            if unique_id is not None:
                self._prober.ask_branches(mount, unique_id, now)
            raise _Missing
        return self._branches[unique_id]

    def _probe(self, mount: Mount, now: float) -> Probe | Trouble | None:
        """What is mounted here. None when it cannot be reached."""
        unique_id = self._mounts.unique_id(mount.mount_point)
        if unique_id is None or mounts.covered(self._table, mount):
            return None
        if unique_id not in self._prober.probes:
            self._prober.probe(mount, unique_id, now)
            raise _Missing
        return self._prober.probes[unique_id]

    def _probed(self, mount: Mount) -> Probe | Trouble | None:
        unique_id = self._mounts.unique_id(mount.mount_point)
        return None if unique_id is None else self._prober.probes.get(unique_id)

    def _ask_unions(self, now: float) -> None:
        """Ask the unions in use for their branches, when it is time."""
        in_use: set[int] = set()
        for volume in bindings.in_use(self._registry):
            mount = self._attached(volume) if unions.is_union(volume.identity.fs_type) else None
            if mount is None or volume.epoch is None:
                continue
            in_use.add(volume.epoch.mount_id)
            if self._ask_at.get(volume.epoch.mount_id, 0.0) <= now:
                self._prober.ask_branches(mount, volume.epoch.mount_id, now)
                self._ask_at[volume.epoch.mount_id] = now + _ASK_S
        for gone in self._ask_at.keys() - in_use:
            del self._ask_at[gone]
        if self._ask_at and self._look_at <= now:
            self._look_at = now + _LOOK_S
            self._looks = {key: one for key, one in self._looks.items() if one.refusal is None}

    def _attached(self, volume: Volume | None) -> Mount | None:
        """The line of the mount table for an attached volume."""
        if volume is None or volume.epoch is None:
            return None
        return next((mount for mount in self._table if mount.mount_id == volume.table_id), None)

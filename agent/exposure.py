"""Which places on volumes the agent may show: those that it has itself found below its roots. Pure.

A sidecar tells where import paths were bound before, so that an agent that lost its registry goes on where it was. That
word alone exposes nothing: the place is looked at like that of a new import path, where its volume is mounted now, and
only when it lies below a root is anything of it listed, watched or read. Once found, it may be shown wherever the
volume is mounted from then on.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from holdfast import paths
from holdfast.assignments import Binding, BindingState


class Exposed(msgspec.Struct, frozen=True):
    """A directory of a volume that was found below a root, and all below it."""

    volume: str
    directory: str


class Exposure(msgspec.Struct, kw_only=True):
    """What may be shown, and the ``roots`` that it was found below."""

    roots: list[str] = []
    places: list[Exposed] = []

    def has(self, volume: str | None, directory: str | None) -> bool:
        """Whether this place may be shown."""
        return directory is not None and any(
            one.volume == volume and paths.contains(one.directory, directory) for one in self.places
        )

    def vouches_for(self, binding: Binding) -> bool:
        """Whether the place that an import path is bound to may be shown."""
        return binding.state is BindingState.BOUND and self.has(binding.volume, binding.directory)

    def add(self, volume: str, directory: str) -> bool:
        """This place was found below a root, or is shown by one that was; False when that is known."""
        if self.has(volume, directory):
            return False
        self.places.append(Exposed(volume, directory))
        return True

    def keep_to(self, roots: Sequence[str]) -> bool:
        """These are the roots now. When one is gone everything is to be found anew; whether that is so."""
        lost = bool(set(self.roots) - set(roots))
        self.roots = list(roots)
        if lost:
            self.places.clear()
        return lost


def of_before(bindings: Sequence[Binding]) -> Exposure:
    """What an agent has shown that did not write this down yet."""
    made = Exposure()
    for one in bindings:
        if one.state is BindingState.BOUND and one.volume is not None and one.directory is not None:
            made.add(one.volume, one.directory)
            for part in one.parts:
                made.add(part.volume, part.directory)
    return made

"""What of a watch's hints is of interest, and how long a watch is left alone that has told nothing of interest. Pure.

A watch may tell of more than anybody wants to know: one mark sees a whole file system, with the database that lives
beside the photos.
"""

from __future__ import annotations

from collections.abc import Iterable

from agent.ports import Hint, Lost
from agent.scopes import Scopes
from holdfast import paths

# The pause after the first reading without interest; each further one doubles it.
PAUSE_FIRST_S = 0.005
# A new photo waits this long at most. Much longer pauses would save next to nothing, and the kernel's queue (16,384
# events by default) would overflow at rates that disks really have, which costs a scan.
PAUSE_MAX_S = 0.1


def of_interest(hints: Iterable[Hint | Lost], scopes: Scopes) -> list[Hint | Lost]:
    """What of these concerns an import path. What happens to a directory on the way to one is a hint for that."""
    found: dict[Hint | Lost, None] = {}
    # For each directory, the import paths that lie below it; None: it belongs to one itself.
    below: dict[str, list[str] | None] = {}
    for hint in hints:
        if isinstance(hint, Lost):
            found[hint] = None
            continue
        place = hint.directory
        if place not in below:
            below[place] = None if scopes.holds(place) else scopes.roots_below(place)
        roots = below[place]
        if roots is None:
            found[hint] = None
        elif roots:
            changed = paths.join(place, hint.name) if hint.name else place
            found |= {Hint(root, ""): None for root in roots if paths.contains(changed, root)}
    return list(found)


class Noise:
    """When a watch is to be read again. Times are of the boot clock."""

    def __init__(self) -> None:
        self.until = 0.0
        self._pause_s = 0.0

    def heard(self, *, wanted: bool, now: float) -> None:
        """The watch was read, and had something of interest to tell or not."""
        was_quiet = now > self.until + PAUSE_MAX_S
        self._pause_s = 0.0 if wanted else min(2 * self._pause_s, PAUSE_MAX_S)
        if not wanted and (was_quiet or not self._pause_s):
            self._pause_s = PAUSE_FIRST_S
        self.until = now + self._pause_s

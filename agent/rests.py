"""Directories that are being left alone for a while, since looking at them takes long. Pure but for its own memory."""

from __future__ import annotations

from collections.abc import Iterable

# A directory is left alone for so many times as long as the look at it took, up to some time: it may be large, and
# somebody may add to it all day.
REST = 4.0
REST_MAX_S = 30.0


class Rests:
    """Until when each of them rests. Looks that cannot wait may be taken all the same; they count as any other."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    def looked(self, directories: Iterable[str], began: float, now: float) -> None:
        """These were looked at together."""
        self._until = {directory: until for directory, until in self._until.items() if until > now}
        self._until.update(dict.fromkeys(directories, now + min(REST * (now - began), REST_MAX_S)))

    def until(self, directory: str) -> float:
        """When this one may be looked at again; 0.0 for one of which nothing is known."""
        return self._until.get(directory, 0.0)

    def clear(self) -> None:
        """Forget them."""
        self._until.clear()

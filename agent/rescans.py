"""When a volume that is not watched completely is looked over again: it adapts to how often something is found. Pure.

A whole scan comes at a fixed interval. In between come *glances*, which look at names alone (mode ``new``): each that
finds something halves the time to the next one, and each that finds nothing doubles it, until there are none before
the next scan. So a share that is written to is seen within a minute, and one at rest is left alone.
"""

from __future__ import annotations

from holdfast.scans import ScanMode

_GLANCE_MIN_S = 60.0
# Of the time that a glance takes, so much passes before the next one.
_REST = 10


class Rescans:
    """The scans and glances of one engine, on the boot clock."""

    def __init__(self, scan_s: float) -> None:
        self._scan_s = self._glance_s = scan_s
        self._scan_at: float | None = None
        self._glance_at: float | None = None
        self._glancing_since: float | None = None
        self._has_found = False

    def clear(self) -> None:
        """None is due, until a scan has ended."""
        self._scan_at = self._glance_at = self._glancing_since = None

    def walked(self, now: float, *, found: bool, is_over: bool, is_scanned: bool) -> None:
        """A walk has gone a step further, and perhaps found something. With the last of them a glance has ended
        (``is_over``), or a scan after which another one is needed (``is_scanned``)."""
        self._has_found = self._has_found or found
        if is_scanned:
            self._scan_at = now + self._scan_s
            self._rest(now, 0.0)
        elif is_over and self._glancing_since is not None:
            self._rest(now, now - self._glancing_since)

    def due(self) -> float | None:
        """When the next is due."""
        return min((at for at in (self._scan_at, self._glance_at) if at is not None), default=None)

    def take(self, now: float) -> ScanMode | None:
        """What is due: a scan, a glance (mode ``new``), or nothing."""
        if self._scan_at is not None and self._scan_at <= now:
            self.clear()
            return ScanMode.CHANGED
        if self._glance_at is not None and self._glance_at <= now:
            self._glance_at, self._glancing_since = None, now
            return ScanMode.NEW
        return None

    def _rest(self, now: float, took_s: float) -> None:
        wanted_s = self._glance_s / 2 if self._has_found else self._glance_s * 2
        self._glance_s = min(max(wanted_s, _GLANCE_MIN_S, _REST * took_s), self._scan_s)
        self._glance_at = now + self._glance_s
        self._glancing_since = None
        self._has_found = False

"""The progress of a scan, as one line. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from holdfast import wording
from holdfast.status import VolumeReading
from holdfast.volumes import VolumeState

_BAR_MAX = 30
_BAR_MIN = 8


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """All scans under way, taken together. ``waiting`` counts files on their way into the catalog."""

    fraction: float
    files: int
    elapsed_s: float
    errors: int
    waiting: int

    @property
    def files_per_s(self) -> float:
        """Files found in a second of scanning."""
        return self.files / self.elapsed_s if self.elapsed_s > 0 else 0.0


def of(readings: Sequence[VolumeReading]) -> Progress:
    """Sum up the volumes. One that has finished its first scan counts as done, one not yet begun as zero."""
    scanning = [r.scan for r in readings if r.scan is not None]
    taking_part = [r for r in readings if r.scan is not None or r.status.state == VolumeState.ONLINE]
    done = sum(1.0 for r in taking_part if r.scan is None and r.scans_finished)
    fractions = done + sum(min(1.0, max(0.0, scan.fraction)) for scan in scanning)
    return Progress(
        fraction=fractions / len(taking_part) if taking_part else 0.0,
        files=sum(scan.files for scan in scanning),
        elapsed_s=max((scan.elapsed_s for scan in scanning), default=0.0),
        errors=sum(scan.errors for scan in scanning),
        waiting=sum(r.status.pending for r in readings),
    )


def settled(readings: Sequence[VolumeReading]) -> bool:
    """Whether every volume that can be scanned has been, and the catalog has received all of it."""
    return bool(readings) and all(_is_settled(reading) for reading in readings)


def _is_settled(reading: VolumeReading) -> bool:
    match reading.status.state:
        case VolumeState.ONLINE:
            return reading.scan is None and reading.scans_finished > 0 and reading.status.pending == 0
        case VolumeState.UNKNOWN:
            return False  # about to be looked at
        case _:
            return True  # its storage is away: there is nothing to wait for


def bar(progress: Progress, columns: int, *, plain: bool = False) -> str:
    """The line for a terminal of this width. ``plain`` draws the bar in ASCII."""
    text = f" {_percent(progress.fraction)}  {_facts(progress)}".rstrip()
    head = "scanning "
    room = min(_BAR_MAX, columns - len(head) - len(text) - 1)
    if room < _BAR_MIN:
        return f"{head}{text.strip()}"[: max(0, columns - 1)]
    full, empty = ("#", ".") if plain else ("█", "░")
    filled = int(progress.fraction * room)
    return f"{head}{full * filled}{empty * (room - filled)}{text}"


def line(progress: Progress) -> str:
    """The line for a log, where nothing can be drawn over."""
    return f"scanning: {_percent(progress.fraction).strip()}, {_facts(progress)}".rstrip(", ")


def _percent(fraction: float) -> str:
    # A scan that is not over never shows 100 %.
    return f"{min(99, int(fraction * 100)):3d} %"


def _facts(progress: Progress) -> str:
    if progress.elapsed_s == 0:  # no scan is running
        return f"{wording.count(progress.waiting, 'file')} on the way into the catalog" if progress.waiting else ""
    facts = wording.count(progress.files, "file")
    if progress.files_per_s >= 1:
        facts += f", {progress.files_per_s:,.0f} a second"
    if progress.errors:
        facts += f", {wording.count(progress.errors, 'error')}"
    return facts

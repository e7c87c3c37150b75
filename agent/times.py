"""Are two times of a file the same? They are compared for being equal, never for their order (R23). Pure.

Where a file system keeps local time, as FAT does, the same instant reads differently after a change to summer time,
after a remount with another zone, and once the kernel has written the time to the disk and read it back in the
disk's own grain. None of that is a change of the file.
"""

from __future__ import annotations

from agent.filesystems import Traits

_HOUR_NS = 3_600_000_000_000
# From UTC-12 to UTC+14: two zones can be no further apart, and no two settings of one disk either.
_HOURS_MAX = 26

Stamp = tuple[int, int]


def is_same_time(one_ns: int, other_ns: int, traits: Traits) -> bool:
    """Whether two readings of a modification time may be of one and the same time."""
    if one_ns == other_ns:
        return True
    if not traits.local_time:
        return False
    grain_ns = traits.grain_ns
    apart_ns = abs(one_ns // grain_ns * grain_ns - other_ns // grain_ns * grain_ns)
    return apart_ns % _HOUR_NS == 0 and apart_ns <= _HOURS_MAX * _HOUR_NS


def is_same_stamp(one: Stamp | None, other: Stamp | None, traits: Traits) -> bool:
    """Whether a directory's modification and change time have not moved. None is no time, and the same as nothing."""
    if one is None or other is None:
        return False
    return all(is_same_time(a, b, traits) for a, b in zip(one, other, strict=True))

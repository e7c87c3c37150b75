"""How numbers, times and names are put into words. Pure."""

from __future__ import annotations

import math
from datetime import datetime, tzinfo


def count(number: int, noun: str) -> str:
    """``1 photo``, ``1,000 photos``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def photos_and_videos(photos: int, videos: int) -> str:
    """``312 photos``, ``1 video``, ``312 photos and 4 videos``; nothing at all is ``no photos``."""
    parts = [count(photos, "photo")] if photos else []
    parts += [count(videos, "video")] if videos else []
    return " and ".join(parts) or "no photos"


def size(number_bytes: int) -> str:
    """Bytes in decimal units, as disks are sold: ``245.1 GB``."""
    amount = float(number_bytes)
    for unit in ("bytes", "kB", "MB", "GB"):
        if amount < 999.95:  # what would be rounded to 1000.0 belongs to the next unit
            return f"{number_bytes:,} bytes" if unit == "bytes" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:,.1f} TB"


def duration(seconds: float) -> str:
    """``0.4 s``, ``12 s``, ``3 min 20 s``, ``2 h 5 min``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = math.floor(seconds + 0.5)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def clock(at: float, zone: tzinfo | None) -> str:
    """The time of day of a Unix time, ``14:03:22``; ``zone`` None is this machine's."""
    return datetime.fromtimestamp(at, zone).strftime("%H:%M:%S")


def shown(name: str) -> str:
    """A file name made safe for a terminal: a name may hold newlines, and sequences that a terminal obeys."""
    return "".join(char if char.isprintable() else _escaped(char) for char in name)


def _escaped(char: str) -> str:
    number = ord(char)
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"

"""How long an engine waits for what, and what it does besides."""

from __future__ import annotations

from typing import Literal

import msgspec

# How changes are to be seen; "no": by scans alone.
WatchChoice = Literal["auto", "fanotify", "inotify", "no"]


class EngineSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Waits of one engine, in seconds.

    ``settle_s``: a file that was written, and not seen to be closed, must be quiet this long.
    ``confirm_delay_s``: the time between the two looks that prove an absence.
    ``rescan_s``: a volume that cannot be watched completely is scanned this often.
    ``spool_bytes_max``: with more than this waiting to be told, looking waits: the disk stays as it is.
    ``read_contents``: every file is read once in the background, so that it is known by what is in it; not before
    nothing has changed for ``read_after_s``: whoever heard of new photos reads them first.
    ``watch``: which watch the engine is given, if one.
    """

    settle_s: float = 5.0
    confirm_delay_s: float = 2.0
    rescan_s: float = 900.0
    spool_bytes_max: int = 64 * 1024 * 1024
    read_contents: bool = True
    read_after_s: float = 10.0
    watch: WatchChoice = "auto"

    @property
    def background_after_s(self) -> float | None:
        """How long nothing must have changed before files are read that nobody waits for; None: they are not read."""
        return self.read_after_s if self.read_contents else None

"""Logging of the sidecar: lines ``event key=value`` on standard error, for journald or a terminal.

Faults go through :class:`Log`, which says the same only at growing intervals; what libraries log comes as it is.
"""

from __future__ import annotations

import logging
import os
import sys
import time

from holdfast.log_lines import Repeats, line, redacted

# The priorities of syslog, which journald reads from the start of a line (sd-daemon(3)).
_PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}


class Log:
    """The log of one module."""

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name)

    def info(self, event: str, /, **values: object) -> None:
        """Something happened that is as it should be."""
        REPEATS.ended(event)
        self._logger.info("%s", line(event, values))

    def warning(self, event: str, /, **values: object) -> None:
        """Something is not as it should be, and is dealt with or waited for."""
        self._fault(logging.WARNING, event, values, None)

    def error(self, event: str, /, error: BaseException | None = None, **values: object) -> None:
        """Something failed that somebody has to look at; with where it happened."""
        self._fault(logging.ERROR, event, values, error)

    def _fault(self, level: int, event: str, values: dict[str, object], error: BaseException | None) -> None:
        what = values if error is None else {**values, "problem": f"{type(error).__name__}: {error}"}
        kept_back = REPEATS.take(event, what, time.monotonic())
        if kept_back is None:
            return
        if kept_back:
            what = {**what, "repeated": kept_back}
        self._logger.log(level, "%s", line(event, what), exc_info=error)


def configure() -> None:
    """Set logging up for this process."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines(under_systemd="JOURNAL_STREAM" in os.environ))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for noisy in ("alembic", "httpx2"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


class _Lines(logging.Formatter):
    def __init__(self, *, under_systemd: bool) -> None:
        super().__init__("%(message)s" if under_systemd else "%(asctime)s %(levelname)-7s %(message)s")
        self._under_systemd = under_systemd

    def format(self, record: logging.LogRecord) -> str:
        text = redacted(super().format(record))
        if not self._under_systemd:
            return text
        # journald takes every line for an entry of its own.
        head = f"<{_PRIORITIES.get(record.levelno, 6)}>"
        return "\n".join(f"{head}{one}" for one in text.splitlines())


# What this process has said.
REPEATS = Repeats()

"""Logging: one line an event, on standard error, for journald or a terminal."""

from __future__ import annotations

import logging
import os
import sys
import time

import structlog
from structlog.typing import EventDict, WrappedLogger

from holdfast.log_lines import Repeats, line

# The priorities of syslog, which journald reads from the start of a line (sd-daemon(3)).
_PRIORITIES = {"debug": "<7>", "info": "<6>", "warning": "<4>", "error": "<3>", "critical": "<2>"}


def configure() -> None:
    """Set logging up for this process."""
    under_systemd = "JOURNAL_STREAM" in os.environ
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            _without_repeats,
            _for_journald if under_systemd else _for_people,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def _without_repeats(_logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
    """Keep back a fault that was said before, until its time has come again."""
    if name not in ("warning", "error", "critical", "exception"):
        _repeats.ended(event["event"])
        return event
    values = {key: value for key, value in event.items() if key not in ("event", "level", "timestamp")}
    kept_back = _repeats.take(event["event"], values, time.monotonic())
    if kept_back is None:
        raise structlog.DropEvent
    return {**event, "repeated": kept_back} if kept_back else event


def _for_people(_logger: WrappedLogger, _name: str, event: EventDict) -> str:
    head = f"{event.pop('timestamp')} {event.pop('level'):7}"
    return f"{head} {line(event.pop('event'), event)}"


def _for_journald(_logger: WrappedLogger, _name: str, event: EventDict) -> str:
    event.pop("timestamp")  # journald has its own
    return f"{_PRIORITIES.get(event.pop('level'), '<6>')}{line(event.pop('event'), event)}"


_repeats = Repeats()

"""Logging: one line an event, on standard error, for journald or a terminal."""

from __future__ import annotations

import logging
import os
import sys

import structlog
from structlog.typing import EventDict, WrappedLogger

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
            _for_journald if under_systemd else _for_people,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


_pairs = structlog.processors.KeyValueRenderer(sort_keys=False)


def _for_people(logger: WrappedLogger, name: str, event: EventDict) -> str:
    head = f"{event.pop('timestamp')} {event.pop('level'):7} {event.pop('event')}"
    return f"{head} {_pairs(logger, name, event)}".rstrip()


def _for_journald(logger: WrappedLogger, name: str, event: EventDict) -> str:
    event.pop("timestamp")  # journald has its own
    head = f"{_PRIORITIES.get(event.pop('level'), '<6>')}{event.pop('event')}"
    return f"{head} {_pairs(logger, name, event)}".rstrip()

"""ETags and the conditions on them (RFC 9110), and how long a client wants to wait (RFC 7240)."""

from __future__ import annotations

import re

from sidecar.errors import Refused

_WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,4})\"?", re.IGNORECASE)


def quote(tag: str | int) -> str:
    """An ETag as it stands in a header."""
    return f'"{tag}"'


def is_current(if_none_match: str | None, tag: str | int) -> bool:
    """Whether a client that sent this ``If-None-Match`` has this state already, so that 304 will do."""
    return if_none_match is not None and _matches(if_none_match, tag)


def check_match(if_match: str | None, tag: str | int) -> None:
    """Raise :class:`Refused` when a client wants to change another state than this."""
    if if_match is not None and not _matches(if_match, tag):
        raise Refused("precondition-failed", "It was changed since you read it. Read it again, then change it.")


def wait_s(prefer: str | None, longest_s: float) -> float:
    """The seconds that a ``Prefer: wait=N`` asks for."""
    found = _WAIT.search(prefer or "")
    return min(float(found[1]), longest_s) if found else 0.0


def _matches(header: str, tag: str | int) -> bool:
    tags = [one.strip().removeprefix("W/") for one in header.split(",")]
    return "*" in tags or quote(tag) in tags

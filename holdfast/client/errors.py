"""What can go wrong between a photo server and the sidecar.

HoldfastError
├── Unreachable       no answer, or one that comes from something else than a sidecar; trying again may help
│   └── NotReady        what was asked for is being prepared; trying again goes on with it
└── Refused           the sidecar refused, and says why; trying the same again does not help
    └── CursorExpired   the feed has to be read from its beginning, see ``Client.snapshot``
"""

from __future__ import annotations

import httpx2
import msgspec

from holdfast.problems import Problem


class HoldfastError(Exception):
    """The root of the tree."""


class Unreachable(HoldfastError):
    """The sidecar does not answer, is being restarted, or its database is. ``retry_after_s`` is what it asks for."""

    def __init__(self, sentence: str, retry_after_s: float | None = None) -> None:
        super().__init__(sentence)
        self.retry_after_s = retry_after_s


class NotReady(Unreachable):
    """The sidecar is preparing what was asked for, and says how far it is."""


class Refused(HoldfastError):
    """The sidecar refused a call. ``problem`` says why, ``code`` is its kind, such as "not-found"."""

    def __init__(self, problem: Problem) -> None:
        sentences = [problem.detail, *(f"{error.pointer}: {error.message}" for error in problem.errors)]
        super().__init__(" ".join(sentences))
        self.problem = problem
        self.code = problem.code
        self.status = problem.status


class CursorExpired(Refused):
    """The cursor is of a catalog that was restored or made anew, or too old: what happened since cannot be told."""


# Too many requests, and what proxies and a sidecar without its database answer.
_AGAIN = {408, 425, 429, 500, 502, 503, 504}


def error_of(answer: httpx2.Response) -> HoldfastError:
    """The error that an answer with a bad status is."""
    problem = _problem(answer)
    if answer.status_code in _AGAIN:
        wished = answer.headers.get("Retry-After", "")
        wished_s = float(wished) if wished.isascii() and wished.isdecimal() else None
        if problem is not None and problem.code == "not-ready":
            return NotReady(problem.detail, wished_s)
        why = f": {problem.detail}" if problem is not None else ""
        return Unreachable(f"the sidecar answered with status {answer.status_code}{why}", wished_s)
    if problem is None:
        return Unreachable(f"something that is no sidecar answered, with status {answer.status_code}")
    return CursorExpired(problem) if problem.code == "cursor-expired" else Refused(problem)


def _problem(answer: httpx2.Response) -> Problem | None:
    try:
        return msgspec.json.decode(answer.content, type=Problem)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None

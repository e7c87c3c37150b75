"""Lines of a log: ``event key=value``, for people and for programs, without secrets, and nothing over and over.

Both parts write such lines. The event is one of a fixed list (docs/operations.md); values that are not plain are
quoted, with everything escaped that a terminal would obey or that would begin another line.
"""

from __future__ import annotations

import json
import re
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from holdfast import wording

_PLAIN = re.compile(r"[\w.:/@%+,-]+", re.ASCII)
# Tokens of ours, and the password of a URL.
_SECRETS = ((re.compile(r"\bhf_[A-Za-z0-9_-]{8,}"), "hf_…"), (re.compile(r"(://[^/@\s:]*):[^@/\s]*@"), r"\1:…@"))

# The same is said again after a minute, and then after twice as long each time.
FIRST_S = 60.0
LAST_S = 6 * 3600.0
# So many different lines are remembered, and it begins anew with those that have not been said for longest.
_REMEMBERED = 512
# What makes two lines differ that say the same.
_FLEETING = frozenset({"pid", "repeated"})
# What ends the fault that another event speaks of. If it comes again after that, it is said again.
_ENDS = {"sidecar.connected": "sidecar.lost", "shipping.resumed": "shipping.stalled"}


def line(event: str, values: Mapping[str, object]) -> str:
    """The whole line."""
    return redacted(
        " ".join([event, *(f"{key}={_value(value)}" for key, value in values.items() if value is not None)])
    )


def redacted(text: str) -> str:
    """The text without tokens and passwords."""
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    return text


class Repeats:
    """Whether something is to be said that may have been said before; to be used by any number of threads.

    A fault that stays is said once, then at growing intervals, with how often it was not said between.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._said: OrderedDict[tuple[str, str], _Said] = OrderedDict()

    def take(self, event: str, values: Mapping[str, object], now_s: float) -> int | None:
        """How often this was kept back since it was said last; None when it is to be kept back now."""
        key = (event, line("", {name: value for name, value in values.items() if name not in _FLEETING}))
        with self._lock:
            known = self._said.get(key)
            if known is None or now_s - known.seen_s > known.interval_s:
                self._said[key] = _Said(now_s, now_s, FIRST_S, 0)
                self._said.move_to_end(key)
                while len(self._said) > _REMEMBERED:
                    self._said.popitem(last=False)
                return 0
            known.seen_s = now_s
            if now_s - known.at_s < known.interval_s:
                known.kept_back += 1
                return None
            count, known.kept_back = known.kept_back, 0
            known.at_s, known.interval_s = now_s, min(2 * known.interval_s, LAST_S)
            self._said.move_to_end(key)
            return count

    def ended(self, event: str) -> None:
        """This is said: if it is the end of a fault, that is news when it comes again."""
        over = _ENDS.get(event)
        if over is None:
            return
        with self._lock:
            for key in [key for key in self._said if key[0] == over]:
                del self._said[key]


@dataclass(slots=True)
class _Said:
    at_s: float
    seen_s: float
    interval_s: float
    kept_back: int


def _value(value: object) -> str:
    text = str(value.value if isinstance(value, Enum) else value)
    if _PLAIN.fullmatch(text):
        return text
    return json.dumps(wording.shown(text), ensure_ascii=False)

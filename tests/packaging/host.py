"""A Debian that is booted somewhere, and is told what to do as by somebody at its console."""

from __future__ import annotations

import abc
import time
from collections.abc import Callable


class ScriptFailed(AssertionError):
    """A script in there ended with another status than 0. The text has what it printed."""


class Host(abc.ABC):
    """One of them. ``patience_s`` is how long it may take over what it does in seconds when nobody disturbs it."""

    patience_s: float

    @abc.abstractmethod
    def script(self, text: str) -> str:
        """Run lines of a shell in there, as root, who needs no sudo; they have to succeed."""

    def until(self, text: str, wanted: Callable[[str], bool] = bool) -> str:
        """What a script prints, once it succeeds and prints what is wanted."""
        deadline = time.monotonic() + self.patience_s
        while True:
            try:
                if wanted(printed := self.script(text)):
                    return printed
                last = printed
            except ScriptFailed as failed:
                last = str(failed)
            assert time.monotonic() < deadline, last
            time.sleep(0.1)  # nothing tells what goes on in there, but asking


def as_typed(text: str) -> str:
    """Lines of a shell as they are run: the first that fails ends them."""
    return f'set -euo pipefail\nsudo() {{ "$@"; }}\ncd /root\n{text}'


def judged(text: str, status: int, printed: str, complained: str) -> str:
    """What a script has printed, if it has succeeded."""
    if status != 0:
        raise ScriptFailed(f"{text}\n-- ended with {status}:\n{printed}{complained}")
    return printed

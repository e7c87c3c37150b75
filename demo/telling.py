"""How the demonstration looks: numbered scenes, and a line for each thing that was checked."""

from __future__ import annotations

import os
import sys
from typing import TextIO

from demo.stage import StepFailed
from holdfast.console import wants_colour

_BOLD, _GREEN, _RED, _GREY = "1", "32", "31", "90"


class Telling:
    """Writes scenes and their checks."""

    def __init__(self, stream: TextIO = sys.stdout) -> None:
        self._stream = stream
        self._colour = wants_colour(stream, os.environ)
        self._scenes = 0
        self.checks = 0

    def title(self, text: str) -> None:
        """The first line."""
        self._write(f"\n{self._in(_BOLD, text)}")

    def scene(self, text: str) -> None:
        """What is done next."""
        self._scenes += 1
        self._write(f"\n{self._in(_BOLD, f'{self._scenes}. {text}')}")

    def note(self, text: str) -> None:
        """Something worth knowing that is no check."""
        self._write(f"   {self._in(_GREY, text)}")

    def check(self, holds: bool, text: str, took_s: float | None = None) -> None:
        """Say that something holds, or end the demonstration because it does not."""
        if not holds:
            raise StepFailed(text)
        self.checks += 1
        took = "" if took_s is None else self._in(_GREY, f"  after {took_s * 1000:,.0f} ms")
        self._write(f"   {self._in(_GREEN, 'ok')} {text}{took}")

    def end(self, took_s: float) -> None:
        """All went well."""
        self._write(f"\n{self._in(_BOLD, f'All {self.checks} checks hold.')} It took {took_s:.0f} s.\n")

    def failed(self, why: str) -> None:
        """Something did not hold."""
        self._write(f"   {self._in(_RED, 'FAILED')} {why}\n")

    def _in(self, style: str, text: str) -> str:
        return f"\x1b[{style}m{text}\x1b[0m" if self._colour else text

    def _write(self, text: str) -> None:
        self._stream.write(f"{text}\n")
        self._stream.flush()

"""The terminal: lines that stay, one line that is drawn over, and colours where they are welcome."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TextIO

from holdfast import console, wording
from holdfast.up.narrate import Line, Tone

_COLOURS = {Tone.GOOD: "32", Tone.CHANGED: "36", Tone.BAD: "31"}
_ERASE = "\r\x1b[K"


class Screen:
    """Where everything that ``up`` says goes. ``quiet`` leaves only troubles. ``colour`` False: none, not even on a
    terminal that wants them."""

    def __init__(self, stream: TextIO = sys.stdout, *, quiet: bool = False, colour: bool | None = None) -> None:
        self._stream = stream
        self._quiet = quiet
        self._colour = colour is not False and console.wants_colour(stream, os.environ)
        self._drawn = ""
        self.is_live = stream.isatty() and os.environ.get("TERM") != "dumb" and not quiet
        self.is_plain = "utf" not in (stream.encoding or "").lower()

    @property
    def columns(self) -> int:
        """The width of the terminal."""
        return shutil.get_terminal_size().columns

    def say(self, text: str = "") -> None:
        """A line that stays."""
        if not self._quiet:
            self._write(text)

    def warn(self, text: str) -> None:
        """A line that stays, also when quiet."""
        self._write(self._coloured(text, Tone.BAD))

    def draw(self, text: str) -> None:
        """A line that the next one replaces. Only for a live terminal."""
        if self.is_live and text != self._drawn:
            self._stream.write(f"{_ERASE}{text}")
            self._stream.flush()
            self._drawn = text

    def erase(self) -> None:
        """Take away what was drawn."""
        if self._drawn:
            self._stream.write(_ERASE)
            self._stream.flush()
            self._drawn = ""

    def tell(self, line: Line) -> None:
        """One line of what happened."""
        if self._quiet and line.tone is not Tone.BAD:
            return
        what = self._coloured(f"{line.sign} {line.text}", line.tone)
        self._write(f"{wording.clock(line.at, None)}  {what}")

    def _write(self, text: str) -> None:
        self.erase()
        self._stream.write(f"{text}\n")
        self._stream.flush()

    def _coloured(self, text: str, tone: Tone) -> str:
        colour = _COLOURS.get(tone) if self._colour else None
        return f"\x1b[{colour}m{text}\x1b[0m" if colour else text

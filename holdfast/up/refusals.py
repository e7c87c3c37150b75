"""Why ``holdfast up`` will not start or has to give up: a sentence that says what to do, and an exit status."""

from __future__ import annotations

from typing import NamedTuple

from holdfast.exits import Exit


class Refusal(NamedTuple):
    """One clear sentence (or a few), and what the process exits with."""

    status: Exit
    sentence: str


class Refused(Exception):
    """Carries a refusal from the place that met it to the command line, past everything that must be undone."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.sentence)
        self.refusal = refusal

"""Why ``holdfast up`` will not start or has to give up: a sentence that says what to do, and an exit status.

The statuses are those of sysexits(3), so that a script can tell them apart:

=== ===================================================================
0   stopped as asked (Ctrl-C, SIGTERM)
64  an option cannot be understood
66  a path of photos cannot be used
69  something needed is not there: a package, the database, the port
70  the sidecar or the agent failed, and went on failing
73  the state directory cannot be written
75  another ``holdfast up`` uses the same state directory
=== ===================================================================
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple


class Status(IntEnum):
    """Exit statuses, named as in sysexits(3)."""

    USAGE = 64
    NO_INPUT = 66
    UNAVAILABLE = 69
    SOFTWARE = 70
    CANNOT_CREATE = 73
    TEMPORARY = 75


class Refusal(NamedTuple):
    """One clear sentence (or a few), and what the process exits with."""

    status: Status
    sentence: str


class Refused(Exception):
    """Carries a refusal from the place that met it to the command line, past everything that must be undone."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.sentence)
        self.refusal = refusal

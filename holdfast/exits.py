"""With which exit status the commands end: one table for all three, from which help, man pages and docs are made.

The statuses are those of sysexits(3), so that a script can tell them apart. Two are not: 0, and 1 for an answer that
is a no, as grep(1) has it.
"""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """Exit statuses, named as in sysexits(3)."""

    DONE = 0
    NO = 1
    USAGE = 64
    BAD_BACKUP = 65
    NO_INPUT = 66
    UNAVAILABLE = 69
    SOFTWARE = 70
    CANNOT_CREATE = 73
    TRY_AGAIN = 75
    CONFIG = 78

    @property
    def meaning(self) -> str:
        """What it says, in all three commands alike."""
        return _MEANING[self]


_MEANING = {
    Exit.DONE: "It is done, or all is well. There may be notes.",
    Exit.NO: "The answer is no: doctor found something that needs you, explain found the path to be in no library,"
    " or you answered no to a question.",
    Exit.USAGE: "A verb, an option or an argument cannot be understood, or means nothing here.",
    Exit.BAD_BACKUP: "A backup is damaged, or is none.",
    Exit.NO_INPUT: "A path of photos, or a backup, cannot be used: it does not exist, cannot be read, or does not"
    " answer.",
    Exit.UNAVAILABLE: "Something that is needed does not answer or is not there: the agent, the database, a port, a"
    " package.",
    Exit.SOFTWARE: "A part failed, and went on failing; or the program itself has a fault, and shows where.",
    Exit.CANNOT_CREATE: "A file or the state directory cannot be written.",
    Exit.TRY_AGAIN: "It cannot be done just now: another process is at it, or the agent refuses it as things are.",
    Exit.CONFIG: "The configuration cannot work. The message names the line.",
}

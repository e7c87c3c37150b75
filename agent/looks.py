"""A look at storage: on what, at which directories, and what it came to."""

from __future__ import annotations

from typing import NamedTuple

from agent.doubts import Doubt
from agent.filesystems import Traits
from agent.ports import Files
from holdfast.volumes import Epoch


class Attachment(NamedTuple):
    """A volume that is attached: how to read it, and what to rely on. ``guarded``: there is a concern about it, so
    that what is there is told, and nothing is called absent."""

    epoch: Epoch
    files: Files
    traits: Traits
    mount_point: str
    guarded: bool = False


class Wish(NamedTuple):
    """A directory to look at. ``whole``: names seen to be closed. ``writing``: names that are still written to."""

    directory: str
    whole: frozenset[str] = frozenset()
    writing: frozenset[str] = frozenset()


class Outcome(NamedTuple):
    """What a pass came to.

    ``inside`` are the wanted subdirectories of each directory listed. ``again`` are directories to be looked at once
    more when their files have settled. ``told`` counts observations spooled.
    ``suspected``: files were missed.
    """

    inside: dict[str, list[str]]
    new_directories: list[str]
    files: int
    unreadable: list[str]
    later: list[str]
    again: set[str]
    told: int
    suspected: bool
    doubt: Doubt | None

"""Folders given on the command line, matched with the libraries that are there. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from holdfast import paths
from holdfast.up.catalog import ImportPath, Library


class Wanted(msgspec.Struct, frozen=True):
    """A library to be made: its name, and its one folder."""

    name: str
    path: str


def to_create(folders: Sequence[str], libraries: Sequence[Library], agent: str) -> list[Wanted]:
    """The libraries that are lacking, so that each folder is an import path of this agent.

    A name that is taken gets the folder's parent in front: two cards with a ``DCIM`` give ``DCIM`` and ``b/DCIM``.
    """
    known = {one.path for library in libraries for one in library.import_paths if one.agent == agent}
    taken = {library.name for library in libraries}
    wanted = []
    for folder in folders:
        if folder in known:
            continue
        name = _free_name(folder, taken)
        taken.add(name)
        wanted.append(Wanted(name, folder))
    return wanted


def _free_name(folder: str, taken: set[str]) -> str:
    segments = [segment for segment in folder.split("/") if segment]
    for length in range(1, len(segments) + 1):
        name = "/".join(segments[-length:])
        if name not in taken:
            return name
    return folder


def import_paths(libraries: Sequence[Library], agent: str) -> list[ImportPath]:
    """Every import path that this agent serves."""
    return [one for library in libraries for one in library.import_paths if one.agent == agent]


def merge(known: Sequence[str], given: Sequence[str]) -> list[str]:
    """The folders of earlier runs, then those new in this one."""
    return list(dict.fromkeys([*known, *given]))


def short(path: str, folders: Sequence[str]) -> str:
    """A path as people know it: from the folder they gave, which is named when there are several."""
    containing = [folder for folder in folders if paths.contains(folder, path)]
    if not containing:
        return path
    folder = max(containing, key=len)
    rest = paths.below(folder, path)
    return rest if len(folders) == 1 else paths.join(folder.rpartition("/")[2], rest)

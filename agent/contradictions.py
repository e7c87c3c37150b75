"""What the listings of one pass say against each other: the disk is used while it is looked at. Pure."""

from __future__ import annotations

from collections.abc import Collection, Container, Mapping

from agent.survey import Survey
from holdfast import paths


def older(surveys: Mapping[str, Survey], directory: str, origins: Collection[str]) -> list[str]:
    """The origins that were listed before this directory, and show a file that has arrived in it: it was moved between
    the two listings, or has two names. Another look at them can tell."""
    if not origins or directory not in surveys:
        return []
    arrived = {file.inode for file in surveys[directory].arrivals}
    return [
        one
        for one in origins
        if one in surveys and not arrived.isdisjoint(file.inode for file in surveys[one].listing.files)
    ]


def drop_overtaken(surveys: dict[str, Survey]) -> None:
    """Drop the listing of a directory that one above it, which was listed later, does not show any more: it has gone
    meanwhile. ``surveys`` are in the order in which they were listed."""
    listed = list(surveys)
    for number, above in enumerate(listed):
        if above not in surveys:
            continue
        for name in surveys[above].gone_directories:
            gone = paths.join(above, name)
            for directory in listed[:number]:
                if paths.contains(gone, directory):
                    surveys.pop(directory, None)


def put_off_displaced(
    surveys: dict[str, Survey], origins_of: Mapping[str, Collection[str]], waiting: Container[str]
) -> dict[str, Survey]:
    """Drop the listings that show another file under the name of one that nobody has found yet. Either it was written
    anew under its own name, as many programs do that save a file, and keeps that; or it was moved, and what has its
    name now is another one. Only when all places are looked at can that be told. ``waiting`` are the directories that
    can wait for it. Returns what was dropped: these, and those with arrivals that may have come from one of these.
    """
    displaced = {
        directory: lost
        for directory, compared in surveys.items()
        if directory in waiting
        and (lost := {(one.file.inode, one.birth_ns) for one in compared.departures if one.replaced})
    }
    if not displaced:
        return {}
    arrived = {
        (file.inode, compared.listing.births.get(file.name))
        for compared in surveys.values()
        for file in compared.arrivals
    }
    found = {directory: surveys.pop(directory) for directory, lost in displaced.items() if not lost <= arrived}
    left = dict(surveys)
    return found | {directory: left[directory] for directory in put_off(surveys, origins_of, found)}


def put_off(surveys: dict[str, Survey], origins_of: Mapping[str, Collection[str]], later: Collection[str]) -> list[str]:
    """Drop the listings with arrivals that may have come from a directory which is to be looked at ``later``: whether
    they have moved is not known before. Where it is gone, the one above it has to say so. Returns the directories, to
    be looked at then too.
    """
    unknown = set(later)
    while waiting := {one for one in origins_of.keys() - unknown if not unknown.isdisjoint(origins_of[one])}:
        unknown |= waiting
    found = [one for one in surveys if one in unknown]
    for directory in found:
        del surveys[directory]
    return found

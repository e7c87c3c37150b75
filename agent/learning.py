"""What a pass writes into the journal of the directories that it listed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from operator import itemgetter

from agent import survey
from agent.contents import Contents
from agent.filesystems import Traits
from agent.journal import Journal
from agent.known import KnownDirectory, pack_births, pack_directories, pack_files
from agent.ports import FileEntry
from agent.survey import Survey

_name = itemgetter(0)  # of every file on a disk


def has_news(surveys: Mapping[str, Survey], traits: Traits) -> bool:
    """Whether any listing differs from what was known, or can now be trusted further."""
    return any(
        one.known is None
        or not one.unchanged
        or (one.known.stamp, one.known.whole) != (survey.stamp(one.listing, one.at, traits), survey.is_whole(one))
        for one in surveys.values()
    )


def forget_contents(contents: Contents, surveys: Mapping[str, Survey], wanted: Mapping[str, str | None]) -> None:
    """A full scan has looked at these directories, or at this one file in each: whatever is known of what is in them,
    they are read again."""
    for directory, only in wanted.items():
        files = surveys[directory].files if directory in surveys else []
        if files:
            contents.forget(directory, [file for file in files if only in (None, file.name)])
            contents.note(directory, files)


def learn(
    journal: Journal,
    contents: Contents,
    surveys: Mapping[str, Survey],
    moved: Collection[tuple[str, int, str]],
    traits: Traits,
) -> None:
    """Remember every listing that differs from what was known, or whose times can now be trusted.

    ``moved`` are the places that files left, as (directory, inode, name): what
    was held back at its name is not remembered there as well.
    """
    for directory, compared in surveys.items():
        stamp, whole = survey.stamp(compared.listing, compared.at, traits), survey.is_whole(compared)
        if compared.unchanged and compared.known is not None:
            if (compared.known.stamp, compared.known.whole) != (stamp, whole):
                journal.learn(directory, compared.known._replace(stamp=stamp, whole=whole), (), ())
            continue
        files = _staying(directory, compared.files, moved)
        births = (
            {**compared.listing.births, **compared.kept_births} if compared.kept_births else compared.listing.births
        )
        stable = traits.stable_inodes
        went = {departure.file.inode for departure in compared.departures}
        if went:
            went -= {file.inode for file in files}
        journal.learn(
            directory,
            KnownDirectory(
                stamp,
                pack_files(files),
                pack_births([*map(births.get, map(_name, files))]),
                pack_directories(compared.directories),
                whole=whole,
            ),
            came=[file.inode for file in (*compared.arrivals, *compared.named)] if stable else (),
            went=went if stable else (),
        )
        contents.note(directory, _staying(directory, compared.fresh, moved))


def _staying(
    directory: str, files: Sequence[FileEntry], moved: Collection[tuple[str, int, str]]
) -> Sequence[FileEntry]:
    """Those of the files of a directory that have not left it."""
    return [file for file in files if (directory, file.inode, file.name) not in moved] if moved else files

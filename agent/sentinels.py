"""Sentinels: known files in other folders, looked for before anything is called gone (R9). Pure, but for the journal.

A share, a union or a dying disk can list short without an error, and then the rest of it tells. The files of an
import path are grouped by their top directory; those directly in it are a group too. A group is *lost* when more of
its files were missed than are left, or when none of those that should be left is found past the caches.

What groups come to, before absences are written:

    storage                     groups                                  verdict
    any                         a missed file is there, while the       CONTRADICTED  the listing lied: suspect
                                listing of this pass lacks it; of
                                network and FUSE every one is asked
                                for that is to be called gone
    network, FUSE               two or more are lost                    TOGETHER      suspect
    a disk of this machine      all are lost, and they are three        TOGETHER      suspect
                                or more
    any                         a known file of any group is found      FOUND         absences may be told
    any                         there are known files, none is found    NOT_FOUND     wait (network, FUSE)
    any                         no known file is left                   NONE_LEFT     nothing to go by: absences may
                                                                                      be told, as far as they are proven

So one top directory that was deleted is one lost group beside others that are found, and is told; the mass-change
guard of the sidecar has its own word on it. A union that lost a branch, or a share that lists short in several
places, loses several groups at once. A volume with a single top directory has nothing that could vanish together
with it, and is not stuck. A disk of this machine vouches by its directory times, its error counters and its device
number, so that only the loss of everything is strange there, and only where there is more than an inbox to lose.

A group of which a missed file is back is not lost. When a volume is adopted, files of a disk of this machine that are
not at their names may have been moved elsewhere; the scan will tell, so only groups that were missed by earlier looks
count there. Elsewhere every group does.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import Enum
from typing import NamedTuple

from agent.filesystems import Traits
from agent.journal import Candidate, Journal
from agent.ports import Sought
from agent.scopes import Scopes
from holdfast import paths

# Groups looked at for each import path, those with missed files first. Enough to see a union lose a branch.
GROUPS_MAX = 16
# Missed files looked for at once where a server answers. A folder of more than these that was deleted is told by the
# proof that it has, and by the word of so many of them.
MISSED_MAX = 256
# Known files looked for in each group: one may just have been deleted.
_SAMPLES = 3
_TOGETHER_REMOTE = 2
_TOGETHER_LOCAL = 3


class Verdict(Enum):
    """What the sentinels say, see the table above."""

    FOUND = "found"
    NOT_FOUND = "not-found"
    NONE_LEFT = "none-left"
    TOGETHER = "together"
    CONTRADICTED = "contradicted"


class Group(NamedTuple):
    """One top directory. ``known`` counts its files that are left (only where some were ``missed``), ``samples`` are
    some of them, and ``missed_samples`` some of those that were missed."""

    known: int
    missed: int
    samples: tuple[Sought, ...]
    missed_samples: tuple[Sought, ...]


def groups(journal: Journal, scopes: Scopes) -> list[Group]:
    """The groups of every import path, as the journal knows them."""
    suspected = journal.suspected_places()
    found: list[Group] = []
    for root in scopes.roots():
        missed: dict[str, list[tuple[str, str, int]]] = {}
        for directory, name, count in suspected:
            if paths.contains(root, directory):
                missed.setdefault(_top(root, directory), []).append((directory, name, count))
        known = journal.directory(root)
        names = [] if known is None else [paths.join(root, name) for name in known.directories]
        others = [top for top in [root, *names] if top not in missed and scopes.enters(top)]
        tops = [*missed][:GROUPS_MAX]
        tops += _spread(others, GROUPS_MAX - len(tops))
        found.extend(_group(journal, scopes, top, missed.get(top, []), is_root=top == root) for top in tops)
    return [group for group in found if group.missed or group.samples]


def left(asked: Sequence[Group]) -> list[Sought]:
    """The files that are to be there."""
    return [place for group in asked for place in group.samples]


def missed(asked: Sequence[Group], due: Iterable[Candidate], traits: Traits) -> list[Sought]:
    """The files that are not to be there. Where a server or a daemon answers, whose listings may be short in any way,
    these are all that are ``due`` to be called gone."""
    found = [place for group in asked for place in group.missed_samples]
    if not traits.local:
        found += [Sought(one.directory, one.file.name) for one in due]
    return list(dict.fromkeys(found))


def judge(
    asked: Sequence[Group],
    found: Mapping[Sought, bool],
    traits: Traits,
    *,
    unlisted: Collection[Sought] = (),
    adopting: bool = False,
) -> Verdict:
    """The verdict. ``found`` says which of the files are there; those that could not be looked at are left out.
    ``unlisted`` are those that a listing lacks that was made just now."""
    if any(found.get(place) for place in unlisted):
        return Verdict.CONTRADICTED
    lost = [group for group in asked if _is_lost(group, found) and (group.missed or not (adopting and traits.local))]
    if traits.local:
        together = len(lost) >= _TOGETHER_LOCAL and len(lost) == len(asked)
    else:
        together = len(lost) >= _TOGETHER_REMOTE
    if together:
        return Verdict.TOGETHER
    samples = [place for group in asked for place in group.samples]
    if not samples:
        return Verdict.NONE_LEFT
    return Verdict.FOUND if any(found.get(place) for place in samples) else Verdict.NOT_FOUND


def _is_lost(group: Group, found: Mapping[Sought, bool]) -> bool:
    if any(found.get(place) for place in group.missed_samples):
        return False
    if group.missed > group.known:
        return True
    answers = [found[place] for place in group.samples if place in found]
    return bool(answers) and not any(answers)


def _group(
    journal: Journal, scopes: Scopes, top: str, missed: Sequence[tuple[str, str, int]], *, is_root: bool
) -> Group:
    """A group; that of the root itself has the files directly in it, the others all that is below as well."""
    if is_root:
        here = journal.directory(top)
        some = [] if here is None else [(top, here.files)]
        known = len(some[0][1]) if some and missed else 0
    else:
        some = journal.some_files(top)
        known = journal.file_count(top) if missed else 0
    samples: list[Sought] = []
    for directory, files in some:
        excluded = scopes.excluded(directory) if scopes.enters(directory) else None
        wanted = files if excluded is None else [file for file in files if not excluded(file.name)]
        # The longest unchanged are the least likely to be in somebody's hands.
        oldest = sorted(wanted, key=lambda file: file.ctime_ns)[: _SAMPLES - len(some) + 1]
        samples.extend(Sought(directory, file.name) for file in oldest if scopes.enters(directory))
    looked_for = tuple(Sought(directory, name) for directory, name, _ in missed[:_SAMPLES])
    return Group(known, sum(count for _, _, count in missed), tuple(samples[:_SAMPLES]), looked_for)


def _top(root: str, directory: str) -> str:
    """The group that a directory belongs to: the directory just below the root on the way to it, or the root."""
    rest = paths.below(root, directory)
    return paths.join(root, rest.split("/", 1)[0]) if rest else root


def _spread(tops: Sequence[str], count: int) -> list[str]:
    """So many of them, evenly spread."""
    if len(tops) <= count:
        return list(tops)
    return [tops[number * len(tops) // count] for number in range(count)]

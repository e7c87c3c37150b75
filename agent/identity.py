"""Which known file is this? By inode and birth, on file systems where they can be trusted (R39). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from agent.journal import Candidate
from agent.ports import FileEntry
from agent.survey import Departure


class Arrival(NamedTuple):
    """A file at a name where it was not known. ``birth_ns`` is None where births say nothing."""

    directory: str
    file: FileEntry
    birth_ns: int | None


class Move(NamedTuple):
    """A known file at a new name; ``candidate`` says that it was already suspected gone."""

    origin: str
    old_name: str
    arrival: Arrival
    candidate: bool


class Resolution(NamedTuple):
    """What arrivals and departures come to. ``returned`` are candidates that are back where they were, as they
    were and were told: nothing to tell. ``cleared`` are all candidates that are none any more."""

    moves: list[Move]
    listed: list[Arrival]
    gone: list[Departure]
    returned: list[Candidate]
    cleared: list[tuple[str, str]]


def resolve(
    arrivals: Sequence[Arrival], departures: Sequence[Departure], candidates: Sequence[Candidate]
) -> Resolution:
    """Pair arrivals with what went.

    A file moved when something with its inode and birth is gone from its old name. Two names for one inode that
    are both still there are hard links, never a move (R38). Each departure serves one arrival, the first.
    """
    if not departures and not candidates:
        return Resolution([], list(arrivals), [], [], [])
    went: dict[tuple[int, int], Departure | Candidate] = {}
    lost: list[Departure | Candidate] = [*departures, *candidates]
    for one in lost:
        if one.birth_ns is not None:
            went.setdefault((one.file.inode, one.birth_ns), one)
    waiting = {candidate.key: candidate for candidate in candidates}
    moves: list[Move] = []
    listed: list[Arrival] = []
    returned: list[Candidate] = []
    cleared: list[tuple[str, str]] = []
    settled: set[tuple[str, str]] = set()
    for arrival in _those_back_first(arrivals, waiting):
        key = (arrival.directory, arrival.file.name)
        here = waiting.get(key)
        if here is not None:
            cleared.append(key)
        if here is not None and _is_same(here, arrival):
            settled.add(key)
            went.pop((here.file.inode, here.birth_ns or 0), None)
            if here.told and (here.file.size, here.file.mtime_ns) == (arrival.file.size, arrival.file.mtime_ns):
                returned.append(here)
            else:
                listed.append(arrival)
            continue
        origin = went.pop((arrival.file.inode, arrival.birth_ns), None) if arrival.birth_ns is not None else None
        if origin is None:
            listed.append(arrival)
            continue
        is_candidate = isinstance(origin, Candidate)
        old = (origin.directory, origin.file.name)
        settled.add(old)
        if is_candidate:
            cleared.append(old)
        moves.append(Move(*old, arrival, is_candidate))
    not_gone = settled.union((arrival.directory, arrival.file.name) for arrival in arrivals)
    gone = [
        departure
        for departure in departures
        if not departure.replaced and (departure.directory, departure.file.name) not in not_gone
    ]
    return Resolution(moves, listed, gone, returned, cleared)


def batches(moves: Sequence[Move], size: int) -> Iterator[list[Move]]:
    """Cut moves into batches of about this size, so that no move of one batch leads to a place that a move of
    another one starts from: a chain of renames, and files that trade places, stay together."""
    by_origin = {(move.origin, move.old_name): move for move in moves}
    done: set[tuple[str, str]] = set()
    batch: list[Move] = []
    for move in _heads_first(moves, by_origin):
        following: Move | None = move
        while following is not None and (following.origin, following.old_name) not in done:
            done.add((following.origin, following.old_name))
            batch.append(following)
            following = by_origin.get((following.arrival.directory, following.arrival.file.name))
        if len(batch) >= size:
            yield batch
            batch = []
    if batch:
        yield batch


def _heads_first(moves: Sequence[Move], by_origin: Mapping[tuple[str, str], Move]) -> list[Move]:
    """A chain is followed from its head, the move whose old place no other move leads to; a ring has none."""
    targets = {(move.arrival.directory, move.arrival.file.name) for move in moves} & by_origin.keys()
    return sorted(moves, key=lambda move: (move.origin, move.old_name) in targets)


def _those_back_first(arrivals: Iterable[Arrival], waiting: dict[tuple[str, str], Candidate]) -> list[Arrival]:
    """Arrivals at a candidate's own name go first: of two hard links, the one that is back is no move."""
    return sorted(arrivals, key=lambda a: (a.directory, a.file.name) not in waiting)


def _is_same(candidate: Candidate, arrival: Arrival) -> bool:
    return candidate.file.inode == arrival.file.inode and candidate.birth_ns == arrival.birth_ns

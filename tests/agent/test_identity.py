"""Which known file is this: pairing arrivals with departures, and telling moves so that their order does not matter."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.identity import Arrival, Move, batches, resolve
from agent.ports import FileEntry
from agent.survey import Departure


def entry(name: str, inode: int) -> FileEntry:
    return FileEntry(name, inode, 10, 20, 30)


def arrival(name: str, inode: int, birth_ns: int | None = 1, directory: str = "") -> Arrival:
    return Arrival(directory, entry(name, inode), birth_ns)


def departure(name: str, inode: int, birth_ns: int | None = 1, *, replaced: bool = False) -> Departure:
    return Departure("", entry(name, inode), birth_ns, "", (1, 1), replaced)


def test_same_inode_and_birth_is_a_move() -> None:
    found = resolve([arrival("b", 7)], [departure("a", 7)], [])
    assert [(move.old_name, move.arrival.file.name) for move in found.moves] == [("a", "b")]
    assert (found.listed, found.gone) == ([], [])


def test_r39_same_inode_of_another_birth_is_no_move() -> None:
    found = resolve([arrival("b", 7, birth_ns=2)], [departure("a", 7, birth_ns=1)], [])
    assert found.moves == []
    assert [one.file.name for one in found.gone] == ["a"]


def test_r39_without_births_nothing_is_a_move() -> None:
    found = resolve([arrival("b", 7, birth_ns=None)], [departure("a", 7, birth_ns=None)], [])
    assert found.moves == []


def test_r38_of_two_new_links_to_a_file_that_left_one_is_the_move_and_one_is_new() -> None:
    found = resolve([arrival("b", 7), arrival("c", 7)], [departure("a", 7)], [])
    assert len(found.moves) == len(found.listed) == 1


def test_name_that_lives_on_with_another_file_is_not_gone() -> None:
    found = resolve([arrival("a", 8)], [departure("a", 7, replaced=True)], [])
    assert (found.gone, found.moves) == ([], [])
    assert [one.file.name for one in found.listed] == ["a"]


def moves_of(renames: dict[str, str]) -> list[Move]:
    return [Move("", old, arrival(new, number), candidate=False) for number, (old, new) in enumerate(renames.items())]


def apply_at_once(state: dict[str, str], renames: list[Move]) -> dict[str, str]:
    moving = {move.arrival.file.name: state[move.old_name] for move in renames}
    kept = {name: file for name, file in state.items() if name not in {move.old_name for move in renames}}
    return kept | moving


@given(st.permutations(list("abcdefgh")), st.integers(0, 8), st.integers(1, 4))
def test_batches_applied_one_after_the_other_come_to_the_same_as_all_at_once(
    names: list[str], count: int, size: int
) -> None:
    renames = dict(zip(sorted(names)[:count], names[:count], strict=True))
    moves = moves_of({old: new for old, new in renames.items() if old != new})
    state = {name: f"file {name}" for name in "abcdefgh" if name in renames or name not in renames.values()}
    expected = apply_at_once(state, moves)
    together = list(batches(moves, size))
    assert sorted(move.old_name for batch in together for move in batch) == sorted(move.old_name for move in moves)
    for batch in together:
        state = apply_at_once(state, batch)
    assert state == expected

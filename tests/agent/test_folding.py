"""What waits of one file is told once, and that changes nothing about what the sidecar ends up with."""

from __future__ import annotations

import gzip

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.outbox import Outbox
from agent.store import Store
from holdfast.gate import REQUIRED
from holdfast.reports import Absent, FileFacts, Gap, Listed, Look, Move, Moved, MovedFile, Observation, Proof, Report
from holdfast.volumes import Epoch

EPOCH = Epoch("boot", 7, 1)
_LOOK = Look(1.0, 10.0, 7, 5, 5, 1)


@pytest.fixture
def store() -> Store:
    return Store(":memory:", "vol_1", "jrn_1")


@pytest.fixture
def outbox(store: Store) -> Outbox:
    return Outbox(store)


def spool(store: Store, outbox: Outbox, *observations: Observation, epoch: Epoch = EPOCH) -> None:
    with store.transaction():
        outbox.spool(epoch, observations)


def told(outbox: Outbox) -> list[Observation]:
    """Everything that waits, in order."""
    found: list[Observation] = []
    while (sealed := outbox.seal(1.0)) is not None:
        found += msgspec.json.decode(gzip.decompress(sealed.body), type=Report).observations
        outbox.acknowledge(sealed.sequence)
    return found


def listed(directory: str, *files: FileFacts) -> Listed:
    return Listed(directory, list(files))


def file(name: str, version: int, content: str | None = None) -> FileFacts:
    return FileFacts(name, version, version, content)


def absent(directory: str, *names: str) -> Absent:
    return Absent(directory, list(names), Proof(directory, (4, 4), _LOOK, _LOOK, sorted(REQUIRED)))


def moved(origin: str, directory: str, name: str, version: int) -> Moved:
    return Moved([Move(origin, directory, [MovedFile(name, file(name, version))])])


def test_r31_a_file_that_changes_for_days_waits_once(store: Store, outbox: Outbox) -> None:
    spool(store, outbox, listed("d", file("a.psd", 0), file("b.jpg", 0)))
    _, first_bytes = outbox.pending()
    for version in range(1, 500):
        spool(store, outbox, listed("e", file("c.psd", version)))
        spool(store, outbox, listed("d", file("a.psd", version)))
    files, size = outbox.pending()
    assert files == 3
    assert size < 4 * first_bytes
    assert told(outbox) == [
        listed("d", file("b.jpg", 0)),
        listed("e", file("c.psd", 499)),
        listed("d", file("a.psd", 499)),
    ]


@pytest.mark.parametrize(
    "between",
    [absent("d", "a"), moved("d", "e", "a", 1), Gap("", "overflow")],
    ids=["an absence", "a move", "a gap"],
)
def test_r32_nothing_is_folded_over_what_depends_on_it(store: Store, outbox: Outbox, between: Observation) -> None:
    sent = [listed("d", file("a", 1)), between, listed("d", file("a", 2))]
    for one in sent:
        spool(store, outbox, one)
    assert told(outbox) == sent


def test_another_epoch_is_another_matter(store: Store, outbox: Outbox) -> None:
    spool(store, outbox, listed("d", file("a", 1)))
    spool(store, outbox, listed("d", file("a", 2)), epoch=Epoch("boot", 8, 2))
    assert len(told(outbox)) == 2


def test_r32_what_was_sealed_stays_as_it_is(store: Store, outbox: Outbox) -> None:
    spool(store, outbox, listed("d", file("a", 1)))
    sealed = outbox.seal(1.0)
    spool(store, outbox, listed("d", file("a", 2)))
    again = outbox.seal(2.0)
    assert sealed is not None
    assert again is not None
    assert again.body == sealed.body
    assert told(outbox) == [listed("d", file("a", 1)), listed("d", file("a", 2))]


def test_what_was_read_from_a_file_is_not_forgotten(store: Store, outbox: Outbox) -> None:
    spool(store, outbox, listed("d", file("a", 1, "digest")))
    spool(store, outbox, listed("d", file("a", 1)))
    assert told(outbox)[0] == listed("d", file("a", 1, "digest"))


def test_a_row_that_was_taken_back_is_not_taken_for_another(store: Store, outbox: Outbox) -> None:
    with pytest.raises(RuntimeError), store.transaction():
        outbox.spool(EPOCH, [listed("d", file("a", 1))])
        raise RuntimeError("the disk of the journal is full")
    spool(store, outbox, listed("e", file("a", 1)))  # has the number of the one that was taken back
    spool(store, outbox, listed("d", file("a", 2)))
    assert told(outbox) == [listed("e", file("a", 1)), listed("d", file("a", 2))]


_names = st.sampled_from("abc")
_directories = st.sampled_from("de")
_versions = st.integers(1, 5)
_observations = st.one_of(
    st.builds(
        lambda directory, files: Listed(directory, [file(name, version) for name, version in files.items()]),
        _directories,
        st.dictionaries(_names, _versions, min_size=1),
    ),
    st.builds(absent, _directories, _names),
    st.builds(moved, st.just("d"), st.just("e"), _names, _versions),
)


@given(st.lists(st.lists(_observations, max_size=4), max_size=12), st.sets(st.integers(0, 12)))
def test_the_catalog_ends_up_the_same(batches: list[list[Observation]], sealings: set[int]) -> None:
    store = Store(":memory:", "vol_1", "jrn_1")
    outbox = Outbox(store)
    found: list[Observation] = []
    for number, batch in enumerate(batches):
        spool(store, outbox, *batch)
        if number in sealings:
            found += told(outbox)
    found += told(outbox)
    store.close()
    assert _applied(found) == _applied([one for batch in batches for one in batch])


def _applied(observations: list[Observation]) -> dict[tuple[str, str], tuple[FileFacts, object]]:
    """What a catalog makes of it: facts of each path, and which asset is there, as where it was first seen."""
    found: dict[tuple[str, str], tuple[FileFacts, object]] = {}
    for number, one in enumerate(observations):
        match one:
            case Listed(directory=directory, files=files):
                for facts in files:
                    place = (directory, facts.name)
                    found[place] = (facts, found[place][1] if place in found else place)
            case Absent(directory=directory, names=names):
                for name in names:
                    found.pop((directory, name), None)
            case Moved(moves=moves):
                for move in moves:
                    for moving in move.files:
                        before = found.pop((move.origin, moving.old_name), None)
                        place = (move.directory, moving.file.name)
                        found[place] = (moving.file, before[1] if before else place)
            case _:
                raise AssertionError(f"unexpected: {number}")
    return found

"""Reconciling, without a database: against a model that knows only paths and ids, over random histories."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast import ids
from holdfast.patterns import Exclusions
from holdfast.reports import Observation
from sidecar.asset import Asset, Status, status
from sidecar.ledger import Known, Now
from sidecar.membership import OUTSIDE, Membership, Scope
from sidecar.reconcile import Outcome, block, reconcile, touched
from sidecar.steps import steps
from tests.sidecar.world import absent, at_once, file, listed, moved, unreadable

VOLUME = b"v" * 16
A, B = b"a" * 16, b"b" * 16
WHOLE = Scope(b"1" * 16, A, "", "/photos", Exclusions(["**/secret/**"]))
PART = Scope(b"2" * 16, B, "in", "/part", Exclusions([]))


@dataclass
class Catalog:
    """The rows, as the database would keep them; refuses what it would refuse."""

    membership: Membership
    rows: dict[bytes, Asset] = field(default_factory=dict)
    now: int = 0
    seed: int = 0

    def apply(self, *observations: Observation) -> Outcome:
        self.now += 1
        self.seed += 1
        walk = steps(observations)
        wanted = touched(walk)
        known = [row for row in self.rows.values() if row.claims and row.path in wanted.media]
        new_ids = ids.series(self.seed, self.seed.to_bytes(10, "big"))
        outcome = reconcile(Known(known, {}), walk, self.membership, Now(self.now, self.now), new_ids, VOLUME)
        in_hand = {row.id for row in known} | {write.asset.id for write in outcome.writes}
        for step in outcome.blocked:
            prefix = step.directory + b"/" if step.directory else b""
            rest = [
                row
                for row in self.rows.values()
                if row.claims and row.path.startswith(prefix) and row.id not in in_hand
            ]
            writes, transitions = block(rest, step)
            outcome.writes.extend(writes)
            in_hand |= {write.asset.id for write in writes}
            outcome.transitions.extend(transitions)
        self._write(outcome)
        return outcome

    def _write(self, outcome: Outcome) -> None:
        written = [write.asset.id for write in outcome.writes]
        assert len(written) == len(set(written)), "a row is written once"
        assert all(write.is_new == (write.asset.id not in self.rows) for write in outcome.writes)
        # What is not released before the writes must not stand in the way of any of them.
        standing = {
            (row.library, row.path): row.id
            for row in self.rows.values()
            if row.claims and row.id not in outcome.released
        }
        for write in outcome.writes:
            one = write.asset
            if one.claims:
                assert standing.get((one.library, one.path), one.id) == one.id, "two rows claim one path"
                standing[one.library, one.path] = one.id
            self.rows[one.id] = one

    def at(self, path: str, library: bytes = A) -> Asset | None:
        return next(
            (r for r in self.rows.values() if r.claims and r.path == path.encode() and r.library == library), None
        )


Happening = tuple[str, str, str, str, int]
History = list[list[Happening]]

names = st.sampled_from(["a.jpg", "b.jpg", "c.jpg", "d.mp4"])
directories = st.sampled_from(["", "in", "in/deep", "out", "secret"])


@st.composite
def _happenings(draw: st.DrawFn) -> list[Happening]:
    one = st.tuples(
        st.sampled_from(["see", "see", "move", "move", "lose", "block"]),
        directories,
        names,
        st.tuples(directories, names).map("/".join).map(lambda text: text.lstrip("/")),
        st.integers(0, 3),
    )
    return draw(st.lists(one, max_size=12))


def observation_of(happening: Happening) -> Observation:
    what, directory, name, target, size = happening
    to, _, new_name = target.rpartition("/")
    match what:
        case "see":
            return listed(directory, file(name, size))
        case "move":
            return moved(directory, to, (name, file(new_name, size)))
        case "lose":
            return absent(directory, name)
    return unreadable(directory)


def both() -> Catalog:
    return Catalog(Membership([WHOLE, PART]))


@given(st.lists(_happenings(), max_size=6))
@settings(max_examples=300)
def test_whatever_happens_no_two_assets_claim_a_path_and_none_is_lost(
    history: History,
) -> None:
    catalog = both()
    for happenings in history:
        before = set(catalog.rows)
        catalog.apply(*map(observation_of, happenings))
        assert before <= set(catalog.rows)
        claims = [(row.library, row.path) for row in catalog.rows.values() if row.claims]
        assert len(claims) == len(set(claims))
        for row in catalog.rows.values():
            assert row.claims or status(row) in (Status.MISSING, Status.EXCLUDED)


@given(st.lists(_happenings(), max_size=6))
@settings(max_examples=200)
def test_transitions_tell_the_whole_way_from_one_status_to_the_next(
    history: History,
) -> None:
    catalog = both()
    for happenings in history:
        before = {key: status(row) for key, row in catalog.rows.items()}
        paths = {key: row.path for key, row in catalog.rows.items()}
        outcome = catalog.apply(*map(observation_of, happenings))
        for step in outcome.transitions:
            if step.asset in before:
                assert before[step.asset] is step.was
            if step.asset in paths:
                assert step.from_path in (None, paths[step.asset])
            before[step.asset] = step.now
            if step.to_path is not None:
                paths[step.asset] = step.to_path
        for key, row in catalog.rows.items():
            assert before.get(key, Status.PRESENT) is status(row)


@given(st.lists(st.tuples(directories, names, st.integers(0, 3)), max_size=20))
def test_seeing_the_same_again_is_nothing(seen: list[tuple[str, str, int]]) -> None:
    catalog = both()
    observations = [listed(directory, file(name, size)) for directory, name, size in seen]
    catalog.apply(*observations)
    state = {(directory, name): size for directory, name, size in seen}
    again = catalog.apply(*(listed(directory, file(name, size)) for (directory, name), size in state.items()))
    assert again.writes == []
    assert again.transitions == []


@given(st.permutations(["a.jpg", "b.jpg", "c.jpg", "d.mp4"]), st.booleans(), st.integers(0, 100))
def test_any_permutation_of_names_keeps_every_id(permutation: list[str], in_one: bool, size: int) -> None:
    originals = ["a.jpg", "b.jpg", "c.jpg", "d.mp4"]
    catalog = Catalog(Membership([WHOLE]))
    catalog.apply(listed("x", *(file(name, size) for name in originals)))
    before = {name: catalog.at(f"x/{name}") for name in originals}
    pairs = [(old, file(new, size)) for old, new in zip(originals, permutation, strict=True) if old != new]
    one_list, many = moved("x", "x", *pairs), at_once(*(moved("x", "x", pair) for pair in pairs))
    catalog.apply(one_list if in_one else many)
    for old, new in zip(originals, permutation, strict=True):
        row, was = catalog.at(f"x/{new}"), before[old]
        assert row is not None
        assert was is not None
        assert row.id == was.id
        assert status(row) is Status.PRESENT


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "c"]), st.sampled_from(["a", "b", "c"])), max_size=10))
def test_one_file_moved_about_in_one_report_or_in_many_ends_the_same(hops: list[tuple[str, str]]) -> None:
    at, way = "a", []
    for _, to in hops:
        if to != at:
            way.append(moved("", "", (f"{at}.jpg", f"{to}.jpg")))
            at = to
    together, apart = Catalog(Membership([WHOLE])), Catalog(Membership([WHOLE]))
    for catalog in (together, apart):
        catalog.apply(listed("", "a.jpg"))
    together.apply(*way)
    for step in way:
        apart.apply(step)
    assert [(row.path, status(row)) for row in together.rows.values()] == [(f"{at}.jpg".encode(), Status.PRESENT)]
    assert [row.path for row in apart.rows.values()] == [f"{at}.jpg".encode()]


def test_observations_one_after_the_other_are_no_trade_of_places() -> None:
    catalog = Catalog(Membership([WHOLE]))
    catalog.apply(listed("", file("a.jpg", 1), file("b.jpg", 1)))
    mover, overwritten = catalog.at("a.jpg"), catalog.at("b.jpg")
    assert mover is not None
    assert overwritten is not None
    catalog.apply(moved("", "", ("a.jpg", file("b.jpg", 1))), moved("", "", ("b.jpg", file("c.jpg", 1))))
    assert catalog.rows[mover.id].path == b"c.jpg"
    assert status(catalog.rows[overwritten.id]) is Status.MISSING
    assert not catalog.rows[overwritten.id].claims


def test_an_older_journal_that_knows_better_gives_no_path_to_another_asset() -> None:
    """One journal told a rename as a file that changed and one that went; an older one knows it for a move."""
    catalog = Catalog(Membership([WHOLE]))
    catalog.apply(listed("", file("a.jpg", 1), file("b.jpg", 2)))
    gone, there = catalog.at("a.jpg"), catalog.at("b.jpg")
    assert gone is not None
    assert there is not None
    catalog.apply(listed("", file("b.jpg", 1)), absent("", "a.jpg"))
    known = dict(catalog.rows)
    outcome = catalog.apply(moved("", "", ("a.jpg", file("b.jpg", 1))))
    assert (outcome.writes, catalog.rows) == ([], known)
    catalog.apply(moved("", "", ("a.jpg", file("b.jpg", 3))))
    assert catalog.rows[gone.id].path == b"b.jpg", "what nobody has told yet is a move"
    assert status(catalog.rows[there.id]) is Status.MISSING


def test_photo_and_other_file_that_trade_places() -> None:
    """A photo gets a name that no photo server wants, and another photo its old one, at the same moment."""
    catalog = Catalog(Membership([WHOLE]))
    catalog.apply(listed("", file("a.jpg", 1), file("b.jpg", 2)))
    first, second = catalog.at("a.jpg"), catalog.at("b.jpg")
    assert first is not None
    assert second is not None
    catalog.apply(moved("", "", ("a.jpg", file("a.bak", 1)), ("b.jpg", file("a.jpg", 2))))
    assert status(catalog.rows[first.id]) is Status.MISSING
    assert catalog.at("a.jpg") == catalog.rows[second.id]
    assert status(catalog.rows[second.id]) is Status.PRESENT


def test_observations_are_applied_in_their_order() -> None:
    catalog = Catalog(Membership([WHOLE]))
    catalog.apply(listed("", "a.jpg"))
    outcome = catalog.apply(absent("", "a.jpg"), listed("", "a.jpg"), absent("", "a.jpg"))
    assert [(step.was, step.now) for step in outcome.transitions] == [
        (Status.PRESENT, Status.MISSING),
        (Status.MISSING, Status.PRESENT),
        (Status.PRESENT, Status.MISSING),
    ]
    assert [write.kind for write in outcome.writes] == ["asset.missing"]
    outcome = catalog.apply(unreadable(""), listed("", "b.jpg"))
    (new,) = outcome.writes
    assert status(new.asset) is Status.PRESENT, "it was seen after the directory was unreadable"


def test_a_directory_that_cannot_be_read_hides_what_is_below_it_and_nothing_else() -> None:
    catalog = Catalog(Membership([WHOLE]))
    catalog.apply(listed("x", "a.jpg"), listed("x/y", "b.jpg"), listed("xy", "c.jpg"))
    catalog.apply(
        *(listed(d, file(n, 2)) for d, n in (("x", "a.jpg"), ("x/y", "b.jpg"), ("xy", "c.jpg"))), unreadable("x")
    )
    found = {row.path: status(row) for row in catalog.rows.values()}
    assert found == {b"x/a.jpg": Status.UNREADABLE, b"x/y/b.jpg": Status.UNREADABLE, b"xy/c.jpg": Status.PRESENT}


def test_a_file_is_judged_by_the_longest_import_path_of_each_library() -> None:
    inner = Scope(b"3" * 16, A, "in", "/other", Exclusions(["**/other/*.jpg"]))
    membership = Membership([WHOLE, inner])
    assert membership.places("in/deep")[A].scope is inner
    assert membership.places("inn")[A].scope is WHOLE
    assert membership.places("in")[A].excluded_by("a.jpg") == "**/other/*.jpg"
    assert Membership([PART]).places("") == {}


def test_excluded_files_that_are_known_are_excluded_and_unknown_ones_ignored() -> None:
    catalog = both()
    catalog.apply(listed("in", "a.jpg"))
    catalog.apply(moved("in", "secret", ("a.jpg", "a.jpg")))
    whole, part = catalog.at("secret/a.jpg", A), catalog.at("secret/a.jpg", B)
    assert whole is not None
    assert part is not None
    assert (whole.excluded_by, part.excluded_by) == ("**/secret/**", OUTSIDE)
    assert catalog.apply(listed("secret", "new.jpg")).writes == []

"""The guard's decisions, without a database: budgets, places, shifted times, and the digests of holds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.gate import Check
from holdfast.reports import Absent, Look, Proof
from sidecar import policy, proofs, uptime
from sidecar.guard import WHOLE, Bucket, Suspect, Tally, draw, is_shifted, judge, limit, went_back
from sidecar.holds import EMPTY, HoldKind, HoldReason, branch_of, row_digest, toggled, top_of
from sidecar.policy import Policy

S = 1_000_000_000
DAY_US = 24 * 3600 * 1_000_000
POLICY = Policy()


def suspects(directory: str, count: int, *, went_back: bool = False) -> list[Suspect]:
    return [
        Suspect(f"{directory}{number}".encode(), HoldKind.ABSENT, directory.encode(), went_back)
        for number in range(count)
    ]


def place(present: int = 1000) -> Tally:
    return Tally(present)


@pytest.mark.parametrize(
    ("present", "allowed"), [(0, 100), (1000, 100), (1009, 100), (1010, 101), (1_000_000, 100_000)]
)
def test_r20_the_budget_is_the_larger_of_a_number_and_a_share(present: int, allowed: int) -> None:
    assert limit(POLICY, present) == allowed


def test_r20_at_the_edge_it_passes_and_one_more_is_held() -> None:
    places = {b"a": place(), WHOLE: place()}
    assert judge(suspects("a", 100), places, (), POLICY, 0).held == {}
    verdict = judge(suspects("a", 101), places, (), POLICY, 0)
    assert set(verdict.held.values()) == {b"a"}
    assert len(verdict.held) == 101
    assert verdict.reasons == {(b"a", HoldKind.ABSENT): HoldReason.MANY_ABSENT}
    assert verdict.tallies == places, "what is held draws on nothing"


def test_r20_many_directories_share_the_budget_of_their_volume() -> None:
    names = [f"d{number}" for number in range(11)]
    places = {name.encode(): place() for name in names} | {WHOLE: place(1000)}
    few = [one for name in names[:10] for one in suspects(name, 10)]
    assert judge(few, places, (), POLICY, 0).held == {}
    many = [one for name in names for one in suspects(name, 10)]
    verdict = judge(many, places, (), POLICY, 0)
    assert set(verdict.held.values()) == {WHOLE}
    assert len(verdict.held) == 110


def test_r20_what_exceeds_its_directory_leaves_the_others_alone() -> None:
    places = {b"a": place(), b"b": place(), WHOLE: place()}
    verdict = judge(suspects("a", 500) + suspects("b", 5), places, (), POLICY, 0)
    assert set(verdict.held) == {one.asset for one in suspects("a", 500)}
    assert verdict.tallies[WHOLE].absent.level == 5_000_000


def test_r20_whatever_is_lost_where_a_hold_is_open_joins_it() -> None:
    places = {b"a": place(), b"b": place(), WHOLE: place()}
    both = suspects("a", 1) + suspects("b", 1)
    assert judge(both, places, {(b"a", HoldKind.ABSENT)}, POLICY, 0).held == {b"a0": b"a"}
    assert judge(both, places, {(WHOLE, HoldKind.ABSENT)}, POLICY, 0).held == {b"a0": WHOLE, b"b0": WHOLE}
    assert judge(both, places, {(b"a", HoldKind.CHANGED)}, POLICY, 0).held == {}


def test_r11_one_folder_whose_time_went_back_is_enough() -> None:
    places = {b"a": place(), b"b": place(), WHOLE: place()}
    verdict = judge(suspects("a", 1, went_back=True) + suspects("b", 1), places, (), POLICY, 0)
    assert verdict.held == {b"a0": b"a"}
    assert verdict.reasons == {(b"a", HoldKind.ABSENT): HoldReason.ROLLED_BACK}


@given(
    st.lists(st.tuples(st.integers(1, 60), st.integers(0, DAY_US // 10)), max_size=60),
    st.integers(0, 200),
    st.integers(0, 100),
    st.integers(0, 5000),
)
def test_r20_in_no_window_do_more_than_two_budgets_pass_whatever_the_batches(
    steps: list[tuple[int, int]], files: int, percent: int, present: int
) -> None:
    chosen = Policy(guard_files=files, guard_percent=percent)
    places = {b"a": place(present), WHOLE: place(present)}
    now, passed = 0, []
    for count, wait_us in steps:
        now += wait_us
        verdict = judge(suspects("a", count), places, (), chosen, now)
        places = verdict.tallies
        if not verdict.held:
            passed.append((now, count))
    allowed = limit(chosen, present)
    for start, _ in passed:
        within = sum(count for at, count in passed if start <= at < start + DAY_US)
        assert within <= 2 * allowed
        assert sum(count for at, count in passed if at == start) <= allowed


def test_r24_a_budget_flows_back_with_online_time_only() -> None:
    full = draw(Bucket(), 100, 100, 86_400, 0)
    assert full is not None
    assert draw(full, 1, 100, 86_400, 0) is None
    assert draw(full, 50, 100, 86_400, DAY_US // 2) is not None
    assert draw(full, 51, 100, 86_400, DAY_US // 2) is None
    assert draw(full, 100, 100, 86_400, DAY_US) is not None
    # A clock that went back gives nothing, and takes nothing.
    assert draw(Bucket(0, DAY_US), 100, 100, 86_400, 0) is not None
    assert draw(Bucket(1, DAY_US), 100, 100, 86_400, 0) is None


@pytest.mark.parametrize(
    ("moved_ns", "expected"),
    [
        (3600 * S, True),
        (-3600 * S, True),
        (3601 * S, True),  # FAT keeps every other second
        (5400 * S, True),  # India
        (26 * 3600 * S, True),
        (-1, True),
        (-(40 * 365 * 86_400) * S, True),  # back to 1970
        (S, True),  # another driver, another precision
        (5 * S, False),
        (1000 * S, False),
        (3605 * S, False),
        (30 * 86_400 * S, False),  # a month later to the second: somebody wrote it
        (31 * 86_400 * S + 17 * S, False),
    ],
)
def test_r23_writing_takes_a_time_forward_and_clocks_shift_it(moved_ns: int, expected: bool) -> None:
    assert is_shifted(1_700_000_000 * S, 1_700_000_000 * S + moved_ns) is expected


@pytest.mark.parametrize(
    ("root", "path", "top", "branch"),
    [
        (b"", b"a.jpg", b"", b""),
        (b"", b"trip/a.jpg", b"trip", b"trip"),
        (b"", b"trip/day/x/a.jpg", b"trip", b"trip/day"),
        (b"photos", b"photos/a.jpg", b"photos", b"photos"),
        (b"photos", b"photos/trip/a.jpg", b"photos/trip", b"photos/trip"),
        (b"photos", b"photos/trip/day/x/a.jpg", b"photos/trip", b"photos/trip/day"),
        (b"photos", b"photos2/trip/a.jpg", b"photos2", b"photos2/trip"),  # left its import path
    ],
)
def test_top_directories_and_branches(root: bytes, path: bytes, top: bytes, branch: bytes) -> None:
    assert (top_of(root, path), branch_of(root, path)) == (top, branch)


@given(
    st.lists(st.tuples(st.binary(min_size=16, max_size=16), st.integers(0, 99)), unique_by=lambda r: r[0]), st.data()
)
def test_r20_a_digest_names_a_set_in_whatever_order_it_came_about(
    rows: list[tuple[bytes, int]], data: st.DataObject
) -> None:
    def digest(order: list[tuple[bytes, int]], hold: bytes = b"h" * 16) -> bytes:
        found = EMPTY
        for asset, size in order:
            found = toggled(found, row_digest(hold, asset, HoldKind.ABSENT, size, 1))
        return found

    shuffled = data.draw(st.permutations(rows))
    assert digest(shuffled) == digest(rows)
    assert digest(rows + shuffled) == EMPTY, "what came and went again left nothing"
    if rows:
        assert digest(rows[1:]) != digest(rows)
        assert digest([(rows[0][0], rows[0][1] + 1), *rows[1:]]) != digest(rows)
        assert digest(rows, b"i" * 16) != digest(rows), "another hold's digest says nothing about this one"


def absent(before: tuple[int, int] | None, *, directory: str = "trip", listed: str = "trip") -> Absent:
    first, second = Look(1.0, 10.0, 7, 5, 50, 1), Look(6.0, 17.5, 7, 5, 60, 1)
    return Absent(directory, ["a.jpg"], Proof(listed, before, first, second, ["mount-id", "sentinels"]))


def test_r11_a_folder_goes_back_when_its_change_time_does() -> None:
    assert not went_back(absent((4, 40)).proof)
    assert went_back(absent((4, 61)).proof)
    assert not went_back(absent((99, 60)).proof), "anybody can set a modification time"
    assert not went_back(absent(None).proof)


def test_r1_the_reasons_are_told_in_sentences() -> None:
    looks, times, *checks = proofs.why(absent((4, 40)))
    assert "“trip”, 7.5 s apart" in looks
    assert "moved its own times" in times
    assert len(checks) == 2
    assert "same mount" in checks[0]
    assert "Known photos in other folders" in checks[1]


def test_r1_what_could_not_be_compared_is_not_claimed() -> None:
    assert "keeps no times" in proofs.why(absent(None))[1]
    _, above, times, *_ = proofs.why(absent(None, listed=""))
    assert "the root of the storage is the nearest one above" in above
    assert "are not known" in times
    assert all("moved its own times" not in line for line in proofs.why(absent(None)))


def test_r1_every_check_of_the_gate_has_a_sentence_here() -> None:
    proof = absent((4, 40)).proof
    every = Absent(
        "trip", [], Proof(proof.listed, proof.before, proof.first, proof.second, [str(one) for one in Check])
    )
    assert len(proofs.why(every)) == 2 + len(Check)


@pytest.mark.parametrize(
    ("last_seen", "now", "credited"),
    [
        (None, 5, 0),
        (0, 10_000_000, 10_000_000),
        (0, 30_000_000, 30_000_000),
        (0, 30_000_001, 0),  # nobody looked for that long
        (10, 5, 0),  # the clock was set back
        (0, 1 << 60, 0),
    ],
)
def test_r24_only_time_that_somebody_watched_counts(last_seen: int | None, now: int, credited: int) -> None:
    assert uptime.credited_us(last_seen, now) == credited


def test_settings_out_of_bounds_are_told_in_sentences() -> None:
    wrong = {"guard_files": -1, "guard_percent": 101, "guard_window_s": 1, "missing_grace_s": 1 << 40}
    found = policy.problems(wrong)
    assert [name for name, _ in found] == list(wrong)
    assert all(sentence.endswith(".") and "default" in sentence for _, sentence in found)
    assert policy.problems(dict.fromkeys(wrong)) == []

"""Hints in, directories ready to be looked at out."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.ports import Hint, Lost
from agent.rests import REST, REST_MAX_S
from agent.settle import CEILING_S, DEBOUNCE_S, DIRECTORIES_MAX, NAMES_MAX, Settle

SETTLE_S = 5.0


def test_directory_is_ready_when_it_was_quiet_for_a_moment() -> None:
    settle = Settle(SETTLE_S)
    settle.hint([Hint("a", "1.jpg")], 10.0)
    assert settle.ready(10.0 + DEBOUNCE_S / 2) == []
    assert settle.due() == 10.0 + DEBOUNCE_S
    assert [one.directory for one in settle.ready(10.0 + DEBOUNCE_S)] == ["a"]
    assert settle.due() is None


def test_directory_that_never_rests_is_ready_at_the_ceiling() -> None:
    settle = Settle(SETTLE_S)
    now = 10.0
    while not settle.ready(now):
        settle.hint([Hint("a", "1.jpg")], now)
        now += DEBOUNCE_S / 2
    assert CEILING_S <= now - 10.0 <= CEILING_S + DEBOUNCE_S


def test_large_directory_is_left_alone_for_a_while_after_each_look() -> None:
    settle = Settle(SETTLE_S)
    settle.hint([Hint("large", "1.jpg", whole=True)], 10.0)
    assert settle.ready(10.1)
    settle.rests.looked(["large"], 10.1, 11.1)
    settle.hint([Hint("large", "2.jpg", whole=True), Hint("small", "1.jpg", whole=True)], 11.2)
    assert [one.directory for one in settle.ready(12.0)] == ["small"]
    settle.rests.looked(["small"], 12.0, 12.0 + DEBOUNCE_S / REST)
    settle.hint([Hint("small", "2.jpg", whole=True)], 12.1)
    assert settle.due() == 12.1 + DEBOUNCE_S, "which is not noticed where a look takes no time"
    assert [one.directory for one in settle.ready(13.0)] == ["small"]
    settle.rests.looked(["small"], 13.0, 13.0)
    assert settle.due() == 11.1 + REST
    assert [one.whole for one in settle.ready(11.1 + REST)] == [{"2.jpg"}]


def test_r21_what_is_left_alone_can_be_had_at_once_and_is_told_until_then() -> None:
    settle = Settle(SETTLE_S)
    settle.hint([Hint("large", "1.jpg")], 10.0)
    settle.ready(10.1)
    settle.rests.looked(["large"], 10.1, 11.1)
    assert not settle.is_behind(11.1), "nothing has happened there since"
    settle.hint([Hint("large", "2.jpg")], 11.2)
    assert [settle.is_behind(at) for at in (11.2, 11.2 + DEBOUNCE_S, 11.1 + REST)] == [False, True, False]
    assert settle.ready(11.3) == []
    assert [one.directory for one in settle.ready(11.3, rested=False)] == ["large"]
    assert not settle.is_behind(11.3)


def test_nothing_is_left_alone_for_ever() -> None:
    settle = Settle(SETTLE_S)
    settle.hint([Hint("large", "1.jpg")], 10.0)
    settle.ready(10.1)
    settle.rests.looked(["large"], 10.1, 1000.0)
    settle.hint([Hint("large", "2.jpg")], 1000.0)
    assert settle.due() == 1000.0 + REST_MAX_S


def test_r3_clearing_forgets_what_is_left_alone() -> None:
    settle = Settle(SETTLE_S)
    settle.hint([Hint("a", "1.jpg")], 10.0)
    settle.ready(11.0)
    settle.rests.looked(["a"], 11.0, 19.0)
    settle.clear()
    settle.hint([Hint("a", "1.jpg")], 20.0)
    assert settle.ready(20.0 + DEBOUNCE_S)


def test_file_being_written_is_held_until_it_was_quiet() -> None:
    settle = Settle(SETTLE_S)
    settle.hint([Hint("a", "1.mov", written=True), Hint("a", "2.jpg", whole=True)], 10.0)
    (ready,) = settle.ready(10.1)
    assert (ready.writing, ready.whole) == ({"1.mov"}, {"2.jpg"})
    assert settle.ready(10.0 + SETTLE_S - 0.1) == []
    (ready,) = settle.ready(10.0 + SETTLE_S)
    assert ready.writing == frozenset()


def test_closing_ends_the_writing() -> None:
    settle = Settle(SETTLE_S)
    settle.hint([Hint("a", "1.mov", written=True)], 10.0)
    settle.hint([Hint("a", "1.mov", whole=True)], 10.01)
    (ready,) = settle.ready(10.2)
    assert (ready.writing, ready.whole) == (frozenset(), {"1.mov"})


def test_writing_again_after_closing_holds_it_again() -> None:
    settle = Settle(SETTLE_S)
    settle.hint([Hint("a", "1.mov", whole=True), Hint("a", "1.mov", written=True)], 10.0)
    (ready,) = settle.ready(10.2)
    assert (ready.writing, ready.whole) == ({"1.mov"}, frozenset())


def test_r31_too_many_directories_fold_into_a_loss() -> None:
    settle = Settle(SETTLE_S)
    settle.hint([Hint(str(number), "x") for number in range(DIRECTORIES_MAX + 1)], 10.0)
    assert [lost.directory for lost in settle.lost()] == [""]
    assert settle.ready(100.0) == []


def test_r31_too_many_names_fold_into_a_loss() -> None:
    settle = Settle(SETTLE_S)
    settle.hint([Hint("a", str(number), whole=True) for number in range(NAMES_MAX + 1)], 10.0)
    assert len(settle.lost()) == 1


def test_r3_clearing_forgets_every_hint() -> None:
    settle = Settle(SETTLE_S)
    settle.hint([Hint("a", "1.jpg"), Lost("", "overflow")], 10.0)
    settle.clear()
    assert (settle.ready(100.0), settle.lost(), settle.due()) == ([], [], None)


hints = st.builds(Hint, st.sampled_from("abc"), st.sampled_from(["1", "2"]), written=st.booleans(), whole=st.booleans())


@given(st.lists(st.tuples(st.floats(0, 3), hints), max_size=40))
def test_every_hinted_directory_becomes_ready_and_the_memory_empties(events: list[tuple[float, Hint]]) -> None:
    settle = Settle(SETTLE_S)
    now = 0.0
    seen: set[str] = set()
    for wait, hint in events:
        now += wait
        settle.hint([hint], now)
        seen |= {one.directory for one in settle.ready(now)}
    last = {one.directory for one in settle.ready(now + SETTLE_S + CEILING_S)}
    final = {one.directory for one in settle.ready(now + 2 * (SETTLE_S + CEILING_S))}
    assert seen | last | final == {hint.directory for _, hint in events}
    assert settle.due() is None


def test_a_directory_whose_place_another_may_have_taken_is_named_once() -> None:
    settle = Settle(5.0)
    settle.hint([Hint("", "a", replaced=True), Hint("", "b")], 0.0)
    assert [(one.directory, one.replaced) for one in settle.ready(1.0)] == [("", {"a"})]
    settle.hint([Hint("", "b")], 2.0)
    assert [(one.directory, one.replaced) for one in settle.ready(3.0)] == [("", set())]

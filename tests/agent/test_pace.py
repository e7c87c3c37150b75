"""When storage is asked ahead: where it keeps us waiting, and is the faster for it."""

from __future__ import annotations

from agent.linux.pace import AHEAD_S, KEEP_S, USELESS_S, WINDOW_S, Pace


def look(pace: Pace, now: float, *, waits: float, each_s: float = 0.001) -> float:
    """Looks at files for a whole window, of which ``waits`` is the part spent on waiting; returns when they end."""
    ahead = pace.asks_ahead(now)
    for _ in range(round((AHEAD_S if ahead else WINDOW_S) / each_s) + 1):
        now += each_s
        pace.note(now, each_s, each_s * (1 - waits), 1, ahead=ahead)
    return now


def test_what_answers_from_memory_is_never_asked_ahead() -> None:
    pace, now = Pace(), 0.0
    for _ in range(100):
        # Our own pauses are waiting too.
        now = look(pace, now, waits=0.25, each_s=0.0001)
        assert not pace.asks_ahead(now)


def test_what_keeps_us_waiting_is() -> None:
    pace = Pace()
    assert not pace.asks_ahead(0.0), "nobody knows yet"
    now = look(pace, 0.0, waits=0.9)
    assert pace.asks_ahead(now)
    now = look(pace, now, waits=0.9, each_s=0.0002)
    assert pace.asks_ahead(now), "and as long as it helps"


def test_it_is_measured_anew_after_a_while() -> None:
    pace = Pace()
    now = look(pace, 0.0, waits=0.9) + KEEP_S
    assert not pace.asks_ahead(now)
    assert pace.asks_ahead(look(pace, now, waits=0.9))
    assert not pace.asks_ahead(look(pace, now + 2 * KEEP_S, waits=0.1)), "it answers from memory by now"


def test_what_remembers_nothing_is_left_alone_for_a_while() -> None:
    pace = Pace()
    now = look(pace, 0.0, waits=0.9)
    now = look(pace, now, waits=0.9)
    assert not pace.asks_ahead(now), "it was as slow as before"
    assert not pace.asks_ahead(look(pace, now, waits=0.9))
    now += USELESS_S
    assert pace.asks_ahead(look(pace, now, waits=0.9))


def test_a_pass_with_and_one_without_are_not_taken_for_one() -> None:
    pace, half = Pace(), WINDOW_S * 0.6
    pace.note(half, half, 0.0, 100, ahead=False)
    pace.note(2 * half, half, 0.0, 100, ahead=True)
    assert not pace.asks_ahead(2 * half), "neither has lasted long enough to tell"

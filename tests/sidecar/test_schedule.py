"""Schedules: when they fall due, pure; and the nightly work, through the API and the worker on every engine."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from sidecar import schedule
from sidecar.catalog import clock, leases
from sidecar.catalog.schedules import NIGHTLY, TIDYING
from sidecar.catalog.tables import schedule as table
from sidecar.worker import Worker
from tests.sidecar.world import Item, World, new_id

LEASE_S = 15.0
BERLIN = "Europe/Berlin"


def at(text: str) -> int:
    """A time in UTC, such as 2026-03-29 01:00, as the catalog has it."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000


def shown(moment_us: int | None) -> str | None:
    if moment_us is None:
        return None
    return (datetime(1970, 1, 1) + timedelta(microseconds=moment_us)).strftime("%Y-%m-%d %H:%M")  # noqa: DTZ001


class TestDue:
    @pytest.mark.parametrize(
        ("expression", "zone", "since", "due"),
        [
            ("0 0 * * *", "UTC", "2026-01-01 00:00", "2026-01-02 00:00"),
            ("0 0 * * *", "UTC", "2026-01-01 23:59:59.5", "2026-01-02 00:00"),
            ("0 0 * * *", BERLIN, "2026-01-01 00:00", "2026-01-01 23:00"),
            ("0 0 * * *", BERLIN, "2026-07-01 00:00", "2026-07-01 22:00"),
            ("*/15 * * * *", "UTC", "2026-01-01 00:00", "2026-01-01 00:15"),
            ("0 0 29 2 *", "UTC", "2026-01-01 00:00", "2028-02-29 00:00"),
            ("off", "UTC", "2026-01-01 00:00", None),
        ],
    )
    def test_it_is_the_next_moment_on_the_clock_of_the_zone(
        self, expression: str, zone: str, since: str, due: str | None
    ) -> None:
        assert shown(schedule.due_after(expression, zone, at(since))) == due

    def test_an_hour_that_is_left_out_delays_a_fixed_time_and_loses_none(self) -> None:
        """In Berlin on this day the clock goes from 2 to 3 o'clock, at one o'clock UTC."""
        first = schedule.due_after("30 2 * * *", BERLIN, at("2026-03-28 12:00"))
        assert shown(first) == "2026-03-29 01:00"
        assert first is not None
        assert shown(schedule.due_after("30 2 * * *", BERLIN, first)) == "2026-03-30 00:30"
        assert shown(schedule.due_after("*/30 * * * *", BERLIN, at("2026-03-29 00:45"))) == "2026-03-29 01:00"

    def test_an_hour_that_comes_twice_has_a_fixed_time_once(self) -> None:
        """In Berlin on this day the clock goes from 3 back to 2 o'clock, at one o'clock UTC."""
        first = schedule.due_after("30 2 * * *", BERLIN, at("2026-10-24 12:00"))
        assert shown(first) == "2026-10-25 00:30"
        for late in ("2026-10-25 00:30", "2026-10-25 00:59", "2026-10-25 01:00", "2026-10-25 01:29"):
            assert shown(schedule.due_after("30 2 * * *", BERLIN, at(late))) == "2026-10-26 01:30"
        assert shown(schedule.due_after("*/30 * * * *", BERLIN, at("2026-10-25 00:45"))) == "2026-10-25 01:00"

    @given(
        st.sampled_from(["0 0 * * *", "30 2 * * *", "*/20 * * * *", "0 */2 * * *", "59 1 * * SUN", "0 3 L * *"]),
        st.sampled_from(["UTC", BERLIN, "America/St_Johns", "Australia/Lord_Howe", "Asia/Kathmandu"]),
        st.integers(at("2020-01-01 00:00"), at("2030-01-01 00:00")),
    )
    def test_it_is_always_later_and_nothing_lies_between(self, expression: str, zone: str, since: int) -> None:
        due = schedule.due_after(expression, zone, since)
        assert due is not None
        assert since < due <= since + 33 * 86_400 * 1_000_000
        assert schedule.due_after(expression, zone, (since + due) // 2) == due

    @given(st.text(alphabet="0123456789*/,-#LWMONFRI ", max_size=20))
    def test_whatever_is_written_is_followed_or_refused_with_a_sentence(self, expression: str) -> None:
        sentence = schedule.problem(expression)
        if sentence is None:
            assert schedule.due_after(expression, "UTC", at("2026-01-01 00:00")) is not None
        else:
            assert sentence.endswith(("is the default.", "every midnight."))

    def test_a_zone_that_went_out_of_use_does_not_stop_the_nights(self) -> None:
        assert shown(schedule.due_after("0 0 * * *", "US/Pacific-New", at("2026-01-01 12:00"))) == "2026-01-02 00:00"


class Nights:
    """Workers, and the clock of the database that they go by."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        self.world = world
        self._now = at("2026-06-01 12:00")
        self._monotonic_s = 0.0
        monkeypatch.setattr(clock, "of_database", lambda _connection: self._now)
        self.worker = Worker(world.engine, 30.0, new_id(), LEASE_S)

    def comes(self, text: str, worker: Worker | None = None) -> None:
        """It is this time, and the worker looks."""
        self._now = at(text)
        self.look(worker)

    def look(self, worker: Worker | None = None) -> None:
        self._monotonic_s += 1.0
        (worker or self.worker).step(self._monotonic_s)

    def pass_by(self, seconds: float) -> None:
        """Monotonic time passes, in which nobody looks."""
        self._monotonic_s += seconds

    def runs(self) -> list[Item]:
        """The nightly jobs, the oldest first."""
        return [one for one in reversed(self.world.get("/jobs")["items"]) if one["kind"] == "nightly"]


@pytest.fixture
def nights(world: World, monkeypatch: pytest.MonkeyPatch) -> Nights:
    return Nights(world, monkeypatch)


def test_every_night_has_one_run_that_everybody_can_see(nights: Nights) -> None:
    nights.comes("2026-06-01 12:00")
    assert nights.runs() == [], "a catalog that is new has missed no night"
    nights.comes("2026-06-01 23:59:59")
    assert nights.runs() == []
    nights.comes("2026-06-02 00:00:01")
    nights.comes("2026-06-02 00:00:02")
    (one,) = nights.runs()
    assert (one["state"], one["library_id"], one["requested_by"]) == ("done", None, "the nightly schedule")
    assert one["result"] == {"deletions": 0}
    nights.comes("2026-06-03 00:00:00")
    assert len(nights.runs()) == 2


def test_nights_that_were_missed_are_made_up_for_once(world: World, nights: Nights) -> None:
    nights.comes("2026-06-01 12:00")
    later = Worker(world.engine, 30.0, new_id(), LEASE_S)
    nights.pass_by(LEASE_S)
    nights.comes("2026-06-11 07:30", later)
    nights.pass_by(LEASE_S)
    nights.look(later)
    assert later.is_acting
    assert len(nights.runs()) == 1
    nights.comes("2026-06-11 23:59", later)
    assert len(nights.runs()) == 1
    nights.comes("2026-06-12 00:00", later)
    assert len(nights.runs()) == 2


def test_another_schedule_is_followed_at_once_and_from_now_on(world: World, nights: Nights) -> None:
    nights.comes("2026-06-02 14:30")
    world.patch("/settings", {"scan_schedule": "0 * * * *"})
    nights.look()
    assert nights.runs() == [], "what it would have asked for before is not missed"
    nights.comes("2026-06-02 15:00")
    assert len(nights.runs()) == 1
    world.patch("/settings", {"scan_schedule": "45 15 * * *", "scan_time_zone": BERLIN})
    nights.comes("2026-06-02 15:45")
    assert len(nights.runs()) == 1, "that was a quarter to six in Berlin"
    nights.comes("2026-06-03 13:45")
    assert len(nights.runs()) == 2
    world.patch("/settings", {"scan_schedule": "off"})
    nights.comes("2026-06-30 13:45")
    assert len(nights.runs()) == 2
    world.patch("/settings", {"scan_schedule": None})
    nights.comes("2026-06-30 21:59")
    assert len(nights.runs()) == 2
    nights.comes("2026-06-30 22:00")
    assert len(nights.runs()) == 3, "midnight in Berlin"


def test_a_night_that_was_set_while_no_worker_ran_is_made_up_for(world: World, nights: Nights) -> None:
    nights.comes("2026-06-01 12:00")
    world.patch("/settings", {"scan_schedule": "0 13 * * *"})
    nights.comes("2026-06-01 13:30")
    assert len(nights.runs()) == 1


def test_other_settings_leave_the_schedule_alone(world: World, nights: Nights) -> None:
    nights.comes("2026-06-01 12:00")
    nights.pass_by(1.0)
    world.patch("/settings", {"scan_schedule": "0 13 * * *"})
    nights.comes("2026-06-01 12:59")
    nights._now = at("2026-06-01 13:01")
    world.patch("/settings", {"guard_files": 7, "scan_schedule": "0 13 * * *"})
    nights.look()
    assert len(nights.runs()) == 1


def test_of_two_workers_one_keeps_the_night(world: World, nights: Nights) -> None:
    other = Worker(world.engine, 30.0, new_id(), LEASE_S)
    nights.comes("2026-06-01 12:00")
    nights.look(other)
    for second in range(5):
        nights.comes(f"2026-06-02 00:00:0{second}")
        nights.look(other)
    assert (nights.worker.is_acting, other.is_acting) == (True, False)
    assert len(nights.runs()) == 1


def test_a_worker_that_slept_through_its_replacement_begins_no_night(world: World, nights: Nights) -> None:
    """Whose clock says what does not matter: the fence does."""
    successor = Worker(world.engine, 30.0, new_id(), LEASE_S)
    nights.comes("2026-06-01 12:00")
    nights.look(successor)
    nights.pass_by(LEASE_S)
    nights.look(successor)
    assert successor.is_acting
    nights.comes("2026-06-02 00:00")  # the first one believes in its lease
    assert not nights.worker.is_acting
    assert nights.runs() == []
    nights.look(successor)
    assert len(nights.runs()) == 1


def test_a_successor_does_not_repeat_the_night_and_goes_on_with_the_job(
    world: World, nights: Nights, monkeypatch: pytest.MonkeyPatch
) -> None:
    nights.comes("2026-06-01 12:00")
    renew, left = leases.renew, [1]

    def killed(*arguments: object) -> bool:
        """It dies after it wrote the job down."""
        if not left:
            raise SystemExit
        left.pop()
        return renew(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(leases, "renew", killed)
    with pytest.raises(SystemExit):
        nights.comes("2026-06-02 00:00")
    monkeypatch.setattr(leases, "renew", renew)
    (one,) = nights.runs()
    assert one["state"] == "pending"
    successor = Worker(world.engine, 30.0, new_id(), LEASE_S)
    nights.look(successor)
    nights.pass_by(LEASE_S)
    nights.look(successor)
    (one,) = nights.runs()
    assert one["state"] == "done"


def test_a_clock_that_was_wrong_for_years_delays_no_night_for_years(world: World, nights: Nights) -> None:
    nights.comes("2040-01-01 00:00")
    nights.comes("2026-06-01 12:00")
    assert nights.runs() == []
    nights.comes("2026-06-02 00:00")
    assert len(nights.runs()) == 1


def test_the_clock_of_the_database_is_a_clock(world: World) -> None:
    with world.engine.connect() as connection:
        assert abs(clock.of_database(connection) - clock.now_us()) < 60 * 1_000_000


def test_there_is_one_record_of_a_schedule(world: World, nights: Nights) -> None:
    for day in range(1, 5):
        nights.comes(f"2026-06-0{day} 12:00")
    assert world.value(sa.select(sa.func.count()).select_from(table)) == len({NIGHTLY, TIDYING})

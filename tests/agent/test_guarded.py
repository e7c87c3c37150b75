"""An engine under guard: what is there is told, nothing is called gone, and what was missed is proven afterwards."""

from __future__ import annotations

import pytest

from agent.ports import Marker
from holdfast.volumes import Reason
from tests.agent.world import AT, World, known

HOUR_S = 3600.0


def disk_of_photos() -> World:
    return known("2024/a.jpg", "2024/b.jpg", "2024/c.jpg")


def settled() -> World:
    world = disk_of_photos()
    world.run(60)
    world.told()
    return world


def test_r30_under_guard_additions_are_told_and_absences_wait_for_an_epoch_without_concern() -> None:
    world = settled()
    world.engine.guard(guarded=True)
    world.disk.unlink("2024/a.jpg")
    world.disk.write("2024/new.jpg")
    world.run(HOUR_S)
    assert world.doubt is None
    assert world.news() == {"listed": {"2024/new.jpg"}}
    world.engine.scan()
    world.run(HOUR_S)
    assert world.news() == {}, "however often it is looked for"
    world.disk.write("2024/newer.jpg")
    world.run(HOUR_S)
    assert world.news() == {"listed": {"2024/newer.jpg"}}, "and whatever else leads to a look at its folder"
    world.attach()
    world.run(60)
    assert world.news() == {"absent": {"2024/a.jpg"}}


def test_r30_an_absence_that_waits_for_its_second_look_is_held_when_a_concern_arises() -> None:
    world = settled()
    world.disk.unlink("2024/a.jpg")
    world.run(0.5)
    world.engine.guard(guarded=True)
    world.run(HOUR_S)
    assert world.news() == {}


def test_r10_an_attachment_that_begins_with_a_concern_confirms_nothing() -> None:
    world = settled()
    world.disk.unlink("2024/a.jpg")
    world.attach(guarded=True)
    world.run(HOUR_S)
    assert world.doubt is None
    assert world.news() == {}


@pytest.mark.parametrize("option", ["emergency_ro"])
def test_r30_a_disk_that_the_kernel_made_read_only_is_still_looked_at_under_guard(option: str) -> None:
    world = settled()
    world.disk.faults.super_options = frozenset({option})
    world.disk.write("2024/new.jpg")
    world.run(60)
    assert world.doubt is not None
    assert world.doubt.reason is Reason.READ_ONLY_ERROR
    assert world.attach(guarded=True) is None
    world.disk.unlink("2024/a.jpg")
    world.run(HOUR_S)
    assert world.doubt is None
    assert world.news() == {"listed": {"2024/new.jpg"}}


def test_r16_a_file_system_that_was_shut_down_is_not_looked_at_even_under_guard() -> None:
    world = settled()
    world.disk.faults.super_options = frozenset({"shutdown"})
    doubt = world.attach(guarded=True)
    assert doubt is not None
    assert doubt.reason is Reason.SHUT_DOWN


def test_r7_a_marker_that_is_gone_at_the_gate_is_a_doubt() -> None:
    world = settled()
    world.disk.mark(Marker("m1", 1))
    assert world.attach(marker=Marker("m1", 1)) is None
    world.run(60)
    world.disk.mark(None)
    world.disk.unlink("2024/a.jpg")
    world.run(60)
    assert world.doubt is not None
    assert world.doubt.reason is Reason.MARKER_MISSING
    assert world.news() == {}


def empty() -> World:
    world = settled()
    world.disk.rmtree("2024")
    world.run(60)
    assert world.doubt is not None
    assert world.doubt.reason is Reason.EMPTY
    world.told()
    return world


def test_r2_a_person_may_say_that_it_was_emptied_and_then_it_is_proven() -> None:
    world = empty()
    assert world.attach(accepted=True) is None
    world.run(60)
    assert world.doubt is None
    assert world.news() == {"absent": {"2024/a.jpg", "2024/b.jpg", "2024/c.jpg"}}


def test_r2_without_that_word_it_stays_suspect() -> None:
    world = empty()
    doubt = world.attach()
    assert doubt is not None
    assert doubt.reason is Reason.EMPTY


def test_r2_the_word_counts_once() -> None:
    world = empty()
    assert world.attach(accepted=True) is None
    world.run(60)
    world.photos("2025/d.jpg")
    world.attach()
    world.run(60)
    world.disk.rmtree("2025")
    world.run(60)
    assert world.doubt is not None
    assert world.doubt.reason is Reason.EMPTY
    assert AT

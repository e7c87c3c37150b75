"""An engine that can do nothing now says when it can, and is not asked again and again meanwhile."""

from __future__ import annotations

import errno

from tests.agent.world import World


def test_a_second_look_that_waits_for_a_walk_is_not_due_while_that_walk_rests() -> None:
    world = World()
    world.photos("keeper.jpg", "trip/a.jpg", "trip/b.jpg")
    world.mount()
    world.run(10)
    world.disk.unlink("trip/a.jpg")
    world.run(0.5)  # missed once; the second look is due in two seconds
    world.disk.faults.listing_errnos["trip"] = errno.ENOMEM
    world.engine.scan()
    for _ in range(40):
        world.clock.advance(0.25)
        for _ in range(10):
            due = world.engine.due()
            if due is None or due > world.clock.now().boot:
                break
            world.engine.work()
        else:
            raise AssertionError("it is due again and again, and nothing comes of it")
    world.disk.faults.clear()
    world.run(60)
    assert world.news()["absent"] == {"trip/a.jpg"}

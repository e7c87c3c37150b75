"""``python -m tests.simulation``: run seeds on all cores, or replay one and see what happened."""

from __future__ import annotations

import argparse
import os
import sys

from tests.simulation.checks import CheckFailed
from tests.simulation.fate import STEPS, Fate, world_of
from tests.simulation.seeds import KEPT, keep, parse, run_all


def replay(seed: int, steps: int, hours: float) -> int:
    """Run one seed, have it go on for so many hours of its own, and print all of its trace."""
    world = world_of(seed)
    problem = None
    try:
        fate = Fate(world)
        fate.live(steps)
        fate.last(hours * 3600, steps)
    except Exception as error:
        problem = error
        if not isinstance(error, CheckFailed):
            raise
    finally:
        sys.stdout.write("\n".join(world.trace) + "\n")
        world.close()
    sys.stdout.write(f"seed {seed} {'passes' if problem is None else f'fails: {problem}'}\n")
    return 0 if problem is None else 1


def main(words: list[str]) -> int:
    """Returns the exit status: 1 when a seed has failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", default="", help="how many, from 0 on; or a range such as 1000-2000")
    parser.add_argument("--seed", type=int, help="run this one alone, and print what happens in it")
    parser.add_argument("--steps", type=int, default=STEPS, help="how long a replayed seed is")
    parser.add_argument("--hours", type=float, default=0.0, help="how long a replayed seed goes on, by its own clock")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args(words)
    if given.seed is not None:
        return replay(given.seed, given.steps, given.hours)
    failures = run_all(parse(given.seeds or "500"), given.jobs)
    if failures:
        keep(failures)
        sys.stdout.write(f"{len(failures)} seeds have failed; they are kept in {KEPT.name} and run in every test\n")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

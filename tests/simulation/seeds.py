"""Running many seeds on all cores, and keeping those that fail."""

from __future__ import annotations

import multiprocessing
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, TextIO

from tests.simulation.checks import CheckFailed
from tests.simulation.fate import STEPS, run

KEPT = Path(__file__).with_name("failed_seeds.txt")
_PROGRESS_S = 10.0
REPLAY = "make simulate SEED={seed}"


class Failure(NamedTuple):
    """A seed that failed, and what with."""

    seed: int
    problem: str


def kept(file: Path = KEPT) -> list[int]:
    """The seeds that failed once."""
    return [int(line.split()[0]) for line in file.read_text().splitlines() if line[:1].isdigit()]


def keep(failures: Iterable[Failure], file: Path = KEPT) -> list[int]:
    """Add seeds to those that failed once; returns those that are new there."""
    known = set(kept(file))
    new = [failure for failure in failures if failure.seed not in known]
    with open(file, "a", encoding="utf-8") as text:
        for failure in new:
            text.write(f"{failure.seed} {failure.problem[:120]}\n")
    return [failure.seed for failure in new]


def parse(text: str) -> range:
    """``20000`` are the seeds from 0 on, ``1000-2000`` those in between, the last included."""
    first, dash, last = text.partition("-")
    return range(int(first), int(last) + 1) if dash else range(int(first))


def trial(seed: int, steps: int = STEPS) -> Failure | None:
    """Run one seed."""
    try:
        run(seed, steps)
    except CheckFailed as error:
        return Failure(seed, str(error).partition(": ")[2].partition("\n")[0])
    return None


def _trial(seed: int) -> tuple[int, Failure | None]:
    return seed, trial(seed)


def run_all(seeds: range, jobs: int, out: TextIO = sys.stdout) -> list[Failure]:
    """Run seeds on so many cores, with a line now and then; returns the failures."""
    began = said = time.monotonic()
    failures = []
    for done, (_, failure) in enumerate(_results(seeds, jobs), 1):
        if failure is not None:
            failures.append(failure)
            out.write(f"seed {failure.seed} fails: {failure.problem[:300]}\n")
            out.write(f"    replay it with: {REPLAY.format(seed=failure.seed)}\n")
        now = time.monotonic()
        if now - said > _PROGRESS_S or done == len(seeds):
            said = now
            rate = done / max(now - began, 0.001)
            left_s = (len(seeds) - done) / max(rate, 0.001)
            out.write(
                f"{done} of {len(seeds)} seeds, {len(failures)} failed, {rate:.1f} a second, {left_s:.0f} s to go\n"
            )
        out.flush()
    return failures


def _results(seeds: range, jobs: int) -> Iterator[tuple[int, Failure | None]]:
    if jobs == 1:
        yield from map(_trial, seeds)
        return
    # Each process is replaced now and then: a leak of a seed must not become the failure of another.
    with multiprocessing.get_context("spawn").Pool(jobs, maxtasksperchild=500) as pool:
        yield from pool.imap_unordered(_trial, seeds, chunksize=4)

"""``python -m bench.soak``: both parts under load for an hour, on a disk that is used, and comes and goes.

In the end the catalog has to be what is on the disk, and nothing may have grown that should not: memory, descriptors,
watches, and what the agent keeps to be sent.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import NamedTuple

import click

from bench.churn import Churn
from bench.verdicts import grid
from demo.disks import Disk, disk, enter_private_mounts
from demo.stage import Stage, StepFailed
from holdfast.client import Client, Refused
from holdfast.volumes import Reason

_SAMPLE_S = 5.0
_DISK_MIB = 512
_SETTLE_S = 300.0
# What allocators and caches may take more in the last third than in the second, over and above a twentieth.
_SLACK = {"memory": 6 << 20, "descriptors": 4, "watches": 4, "kept": 4 << 20}
_SHARE = 0.05


class Sample(NamedTuple):
    """What the agent and its workers had at a moment: bytes of memory, open descriptors, directories watched, and
    bytes of what they keep."""

    memory: int
    descriptors: int
    watches: int
    kept: int


@click.command()
@click.option("--minutes", default=60.0, show_default=True, help="How long the disk is used.")
@click.option("--seed", default=0, show_default=True, help="Another one is another hour.")
def main(minutes: float, seed: int) -> None:
    """Use a disk for an hour, and see that nothing grows and nothing is lost. Exits with 1 when something does."""
    if os.geteuid() != 0:
        click.echo("The soak mounts a disk of its own and needs root: sudo make soak", err=True)
        sys.exit(77)
    enter_private_mounts()
    try:
        with (
            tempfile.TemporaryDirectory(prefix="holdfast-soak-") as folder,
            disk(folder, "SOAK", _DISK_MIB) as drive,
        ):
            samples = _run(folder, drive, minutes * 60, random.Random(seed))
    except StepFailed as error:
        click.echo(f"The soak failed: {error}", err=True)
        sys.exit(1)
    grown = [_growth(samples, name) for name in Sample._fields]
    click.echo("\n".join(["", *grid(("what", "at first", "in the middle", "at the end", "verdict"), grown)]))
    sys.exit(0 if all(row[-1] == "holds" for row in grown) else 1)


def _run(folder: str, drive: Disk, seconds: float, chance: random.Random) -> list[Sample]:
    place = os.path.join(folder, "mnt")
    drive.mount(place)
    churn = Churn(place, chance)
    churn.fill()
    samples: list[Sample] = []
    with (
        Stage(os.path.join(folder, "state"), [place]) as stage,
        Client(stage.url, stage.token) as person,
    ):
        library = stage.library("Soak", place).id
        stage.await_refresh(library, None)
        began = time.monotonic()
        sampled_at = began
        while (now := time.monotonic()) - began < seconds:
            if chance.random() < 0.002:
                _replug(stage, drive, place)
            churn.step()
            stage.pause(chance.uniform(0.0, 0.05))
            _accept(stage)
            if now - sampled_at >= _SAMPLE_S:
                samples.append(_sample(stage, os.path.join(folder, "state", "agent")))
                sampled_at = now
                _approve(person)
        click.echo(f"{churn.steps:,} changes in {seconds / 60:.0f} minutes, {len(churn.files()):,} files at the end")
        stage.request_scan()
        _compare(stage, person, library, churn.files)
    return samples


def _replug(stage: Stage, drive: Disk, place: str) -> None:
    drive.umount()
    stage.pause(0.5)
    drive.mount(place)


def _accept(stage: Stage) -> None:
    """A person is there who knows that folders were moved just before the disk was unplugged."""
    status = stage.status()
    for one in () if status is None else status.volumes:
        if one.status.reason is Reason.PARTIAL:
            stage.request("accept", one.status.volume)


def _approve(person: Client) -> None:
    """A person is there who knows that what was deleted was deleted. Where more has gone meanwhile, they look again."""
    for hold in list(person.holds()):
        try:
            person.approve(hold)
        except Refused as refused:
            if refused.code not in ("hold-changed", "hold-closed"):
                raise


def _compare(stage: Stage, person: Client, library: str, there: Callable[[], set[str]]) -> None:
    """Wait until the catalog is what is on the disk."""

    def is_the_same() -> bool:
        _accept(stage)
        _approve(person)
        known = {one["path"] for one in stage.assets(library).values() if one["status"] == "present"}
        return stage.is_settled() and known == there()

    stage.wait_for(is_the_same, "the catalog to be what is on the disk", _SETTLE_S)


def _sample(stage: Stage, kept: str) -> Sample:
    status = stage.status()
    if status is None:
        raise StepFailed("the agent does not answer")
    with open(f"/proc/{status.pid}/task/{status.pid}/children", encoding="ascii") as file:
        processes = [str(status.pid), *file.read().split()]
    return Sample(
        memory=sum(map(_memory, processes)),
        descriptors=sum(map(_descriptors, processes)),
        watches=sum(one.watched_directories for one in status.volumes),
        kept=sum(_size(os.path.join(at, name)) for at, _, names in os.walk(kept) for name in names),
    )


def _memory(pid: str) -> int:
    """Resident, in bytes (proc_pid_status(5)); 0 for a process that has just ended."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
            lines = dict(line.split(":", 1) for line in file)
    except OSError:
        return 0
    return int(lines.get("VmRSS", "0 kB").split()[0]) * 1024


def _descriptors(pid: str) -> int:
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return 0


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def _growth(samples: Sequence[Sample], name: str) -> tuple[str, ...]:
    """One line: the medians of the thirds, and whether the last is no more than the second, give or take a little."""
    values = [getattr(sample, name) for sample in samples]
    third = max(1, len(values) // 3)
    first, middle, last = (median(values[start : start + third]) for start in (0, third, len(values) - third))
    holds = last <= middle * (1 + _SHARE) + _SLACK[name]
    return (name, f"{first:,.0f}", f"{middle:,.0f}", f"{last:,.0f}", "holds" if holds else "GROWS")


if __name__ == "__main__":
    main()

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

from bench import processes
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
_SLACK = {
    "agent_memory": 6 << 20,
    "agent_descriptors": 4,
    "agent_watches": 4,
    "agent_keeps": 4 << 20,
    "sidecar_memory": 12 << 20,
    "sidecar_descriptors": 8,
}
_SHARE = 0.05


class Sample(NamedTuple):
    """What the processes of each part had at a moment: bytes of memory, open descriptors, directories watched, and
    bytes of what the agent keeps. What the catalog keeps grows, as it is a history."""

    agent_memory: int
    agent_descriptors: int
    agent_watches: int
    agent_keeps: int
    sidecar_memory: int
    sidecar_descriptors: int


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
    agent, sidecar = processes.of_agent(stage), processes.of_sidecar(stage)
    return Sample(
        agent_memory=sum(map(processes.resident, agent)),
        agent_descriptors=sum(map(processes.descriptors, agent)),
        agent_watches=sum(one.watched_directories for one in status.volumes),
        agent_keeps=sum(_size(os.path.join(at, name)) for at, _, names in os.walk(kept) for name in names),
        sidecar_memory=sum(map(processes.resident, sidecar)),
        sidecar_descriptors=sum(map(processes.descriptors, sidecar)),
    )


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
    shown = [f"{value / (1 << 20):.1f} MiB" if _is_size(name) else f"{value:,.0f}" for value in (first, middle, last)]
    return (name.replace("_", " "), *shown, "holds" if holds else "GROWS")


def _is_size(name: str) -> bool:
    return name.endswith(("_memory", "_keeps"))


if __name__ == "__main__":
    main()

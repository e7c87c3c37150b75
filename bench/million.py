"""``python -m bench.million``: a library of a million files, from the disk to the catalog, on both databases.

What it costs is compared with ``find`` on the same disk in the same run, everything cached, and unplugging it with
unplugging a disk of a thousand files.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from datetime import datetime
from statistics import median
from typing import NamedTuple

import click

from bench import alone, documents, peers, processes, scans, tree
from bench.verdicts import Measured, table
from demo.disks import Disk, disk, enter_private_mounts
from demo.stage import Stage, StepFailed
from holdfast.client import Client, ScanMode
from holdfast.up.catalog import FeedItem
from tests.mariadb import IN_EARNEST, MariaDB

DIRECTORIES = 10_000
SMALL_DIRECTORIES = 10
UNPLUGS = 31
SETTLED_S = 6.0
REST_S = 0.5  # what has just come to its end leaves a commit or two behind
_DISK_MIB = 24 * 1024  # a file with holes; by its size it has inodes for a million and a half
_WAIT_S = 600.0
_MEMORY_MIB = 120
_DOCUMENT = "benchmarks-1m.md"
_INTRODUCTION = """# A million files

Written by `make bench-1m`, which runs the real processes over a disk with a million files in ten thousand directories:
an agent, a sidecar under gunicorn, and both databases in turn; the server has the settings that
[databases.md](databases.md) asks for. The yardstick for scans is
`find -printf '%s %T@ %i\\n'` over the same disk, with everything cached, in the same run."""
_EXPLANATION = """\
- *Agent alone*: its engine, from the first look until all is in its outbox, which lies on a disk.
- *First scan*: from the request that makes the library until the end of the scan is committed in the catalog, which
  comes behind all that it has found.
- *Mode changed*, *mode new*: from asking the catalog for such a scan until it says that it is done. Meanwhile the agent
  reads what is in the files, whenever nothing else is to do.
- *1 % has changed*: likewise, after one file of each directory has got another time. Nothing is watched.
- *Unplugging*, *plugging in*: from the return of umount(2) and mount(2) until a reader that waits on the feed has it.
  No photos are read meanwhile.
- *Memory*: the most that the supervisor and the worker of this disk have had, as the kernel counts it.

The limits are aims. How far those that fail are missed hangs on the machine: `find` spends its time in the kernel,
Holdfast in Python and the database. What they are up against, by profiles on the machine named below:

- *Agent alone*: each file is looked at with `statx`, because of its birth. That takes 0.9 x find, to take apart what it
  answers 0.5, the names 0.4, SQLite (journal and outbox) 1.1, and many small things the rest.
- *Mode changed*: `os.stat` of all files by their known names, each compared with what it was, takes 1.1 x find. To read
  what is known from the journal, to go through the directories, and to pass the gate takes it to 1.5 x find, without
  anything around the engine. A second process would halve that, and keep both cores of a small machine busy; one scan
  is not worth it.
- *1 % has changed*: a directory in which one file has changed is then listed as well, and written to the journal. With
  one changed file in each, that is all of them.
- *First scan*: it adds a row with seven indexes to the catalog for each file. One process of the sidecar is busy with
  it from beginning to end, and the agent waits for it. To write such rows and do nothing else, 200,000 of them into an
  empty table, takes 9 x find for as many files with SQLite and 16 x with MariaDB, as a multi-row upsert; the same rows
  go through the whole sidecar in 9 x and 13 x ([benchmarks.md](benchmarks.md)). A larger table takes longer.
- *Mode new*: the engine takes 0.07 to 0.08 x find, a third of it to open each directory and ask for its times, a
  fifth for the journal. To ask the catalog for a scan and to hear that it is done takes 30 to 60 ms more, whatever the
  size."""


class Taken(NamedTuple):
    """Seconds; and MiB of memory."""

    first: list[float]
    changed: list[float]
    new: list[float]
    memory: list[float]


class Gone(NamedTuple):
    """Seconds until it was known that a disk had gone, and that it was there again."""

    unplugged: list[float]
    plugged: list[float]


@click.command()
@click.option("--dir", "folder", default="/var/tmp", show_default=True, help="Where everything is made, and removed.")
@click.option("--rounds", default=3, show_default=True, help="First scans into each database.")
@click.option("--directories", default=DIRECTORIES, show_default=True, help="Of a hundred files each.")
@click.option("--no-document", is_flag=True, help=f"Only print; leave docs/{_DOCUMENT} alone.")
def main(folder: str, rounds: int, directories: int, no_document: bool) -> None:
    """Measure a large library against its limits. Exits with 1 when a limit is broken."""
    if os.geteuid() != 0:
        click.echo("The benchmarks mount disks of their own and need root: sudo make bench-1m", err=True)
        sys.exit(77)
    enter_private_mounts()
    with tempfile.TemporaryDirectory(prefix="holdfast-bench-", dir=folder) as place:
        os.chmod(place, 0o755)  # the database server runs as somebody else
        tempfile.tempdir = place
        try:
            measurements = _measure(place, directories, rounds)
        except StepFailed as error:
            click.echo(f"The measurement failed: {error}", err=True)
            sys.exit(1)
    lines = table(measurements)
    click.echo("\n".join(["", *lines]))
    if not no_document:
        documents.write(_DOCUMENT, _INTRODUCTION, lines, _EXPLANATION, peers.versions(["find", "mariadbd"]))
    sys.exit(0 if all(one.holds for one in measurements) else 1)


def _measure(folder: str, directories: int, rounds: int) -> list[Measured]:
    files, few = directories * tree.FILES_PER_DIRECTORY, SMALL_DIRECTORIES * tree.FILES_PER_DIRECTORY
    with _filled(folder, "LARGE", directories) as large, _filled(folder, "SMALL", SMALL_DIRECTORIES) as small:
        find = peers.listings("find", _place(large), rounds + 2)
        engine = [_agent_alone(_place(large), files) for _ in range(rounds)]
        into_sqlite = _taken("SQLite", large, files, [None] * rounds)
        partly_sqlite = _partly_changed("SQLite", large, files, None, rounds)
        drives, counts = (large, small), (files, few)
        gone_sqlite = _gone("SQLite", drives, counts, (None, None))
        with closing(MariaDB(None, IN_EARNEST)) as server:
            into_mariadb = _taken("MariaDB", large, files, [server.fresh_database() for _ in range(rounds)])
            partly_mariadb = _partly_changed("MariaDB", large, files, server.fresh_database(), rounds)
            gone_mariadb = _gone("MariaDB", drives, counts, [server.fresh_database() for _ in drives])
    yardstick_s = median(find)
    found = [
        Measured(f"find, {files:,} files (yardstick)", find, None, yardstick_s),
        Measured(f"agent alone, {files:,} files, until all is in its outbox", engine, 4, yardstick_s),
    ]
    for name, limit, took, partly, (gone, little) in (
        ("SQLite", 10, into_sqlite, partly_sqlite, gone_sqlite),
        ("MariaDB", 15, into_mariadb, partly_mariadb, gone_mariadb),
    ):
        found += [
            Measured(f"{name}, first scan, {files:,} files, until committed", took.first, limit, yardstick_s),
            Measured(f"{name}, mode changed", took.changed, 1.2, yardstick_s),
            Measured(f"{name}, mode new", took.new, 0.1, yardstick_s),
            Measured(f"{name}, mode changed, 1 % has changed, until committed", partly, 2, yardstick_s),
            Measured(f"{name}, memory of supervisor and worker, at most", took.memory, _MEMORY_MIB, mib=True),
        ]
        for verb, many, one in (
            ("unplugging", gone.unplugged, little.unplugged),
            ("plugging in", gone.plugged, little.plugged),
        ):
            found += [
                Measured(f"{name}, {verb} {few:,} files, until the feed shows it", one),
                Measured(f"{name}, {verb} {files:,} files", many, 1.3, median(one), f"of {few:,}"),
                Measured(f"{name}, the same", many, 300),
            ]
    return found


@contextmanager
def _filled(folder: str, label: str, directories: int) -> Iterator[Disk]:
    """A disk with so many directories of photos, mounted."""
    click.echo(f"{directories * tree.FILES_PER_DIRECTORY:,} files on a disk …")
    with disk(folder, label, _DISK_MIB) as drive:
        place = os.path.join(folder, label.lower())
        drive.mount(place)
        tree.grow(os.path.join(place, "photos"), directories)
        yield drive


def _place(drive: Disk) -> str:
    if drive.place is None:
        raise StepFailed(f"{drive.label} is not mounted")
    return drive.place


def _agent_alone(place: str, files: int) -> float:
    """How long the agent's engine takes, with its journal on a disk."""
    with tempfile.TemporaryDirectory(prefix="holdfast-bench-") as folder:
        return alone.first_scan(place, files, os.path.join(folder, "journal.sqlite3"), fs_type="ext4")


def _taken(name: str, drive: Disk, files: int, databases: Sequence[str | None]) -> Taken:
    click.echo(f"{files:,} files into {name} …")
    took = Taken([], [], [], [])
    place = _place(drive)
    for database in databases:
        with _staged(drive, database) as stage, Client(stage.url, stage.token) as client:
            library = stage.library("Bench", place).id
            took.first.append(_first(stage, library, files))
            os.sync()  # or the kernel writes a gigabyte of the catalog beside what is measured next
            took.changed.append(scans.asked(stage, client, library, ScanMode.CHANGED))
            took.new.append(scans.asked(stage, client, library, ScanMode.NEW))
            took.memory.append(_memory_mib(stage))
    return took


@contextmanager
def _staged(drive: Disk, database: str | None, **settings: str) -> Iterator[Stage]:
    """An agent and a sidecar for this disk, with all names on it cached."""
    place = _place(drive)
    peers.listings("find", place, 0)
    with (
        tempfile.TemporaryDirectory(prefix="holdfast-bench-") as folder,
        Stage(os.path.join(folder, "state"), [place], database=database, **settings) as stage,
    ):
        yield stage


def _first(stage: Stage, library: str, files: int) -> float:
    """From now until the end of the scan is in the catalog, which comes behind all that it has found. The agent itself
    does not come to rest: it has begun to read a million files, and tells what is in them."""
    start = time.monotonic()
    stage.await_refresh(library, None, _WAIT_S)
    took_s = time.monotonic() - start
    scans.check_count(stage, library, files)
    return took_s


def _gone(name: str, drives: Sequence[Disk], files: Sequence[int], databases: Sequence[str | None]) -> list[Gone]:
    """Of each of these disks, in turns, each with an agent and a catalog of its own. Nothing is read meanwhile: a
    thousand photos are read in a moment and a million are not, and it is the size of a library that is to make no
    difference."""
    click.echo(f"Unplugging disks, {name} …")
    found = [Gone([], []) for _ in drives]
    with ExitStack() as stack:
        stages = [
            stack.enter_context(_staged(drive, database, read_contents="no"))
            for drive, database in zip(drives, databases, strict=True)
        ]
        libraries = [stage.library("Bench", _place(drive)).id for stage, drive in zip(stages, drives, strict=True)]
        for stage, library, count in zip(stages, libraries, files, strict=True):
            _first(stage, library, count)
        os.sync()
        for _ in range(UNPLUGS):
            for stage, library, drive, gone in zip(stages, libraries, drives, found, strict=True):
                place = _place(drive)
                gone.unplugged.append(_unplugged(stage, drive))
                gone.plugged.append(_plugged(stage, drive, place, library))
    return found


def _unplugged(stage: Stage, drive: Disk) -> float:
    stage.pause(REST_S)
    stage.catch_up()
    drive.umount()
    return stage.gather(_is("volume.offline"), "the unmount").took_s


def _plugged(stage: Stage, drive: Disk, place: str, library: str) -> float:
    """The scan that follows is waited for as well."""
    refreshed = stage.refreshed_at(library)
    stage.pause(REST_S)
    stage.catch_up()
    drive.mount(place)
    took_s = stage.gather(_is("volume.online"), "the mount").took_s
    stage.await_refresh(library, refreshed, _WAIT_S)
    return took_s


def _partly_changed(name: str, drive: Disk, files: int, database: str | None, rounds: int) -> list[float]:
    """How long a scan takes that is asked for when a file of each directory has got another time. It has to find them
    by itself: nothing is watched."""
    click.echo(f"1 % of {files:,} files changes, {name} …")
    place = _place(drive)
    took = []
    with _staged(drive, database, watch="no") as stage, Client(stage.url, stage.token) as client:
        library = stage.library("Bench", place).id
        _first(stage, library, files)
        for _ in range(rounds):
            stage.catch_up()  # some are told before the scan: whoever reads a file sees that it has changed
            changed_at = _touch_some(place)
            stage.pause(SETTLED_S)
            took.append(scans.asked(stage, client, library, ScanMode.CHANGED))
            _check_told(stage, changed_at, files // tree.FILES_PER_DIRECTORY)
    return took


def _touch_some(place: str) -> float:
    """One file of each directory was changed a minute ago. Answers with when that was."""
    then = float(int(time.time()) - 60)
    for folder, _, names in os.walk(place):
        for name in sorted(names)[:1]:
            os.utime(os.path.join(folder, name), (then, then))
    return then


def _check_told(stage: Stage, changed_at: float, expected: int) -> None:
    """The feed tells of so many photos that were changed then, or :class:`StepFailed` is raised."""
    photos = (item.state for item in stage.catch_up() if item.entity == "asset" and item.state)
    told = sum(datetime.fromisoformat(one["modified_at"]).timestamp() == changed_at for one in photos)
    if told != expected:
        raise StepFailed(f"the feed tells of {told:,} changed photos, not {expected:,}")


def _is(kind: str) -> Callable[[list[FeedItem]], bool]:
    return lambda items: any(item.kind == kind for item in items)


def _memory_mib(stage: Stage) -> float:
    """Of the supervisor and the worker of this volume; other workers wait, and have touched nothing."""
    supervisor, *workers = map(processes.peak, processes.of_agent(stage))
    return (supervisor + max(workers)) / (1 << 20)


if __name__ == "__main__":
    main()

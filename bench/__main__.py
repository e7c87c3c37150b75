"""``python -m bench``: measure everything in one run, print the table, and write it into the documentation."""

from __future__ import annotations

import os
import sys
from statistics import median

import click

from bench import bursts, contents, documents, idle, imports, ingest, latencies, peers, scans, shares, tree
from bench.verdicts import Measured, table
from demo.disks import enter_private_mounts
from demo.stage import StepFailed

_DOCUMENT = "benchmarks.md"
_INTRODUCTION = """# Benchmarks

Written by `make bench`, which runs the real processes: an agent, a sidecar under gunicorn, a catalog in SQLite. The
yardstick for scans is `find -printf '%s %T@ %i\\n'` over the same tree, with everything cached, in the same run.
Compare ratios; the times are those of one machine. Larger libraries: [a million
files](benchmarks-1m.md), and [ten million assets](benchmarks-10m.md) that are only read."""
_EXPLANATION = """\
- *bfs* lists the same facts as find. *fd* can only find names: it hands them to `stat`, many at a time, for the rest.
- *First scan*: from the request that makes the library until the last file is committed in the catalog.
- *All listed*: from asking the agent for a scan, which takes nothing on trust, until it has ended. Nothing has changed.
- *Mode changed*, *mode new*: from asking the catalog for such a scan until it says that it is done.
- *The sidecar while photos are read*: time on a processor, of all its processes, while the agent reads what is in the
  files and tells it, as it does for hours after a first scan.
- *First look*: the agent's engine alone, on a share (FUSE) on which every answer takes 5 ms and is remembered for three
  seconds, with nothing remembered yet.
- *Ingest*: one stream of reports of 5,000 new files each through the whole application, until all are committed. Its
  yardstick writes the same rows into the same table, in transactions of the same size, and does nothing else.
- *Burst*: from the start of `cp -r` onto a watched disk until the last file is committed; the yardstick is that copy
  when nobody looks.
- *Import*: eight new photos a second come to one large folder, which is looked at whole each time, and left alone for
  four times as long afterwards. *The agent meanwhile*: time on a processor, of all its processes.
- *Unmount* and *new photo*: from the return of umount(2), and from the close of the file, until a reader that waits on
  the feed has the entry. *watchman*, on such a disk, tells a subscriber on the same machine the name, after 20 ms of
  rest: it knows no file again, and stores and sends nothing.
- *Idle agent*: time on a processor, of all its processes, in a minute in which nothing happens; the limit is 0.2 % of a
  core. A request of any kind to one of the disks, by whomever, makes the run fail."""


@click.command()
@click.option("--dir", "folder", default="/var/tmp/holdfast-bench", show_default=True, help="Where the tree is kept.")
@click.option("--rounds", default=3, show_default=True, help="First scans; everything else is scaled with it.")
@click.option("--no-document", is_flag=True, help="Only print; leave docs/benchmarks.md alone.")
def main(folder: str, rounds: int, no_document: bool) -> None:
    """Measure scans and latencies against their limits. Exits with 1 when a limit is broken."""
    if os.geteuid() != 0:
        click.echo("The benchmarks mount disks of their own and need root: sudo make bench", err=True)
        sys.exit(77)
    enter_private_mounts()
    if not os.path.exists(folder):
        click.echo(f"Making {tree.FILES:,} files below {folder}, once …")
    root = tree.ensure(folder)
    try:
        measurements = _measure(root, rounds)
    except StepFailed as error:
        click.echo(f"The measurement failed: {error}", err=True)
        sys.exit(1)
    lines = table(measurements)
    click.echo("\n".join(["", *lines]))
    if not no_document:
        documents.write(_DOCUMENT, _INTRODUCTION, lines, _EXPLANATION, peers.versions())
    sys.exit(0 if all(one.holds for one in measurements) else 1)


def _measure(root: str, rounds: int) -> list[Measured]:
    click.echo("find, bfs, fd …")
    found, bfs, fd = (peers.listings(name, root, rounds + 2) for name in ("find", "bfs", "fd"))
    click.echo(f"first scans and scans without change, {tree.FILES:,} files …")
    took = scans.all_kinds(root, rounds, rounds)
    click.echo("what is in them …")
    read = contents.sidecar_meanwhile(root, rounds)
    click.echo("a share whose answers take their time …")
    far = shares.first_looks(rounds)
    click.echo("unmounts and new photos …")
    unmounted, closed = latencies.unmounts_and_closes(10 * rounds, 34 * rounds)
    heard = peers.watchman_hears(latencies.PHOTOS, 34 * rounds)
    click.echo(f"{ingest.ROWS:,} new files into each database …")
    into_sqlite, into_mariadb = ingest.sqlite(rounds), ingest.mariadb(rounds)
    click.echo(f"a burst of {bursts.FILES:,} files …")
    burst = bursts.copies(rounds)
    click.echo(f"an import into a folder of {imports.PHOTOS:,} photos …")
    imported = imports.into_a_large_folder(rounds)
    yardstick_s, raw_s, cp_s = median(found), median(into_mariadb.raw), median(burst.copying)
    return [
        Measured(f"find, {tree.FILES:,} files (yardstick)", found, None, yardstick_s),
        Measured(f"bfs, {tree.FILES:,} files", bfs, None, yardstick_s),
        Measured(f"fd and stat, {tree.FILES:,} files", fd, None, yardstick_s),
        Measured(f"first scan, {tree.FILES:,} files", took.first, 25, yardstick_s),
        Measured(f"all listed, {tree.FILES:,} files", took.listing, 5, yardstick_s),
        Measured(f"mode changed, {tree.FILES:,} files", took.changed, 3, yardstick_s),
        Measured(f"mode new, {tree.FILES:,} files", took.new, 1.5, yardstick_s),
        Measured("the sidecar while photos are read, a second", read, 100),
        Measured(f"find, {shares.FILES:,} files on a share (yardstick)", far.find, None, median(far.find)),
        Measured(f"first look, {shares.FILES:,} files on a share", far.agent, 1, median(far.find)),
        Measured(f"raw upsert, {ingest.ROWS:,} rows, SQLite (yardstick)", into_sqlite.raw),
        Measured(f"ingest, {ingest.ROWS:,} files, SQLite", into_sqlite.took, None, median(into_sqlite.raw), "raw"),
        Measured(f"raw upsert, {ingest.ROWS:,} rows, MariaDB (yardstick)", into_mariadb.raw),
        Measured(f"ingest, {ingest.ROWS:,} files, MariaDB", into_mariadb.took, 1.5, raw_s, "raw"),
        Measured(f"cp -r, {bursts.FILES:,} files (yardstick)", burst.copying),
        Measured(f"burst of {bursts.FILES:,} files, until committed", burst.took, 3, cp_s, "cp"),
        Measured(f"import into a folder of {imports.PHOTOS:,}, photo to feed entry", imported.told, 5_000),
        Measured("the agent meanwhile, a second", imported.spent, 250),
        Measured("unmount to feed entry", unmounted, 300),
        Measured("new photo to feed entry", closed, 500),
        Measured("new photo to event of watchman", heard),
        Measured(f"idle agent, {idle.DISKS} disks, a minute", idle.minutes(rounds), 120),
    ]


if __name__ == "__main__":
    main()

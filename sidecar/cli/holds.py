"""``holdfast-sidecar holds``: look at mass changes that wait for a person, and decide about them."""

from __future__ import annotations

import os
from datetime import UTC, datetime

import click
from sqlalchemy import Connection, Engine

from holdfast import console, ids, wording
from holdfast.wording import shown
from sidecar.api import render, shapes
from sidecar.catalog import deciding, volumes
from sidecar.catalog import holds as catalog_holds
from sidecar.catalog.clock import now_us
from sidecar.catalog.engine import snapshot, transact
from sidecar.cli.common import CONSOLE, audited, catalog_options, opened, refuse
from sidecar.config import Config
from sidecar.errors import Refused
from sidecar.holds import HoldState

_PAGE = 500
_LAST_ID = b"\xff" * ids.ID_BYTES

_digest = click.option("--digest", required=True, metavar="DIGEST", help="The digest of the set, as `show` tells it.")


@click.group(
    cls=console.Verbs,
    epilog=console.examples(
        "holdfast-sidecar holds list",
        ("holdfast-sidecar holds show HOLD", "what happened, where, how it is known, and what to type next"),
    ),
)
def holds() -> None:
    """Look at mass changes that wait for a person, and decide about them."""


@holds.command("list")
@click.option("--all", "every", is_flag=True, help="Those that are closed, too.")
@console.json_option(list[shapes.Hold])
@catalog_options
def list_holds(settings: Config, every: bool, as_json: bool) -> None:
    """List the holds that are open, the newest first."""
    with opened(settings) as engine, snapshot(engine) as connection:
        found = _all(connection, None if every else HoldState.OPEN)
    if as_json:
        console.print_json(found)
        return
    if not found:
        click.echo("There are no holds." if every else "There are no open holds: nothing waits for you.")
        return
    for one in found:
        click.echo(f"{one.id}  {one.state:<9}  {_moment(one.opened_at)}  {shown(one.summary)}")
    click.echo(f"\nLook at one with:  holdfast-sidecar holds show {found[0].id}")


@holds.command()
@click.argument("hold")
@console.json_option(shapes.HoldDetails)
@catalog_options
def show(settings: Config, hold: str, as_json: bool) -> None:
    """Show a hold: what happened, in which directories, and what can be done."""
    with opened(settings) as engine:
        one = _details(engine, _id(hold))
    if as_json:
        console.print_json(one)
        return
    for line in _told(one):
        click.echo(line)


@holds.command()
@click.argument("hold")
@_digest
@catalog_options
def approve(settings: Config, hold: str, digest: str) -> None:
    """Let the loss or change of exactly this set show.

    The digest names the set: what it does not contain stays held.
    """
    one = _decide(settings, hold, digest, HoldState.APPROVED)
    click.echo(f"Approved: {_files(one.files)}.")


@holds.command()
@click.argument("hold")
@_digest
@catalog_options
def dismiss(settings: Config, hold: str, digest: str) -> None:
    """Keep exactly this set as it was, whatever the storage shows."""
    one = _decide(settings, hold, digest, HoldState.DISMISSED)
    click.echo(f"Dismissed: {_files(one.files)} stay as they were.")


@holds.command()
@click.argument("hold")
@catalog_options
def recheck(settings: Config, hold: str) -> None:
    """Have the volume of a hold looked at again, such as after it was dismissed by mistake.

    Nothing changes by this alone. The agent scans the volume as soon as it is there; what the catalog believes and is
    not there is proven absent anew, and more than may go without asking is held again.
    """
    key = _id(hold)
    with opened(settings) as engine:
        volume = ids.from_text("volume", _details(engine, key).volume_id)
        transact(engine, lambda connection: volumes.look_again(connection, volume or b"", now_us()))
    click.echo("The volume will be looked at again, as soon as its agent is heard from and the storage is there.")


def _decide(settings: Config, hold: str, digest: str, state: HoldState) -> shapes.HoldDetails:
    """Decide, and carry it out before returning."""
    key = _id(hold)
    try:
        raw = bytes.fromhex(digest)
    except ValueError:
        raw = b""
    with opened(settings) as engine:
        what = "approve_hold" if state is HoldState.APPROVED else "dismiss_hold"
        try:
            with audited(engine, what, hold, digest=digest):
                transact(engine, lambda connection: deciding.decide(connection, key, raw, state, CONSOLE, now_us()))
        except Refused as refused:
            refuse(refused.detail)
        while transact(engine, lambda connection: deciding.carry_out(connection, key, now_us(), os.urandom(10))):
            pass
        return _details(engine, key)


def _told(one: shapes.HoldDetails) -> list[str]:
    """A hold as people read it."""
    lines = [
        shown(one.summary),
        one.advice,
        "",
        f"  hold      {one.id}",
        f"  state     {one.state}{f', by {shown(one.closed_by)}' if one.closed_by else ''}",
        f"  reason    {one.reason}",
        f"  volume    {shown(one.volume_label)}  {one.volume_id}",
        f"  files     {one.files:,}, {one.bytes:,} bytes",
        f"  opened    {_moment(one.opened_at)}",
        f"  digest    {one.digest}",
    ]
    if one.closed_at is not None:
        lines.insert(5, f"  closed    {_moment(one.closed_at)}, {one.done:,} of {one.files:,} files dealt with")
    if one.directories:
        width = max(len(f"{branch.files:,}") for branch in one.directories)
        lines += ["", "In these directories:"]
        lines += [f"  {branch.files:>{width},}  {shown(branch.directory) or '.'}/" for branch in one.directories]
        lines += ["  and more"] if one.has_more_directories else []
    if one.examples:
        lines += ["", "Such as:", *(f"  {shown(path)}" for path in one.examples)]
    if one.evidence is not None:
        lines += ["", "How it is known, of the first of these:"]
        lines += [f"  {shown(sentence)}" for sentence in _known(one.evidence)]
    if one.state is HoldState.OPEN:
        command = f"{one.id} --digest {one.digest}"
        lines += ["", f"  holdfast-sidecar holds approve {command}", f"  holdfast-sidecar holds dismiss {command}"]
    return lines


def _known(evidence: shapes.Evidence) -> list[str]:
    """What the storage was, when it was looked at, why that proves anything, and who told."""
    at = datetime.fromtimestamp(evidence.made_at, UTC)
    told = f"It was told on {_moment(at)}, in report {evidence.sequence} of {evidence.journal}."
    return [*evidence.why, told]


def _all(connection: Connection, state: HoldState | None) -> list[shapes.Hold]:
    found: list[shapes.Hold] = []
    before = _LAST_ID
    while rows := catalog_holds.page(connection, state, None, before, _PAGE):
        found += map(render.hold, rows)
        before = rows[-1].id
    return found


def _details(engine: Engine, key: bytes) -> shapes.HoldDetails:
    with snapshot(engine) as connection:
        row = catalog_holds.get(connection, key)
        if row is None:
            refuse("There is no such hold.")
        examples = catalog_holds.assets_page(connection, key, b"", catalog_holds.EXAMPLES_SHOWN)
        return render.hold_details(row, catalog_holds.tree(connection, key), examples)


def _id(hold: str) -> bytes:
    raw = ids.from_text("hold", hold)
    if raw is None:
        refuse(f"{hold} is not the id of a hold. 'holdfast-sidecar holds list' shows them.")
    return raw


def _files(count: int) -> str:
    return wording.count(count, "file")


def _moment(at: datetime) -> str:
    return at.isoformat(timespec="seconds")

"""``holdfast-agent enrol``."""

from __future__ import annotations

import os
import uuid

import click

from agent import mounts, places
from agent.cli.common import config_option, configuration, no_agent
from agent.cli.joining import join
from agent.config import AgentConfig
from agent.linux import kernel, marker, marking
from agent.linux.attachment import Attachment
from agent.linux.inspection import inspect
from agent.linux.mountinfo import MountTable
from agent.linux.probe import probe
from agent.local_socket import Request, RequestRefused, ask_status, send_request
from agent.ports import Marker, Mount, Probe, Trouble
from holdfast import console, paths, wording
from holdfast.console import end
from holdfast.exits import Exit
from holdfast.status import AgentStatus
from holdfast.volumes import Reason


@click.command(
    epilog=console.examples(
        (
            "holdfast-agent enrol --sidecar https://photos.example --root /srv/photos",
            "introduce this agent to its sidecar",
        ),
        ("holdfast-agent enrol --plain /srv/photos", "a folder on the disk of the system, with no disk of its own"),
        ("holdfast-agent enrol --marker /mnt/usb", "write a marker, for storage without an identity of its own"),
    )
)
@config_option
@click.argument("path", metavar="[PATH]", type=click.Path(), required=False)
@click.option("--sidecar", metavar="URL", help="Without PATH: the sidecar, if it is not the one in the configuration.")
@click.option(
    "--root",
    "roots",
    type=click.Path(),
    metavar="DIR",
    multiple=True,
    help="Without PATH: a folder that the agent may look at.",
)
@click.option(
    "--token-file",
    type=click.Path(),
    metavar="FILE",
    help="Without PATH: where the enrolment token is, if not on standard input.",
)
@click.option("--no-start", is_flag=True, help="Without PATH: leave it to others to start the agent.")
@click.option("--plain", is_flag=True, help="PATH is a plain folder: no disk of its own belongs there.")
@click.option("--marker", "marked", is_flag=True, help="Write a small marker file at the root of the storage.")
def enrol(
    config_path: str,
    path: str | None,
    sidecar: str | None,
    roots: tuple[str, ...],
    token_file: str | None,
    no_start: bool,
    plain: bool,
    marked: bool,
) -> None:
    """Enrol this agent with its sidecar; or let the storage at PATH be used.

    Without PATH: takes a token that 'holdfast-sidecar tokens create --scope enrol' made, from standard input, or asks
    for it; writes the sidecar and the roots into the configuration; and starts the agent.

    With PATH: says by what the storage there will be recognised. A disk or a share that is mounted needs no word: it is
    enrolled when a library asks for a folder on it. A folder on the disk of the system does, with --plain. Only
    --marker writes anything to the storage.
    """
    if path is None:
        if plain or marked:
            end("--plain and --marker are about storage. Name its PATH.", Exit.USAGE)
        join(config_path, sidecar, roots, token_file, start=not no_start)
        return
    if sidecar is not None or roots or token_file is not None or no_start:
        end("With PATH, storage is enrolled, which knows only --plain and --marker.", Exit.USAGE)
    _enrol_storage(config_path, path, plain=plain, marked=marked)


def _enrol_storage(config_path: str, path: str, *, plain: bool, marked: bool) -> None:
    config = configuration(config_path)
    try:
        status = ask_status(config.socket_path)
        canonical, mount = _place(config, path)
        _check_word(config, canonical, mount, plain=plain, marked=marked)
        written = _mark(mount, status) if marked else None
        _tell(canonical, mount, plain=plain, marked=marked)
        send_request(config.socket_path, Request("enrol", path=canonical, plain=plain, marker=written))
    except RequestRefused as error:
        end(str(error), Exit.TRY_AGAIN)
    except OSError as error:
        no_agent(config, error)


def _place(config: AgentConfig, path: str) -> tuple[str, Mount]:
    """The real path, and the mount that it lies on."""
    found = inspect(paths.from_os(os.path.abspath(path)), config.roots)
    table = MountTable()
    mount = mounts.resolve(table.table(), paths.to_os(found.canonical))
    table.close()
    if found.refusal is not None or mount is None:
        end(found.refusal or f"{path} leads nowhere.", Exit.NO_INPUT)
    return paths.to_os(found.canonical), mount


def _check_word(config: AgentConfig, path: str, mount: Mount, *, plain: bool, marked: bool) -> None:
    if plain and mount.mount_point != "/":
        end(
            f"{path} is on a mount of its own ({mount.mount_point}), so it is no plain folder. Leave out --plain.",
            Exit.USAGE,
        )
    if marked and mount.mount_point == "/":
        end(f"{path} is on the disk of the system, which needs no marker. Leave out --marker.", Exit.USAGE)
    if not plain and (question := places.needs_word(path, mount, config.plain_directories)):
        end(question, Exit.USAGE)


def _mark(mount: Mount, status: AgentStatus) -> Marker:
    """Write the marker, and say exactly what is written."""
    for reading in status.volumes:
        is_here = mount.mount_point in (reading.status.mounted_at, reading.status.last_mounted_at)
        if is_here and reading.status.reason is Reason.ROLLED_BACK:
            end(f"{reading.status.detail} Say first whether that is so: 'holdfast-agent accept'.", Exit.USAGE)
    at = Attachment(mount.mount_point, kernel.mount_at(os.fsencode(mount.mount_point)).mount_id)
    file = os.path.join(mount.mount_point, marker.NAME)
    try:
        with at.directory("") as root:
            following = marking.following(root, uuid.uuid4().hex)
        text = marking.content(following)
        click.echo(wording.shown(f"Writing one file of {len(text)} bytes, {file}, and nothing else:"))
        click.echo(text.decode(), nl=False)
        marking.write_marker(at, following)
    except OSError as error:
        end(f"{file} cannot be written: {error.strerror}. Nothing was enrolled.", Exit.NO_INPUT)
    return following


def _tell(path: str, mount: Mount, *, plain: bool, marked: bool) -> None:
    found = probe(mount)
    if isinstance(found, Trouble):
        end(f"{mount.mount_point} does not answer: {os.strerror(found.errno)}. Check the storage.", Exit.NO_INPUT)
    if plain:
        click.echo(wording.shown(f"{path} counts as a plain folder from now on."))
    else:
        known = f"{path} is on {found.label!r}, mounted at {mount.mount_point}; it is recognised by {_factors(found)}."
        click.echo(wording.shown(known))
    if not marked:
        click.echo("Nothing was written to it.")


def _factors(found: Probe) -> str:
    identity = found.identity
    known = {
        f"its {identity.fs_type} UUID {identity.uuid}": identity.uuid,
        f"its source {identity.source}": identity.source,
        f"what its server calls it ({identity.server_id})": identity.server_id,
        f"the serial number {identity.serial}": identity.serial,
        "its marker file": identity.marker,
    }
    return ", ".join(text for text, value in known.items() if value is not None) or "its root directory only"

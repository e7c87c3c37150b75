"""``holdfast-agent release``."""

from __future__ import annotations

import os
import time

import click

from agent.cli.common import complete_volume, config_option, configuration, no_agent
from agent.config import AgentConfig
from agent.local_socket import Request, RequestRefused, ask_status, send_request
from holdfast import console, paths, wording
from holdfast.console import end
from holdfast.exits import Exit
from holdfast.status import VolumeReading
from holdfast.volumes import VolumeState

# A worker lets go between two files. Longer than this takes one whose storage does not answer.
_PATIENCE_S = 5.0


@click.command(
    epilog=console.examples("holdfast-agent release USB && umount /mnt/usb", "holdfast-agent release /mnt/usb/trip")
)
@config_option
@click.argument("volume", metavar="VOLUME|PATH", shell_complete=complete_volume)
def release(config_path: str, volume: str) -> None:
    """Let go of a volume, so that it can be unmounted.

    VOLUME is its id or its label, PATH its mount point or any path on it. Nothing of it is open when this returns. The
    agent takes it up again when it is mounted anew, or after a minute.
    """
    config = configuration(config_path)
    wanted = paths.from_os(os.path.abspath(volume)) if "/" in volume else volume
    asked_at = time.monotonic()
    try:
        meant = _meant(config, wanted)
        if not meant:
            end(
                f"No volume that is mounted here is called {volume}. 'holdfast-agent status' lists them.",
                Exit.TRY_AGAIN,
            )
        for one in meant:
            send_request(config.socket_path, Request("release", one.status.volume))
        while any(_is_held(one) for one in _meant(config, wanted, {one.status.volume for one in meant})):
            if time.monotonic() - asked_at > _PATIENCE_S:
                end(f"{volume} does not answer, so it is not let go of yet. 'umount -l' takes it away.", Exit.TRY_AGAIN)
            time.sleep(0.01)  # the status socket is asked; it does not call
    except RequestRefused as error:
        end(str(error), Exit.TRY_AGAIN)
    except OSError as error:
        no_agent(config, error)
    for one in meant:
        click.echo(wording.shown(f"{one.status.label}: let go of. Unmount it: umount {one.status.mounted_at}"))


def _meant(config: AgentConfig, wanted: str, ids: set[str] | None = None) -> list[VolumeReading]:
    """The volumes that are meant: those of these ids, or those that are called so and are online."""
    readings = ask_status(config.socket_path).volumes
    if ids is not None:
        return [one for one in readings if one.status.volume in ids]
    online = [one for one in readings if one.status.mounted_at is not None]
    named = [one for one in online if wanted in (one.status.volume, one.status.label)]
    on_the_way = [one for one in online if _contains(one.status.mounted_at or "", wanted)]
    # Of mounts within each other, a path lies on the innermost.
    return named or sorted(on_the_way, key=lambda one: len(one.status.mounted_at or ""))[-1:]


def _contains(mount_point: str, path: str) -> bool:
    return path.startswith("/") and paths.contains(mount_point.rstrip("/"), path)


def _is_held(reading: VolumeReading) -> bool:
    return reading.status.state is VolumeState.ONLINE or reading.watching != "nothing"

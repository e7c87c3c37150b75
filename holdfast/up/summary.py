"""What is said at the start, after the scan, and when a part fails. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import NamedTuple

from holdfast import wording
from holdfast.up.catalog import Statistics, Volume
from holdfast.up.checks import Listen
from holdfast.up.processes import Exit


class Access(NamedTuple):
    """Where pages and API are, and where the token of the API lies. ``setup_link`` is where the first account for the
    pages is made, if there is none."""

    url: str
    setup_link: str | None
    token_file: str
    log_directory: str


def hello(version: str, listen: Listen, state: str, roots: Sequence[str]) -> str:
    """The first lines of a run."""
    lines = [f"Holdfast {version}: catalog in {state}, API at {listen.url}"]
    lines += [f"  looking after {wording.shown(root)}" for root in roots]
    if not listen.is_loopback:
        lines.append("  Other machines can connect, and http does not hide the token: put TLS in front.")
    return "\n".join(lines)


def counts(statistics: Sequence[Statistics]) -> str:
    """``98,201 photos and 1,799 videos, 245.1 GB``, and what of them is not there."""
    photos = sum(one.photos for one in statistics)
    videos = sum(one.videos for one in statistics)
    total_bytes = sum(one.bytes for one in statistics)
    text = f"{wording.photos_and_videos(photos, videos)}, {wording.size(total_bytes)}"
    for status in ("missing", "unreadable", "excluded"):
        if number := sum(one.by_status.get(status, 0) for one in statistics):
            text += f", {number:,} {status}"
    if away := sum(one.by_availability.get("unavailable", 0) for one in statistics):
        text += f", {away:,} unavailable"
    return text


def volume(one: Volume) -> str:
    """``photos (ext4): online``; else the state and what to do."""
    kind = f" ({one.fs_type})" if one.fs_type else ""
    told = "online" if one.state == "online" else f"{one.state}. {one.detail or ''}".rstrip()
    return f"  volume {wording.shown(one.label)}{kind}: {told}"


def introduction(
    statistics: Sequence[Statistics], volumes: Sequence[Volume], access: Access, took_s: float, *, is_news: bool
) -> list[str]:
    """The lines after the scan. ``is_news``: there is more to tell than in the last run."""
    where = wording.count(len(volumes), "volume")
    return [
        f"{counts(statistics)} on {where}; looked through in {wording.duration(took_s)}",
        *(volume(one) for one in volumes),
        "",
        f"  pages  {access.url}/",
        *([f"         make your account, once: {access.setup_link}"] if access.setup_link else []),
        f"  API    {access.url}/api/v1/   described in {access.url}/openapi.json",
        f"  token  {access.token_file}",
        f"  logs   {access.log_directory}",
        f'  try    curl -H "Authorization: Bearer $(cat {shlex.quote(access.token_file)})" {access.url}/api/v1/volumes',
        "",
        *([] if is_news else ["Nothing has changed since the last run."]),
        "Watching. What happens from now on appears here; Ctrl-C stops.",
    ]


def failure(exit_: Exit, log: str, *, starting: bool) -> str:
    """A part that ended by itself: how, and its last words."""
    when = " while starting" if starting else ""
    lines = [f"The {exit_.name} {exit_.how}{when}. Its last lines, from {log}:"]
    words = exit_.last_lines or ["(it said nothing)"]
    return "\n".join([*lines, *(f"    {wording.shown(word)}" for word in words)])

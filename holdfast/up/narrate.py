"""What happened, told in lines. Pure.

Events come in *batches*: those that belong together in time. A batch of a few files gives a line each; many of one
kind are folded, first by directory, and when that is still too many lines, by what their directories share.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import Enum
from itertools import groupby
from operator import attrgetter

import msgspec

from holdfast import paths, wording

FOLD_ABOVE = 3  # files of one kind in one directory that are still named one by one
LINES_MAX = 12  # lines of one batch before directories are folded too


class Tone(Enum):
    """How a line is coloured on a terminal."""

    GOOD = "good"
    CHANGED = "changed"
    BAD = "bad"
    QUIET = "quiet"


class Line(msgspec.Struct, frozen=True):
    """One line: when (Unix time), a sign in the margin, and text."""

    at: float
    sign: str
    text: str
    tone: Tone = Tone.QUIET


class FileEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Something happened to one asset. ``kind`` is the feed's, without ``asset.``. ``path`` is as people know it;
    ``origin`` is where a moved file was, when that is known."""

    at: float
    kind: str
    path: str
    is_video: bool = False
    origin: str | None = None


class VolumeEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A volume's state changed. ``detail`` is the sentence for people; ``was`` is the state told before."""

    at: float
    label: str
    state: str
    detail: str
    was: str | None = None
    assets: int | None = None


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """Anything else worth a line."""

    at: float
    text: str
    is_trouble: bool = False


Event = FileEvent | VolumeEvent | Note

# kind of asset event: sign, words after the name, tone. {} stands where the name goes.
_FILES: dict[str, tuple[str, str, Tone]] = {
    "added": ("+", "{}", Tone.GOOD),
    "updated": ("~", "{} changed", Tone.CHANGED),
    "moved": (">", "{} moved", Tone.CHANGED),
    "missing": ("-", "{} missing", Tone.BAD),
    "restored": ("+", "{} back", Tone.GOOD),
    "excluded": ("x", "{} excluded by a rule", Tone.QUIET),
    "included": ("+", "{} included again", Tone.GOOD),
    "unreadable": ("!", "{} unreadable", Tone.BAD),
    "removed": ("-", "{} removed from the catalog", Tone.QUIET),
}


def tell(batch: Sequence[Event]) -> list[Line]:
    """The lines of one batch, in the order things happened; runs of file events are folded."""
    lines: list[Line] = []
    for is_file, run in groupby(batch, key=lambda event: isinstance(event, FileEvent)):
        if is_file:
            lines += fold([event for event in run if isinstance(event, FileEvent)])
        else:
            lines += [_single(event) for event in run if not isinstance(event, FileEvent)]
    return lines


def fold(events: Sequence[FileEvent]) -> list[Line]:
    """As few lines as say what happened."""
    groups: dict[tuple[str, str, str | None], list[FileEvent]] = {}
    for event in events:
        directory = paths.split(event.path)[0]
        origin = paths.split(event.origin)[0] if event.origin is not None else None
        groups.setdefault((event.kind, directory, origin), []).append(event)
    lines = [line for group in groups.values() for line in _of_directory(group)]
    if len(lines) <= LINES_MAX:
        return lines
    ordered = sorted(events, key=attrgetter("kind"))
    return [_of_many(list(group)) for _, group in groupby(ordered, key=attrgetter("kind"))]


def _of_directory(group: Sequence[FileEvent]) -> list[Line]:
    """Lines for events of one kind in one directory."""
    if len(group) <= FOLD_ABOVE:
        return [_of_file(event) for event in group]
    last = group[-1]
    directory = paths.split(last.path)[0]
    what = _amount(group)
    if last.kind == "moved" and last.origin is not None:
        origin = paths.split(last.origin)[0]
        text = f"{what} {_place(origin)} -> {_place(directory)}"
        if origin == directory:
            text = f"{what} renamed in {_place(directory)}"
        return [Line(last.at, ">", text, Tone.CHANGED)]
    return [_line(last, f"{what} in {_place(directory)}")]


def _of_many(group: Sequence[FileEvent]) -> Line:
    """One line for events of one kind, wherever they are."""
    last = group[-1]
    directories = {paths.split(event.path)[0] for event in group}
    where = f"in {wording.count(len(directories), 'folder')}"
    if shared := common_directory(directories):
        where += f" under {_place(shared)}"
    return _line(last, f"{_amount(group)} {where}")


def _of_file(event: FileEvent) -> Line:
    if event.kind == "moved" and event.origin is not None:
        text = f"{wording.shown(event.origin)} -> {wording.shown(event.path)}"
        return Line(event.at, ">", text, Tone.CHANGED)
    return _line(event, wording.shown(event.path))


def _line(event: FileEvent, name: str) -> Line:
    # A newer sidecar may know kinds that this program does not; they are told by their name.
    sign, words, tone = _FILES.get(event.kind, ("*", f"{{}} {event.kind}", Tone.QUIET))
    return Line(event.at, sign, words.replace("{}", name), tone)


def _single(event: VolumeEvent | Note) -> Line:
    if isinstance(event, Note):
        return Line(
            event.at, "!" if event.is_trouble else "*", event.text, Tone.BAD if event.is_trouble else Tone.QUIET
        )
    label = wording.shown(event.label)
    if event.state == "online":
        text = f"volume {label} is {'back' if event.was else 'online'}"
        if event.assets:
            text += f": {wording.photos_and_videos(event.assets, 0)}"
        return Line(event.at, "*", text, Tone.GOOD)
    went = {"offline": "went away", "idle": "is idle", "unknown": "is unknown"}.get(event.state, f"is {event.state}")
    return Line(event.at, "!", f"volume {label} {went}: {wording.shown(event.detail)}", Tone.BAD)


def common_directory(directories: Iterable[str]) -> str:
    """The deepest directory that contains all of these; "" when they share none."""
    split = [directory.split("/") if directory else [] for directory in directories]
    shared: list[str] = []
    for segments in zip(*split, strict=False):
        if len(set(segments)) > 1:
            break
        shared.append(segments[0])
    return "/".join(shared)


def _amount(group: Sequence[FileEvent]) -> str:
    videos = sum(event.is_video for event in group)
    return wording.photos_and_videos(len(group) - videos, videos)


def _place(directory: str) -> str:
    return f"{wording.shown(directory)}/" if directory else "the top folder"

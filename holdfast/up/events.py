"""From the feed's items to events worth telling. Pure, but for what was told before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from holdfast import wording
from holdfast.up import folders
from holdfast.up.catalog import FeedItem, Hold, Move, Volume
from holdfast.up.narrate import Event, FileEvent, Note, VolumeEvent

ORIGINS_MAX = 50  # moved files of one batch whose old place is asked for; more are folded anyway

# Given an asset's id: its latest move, or None when that is not known.
LastMove = Callable[[str], Move | None]


_CLOSED = {
    "approved": "the hold was approved",
    "dismissed": "the hold was dismissed; its files stay as they were",
    "resolved": "the held files were all seen again; there is nothing left to decide",
}


def question(hold: Hold, options: str) -> str:
    """What a person reads of an open hold: what happened, that nothing was done about it, and how to decide."""
    command = " ".join(filter(None, ("holdfast-sidecar holds show", hold.id, options)))
    return f"held: {wording.shown(hold.summary)} Nothing was changed; decide with: {command}"


class Interpreter:
    """Remembers the state of each volume, since the feed tells only what *is*. ``volumes`` are as they were told
    to people at ``told_at`` (Unix time); what happened to them before needs no line. ``holds`` are open, and were
    told then as well. ``options`` say where the catalog is, for the commands that people are told to use."""

    def __init__(
        self,
        roots: Sequence[str],
        volumes: Sequence[Volume],
        told_at: float,
        holds: Sequence[Hold] = (),
        options: str = "",
    ) -> None:
        self._roots = list(roots)
        self._told_at = told_at
        self._options = options
        self._held = {hold.id: hold.files for hold in holds}  # open holds: id -> files when they were told
        self._states = {volume.id: volume.state for volume in volumes}

    def read(self, items: Sequence[FeedItem], last_move: LastMove) -> list[Event]:
        """The events of a batch, in the order of the feed."""
        moved = sum(item.kind == "asset.moved" for item in items)
        ask = last_move if moved <= ORIGINS_MAX else lambda _: None
        events = (self._event(item, ask) for item in items)
        return [event for event in events if event is not None]

    def _event(self, item: FeedItem, last_move: LastMove) -> Event | None:
        match item.entity:
            case "asset" if item.kind == "asset.read":
                return None  # nothing has happened to it
            case "asset":
                return self._of_asset(item, last_move)
            case "volume":
                return self._of_volume(item)
            case "hold":
                return self._of_hold(item)
            case "agent":
                silent = item.kind == "agent.silent"
                text = "the agent has not been heard from" if silent else "the agent is heard from again"
                return Note(at=item.at_unix, text=text, is_trouble=silent)
            case _ if item.kind == "gap":
                where = (item.state or {}).get("directory") or "a volume"
                return Note(at=item.at_unix, text=f"changes in {where} went unseen; it is scanned again")
            case _:
                return None  # libraries and scans are told by what follows from them

    def _of_asset(self, item: FeedItem, last_move: LastMove) -> FileEvent:
        state = item.state or {}
        kind = item.kind.removeprefix("asset.")
        path = _path_of(state)
        old = _before(path, last_move(item.id)) if kind == "moved" else None
        return FileEvent(
            at=item.at_unix,
            kind=kind,
            path=folders.short(path, self._roots),
            is_video=state.get("kind") == "video",
            origin=None if old is None else folders.short(old, self._roots),
        )

    def _of_hold(self, item: FeedItem) -> Note | None:
        """An open hold asks for a person once; while it grows, again whenever it has doubled."""
        state = item.state or {}
        if state.get("state") == "open":
            hold = Hold(id=item.id, summary=str(state.get("summary") or ""), files=int(state.get("files") or 0))
            if hold.files < 2 * self._held.get(item.id, 0):
                return None
            self._held[item.id] = hold.files
            return Note(at=item.at_unix, text=question(hold, self._options), is_trouble=True)
        if item.kind != "hold.closed" or self._held.pop(item.id, None) is None:
            return None
        text = _CLOSED.get(str(state.get("state")), "the hold is closed")
        return Note(at=item.at_unix, text=text)

    def _of_volume(self, item: FeedItem) -> VolumeEvent | None:
        if item.at_unix < self._told_at:
            return None
        state = item.state or {}
        now, was = str(state.get("state")), self._states.get(item.id)
        self._states[item.id] = now
        if now == was:
            return None  # its detail or its place changed
        return VolumeEvent(
            at=item.at_unix,
            label=str(state.get("label") or item.id),
            state=now,
            detail=str(state.get("detail") or ""),
            was=was,
            assets=state.get("assets"),
        )


def _path_of(state: dict[str, Any]) -> str:
    # Without a server path the two are the same; the host path is what a person at this machine knows.
    return str(state.get("host_path") or state.get("path") or "?")


def _before(path: str, move: Move | None) -> str | None:
    """The host path before a move; what stands before the path inside the volume is where that is mounted."""
    if move is None or not path.endswith(f"/{move.target}"):
        return None
    return f"{path.removesuffix(move.target)}{move.origin}"

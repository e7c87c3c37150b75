"""A photo server that follows the feed, and what it may hold against the catalog.

It reads the feed through the API, and compares what it has heard with the table itself, read behind the sidecar's
back. Both are cheap where nothing was committed, so that this can be done after every step.
"""

from __future__ import annotations

from typing import Any

from holdfast import ids
from sidecar.asset import Status
from tests.simulation.sidecar import SimulatedSidecar

Item = dict[str, Any]
_GONE = 410

_TABLE = """SELECT id, change, status, path, size, mtime_ns, absent_since, removed_at, excluded_by, unreadable_error
FROM asset"""
_HELD = """SELECT asset.id FROM held JOIN hold ON hold.id = held.hold_id JOIN asset ON asset.id = held.asset_id
WHERE hold.state = 'open' AND held.kind = 'absent' AND asset.status = 'missing'"""


class Reader:
    """Follows the feed from its beginning."""

    def __init__(self, sidecar: SimulatedSidecar) -> None:
        self._sidecar = sidecar
        self.begin_anew()

    def begin_anew(self) -> None:
        """Forget all, as a photo server does whose cursor has expired."""
        self._cursor: str | None = None
        self._version = self._number = -1
        self.followed: dict[tuple[str, str], Item] = {}
        self._rows: dict[bytes, tuple[Any, ...]] = {}

    def look(self) -> str | None:
        """Read on, if anything was committed; returns how what was heard differs from what is."""
        table = self._sidecar.table
        version = table.execute("PRAGMA data_version").fetchone()[0]
        if version == self._version:
            return None
        self._version = version
        # What takes no number is no news: heartbeats write how long a volume was online.
        number = table.execute("SELECT value FROM clock").fetchone()[0]
        heard = {} if number == self._number else self._read_on()
        self._number = number
        rows = {row[0]: row for row in table.execute(_TABLE)}
        problem = self._compare(rows, heard)
        self._rows = rows
        if problem is None and (held := table.execute(_HELD).fetchall()):
            return f"assets of an open hold are shown as missing: {held}"
        return problem

    def renewed(self) -> None:
        """The sidecar was started again, so that its versions begin anew."""
        self._version = self._number = -1

    def _read_on(self) -> dict[bytes, Item]:
        """What the feed has that is new: assets by their ids."""
        found: dict[bytes, Item] = {}
        while True:
            query = {"limit": "1000"} | ({} if self._cursor is None else {"since": self._cursor})
            answer = self._sidecar.people.get("/changes", params=query)
            if answer.status_code == _GONE:
                self.begin_anew()
                continue
            answer.raise_for_status()
            page = answer.json()
            self._cursor = page["next"]
            for item in page["items"]:
                self.followed[item["entity"], item["id"]] = item
                if item["entity"] == "asset":
                    found[ids.from_text("asset", item["id"]) or b""] = item["state"]
            if not page["has_more"]:
                return found

    def _compare(self, rows: dict[bytes, tuple[Any, ...]], heard: dict[bytes, Item]) -> str | None:
        for key, row in rows.items():
            if key in heard:
                state = heard[key]
                if (state["change"], state["status"], state["size"]) != (row[1], row[2], row[4]):
                    return f"the feed says {state}, the catalog {row}"
            elif self._rows.get(key) != row:
                return f"changed without a word in the feed: from {self._rows.get(key)} to {row}"
        if lost := self._rows.keys() - rows.keys():
            return f"assets vanished from the catalog: {lost}"
        return None

    def missing(self) -> set[bytes]:
        """The assets that are shown as missing, as of the last look."""
        return {key for key, row in self._rows.items() if row[2] == Status.MISSING}

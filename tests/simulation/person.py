"""The person who looks after it all: decides about holds, and gives a word where identity needs one."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import httpx2

from holdfast import ids, paths
from holdfast.scans import ScanMode
from holdfast.volumes import Reason
from tests.simulation.cables import Cables, Home
from tests.simulation.machine import Machine
from tests.simulation.mischief import FOLDERS, NAMES
from tests.simulation.sidecar import SimulatedSidecar

_TO_ACCEPT = (Reason.EMPTY, Reason.PARTIAL, Reason.ROLLED_BACK, Reason.MARKER_MISSING)


class Keeper:
    """Only ever says what is true: a volume is accepted when nothing is wrong with its disk."""

    def __init__(self, sidecar: SimulatedSidecar, cables: Cables, rng: random.Random) -> None:
        self._sidecar = sidecar
        self._cables = cables
        self._random = rng
        # Assets whose loss was dismissed: they are shown as present, whatever the disk has.
        self.dismissed: set[bytes] = set()

    def decides(self) -> str:
        """Approve or dismiss a hold, as it is now or as it was a while ago, or let it wait."""
        found = self._open()
        if not found:
            return "no hold is open"
        one = self._random.choice(found)
        verb = self._random.choice(["approve", "approve", "dismiss", "wait", "stale"])
        if verb == "wait":
            return f"the hold of {one['files']} waits"
        if verb == "stale":
            answer = self._sidecar.people.post(f"/holds/{one['id']}/approve", json={"digest": "00" * 16})
            if answer.status_code != httpx2.codes.CONFLICT:
                raise AssertionError(f"a stale digest was taken: {answer.text}")
            return "a hold that was another set is not decided about"
        self._decide(one, verb)
        return f"{verb} a hold of {one['files']}"

    def asks_for_scan(self, places: Sequence[str]) -> str:
        """Ask for a scan, of everything or of something below one of these places."""
        (library,) = self._sidecar.people.get("/libraries").json()["items"]
        mode = self._random.choice(list(ScanMode))
        place, folder, name = (self._random.choice(some) for some in (places, FOLDERS, NAMES))
        below = self._random.choice([None, "", folder, paths.join(folder, name)])
        path = None if below is None else paths.join(place, below).rstrip("/")
        answer = self._sidecar.people.post(f"/libraries/{library['id']}/scan", json={"mode": mode, "path": path})
        if answer.status_code == httpx2.codes.UNPROCESSABLE_CONTENT:
            return f"nobody knows where {path!r} leads"
        answer.raise_for_status()
        return f"a scan is asked for: {mode} {path!r}, {answer.json()['id'][-4:]}"

    def cancels_scan(self) -> str:
        """Cancel a scan that has not ended."""
        waiting = [one for state in ("pending", "running") for one in self._jobs(state) if one["kind"] == "scan"]
        if not waiting:
            return "no scan to be cancelled"
        one = self._random.choice(waiting)
        self._sidecar.people.post(f"/jobs/{one['id']}/cancel").raise_for_status()
        return f"the scan {one['id'][-4:]} is cancelled"

    def approve_all(self) -> bool:
        """Approve whatever is open; whether anything was."""
        found = self._open()
        for one in found:
            self._decide(one, "approve")
        return bool(found)

    def accepts(self, machine: Machine, homes: list[Home]) -> bool:
        """Say of every volume that is held back for a reason that a word can lift that it is true; whether any was."""
        said = False
        for volume in machine.volumes():
            if volume.reason not in _TO_ACCEPT or not self._is_in_order(machine, volume.last_mounted_at, homes):
                continue
            if volume.reason is Reason.ROLLED_BACK:
                next(home for home in homes if home.place == volume.last_mounted_at).is_rolled_back = False
            machine.request("accept", volume.id)
            said = True
        return said

    def _is_in_order(self, machine: Machine, place: str | None, homes: list[Home]) -> bool:
        home = next((one for one in homes if one.place == place and one.host is machine.host), None)
        if home is None:
            return False
        mounted = machine.host.place(home.place).mounted
        faults = home.disk.faults
        is_whole = not (faults.errno or faults.empty or faults.hidden or faults.lists_nothing or faults.path_errnos)
        return mounted.disk is home.disk and is_whole and not faults.dead_below_caches and not faults.listing_errnos

    def _jobs(self, state: str) -> list[dict[str, Any]]:
        answer = self._sidecar.people.get("/jobs", params={"state": state, "limit": "100"})
        answer.raise_for_status()
        found: list[dict[str, Any]] = answer.json()["items"]
        return found

    def _open(self) -> list[dict[str, Any]]:
        answer = self._sidecar.people.get("/holds", params={"state": "open", "limit": "100"})
        answer.raise_for_status()
        found: list[dict[str, Any]] = answer.json()["items"]
        return sorted(found, key=lambda one: str(one["id"]))

    def _decide(self, hold: dict[str, Any], verb: str) -> None:
        if verb == "dismiss":
            assets = self._sidecar.people.get(f"/holds/{hold['id']}/assets", params={"limit": "1000"})
            assets.raise_for_status()
            self.dismissed |= {ids.from_text("asset", one["asset"]["id"]) or b"" for one in assets.json()["items"]}
        answer = self._sidecar.people.post(f"/holds/{hold['id']}/{verb}", json={"digest": hold["digest"]})
        answer.raise_for_status()

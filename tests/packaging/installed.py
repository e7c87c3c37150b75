"""Both parts as they are installed on a host, and what they tell about the photos there."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from tests.packaging.host import Host

Answer = dict[str, Any]
AGENT = "holdfast-agent.service"
_ASK = """
curl --silent --show-error --fail-with-body --header 'Content-Type: application/json' \
  --header "Authorization: Bearer $(cat /var/lib/holdfast/sidecar/admin.token)" """


class Asset(NamedTuple):
    """A photo, as the API tells of it."""

    id: str
    status: str
    availability: str


Assets = dict[str, Asset]


class Installed:
    """The agent looks at /srv. Every folder there that a test calls a place is an import path of a library."""

    def __init__(self, host: Host) -> None:
        self.host = host

    def introduce(self) -> None:
        """As docs/install.md says, with two settings. What cannot be watched is scanned soon; and to start a process
        takes many seconds where the processor is computed, which is not to be taken for storage that hangs."""
        self.host.script("""
            printf 'rescan_s = 10.0\\nprobe_deadline_s = 60.0\\n' >> /etc/holdfast/agent.toml
            sudo holdfast-sidecar tokens create --scope enrol --name agent |
              sudo holdfast-agent enrol --root /srv
        """)

    def make_library(self, place: str) -> None:
        """One with this import path, be it there or not."""
        wanted = {"owner": "anna", "import_paths": [{"agent": "machine", "path": place}]}
        self.host.script(f"{_ASK} --data '{json.dumps(wanted)}' http://127.0.0.1:8765/api/v1/libraries")

    def assets(self, place: str, wanted: Callable[[Assets], bool] = bool) -> Assets:
        """What the catalog has below a place, by path, once it is as wanted."""
        shown = self._until(f"/assets?limit=1000&path_prefix={place}/", lambda items: wanted(_assets(items)))
        return _assets(shown)

    def volume(self, place: str, wanted: Callable[[Answer], bool] = bool) -> Answer:
        """The volume that is or was mounted at a place, once there is one and it is as wanted."""
        shown = self._until("/volumes?limit=1000", lambda items: any(wanted(one) for one in _at(place, items)))
        return next(one for one in _at(place, shown) if wanted(one))

    def taken_up(self, place: str, photos: int) -> Assets:
        """The assets of a place whose storage is there, as soon as every photo was found and read."""
        read = f"/assets?limit=1000&path_prefix={place}/"
        self._until(read, lambda items: len(items) == photos and all(item["content_checksum"] for item in items))
        self.volume(place, is_online)
        return self.assets(place, lambda assets: is_all(assets, "present", "online"))

    def check_away(self, place: str, before: Assets) -> None:
        """Every photo is there as ever, but for its storage."""
        now = self.assets(place, lambda assets: is_all(assets, "present", "unavailable"))
        assert {path: asset.id for path, asset in now.items()} == {path: asset.id for path, asset in before.items()}

    def check_back(self, place: str, before: Assets) -> None:
        """Every photo is what it was, and was never believed to be gone."""
        self.volume(place, is_online)
        now = self.assets(place, lambda assets: is_all(assets, "present", "online"))
        assert now.items() >= before.items()
        for asset in before.values():
            assert "missing" not in self.history(asset)

    def history(self, asset: Asset) -> list[str]:
        """Every status that a photo has had, the last one first."""
        return [str(step["to_status"]) for step in self._items(f"/assets/{asset.id}/history")]

    def _items(self, path: str) -> list[Answer]:
        return _items(self.host.script(f"{_ASK} 'http://127.0.0.1:8765/api/v1{path}'"))

    def _until(self, path: str, wanted: Callable[[list[Answer]], bool]) -> list[Answer]:
        return _items(
            self.host.until(f"{_ASK} 'http://127.0.0.1:8765/api/v1{path}'", lambda text: wanted(_items(text)))
        )


def is_online(volume: Answer) -> bool:
    return bool(volume["state"] == "online")


def is_away(volume: Answer) -> bool:
    return not is_online(volume)


def is_all(assets: Assets, status: str, availability: str) -> bool:
    """Whether there are any, and all of them are so."""
    return {(asset.status, asset.availability) for asset in assets.values()} == {(status, availability)}


def _at(place: str, items: list[Answer]) -> list[Answer]:
    return [one for one in items if place in (one["mounted_at"], one["last_mounted_at"])]


def _items(text: str) -> list[Answer]:
    items: list[Answer] = json.loads(text)["items"]
    return items


def _assets(items: list[Answer]) -> Assets:
    return {item["path"]: Asset(item["id"], item["status"], item["availability"]) for item in items}

"""``/statistics``: the figures of everything, of one owner's things, of one volume."""

from __future__ import annotations

import msgspec

from holdfast import ids
from holdfast.problems import PlacedError
from sidecar.api.auth import Scope
from sidecar.api.endpoint import Call, Resource
from sidecar.catalog import statistics
from sidecar.catalog.engine import snapshot
from sidecar.catalog.statistics import Statistics
from sidecar.errors import Refused

resource = Resource("statistics")


class StatisticsQuery(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be counted: an owner's assets, those on a volume, or both; without either, all of them."""

    owner: str | None = None
    volume: str | None = None


@resource.serves("GET", "/statistics", scope=Scope.READER, limited=True, query=StatisticsQuery, returns=Statistics)
def get_statistics(call: Call, query: StatisticsQuery) -> Statistics:
    """Photos, videos, bytes, and counts by status and availability, over all libraries that are not deleted. What is
    missing counts by its status, and what is away with its storage by its availability; nothing counts as both."""
    owner = call.narrowed(query.owner)
    volume = None if query.volume is None else ids.from_text("volume", query.volume)
    if query.volume is not None and volume is None:
        errors = [PlacedError("/volume", "This is not the id of a volume.")]
        raise Refused("bad-query", "The query is not understood, see the errors.", errors=errors)
    with snapshot(call.engine) as connection:
        return statistics.of_all(connection, owner, volume)

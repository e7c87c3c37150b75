"""``/agents``: the programs that watch storage, for those who administer them."""

from __future__ import annotations

import os

from sqlalchemy import Connection

from sidecar.api import render, shapes
from sidecar.api.auth import Scope
from sidecar.api.endpoint import Answer, Call, Resource
from sidecar.api.pagination import ById, Page, PageQuery, after_id, by_id, paged
from sidecar.catalog import agents
from sidecar.catalog.clock import now_us
from sidecar.catalog.engine import snapshot, transact
from sidecar.errors import Refused

resource = Resource("agents")


@resource.serves(
    "GET",
    "/agents",
    scope=Scope.READER,
    query=PageQuery,
    returns=Page[shapes.Agent],
    problems=("bad-cursor", "cursor-expired"),
)
def list_agents(call: Call, query: PageQuery) -> Page[shapes.Agent]:
    """List agents."""
    with snapshot(call.engine) as connection:
        rows, cursor = paged(
            connection,
            query,
            after_id(lambda after, limit: agents.page(connection, after, limit)),
            by_id,
            ById("agents"),
        )
    return Page(items=[render.agent(row) for row in rows], next_cursor=cursor)


@resource.serves("GET", "/agents/<agent>", scope=Scope.READER, returns=shapes.Agent)
def get_agent(call: Call, agent: bytes) -> shapes.Agent:
    """One agent."""
    with snapshot(call.engine) as connection:
        row = agents.get(connection, agent)
    if row is None:
        raise Refused("not-found", "There is no such agent.")
    return render.agent(row)


@resource.serves("DELETE", "/agents/<agent>", scope=Scope.ADMIN, status=204)
def revoke_agent(call: Call, agent: bytes) -> Answer:
    """Lock an agent out. Its volumes become unknown; libraries and assets stay as they are."""
    entropy = os.urandom(10)

    def work(connection: Connection) -> bool:
        return agents.revoke(connection, agent, now_us(), entropy)

    if not transact(call.engine, work):
        raise Refused("not-found", "There is no such agent, or it is revoked already.")
    call.doorbell.ring()
    return Answer(status=204)

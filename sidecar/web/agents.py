"""Agents: which there are, whether they speak, what they watch; how one is let in, and locked out."""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

from flask import Response, request, url_for

from sidecar.api import agents as api_agents
from sidecar.api import shapes
from sidecar.api import tokens as api_tokens
from sidecar.api import volumes as api_volumes
from sidecar.api.auth import Scope
from sidecar.errors import Refused
from sidecar.web.pages import Answer, Pages, Visit, errors_by_field
from sidecar.web.words import Look

pages = Pages("agents")

_ALL = {"limit": 1000}
_HEARD = Look("Heard", "check", "good")
_SILENT = Look("Silent", "question", "away")
_NEVER = Look("Not heard yet", "clock", "quiet")
_OUT = Look("Locked out", "cross", "quiet")


class Item(NamedTuple):
    """An agent with the volumes that it watches."""

    agent: shapes.Agent
    look: Look
    volumes: list[shapes.Volume]


@pages.shows("/agents")
def list_agents(visit: Visit) -> str:
    """All agents, those that are locked out at the end."""
    items = _items(visit)
    return visit.render(
        "agents/list.html",
        items=[one for one in items if one.agent.revoked_at is None],
        former=[one for one in items if one.agent.revoked_at is not None],
    )


@pages.shows("/agents/new", role=Scope.ADMIN)
def ask_for_agent(visit: Visit) -> str:
    """The form for an enrolment token."""
    return visit.render("agents/new.html", name="", errors={})


@pages.takes("/agents/new", role=Scope.ADMIN)
def let_in(visit: Visit) -> Answer:
    """Make an enrolment token, and show it this once, with the line to paste."""
    name = visit.form.get("name", "").strip()
    try:
        made: shapes.NewToken = visit.ask(api_tokens.create_token, body={"scope": "enrol", "name": name})
    except Refused as refused:
        if refused.code != "invalid-body":
            raise
        page = visit.render("agents/new.html", name=name, errors=errors_by_field(refused))
        return Response(page, 422, mimetype="text/html")
    return visit.render("agents/enrol.html", name=name, token=made, sidecar=_own_url(visit))


@pages.shows("/agents/<agent>/revoke", role=Scope.ADMIN)
def ask_revocation(visit: Visit, agent: bytes) -> str:
    """What locking an agent out would do, and whether it is meant."""
    return _question(visit, agent, None)


@pages.takes("/agents/<agent>/revoke", role=Scope.ADMIN)
def revoke(visit: Visit, agent: bytes) -> Answer:
    """Lock an agent out, if its name was typed."""
    one: shapes.Agent = visit.ask(api_agents.get_agent, agent=agent)
    if visit.form.get("name", "").strip() != one.name.strip():
        page = _question(visit, agent, "That is not the name of this agent.")
        return Response(page, 422, mimetype="text/html")
    visit.ask(api_agents.revoke_agent, agent=agent)
    return visit.go(url_for("agents_pages.list_agents"), "agent-revoked")


def _items(visit: Visit) -> list[Item]:
    watched: defaultdict[str, list[shapes.Volume]] = defaultdict(list)
    for volume in visit.ask(api_volumes.list_volumes, query=_ALL).items:
        watched[volume.agent].append(volume)
    agents: list[shapes.Agent] = visit.ask(api_agents.list_agents, query=_ALL).items
    ordered = sorted(agents, key=lambda one: (one.name.casefold(), one.id))
    return [Item(one, _look(one), sorted(watched[one.id], key=lambda two: two.label)) for one in ordered]


def _look(agent: shapes.Agent) -> Look:
    if agent.revoked_at is not None:
        return _OUT
    if agent.last_seen is None:
        return _NEVER
    return _HEARD if agent.silent_since is None else _SILENT


def _question(visit: Visit, agent: bytes, problem: str | None) -> str:
    one: shapes.Agent = visit.ask(api_agents.get_agent, agent=agent)
    if one.revoked_at is not None:
        raise Refused("not-found", "This agent is locked out already.")
    volumes = next(item.volumes for item in _items(visit) if item.agent.id == one.id)
    photos = sum(volume.assets for volume in volumes)
    return visit.render("agents/revoke.html", agent=one, volumes=volumes, photos=photos, problem=problem)


def _own_url(visit: Visit) -> str:
    """Where an agent reaches this sidecar: as it is configured, or else as this browser does."""
    if visit.config.public_url:
        return visit.config.public_url.rstrip("/")
    return f"{'https' if visit.arrival.is_secure else 'http'}://{request.host}"

"""``/agent``: what agents say besides reports, and what is asked of them."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable

from sqlalchemy import Connection

from holdfast import ids, paths
from holdfast.assignments import (
    PARTS_MAX,
    PROTOCOL,
    Assignment,
    Binding,
    EnrolRequest,
    EnrolResponse,
    Heartbeat,
    HeartbeatResponse,
    RenewedToken,
)
from holdfast.problems import PlacedError
from holdfast.volumes import STATE_OF, VolumeStatus
from sidecar import counting
from sidecar.api import conditions
from sidecar.api.auth import Scope
from sidecar.api.endpoint import Answer, Call, Resource
from sidecar.catalog import agents, clock, tokens
from sidecar.catalog.clock import now_us
from sidecar.catalog.engine import snapshot, transact
from sidecar.errors import Refused
from sidecar.uptime import HEARTBEAT_S

resource = Resource("agent", "/api/v1/agent")

WAIT_MAX_S = 60.0
# An agent writes its new token down before it uses it; what may come between is a restart, or a night without power.
RENEWAL_OVERLAP_S = 86_400
MESSAGE_CHARS_MAX = 16_384  # a path or two, and what is wrong with them


@resource.serves(
    "POST",
    "/enrol",
    scope=Scope.ENROL,
    body=EnrolRequest,
    returns=EnrolResponse,
    status=201,
    problems=("agent-name-taken",),
)
def enrol_agent(call: Call, body: EnrolRequest) -> Answer:
    """Enrol an agent. The enrolment token is used up by it."""
    _check_enrolment(body)
    now, entropy = now_us(), os.urandom(10)
    secret = secrets.token_bytes(tokens.SECRET_BYTES)

    def work(connection: Connection) -> EnrolResponse:
        new_ids = ids.series(now // 1000, entropy)
        agent = agents.enrol(connection, body, call.token, next(new_ids), now)
        name = f"agent {body.name}"[:128]
        text = tokens.create(
            connection, new_id=next(new_ids), secret=secret, name=name, scope="agent", now=now, agent_id=agent
        )
        return EnrolResponse(agent=ids.to_text("agent", agent), token=text)

    enrolled = transact(call.engine, work)
    call.doorbell.ring()
    return Answer(enrolled, 201, {"Cache-Control": "no-store"})


@resource.serves(
    "POST", "/heartbeat", scope=Scope.AGENT, body=Heartbeat, returns=HeartbeatResponse, body_bytes_max=4 * 1024 * 1024
)
def take_heartbeat(call: Call, body: Heartbeat) -> HeartbeatResponse:
    """All volume states of an agent."""
    _check_heartbeat(body)
    entropy = os.urandom(10)

    def work(connection: Connection) -> HeartbeatResponse:
        answered = agents.heartbeat(connection, call.agent, body, now_us(), entropy)
        return HeartbeatResponse(
            catalog=ids.to_text("catalog", clock.incarnation(connection)),
            revision=answered.revision,
            server_time=time.time(),
            heartbeat_s=HEARTBEAT_S,
            grants={ids.to_text("volume", raw): fence for raw, fence in answered.grants.items()},
            overtaken={ids.to_text("volume", raw): version for raw, version in answered.overtaken.items()},
            renew_token=call.caller.is_outdated,
        )

    response = transact(call.engine, work)
    counting.HEARTBEATS.add()
    call.doorbell.ring()
    return response


@resource.serves("POST", "/token", scope=Scope.AGENT, audited=True, returns=RenewedToken)
def renew_token(call: Call) -> Answer:
    """Give the calling agent another token. The one that it called with opens for a day more, if it was not ending."""
    secret, caller, now = secrets.token_bytes(tokens.SECRET_BYTES), call.caller, now_us()
    token = caller.token
    if token is None:
        raise ValueError("bug: an agent calls without a token")

    def work(connection: Connection) -> str | None:
        return tokens.renew(connection, token, caller.digest, secret, now, RENEWAL_OVERLAP_S * 1_000_000)

    text = transact(call.engine, work)
    if text is None:
        raise Refused("unauthorized", "This token was rotated meanwhile.")
    return Answer(RenewedToken(token=text), headers={"Cache-Control": "no-store"})


@resource.serves("GET", "/assignment", scope=Scope.AGENT, returns=Assignment, headers=("If-None-Match", "Prefer"))
def get_assignment(call: Call) -> Answer:
    """What is asked of the agent. With ``If-None-Match`` and ``Prefer: wait=N`` it waits for news."""
    known = call.header("If-None-Match")
    longest_s = 0.0 if known is None else conditions.wait_s(call.header("Prefer"), WAIT_MAX_S)
    seen: list[int] = []

    def look() -> bool:
        with snapshot(call.engine) as connection:
            seen[:] = [agents.revision(connection, call.agent)]
        return not conditions.is_current(known, seen[0])

    if not call.doorbell.wait_until(look, longest_s):
        return Answer(status=304, headers={"ETag": conditions.quote(seen[0])})
    with snapshot(call.engine) as connection:
        assignment = agents.assignment(connection, call.agent)
    return Answer(assignment, headers={"ETag": conditions.quote(assignment.revision)})


def _check_enrolment(body: EnrolRequest) -> None:
    errors = [
        PlacedError(f"/{name}", f"This must have 1 to {longest} characters, without blanks around them.")
        for name, text, longest in (("name", body.name, 128), ("host", body.host, 255), ("version", body.version, 64))
        if not text.strip() or text != text.strip() or len(text) > longest
    ]
    if body.protocol != PROTOCOL:
        errors.append(PlacedError("/protocol", f"Only protocol {PROTOCOL} is spoken here. Update agent or sidecar."))
    _refuse(errors)


def _check_heartbeat(body: Heartbeat) -> None:
    errors = []
    if body.protocol != PROTOCOL:
        errors.append(PlacedError("/protocol", f"Only protocol {PROTOCOL} is spoken here. Update agent or sidecar."))
    if len(body.version) > 64:
        errors.append(PlacedError("/version", "A version has up to 64 characters."))
    for index, status in enumerate(body.volumes):
        errors += [PlacedError(f"/volumes/{index}/{name}", text) for name, text in _wrong_with(status)]
    for index, answer in enumerate(body.answers):
        if len(answer.message or "") > MESSAGE_CHARS_MAX:
            errors.append(PlacedError(f"/answers/{index}/message", "A sentence is shorter."))
    for index, binding in enumerate(body.bindings):
        errors += [PlacedError(f"/bindings/{index}/{name}", text) for name, text in _wrong_with_binding(binding)]
    _refuse(errors)


def _wrong_with_binding(binding: Binding) -> list[tuple[str, str]]:
    """What no honest agent says of an import path: (field, sentence)."""
    checks: list[tuple[str, Callable[[str], str], str]] = []
    if binding.directory is not None:
        checks.append(("directory", paths.check_relative, binding.directory))
    for index, part in enumerate(binding.parts[:PARTS_MAX]):
        checks.append((f"parts/{index}/path", paths.check_absolute, part.path))
        checks.append((f"parts/{index}/below", paths.check_relative, part.below))
        checks.append((f"parts/{index}/directory", paths.check_relative, part.directory))
    found = []
    if len(binding.parts) > PARTS_MAX:
        found.append(("parts", f"An import path has at most {PARTS_MAX} parts."))
    for name, check, path in checks:
        try:
            check(path)
        except paths.BadPath as error:
            found.append((name, f"{error}."))
    return found


def _wrong_with(status: VolumeStatus) -> list[tuple[str, str]]:
    """What no honest agent says of a volume: (field, sentence)."""
    found = []
    if ids.from_text("volume", status.volume) is None:
        found.append(("volume", "This is not the id of a volume."))
    if STATE_OF[status.reason] is not status.state:
        found.append(("reason", f"The reason {status.reason} belongs to the state {STATE_OF[status.reason]}."))
    if len(status.label) > 255:
        found.append(("label", "A label has up to 255 characters."))
    figures = [status.version, status.pending]
    if status.capacity is not None:
        figures += [status.capacity.total_bytes, status.capacity.free_bytes]
    if not all(0 <= figure < 1 << 63 for figure in figures) or not 0 <= status.since < 1 << 40:
        found.append(("version", "A figure is impossible."))
    for name, path in (("mounted_at", status.mounted_at), ("last_mounted_at", status.last_mounted_at)):
        if path is None:
            continue
        try:
            paths.check_absolute(path)
        except paths.BadPath as error:
            found.append((name, f"{error}."))
    return found


def _refuse(errors: list[PlacedError]) -> None:
    if errors:
        raise Refused("invalid-body", "The body does not fit, see the errors.", errors=errors)

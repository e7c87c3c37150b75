"""``/libraries/{id}/validate``, and the same for a library that is yet to be made: whether import paths and patterns
would do, without saving anything.

What a path is only its agent can say. It is asked at once, through the assignment that it waits for, and answers with
its next heartbeat.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence

import msgspec
from msgspec.structs import replace
from sqlalchemy import Connection

from holdfast import ids, paths, patterns
from holdfast.problems import PlacedError
from sidecar.api import shapes
from sidecar.api.auth import Scope
from sidecar.api.endpoint import Call, Resource
from sidecar.api.rules import IMPORT_PATHS_MAX, ImportPathChange, each_import_path
from sidecar.catalog import agents, inquiries, libraries
from sidecar.catalog.clock import now_us
from sidecar.catalog.columns import AnyRow
from sidecar.catalog.engine import snapshot, transact
from sidecar.catalog.libraries import NewImportPath
from sidecar.errors import Refused

resource = Resource("validation")

# A disk that has to spin up first answers within this.
WAIT_S = 12.0
_AWAY = "The agent was not heard of for a while, so nobody can look now."
_NO_ANSWER = "The agent has not answered in time. Its storage may be slow or hang; try again."


class RulesBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Import paths and patterns that a library might have; what is left out is as it is."""

    import_paths: list[ImportPathChange] | None = None
    exclusion_patterns: list[str] | None = None


class _Look(msgspec.Struct, frozen=True):
    """An import path, with what is against it already, or the question to its agent."""

    path: str
    agent: bytes | None
    message: str | None = None
    is_unknown: bool = False
    inquiry: bytes | None = None


@resource.serves(
    "POST",
    "/libraries/<library>/validate",
    scope=Scope.OPERATOR,
    reads=True,
    body=RulesBody,
    returns=shapes.CheckedRules,
)
def validate_rules(call: Call, library: bytes, body: RulesBody) -> shapes.CheckedRules:
    """Check import paths and patterns without saving them. Import paths are looked at by their agents now;
    ``is_valid`` is null where an agent does not answer."""
    return _checked_rules(call, library, body)


@resource.serves(
    "POST", "/libraries/validate", scope=Scope.OPERATOR, reads=True, body=RulesBody, returns=shapes.CheckedRules
)
def validate_new_rules(call: Call, body: RulesBody) -> shapes.CheckedRules:
    """The same for a library that is yet to be made."""
    return _checked_rules(call, None, body)


def _checked_rules(call: Call, library: bytes | None, body: RulesBody) -> shapes.CheckedRules:
    """Check rules of a library, or of one that there is not yet."""
    entropy, now = os.urandom(10), now_us()
    looks = transact(
        call.engine, lambda connection: _ask(connection, library, body, ids.series(now // 1000, entropy), now)
    )
    call.doorbell.ring()
    asked = {one.inquiry: one.agent for one in looks if one.inquiry is not None and one.agent is not None}
    answers: dict[bytes, AnyRow] = {}

    def look() -> bool:
        with snapshot(call.engine) as connection:
            answers.update({row.id: row for row in inquiries.read(connection, list(asked)) if row.is_answered})
        return len(answers) == len(asked)

    if asked:
        call.doorbell.wait_until(look, WAIT_S)
        late = {agent for key, agent in asked.items() if key not in answers}
        transact(call.engine, lambda connection: _forget(connection, list(asked), late))
    with snapshot(call.engine) as connection:
        return shapes.CheckedRules(
            import_paths=[_checked(one, answers) for one in looks],
            exclusion_patterns=_patterns(connection, library, body.exclusion_patterns),
        )


def _ask(
    connection: Connection, library: bytes | None, body: RulesBody, new_ids: Iterator[bytes], now: int
) -> list[_Look]:
    """Check what can be checked here, and ask the agents about the rest."""
    has: list[AnyRow] = []
    if library is not None:
        _library(connection, library)
        has = [one for one in libraries.import_paths(connection, [library])[library] if one.parent_id is None]
    stored = [ImportPathChange(id=ids.to_text("import_path", one.id)) for one in has]
    given = stored if body.import_paths is None else body.import_paths
    if len(given) > IMPORT_PATHS_MAX:
        errors = [PlacedError("/import_paths", f"A library has at most {IMPORT_PATHS_MAX} import paths.")]
        raise Refused("invalid-body", "There are too many of them, see the errors.", errors=errors)
    places = {one.id: (one.agent_id, paths.to_wire(one.path)) for one in has}
    looks = []
    for one, (wanted, errors) in zip(
        given, each_import_path(given, has, lambda text: agents.resolve(connection, text)), strict=True
    ):
        if wanted is None:
            looks.append(_Look(one.path or one.id or "", None, " ".join(error.message for error in errors)))
        elif isinstance(wanted, NewImportPath):
            looks.append(_Look(wanted.path, wanted.agent))
        else:
            looks.append(_Look(places[wanted.id][1], places[wanted.id][0]))
    wanted_of = {one.agent for one in looks if one.agent is not None}
    agents.lock(connection, wanted_of)
    away = agents.silent(connection, wanted_of)
    looks = [replace(one, message=_AWAY, is_unknown=True) if one.agent in away else one for one in looks]
    open_ones = [(one.agent, one.path) for one in looks if one.agent is not None and not one.is_unknown]
    asked = iter(inquiries.ask(connection, open_ones, new_ids, now))
    return [replace(one, inquiry=next(asked)) if one.agent is not None and not one.is_unknown else one for one in looks]


def _checked(look: _Look, answers: Mapping[bytes, AnyRow]) -> shapes.CheckedPath:
    message, is_unknown = look.message, look.is_unknown
    if look.inquiry is not None:
        answer = answers.get(look.inquiry)
        message, is_unknown = (_NO_ANSWER, True) if answer is None else (answer.message, False)
    return shapes.CheckedPath(
        path=look.path,
        agent=None if look.agent is None else ids.to_text("agent", look.agent),
        is_valid=None if is_unknown else message is None,
        message=message,
    )


def _patterns(
    connection: Connection, library: bytes | None, given: Sequence[str] | None
) -> list[shapes.CheckedPattern]:
    stored = None if library is None else _library(connection, library).exclusion_patterns
    wanted = given
    if wanted is None:
        wanted = patterns.DEFAULTS if stored is None else msgspec.json.decode(stored, type=list[str])
    wrong = dict(reversed(patterns.problems(wanted)))
    return [
        shapes.CheckedPattern(pattern=one, is_valid=at not in wrong, message=wrong.get(at))
        for at, one in enumerate(wanted)
    ]


def _library(connection: Connection, library: bytes) -> AnyRow:
    row = libraries.get(connection, library)
    if row is None or row.deleted_at is not None:
        raise Refused("not-found", "There is no such library.")
    return row


def _forget(connection: Connection, asked: Sequence[bytes], late: Collection[bytes]) -> None:
    agents.lock(connection, late)
    inquiries.forget(connection, asked, late)

"""``/settings``: what people can set about the catalog's judgement, and about its nights."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, UnsetType
from sqlalchemy import Connection

from holdfast.problems import PlacedError
from sidecar import policy
from sidecar.api import conditions, shapes
from sidecar.api.auth import Scope
from sidecar.api.endpoint import Answer, Call, Resource
from sidecar.catalog import settings
from sidecar.catalog.engine import snapshot, transact
from sidecar.errors import Refused

resource = Resource("settings")


class SettingsPatch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to set. What is left out stays, and null goes back to the default."""

    guard_files: int | UnsetType | None = UNSET
    guard_percent: int | UnsetType | None = UNSET
    guard_window_s: int | UnsetType | None = UNSET
    missing_grace_s: int | UnsetType | None = UNSET
    retention_s: int | UnsetType | None = UNSET
    scan_schedule: str | UnsetType | None = UNSET
    scan_time_zone: str | UnsetType | None = UNSET
    history_kept_s: int | UnsetType | None = UNSET
    tombstones_kept_s: int | UnsetType | None = UNSET
    audit_kept_s: int | UnsetType | None = UNSET
    deliveries_kept_s: int | UnsetType | None = UNSET


@resource.serves("GET", "/settings", scope=Scope.READER, returns=shapes.Settings, headers=("If-None-Match",))
def get_settings(call: Call) -> Answer:
    """The settings."""
    with snapshot(call.engine) as connection:
        found = _shown(connection)
    headers = {"ETag": conditions.quote(found.revision)}
    if conditions.is_current(call.header("If-None-Match"), found.revision):
        return Answer(status=304, headers=headers)
    return Answer(found, headers=headers)


@resource.serves(
    "PATCH",
    "/settings",
    scope=Scope.ADMIN,
    body=SettingsPatch,
    returns=shapes.Settings,
    problems=("precondition-failed",),
    headers=("If-Match",),
)
def change_settings(call: Call, body: SettingsPatch) -> Answer:
    """Set something. It holds for what is reported from now on; holds that are open stay as they are. Another schedule
    is followed from this moment."""
    values = {name: value for name in body.__struct_fields__ if (value := getattr(body, name)) is not UNSET}
    errors = [PlacedError(f"/{name}", sentence) for name, sentence in policy.problems(values)]
    if errors:
        raise Refused("invalid-body", "The settings cannot be like this, see the errors.", errors=errors)

    def work(connection: Connection) -> shapes.Settings:
        conditions.check_match(call.header("If-Match"), settings.lock(connection))
        if values:
            settings.change(connection, values)
        return _shown(connection)

    changed = transact(call.engine, work)
    return Answer(changed, headers={"ETag": conditions.quote(changed.revision)})


def _shown(connection: Connection) -> shapes.Settings:
    found, revision = settings.read(connection)
    return shapes.Settings(**msgspec.structs.asdict(found), revision=revision)

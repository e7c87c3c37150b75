"""Settings: the thresholds of the guard, times of waiting, the schedule; what each means, within which limits."""

from __future__ import annotations

from typing import Any, NamedTuple

from flask import Response, url_for

from sidecar import policy
from sidecar.api import settings as api_settings
from sidecar.api import shapes
from sidecar.api.auth import Scope
from sidecar.errors import Refused
from sidecar.policy import Policy
from sidecar.web import spans
from sidecar.web.pages import Answer, Pages, Visit, errors_by_field

pages = Pages("settings")

NUMBER, SPAN, TEXT = "number", "span", "text"


class Setting(NamedTuple):
    """A setting: how it is filled in, what it is called, and what it means."""

    name: str
    kind: str
    label: str
    hint: str


class Shown(NamedTuple):
    """A setting with its value as it stands in the form; the value, the default and the limits in words."""

    setting: Setting
    value: str
    unit: str
    told: str
    default: str
    limits: str
    is_default: bool


GROUPS: dict[str, tuple[Setting, ...]] = {
    "When a person is asked": (
        Setting(
            "guard_files",
            NUMBER,
            "Files",
            "So many files may go, or change their time, in one place before the rest is held; or so many percent of"
            " those that are there, whichever is more.",
        ),
        Setting("guard_percent", NUMBER, "Percent", "Of the files that are in one place. See the field above."),
        Setting("guard_window_s", SPAN, "Within", "What goes in small steps within this time counts together."),
    ),
    "How long things wait": (
        Setting(
            "missing_grace_s",
            SPAN,
            "Grace",
            "For so long a file that is proven to be gone still shows as before. Only time in which its storage is"
            " there counts.",
        ),
        Setting(
            "retention_s",
            SPAN,
            "Removal",
            "What is missing for so long is removed from the catalog by night, with the same looks and the same undo"
            " as by hand. Left empty, it stays for ever. Only time in which its storage is there counts.",
        ),
    ),
    "The work of the night": (
        Setting(
            "scan_schedule",
            TEXT,
            "Schedule",
            "A cron expression of five fields: minute, hour, day of the month, month, day of the week. Or: off.",
        ),
        Setting("scan_time_zone", TEXT, "Time zone", "Whose clock that is, such as Europe/Berlin."),
    ),
    "What is forgotten by night": (
        Setting(
            "history_kept_s",
            SPAN,
            "What happened",
            "For so long finished jobs and scans are kept, and what happened to volumes.",
        ),
        Setting(
            "tombstones_kept_s",
            SPAN,
            "What was removed",
            "For so long assets that were removed can be brought back, and photo servers that were away hear of them.",
        ),
        Setting("audit_kept_s", SPAN, "Audit log", "For so long its entries are kept."),
        Setting("deliveries_kept_s", SPAN, "Messages", "For so long messages to web hooks are kept that are over."),
    ),
}
_ALL = {one.name: one for group in GROUPS.values() for one in group}


@pages.shows("/settings")
def show_settings(visit: Visit) -> str:
    """The settings: a form for administrators, and to read for everybody else."""
    found: shapes.Settings = visit.ask(api_settings.get_settings)
    return _page(visit, {name: _value(name, found) for name in _ALL}, str(found.revision), {})


@pages.takes("/settings", role=Scope.ADMIN)
def change_settings(visit: Visit) -> Answer:
    """Set what was changed."""
    form, revision = visit.form, visit.form.get("revision", "")
    filled = {name: (form.get(name, "").strip(), form.get(f"{name}-unit", "")) for name in _ALL}
    before: shapes.Settings = visit.ask(api_settings.get_settings)
    values, errors = _body(filled, before)
    if not errors and not values:
        return visit.go(url_for("settings_pages.show_settings"), "settings-same")
    if not errors:
        errors = _changed(visit, values, revision)
    if not errors:
        return visit.go(url_for("settings_pages.show_settings"), "settings-changed")
    if "" in errors:
        revision = str(before.revision)
    return Response(_page(visit, filled, revision, errors), 422, mimetype="text/html")


def _changed(visit: Visit, values: dict[str, Any], revision: str) -> dict[str, str]:
    """Set these values; what is wrong with them, by their names."""
    try:
        visit.ask(api_settings.change_settings, body=values, headers={"If-Match": f'"{revision}"'})
    except Refused as refused:
        if refused.code == "precondition-failed":
            return {"": "Somebody else has changed the settings meanwhile. This is what you had filled in."}
        if refused.code != "invalid-body":
            raise
        return {pointer.removeprefix("/"): text for pointer, text in errors_by_field(refused).items()}
    return {}


def _body(filled: dict[str, tuple[str, str]], before: shapes.Settings) -> tuple[dict[str, Any], dict[str, str]]:
    """What the API is to be sent: what differs from before, the default where a field is empty; and what is wrong."""
    values: dict[str, Any] = {}
    errors: dict[str, str] = {}
    for name, (text, unit) in filled.items():
        value: int | str | None = text or None
        if text and _ALL[name].kind != TEXT:
            value = spans.to_seconds(text, unit if _ALL[name].kind == SPAN else "seconds")
            if value is None:
                errors[name] = "Fill in a whole number, or leave it empty for the default."
        was = getattr(before, name)
        if was != (getattr(Policy(), name) if value is None else value):
            values[name] = value
    return values, errors


def _page(visit: Visit, filled: dict[str, tuple[str, str]], revision: str, errors: dict[str, str]) -> str:
    groups = {title: [_shown(one, filled[one.name]) for one in group] for title, group in GROUPS.items()}
    return visit.render(
        "settings/show.html",
        groups=groups,
        revision=revision,
        errors=errors,
        units=[(unit, unit) for unit in spans.UNITS],
    )


def _value(name: str, found: shapes.Settings) -> tuple[str, str]:
    """A setting as it stands in the form: a text, and a unit."""
    value = getattr(found, name)
    if _ALL[name].kind == SPAN:
        if value is None:
            return "", "days"
        span = spans.of_seconds(value)
        return str(span.number), span.unit
    return str(value), ""


def _shown(setting: Setting, filled: tuple[str, str]) -> Shown:
    default = getattr(Policy(), setting.name)
    value, unit = filled
    now: int | str | None = value or None
    if value and setting.kind == SPAN:
        now = spans.to_seconds(value, unit)
    elif value and setting.kind == NUMBER:
        now = spans.to_seconds(value, "seconds")
    told, usual = _told(setting, now if value else default), _told(setting, default)
    return Shown(setting, value, unit, told, usual, _limits(setting), now == default)


def _told(setting: Setting, value: int | str | None) -> str:
    if value is None:
        return "for ever"
    return spans.told(value) if setting.kind == SPAN and isinstance(value, int) else str(value)


def _limits(setting: Setting) -> str:
    bounds = policy.bounds(setting.name)
    if bounds is None:
        return ""
    low, high = (spans.told(one) if setting.kind == SPAN else f"{one:,}" for one in bounds)
    return f"From {low} to {high}."

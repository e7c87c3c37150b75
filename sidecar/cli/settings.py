"""``holdfast-sidecar settings``: how much may be lost before a person is asked, how long an absence waits, and when the
nightly work is done."""

from __future__ import annotations

import click
import msgspec
from sqlalchemy import Connection

from holdfast import console
from holdfast.wording import shown
from sidecar import policy
from sidecar.api import shapes
from sidecar.catalog import settings as catalog_settings
from sidecar.catalog.engine import snapshot, transact
from sidecar.cli.common import audited, catalog_options, opened, refuse
from sidecar.config import Config
from sidecar.policy import Policy, Value

_DEFAULT = "default"


@click.group(
    cls=console.Verbs,
    name="settings",
    epilog=console.examples(
        "holdfast-sidecar settings show",
        (
            "holdfast-sidecar settings set guard_files 500",
            "ask only when more than 500 files of a place are gone at once",
        ),
    ),
)
def settings_group() -> None:
    """Look at the thresholds of holds, times of waiting and the schedule, and set them."""


@settings_group.command()
@console.json_option(shapes.Settings)
@catalog_options
def show(settings: Config, as_json: bool) -> None:
    """Show the settings. Times are seconds in which the storage was verified to be there."""
    with opened(settings) as engine, snapshot(engine) as connection:
        found, revision = catalog_settings.read(connection)
    values = msgspec.structs.asdict(found)
    if as_json:
        console.print_json(shapes.Settings(**values, revision=revision))
        return
    for line in _told(values):
        click.echo(line)


@settings_group.command("set")
@click.argument("name")
@click.argument("value")
@catalog_options
def set_one(settings: Config, name: str, value: str) -> None:
    """Set one of the settings.

    NAME is one of those that 'settings show' lists; the VALUE "default" goes back to the default. It holds for what is
    reported from now on; holds that are open stay as they are. Another schedule is followed from this moment.
    """
    if name not in Policy.__struct_fields__:
        refuse(f"There is no setting {name}. There are: {', '.join(Policy.__struct_fields__)}.")
    values = {name: _value(name, value)}
    for _, sentence in policy.problems(values):
        refuse(sentence)

    def work(connection: Connection) -> Policy:
        catalog_settings.lock(connection)
        catalog_settings.change(connection, values)
        return catalog_settings.read(connection)[0]

    with opened(settings) as engine, audited(engine, "change_settings", **values):
        found = transact(engine, work)
    for line in _told({name: getattr(found, name)}):
        click.echo(line)


def _told(values: dict[str, Value]) -> list[str]:
    default = msgspec.structs.asdict(Policy())
    return [
        f"{name:<16} {_text(value)}{'' if value == default[name] else f'  (the default is {_text(default[name])})'}"
        for name, value in values.items()
    ]


def _text(value: Value) -> str:
    return "for ever" if value is None else shown(str(value))


def _value(name: str, text: str) -> Value:
    if text == _DEFAULT:
        return None
    if policy.is_text(name):
        return text
    if not (text.isascii() and text.isdecimal() and len(text) < 20):
        refuse(f"{text} is no whole number. Give one, or '{_DEFAULT}'.")
    return int(text)

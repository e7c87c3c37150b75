"""Which pages there are, and what a command cannot say of itself: files, neighbours, settings."""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click
import msgspec

import agent.cli
import holdfast.up
import sidecar.cli
from agent.config import AgentConfig
from sidecar.config import Config


@dataclass(frozen=True)
class Setting:
    """A setting of a configuration file."""

    name: str
    text: str
    default: str


@dataclass(frozen=True)
class Page:
    """A man page, and what it is of. ``about_settings`` stands before the ``settings``."""

    name: str
    section: int
    purpose: str
    program: click.Group
    files: list[tuple[str, str]]
    environment: list[tuple[str, str]]
    about_settings: str
    settings: list[Setting]
    see_also: list[str]


_COLOUR = [
    ("NO_COLOR", "Use no colours, if it is set to anything."),
    ("CLICOLOR", "Use no colours, if it is 0. They are never used but on a terminal."),
]


def settings_of(kind: type[msgspec.Struct]) -> list[Setting]:
    """The settings of a configuration, as its docstring tells them: each with its name, or their names, in front."""
    told: dict[str, str] = {}
    entries = re.split(r"\n(?=``\w+``)", inspect.cleandoc(kind.__doc__ or ""))
    for entry in entries:
        names, _, text = " ".join(entry.split()).partition(": ")
        for name in re.findall(r"``(\w+)``", names) if text else ():
            told[name] = re.sub(r"``([^`]+)``", r"\1", text)
    fields = msgspec.structs.fields(kind)
    lacking = [field.name for field in fields if field.name not in told]
    if lacking:
        raise ValueError(f"{kind.__name__} does not tell what these settings are: {', '.join(lacking)}")
    return [Setting(field.name, _sentence(told[field.name]), _default(field.default)) for field in fields]


def _sentence(text: str) -> str:
    text = f"{text[:1].upper()}{text[1:]}"
    return text if text.endswith(".") else f"{text}."


def _default(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return f'"{value}"'
        case int() | float():
            return f"{value:g}"
    return "[]"


_AGENT_FILES = [
    ("/etc/holdfast/agent.toml", "The configuration."),
    ("/etc/holdfast/credentials", "Secrets, which only root can read; the unit hands them over."),
    ("/var/lib/holdfast/agent", "Registry, token and journals; never on a disk that is watched."),
]
_SIDECAR_FILES = [
    ("/etc/holdfast/sidecar.toml", "The configuration."),
    ("/etc/holdfast/credentials", "Secrets, which only root can read; the units hand them over."),
    ("/var/lib/holdfast/sidecar", "The catalog, if it is SQLite, and the administrator's first token."),
]

PAGES: Sequence[Page] = [
    Page(
        name="holdfast",
        section=1,
        purpose="tells photo servers the truth about their storage",
        program=holdfast.up.main,
        files=[("~/.local/state/holdfast", "Catalog, journals, tokens and logs, unless --state says otherwise.")],
        environment=_COLOUR,
        about_settings="",
        settings=[],
        see_also=["holdfast-agent(8)", "holdfast-sidecar(8)"],
    ),
    Page(
        name="holdfast-agent",
        section=8,
        purpose="the part of Holdfast beside the disks",
        program=agent.cli.main,
        files=_AGENT_FILES,
        environment=_COLOUR,
        about_settings="These can be set in agent.toml, which is TOML. Each has a default; an empty file will do.",
        settings=settings_of(AgentConfig),
        see_also=["holdfast(1)", "holdfast-sidecar(8)", "systemd.service(5)"],
    ),
    Page(
        name="holdfast-sidecar",
        section=8,
        purpose="the part of Holdfast beside the photo server",
        program=sidecar.cli.main,
        files=_SIDECAR_FILES,
        environment=[
            (
                "HOLDFAST_SIDECAR_STATE_DIR, HOLDFAST_SIDECAR_LISTEN, …",
                "Every setting, in capitals behind this prefix.",
            ),
            *_COLOUR,
        ],
        about_settings="These can be set in sidecar.toml, which is TOML. The environment comes before it, and options"
        " before both. Each setting has a default; without any file, the defaults count.",
        settings=settings_of(Config),
        see_also=["holdfast(1)", "holdfast-agent(8)", "systemd.service(5)"],
    ),
]

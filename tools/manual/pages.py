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


_NAME = re.compile(r"``([^`]+)``")
# The names that a sentence begins with, and the colon behind them, if there is one.
_NAMES = re.compile(r"(?:(?<=^)|(?<=[.;] ))(``\w+``(?:(?:, | and )``\w+``)*)(:?) ")

_COLOUR = [
    ("NO_COLOR", "Use no colours, if it is set to anything."),
    ("CLICOLOR", "Use no colours, if it is 0. They are never used but on a terminal."),
]


def settings_of(kind: type[msgspec.Struct]) -> list[Setting]:
    """The settings of a configuration, as its docstring tells them: a sentence begins with the name of a setting, or of
    several, and what follows is about it, up to the next such sentence."""
    fields = {field.name: field for field in msgspec.structs.fields(kind)}
    text = " ".join(inspect.cleandoc(kind.__doc__ or "").split())
    begins = [match for match in _NAMES.finditer(text) if set(_NAME.findall(match[0])) <= set(fields)]
    told: dict[str, str] = {}
    for match, following in zip(begins, [*begins[1:], None], strict=True):
        said = text[match.end() if match[2] else match.start() : None if following is None else following.start()]
        for name in _NAME.findall(match[0]):
            told[name] = _NAME.sub(r"\1", said.strip())
    lacking = [name for name in fields if name not in told]
    if lacking:
        raise ValueError(f"{kind.__name__} does not tell what these settings are: {', '.join(lacking)}")
    return [Setting(name, _sentence(told[name]), _default(field.default)) for name, field in fields.items()]


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

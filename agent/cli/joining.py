"""``holdfast-agent enrol`` without a path: the agent itself is enrolled with its sidecar, and started."""

from __future__ import annotations

import contextlib
import os
import re
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import NoReturn

import click

from agent import registry
from agent.cli.common import INSTALLED_CONFIG, end_because_of, lock_state, unusable_url
from agent.config import AgentConfig, ConfigInvalid, parse
from agent.config_text import NotEditable, Value, with_settings
from agent.enrolment import EnrolmentFailed, trade
from agent.linux.systemd import is_booted
from agent.registry import RegistryUnusable
from agent.uplink import BadUrl, check_url
from holdfast import wording
from holdfast.console import end
from holdfast.exits import Exit

_UNIT = "holdfast-agent.service"
# What the sidecar spells, see sidecar/catalog/tokens.py.
_TOKEN = re.compile(r"hf_[A-Za-z0-9_-]{20,200}")


def join(config_path: str, sidecar: str | None, roots: Sequence[str], token_file: str | None, *, start: bool) -> None:
    """Enrol, write down with which sidecar, and start the agent.

    Nothing is changed before the sidecar has taken the token, and the token is not spent before it is certain that
    what comes of it can be kept.
    """
    text, config = _planned(config_path, sidecar, roots)
    with _as_its_user(config), _unused(config):
        pass
    secret = _secret(token_file)
    with _draft(config_path, text) as put_in_place:
        agent = _enrol(config, secret)
        put_in_place()
    click.echo(wording.shown(f"Enrolled with {config.sidecar} as {config.display_name!r} ({agent})."))
    if config.roots:
        click.echo(wording.shown(f"It exposes {', '.join(config.roots)}, and nothing else."))
    else:
        click.echo(f"It exposes nothing yet: put the folders that it may look at into roots, in {config_path}.")
    _start(config_path, start=start)


def _planned(config_path: str, sidecar: str | None, roots: Sequence[str]) -> tuple[str, AgentConfig]:
    """The configuration as it will be: its text, and what that means."""
    try:
        with open(config_path, encoding="utf-8", newline="") as file:
            text = file.read()
        before = parse(config_path, text)
        settings: dict[str, Value] = {}
        if sidecar is not None and sidecar != before.sidecar:
            settings["sidecar"] = sidecar
        if new := [root for root in dict.fromkeys(map(os.path.abspath, roots)) if root not in before.roots]:
            settings["roots"] = [*before.roots, *new]
        text = with_settings(text, settings)
        config = parse(config_path, text)
    except OSError as error:
        _no_file(config_path, error)
    except ConfigInvalid as error:
        end_because_of(error.problems)
    except UnicodeError:
        end(f"{config_path}: this is not text in UTF-8, or {', '.join(roots)} is not.", Exit.CONFIG)
    except NotEditable as error:
        end(f"{config_path} is laid out so that only a person can change it. Write this into it: {error}", Exit.CONFIG)
    _check_sidecar(config_path, config, given=sidecar is not None)
    return text, config


def _check_sidecar(config_path: str, config: AgentConfig, *, given: bool) -> None:
    if not given and (wrong := unusable_url(config, config_path)):
        end_because_of([wrong])
    try:
        check_url(config.sidecar, config.allow_plain_http)
    except BadUrl as error:
        end(f"--sidecar: {error}", Exit.CONFIG)


@contextlib.contextmanager
def _as_its_user(config: AgentConfig) -> Iterator[None]:
    """Make files as whoever owns the state directory: root enrols, and the agent has a user of its own."""
    try:
        os.makedirs(config.state_dir, mode=0o700, exist_ok=True)
        owner = os.stat(config.state_dir)
    except OSError as error:
        _no_file(config.state_dir, error)
    if os.geteuid() != 0 or owner.st_uid == 0:
        yield
        return
    groups, group = os.getgroups(), os.getegid()
    os.setgroups([owner.st_gid])
    os.setegid(owner.st_gid)
    os.seteuid(owner.st_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)
        os.setgroups(groups)


@contextlib.contextmanager
def _unused(config: AgentConfig) -> Iterator[None]:
    """The state directory, while no agent uses it; there is no token yet, and one can be kept."""
    try:
        lock = lock_state(config)
    except OSError as error:
        _no_file(config.state_dir, error)
    try:
        _check_token_place(config.token_path)
        yield
    finally:
        os.close(lock)


def _check_token_place(token_path: str) -> None:
    try:
        with contextlib.suppress(FileNotFoundError):
            os.stat(token_path)
            end(
                f"This agent is enrolled already: its token is in {token_path}. To enrol it anew, stop it and remove "
                "that file.",
                Exit.USAGE,
            )
        with tempfile.TemporaryFile(dir=os.path.dirname(token_path)):
            pass
    except OSError as error:
        _no_file(token_path, error)


def _secret(token_file: str | None) -> str:
    """The enrolment token: from a file, from a person who is asked for it, or from standard input."""
    try:
        if token_file is not None:
            with click.open_file(token_file, encoding="utf-8") as file:
                secret = str(file.read(4096)).strip()
        elif sys.stdin.isatty():
            secret = str(click.prompt("Enrolment token, of the sidecar", hide_input=True, err=True)).strip()
        else:
            secret = sys.stdin.read(4096).strip()
    except OSError as error:
        end(f"{token_file}: {os.strerror(error.errno or 0)}.", Exit.NO_INPUT)
    except UnicodeDecodeError:
        secret = ""
    if not _TOKEN.fullmatch(secret):
        end(
            "That is no enrolment token. At the sidecar, 'holdfast-sidecar tokens create --scope enrol --name NAME' "
            "makes one, which begins with hf_.",
            Exit.USAGE,
        )
    return secret


def _enrol(config: AgentConfig, secret: str) -> str:
    with _as_its_user(config), _unused(config):
        try:
            book = registry.load(os.path.join(config.state_dir, "registry.json"))
            trade(config, book, secret)
        except RegistryUnusable as error:
            end(str(error), Exit.CONFIG)
        except EnrolmentFailed as error:
            end(str(error), Exit.UNAVAILABLE)
    return book.agent or ""


@contextlib.contextmanager
def _draft(path: str, text: str) -> Iterator[Callable[[], None]]:
    """A new version of a file, written beside it, with its owner and its permissions; it takes its place when told."""
    try:
        before = os.stat(path)
        with open(path, encoding="utf-8", newline="") as file:
            if file.read() == text:
                yield lambda: None
                return
        descriptor, draft = tempfile.mkstemp(dir=os.path.dirname(os.path.abspath(path)), prefix=".new-")
    except OSError as error:
        _no_file(path, error)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            os.fchmod(descriptor, stat.S_IMODE(before.st_mode))
            os.fchown(descriptor, before.st_uid, before.st_gid)
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        yield lambda: os.replace(draft, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(draft)


def _start(config_path: str, *, start: bool) -> None:
    """Enable and start the unit, where this is the agent that the unit runs; else say how to start it."""
    if config_path != INSTALLED_CONFIG:
        click.echo(f"Start it: holdfast-agent run --config {config_path}")
    elif not (start and os.geteuid() == 0 and is_booted()):
        click.echo(f"Start it: systemctl enable --now {_UNIT}")
    elif subprocess.run(["systemctl", "enable", "--now", "--quiet", _UNIT], check=False).returncode:
        end(f"It is enrolled, but does not start. See: journalctl --unit {_UNIT}", Exit.UNAVAILABLE)
    else:
        click.echo("It is running, and starts with the system. What it sees: holdfast-agent status")


def _no_file(path: str, error: OSError) -> NoReturn:
    hint = " Enrol as root." if isinstance(error, PermissionError) and os.geteuid() != 0 else ""
    end(f"{path}: {os.strerror(error.errno or 0)}.{hint}", Exit.CONFIG)

"""Enrolling with a sidecar, once: an enrolment token is traded for the agent's own."""

from __future__ import annotations

import os
import socket

import structlog

from agent import registry
from agent.config import AgentConfig
from agent.ports import Refused, Unreachable
from agent.registry import Registry
from agent.uplink import enrol
from holdfast import __version__
from holdfast.assignments import EnrolRequest

_log = structlog.get_logger("agent.enrolment")


class EnrolmentFailed(Exception):
    """The agent has no token and cannot get one. The text says what to do."""


def enrol_once(config: AgentConfig, book: Registry) -> str:
    """The agent's token; gets one from the sidecar when there is none yet."""
    try:
        return _read(config.token_path)
    except FileNotFoundError:
        pass
    enrolment_token = config.enrolment_token_path
    if enrolment_token is None:
        raise EnrolmentFailed(
            f"There is no token at {config.token_path}. Make an enrolment token at the sidecar, with 'holdfast-sidecar "
            "tokens create --scope enrol', and give it to 'holdfast-agent enrol'."
        )
    try:
        secret = _read(enrolment_token)
    except OSError as error:
        raise EnrolmentFailed(f"{enrolment_token}: {error.strerror}.") from error
    token = trade(config, book, secret)
    _log.info("agent.enrolled", agent=book.agent, sidecar=config.sidecar)
    return token


def trade(config: AgentConfig, book: Registry, enrolment_token: str) -> str:
    """Trade an enrolment token for the agent's own, and keep that."""
    request = EnrolRequest(name=config.display_name, host=socket.gethostname(), version=__version__)
    try:
        answer = enrol(
            config.sidecar, enrolment_token, request, allow_plain_http=config.allow_plain_http, trust=config.trust
        )
    except Unreachable as error:
        raise EnrolmentFailed(f"The sidecar at {config.sidecar} does not answer: {error}") from error
    except Refused as error:
        raise EnrolmentFailed(f"The sidecar refused the enrolment token: {error.detail}") from error
    registry.write_private(config.token_path, answer.token.encode())
    book.agent = answer.agent
    registry.save(os.path.join(config.state_dir, "registry.json"), book)
    return answer.token


def _read(path: str) -> str:
    with open(path, encoding="ascii") as file:
        return file.read().strip()

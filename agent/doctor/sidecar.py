"""Asking the sidecar the way the agent does: whether it answers, takes the token, what version and time it has."""

from __future__ import annotations

import email.utils
import socket
import ssl
import time
from collections.abc import Iterator

import httpx2
import msgspec
from msgspec.structs import replace

from agent.doctor.evidence import SidecarAnswer, SidecarEvidence
from agent.ports import Refused, Unreachable
from agent.trust import SYSTEM, Trust
from agent.uplink import BadUrl, HttpUplink, check_url

# Who asks a doctor is waiting.
TIMEOUT_S = 5.0
_BODY_CHARS_SHOWN = 60


class _Health(msgspec.Struct):
    status: str


class _Info(msgspec.Struct):
    version: str


class _Description(msgspec.Struct):
    """Of the description of the API, what is of interest here."""

    info: _Info


def ask(
    url: str,
    token: str | None,
    trust: Trust = SYSTEM,
    *,
    allow_plain_http: bool,
    timeout_s: float = TIMEOUT_S,
) -> SidecarEvidence:
    """Ask. Without a token (None) only whether it answers can be said."""
    try:
        base = check_url(url, allow_plain_http)
    except BadUrl as error:
        is_plain = url.startswith("http://") and "plain http" in str(error)
        return SidecarEvidence(
            answer=SidecarAnswer.PLAIN_HTTP if is_plain else SidecarAnswer.BAD_URL, detail=f"{error}."
        )
    started = time.time()
    try:
        health = httpx2.get(f"{base}/healthz", timeout=timeout_s, follow_redirects=False, verify=trust.context())
    except httpx2.HTTPError as error:
        return SidecarEvidence(answer=_cause(error), detail=f"{str(error) or type(error).__name__}.")
    ahead_s = _ahead_s(health.headers.get("Date", ""), (started + time.time()) / 2)
    if wrong := _wrong(base, health):
        return SidecarEvidence(answer=wrong[0], detail=wrong[1], ahead_s=ahead_s)
    well = SidecarEvidence(answer=SidecarAnswer.WELL, ahead_s=ahead_s, version=_version(base, trust, timeout_s))
    if token is None:
        return well
    uplink = HttpUplink(url, token, timeout_s=timeout_s, allow_plain_http=allow_plain_http, trust=trust)
    try:
        answer, detail = _with_token(uplink)
    finally:
        uplink.close()
    return replace(well, answer=answer, detail=detail)


def _cause(error: httpx2.HTTPError) -> SidecarAnswer:
    """What kept us from it, by what lies behind the error."""
    for one in _behind(error):
        match one:
            case socket.gaierror():
                return SidecarAnswer.NAME_UNKNOWN
            case ConnectionRefusedError():
                return SidecarAnswer.CONNECTION_REFUSED
            case ssl.SSLError():
                return SidecarAnswer.TLS
    return SidecarAnswer.UNREACHABLE


def _behind(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _wrong(base: str, health: httpx2.Response) -> tuple[SidecarAnswer, str] | None:
    said = f"GET {base}/healthz answers {health.status_code} {health.reason_phrase}"
    if health.is_server_error:
        return SidecarAnswer.FAILING, f"{said}."
    if health.is_redirect:
        return SidecarAnswer.NOT_A_SIDECAR, f"{said}, and leads on to {health.headers.get('Location', '?')}."
    if not health.is_success:
        return SidecarAnswer.NOT_A_SIDECAR, f"{said}."
    try:
        msgspec.json.decode(health.content, type=_Health)
    except msgspec.DecodeError:
        return SidecarAnswer.NOT_A_SIDECAR, f"{said}, and then: {health.text[:_BODY_CHARS_SHOWN]!r}."
    return None


def _version(base: str, trust: Trust, timeout_s: float) -> str | None:
    """What version it says it is; None when it does not say."""
    try:
        context = trust.context()
        answer = httpx2.get(f"{base}/openapi.json", timeout=timeout_s, follow_redirects=False, verify=context)
        return msgspec.json.decode(answer.content, type=_Description).info.version
    except (httpx2.HTTPError, msgspec.DecodeError):
        return None


def _with_token(uplink: HttpUplink) -> tuple[SidecarAnswer, str]:
    try:
        uplink.assignment(None, 0.0)
    except Refused as error:
        is_other = error.code in ("not-a-sidecar", "redirect")
        return SidecarAnswer.NOT_A_SIDECAR if is_other else SidecarAnswer.REFUSED, f"It says: {error.detail}"
    except Unreachable as error:
        return SidecarAnswer.FAILING, f"{error}."
    return SidecarAnswer.WELL, ""


def _ahead_s(date: str, now: float) -> float | None:
    """How far the clock behind a Date header (RFC 9110) is ahead; it has whole seconds."""
    try:
        return email.utils.parsedate_to_datetime(date).timestamp() - now
    except ValueError:
        return None

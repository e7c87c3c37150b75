"""Asking the sidecar the way the agent does: whether it answers, takes the token, and what time it has."""

from __future__ import annotations

import email.utils
import time

import httpx2

from agent.doctor.evidence import SidecarAnswer, SidecarEvidence
from agent.ports import Refused, Unreachable
from agent.uplink import BadUrl, HttpUplink, check_url

# Who asks a doctor is waiting.
TIMEOUT_S = 5.0


def ask(url: str, token: str | None, *, allow_plain_http: bool, timeout_s: float = TIMEOUT_S) -> SidecarEvidence:
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
        health = httpx2.get(f"{base}/healthz", timeout=timeout_s, follow_redirects=False)
    except httpx2.HTTPError as error:
        return SidecarEvidence(answer=SidecarAnswer.UNREACHABLE, detail=f"{str(error) or type(error).__name__}.")
    ahead_s = _ahead_s(health.headers.get("Date", ""), (started + time.time()) / 2)
    if not health.is_success:
        said = f"GET {base}/healthz answers {health.status_code} {health.reason_phrase}."
        return SidecarEvidence(answer=SidecarAnswer.UNREACHABLE, detail=said, ahead_s=ahead_s)
    return _with_token(url, token, allow_plain_http, timeout_s, ahead_s)


def _with_token(
    url: str, token: str | None, allow_plain_http: bool, timeout_s: float, ahead_s: float | None
) -> SidecarEvidence:
    if token is None:
        return SidecarEvidence(answer=SidecarAnswer.WELL, ahead_s=ahead_s)
    uplink = HttpUplink(url, token, timeout_s=timeout_s, allow_plain_http=allow_plain_http)
    try:
        uplink.assignment(None, 0.0)
    except Refused as error:
        return SidecarEvidence(answer=SidecarAnswer.REFUSED, detail=f"It says: {error.detail}", ahead_s=ahead_s)
    except Unreachable as error:
        return SidecarEvidence(answer=SidecarAnswer.UNREACHABLE, detail=f"{error}", ahead_s=ahead_s)
    finally:
        uplink.close()
    return SidecarEvidence(answer=SidecarAnswer.WELL, ahead_s=ahead_s)


def _ahead_s(date: str, now: float) -> float | None:
    """How far the clock behind a Date header (RFC 9110) is ahead; it has whole seconds."""
    try:
        return email.utils.parsedate_to_datetime(date).timestamp() - now
    except ValueError:
        return None

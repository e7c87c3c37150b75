"""The sidecar, over HTTP.

Answers fall into three kinds: what was asked for; :class:`~agent.ports.Unreachable`, which time may heal; and
:class:`~agent.ports.Refused`, which it will not.
"""

from __future__ import annotations

import email.utils
import ipaddress
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import httpx2
import msgspec

from agent.ports import Refused, Unreachable
from agent.trust import SYSTEM, Trust
from holdfast import __version__
from holdfast.assignments import (
    FENCE_HEADER,
    Assignment,
    BelievedPage,
    EnrolRequest,
    EnrolResponse,
    Heartbeat,
    HeartbeatResponse,
    RenewedToken,
)
from holdfast.problems import Problem
from holdfast.reports import Receipt

API = "/api/v1/agent"
# A sidecar that applies a large report on a busy database takes seconds, not minutes.
TIMEOUT_S = 30.0
CONNECT_TIMEOUT_S = 10.0
# Statuses that say "not now": too early, too many requests, request timeout, and all failures of the server.
_LATER = frozenset({408, 425, 429})
_RETRY_AFTER_MAX_S = 3600.0
_ERROR_CHARS_MAX = 300

T = TypeVar("T")


class BadUrl(ValueError):
    """A URL of a sidecar that cannot be used. The text says why, and what to do."""


class HttpUplink:
    """Implements :class:`agent.ports.Uplink`. One pool of connections, which several threads may use at once.

    ``transport`` replaces the network: ``httpx2.WSGITransport`` with the real sidecar, or a mock. Raises
    :class:`BadUrl` for a URL that is none, and for plain http to another host unless ``allow_plain_http``: the
    token would travel readable. ``trust`` says whose certificates are good.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        transport: httpx2.BaseTransport | None = None,
        timeout_s: float = TIMEOUT_S,
        allow_plain_http: bool = False,
        trust: Trust = SYSTEM,
    ) -> None:
        self._timeout_s = timeout_s
        self._token = token
        self._client = httpx2.Client(
            base_url=check_url(url, allow_plain_http) + API,
            headers={"User-Agent": f"holdfast-agent/{__version__}"},
            timeout=httpx2.Timeout(timeout_s, connect=min(timeout_s, CONNECT_TIMEOUT_S)),
            transport=transport,
            verify=trust.context(),
            # A redirect would carry the token to somewhere that nobody configured.
            follow_redirects=False,
        )

    def heartbeat(self, heartbeat: Heartbeat) -> HeartbeatResponse:
        """Tell all volume states."""
        response = self._ask("POST", "/heartbeat", content=msgspec.json.encode(heartbeat), headers=_JSON)
        return _decode(response, HeartbeatResponse)

    def assignment(self, revision: int | None, wait_s: float) -> Assignment | None:
        """The assignment, when it is newer than ``revision``; waits up to ``wait_s`` for one. None: no news."""
        headers = {} if revision is None else {"If-None-Match": f'"{revision}"'}
        if wait_s > 0:
            headers["Prefer"] = f"wait={round(wait_s)}"  # RFC 7240
        response = self._ask("GET", "/assignment", headers=headers, timeout=self._timeout_s + wait_s)
        return None if response.status_code == httpx2.codes.NOT_MODIFIED else _decode(response, Assignment)

    def renew(self, keep: Callable[[str], None]) -> None:
        """Get another token, have it kept, and use it from then on. A disk that is full is met before, not after."""
        keep(self._token)
        renewed = _decode(self._ask("POST", "/token"), RenewedToken)
        keep(renewed.token)
        self._token = renewed.token

    def send(self, volume: str, sequence: int, body: bytes, fence: int) -> Receipt:
        """Deliver one report, gzip-compressed JSON, under the grant of this fence."""
        headers = {**_JSON, "Content-Encoding": "gzip", FENCE_HEADER: str(fence)}
        response = self._ask("PUT", f"/streams/{volume}/reports/{sequence}", content=body, headers=headers)
        return _decode(response, Receipt)

    def known(self, volume: str, fence: int, cursor: str | None) -> BelievedPage:
        """A page of what the catalog believes to be on a volume: the one behind ``cursor``, the first without one."""
        query = {} if cursor is None else {"cursor": cursor}
        response = self._ask("GET", f"/streams/{volume}/known", params=query, headers={FENCE_HEADER: str(fence)})
        return _decode(response, BelievedPage)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _ask(self, method: str, path: str, **request: Any) -> httpx2.Response:
        headers = {**request.pop("headers", {}), "Authorization": f"Bearer {self._token}"}
        try:
            response = self._client.request(method, path, headers=headers, **request)
        except httpx2.HTTPError as error:
            raise Unreachable(_explain(error)) from error
        _check_status(response)
        return response


def enrol(
    url: str,
    enrolment_token: str,
    request: EnrolRequest,
    *,
    transport: httpx2.BaseTransport | None = None,
    allow_plain_http: bool = False,
    trust: Trust = SYSTEM,
) -> EnrolResponse:
    """Introduce a new agent to the sidecar, with the one-time token that a person was given there.

    Raises :class:`BadUrl`, :class:`~agent.ports.Unreachable` or :class:`~agent.ports.Refused`.
    """
    uplink = HttpUplink(url, enrolment_token, transport=transport, allow_plain_http=allow_plain_http, trust=trust)
    try:
        response = uplink._ask("POST", "/enrol", content=msgspec.json.encode(request), headers=_JSON)
    finally:
        uplink.close()
    return _decode(response, EnrolResponse)


def check_url(url: str, allow_plain_http: bool = False) -> str:
    """The URL of a sidecar without a trailing slash, or :class:`BadUrl`."""
    try:
        parsed = httpx2.URL(url)
    except httpx2.InvalidURL as error:
        raise BadUrl(f"{url!r} is not a URL: {error}") from error
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise BadUrl(f"{url!r} is not the URL of a sidecar; it looks like https://photos.example:8420")
    if parsed.userinfo or parsed.query or parsed.fragment:
        raise BadUrl(f"{parsed.host}: a sidecar's URL has no user, query or fragment; tokens come from a file")
    if parsed.scheme == "http" and not (allow_plain_http or _is_loopback(parsed.host)):
        raise BadUrl(
            f"plain http to {parsed.host} would show the agent's token to everybody on the way; use https, or say"
            " allow_plain_http where the network itself is trusted"
        )
    return url.rstrip("/")


_JSON = {"Content-Type": "application/json"}


def _check_status(response: httpx2.Response) -> None:
    status = response.status_code
    if response.is_success or status == httpx2.codes.NOT_MODIFIED:
        return
    if status in _LATER or status >= 500:
        raise Unreachable(f"the sidecar answers {status}: {_detail(response)}", _retry_after_s(response.headers))
    if response.is_redirect:
        raise Refused(status, "redirect", f"the sidecar's URL leads on to {response.headers.get('Location', '?')}")
    problem = _problem(response)
    if problem is None:
        # Not our sidecar's voice: a proxy's, or another program's at this address.
        raise Refused(status, "not-a-sidecar", _detail(response))
    raise Refused(status, problem.code, problem.detail, problem.expected)


def _problem(response: httpx2.Response) -> Problem | None:
    try:
        return msgspec.json.decode(response.content, type=Problem)
    except msgspec.DecodeError:
        return None


def _detail(response: httpx2.Response) -> str:
    problem = _problem(response)
    return problem.detail if problem else response.text[:_ERROR_CHARS_MAX] or response.reason_phrase


def _decode(response: httpx2.Response, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(response.content, type=kind)
    except msgspec.DecodeError as error:
        # A captive portal, or a proxy's page with status 200. It may be gone tomorrow.
        raise Unreachable(f"the answer is not a sidecar's: {error}") from error


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Retry-After (RFC 9110), which is seconds or a date; None when it is neither."""
    text = headers.get("Retry-After", "").strip()
    if text.isdecimal():
        return min(float(text), _RETRY_AFTER_MAX_S)
    try:
        at = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    return min(max(at.timestamp() - time.time(), 0.0), _RETRY_AFTER_MAX_S)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _explain(error: httpx2.HTTPError) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__

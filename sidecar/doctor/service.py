"""From evidence to findings: the service and its state. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from holdfast import wording
from holdfast.findings import Finding, Severity
from sidecar.doctor.codes import Code
from sidecar.doctor.evidence import Answer, Evidence, ServiceEvidence

# A catalog of a million assets has about 1 GB, and a migration may need as much again.
_FREE_BYTES_MIN = 1_000_000_000
_FREE_BYTES_NONE = 10_000_000


def diagnose_service(evidence: Evidence) -> Iterator[Finding]:
    """What concerns the process that serves the API, and the state directory."""
    yield from _answer(evidence.service)
    yield from _listen(evidence.service)
    yield from _state(evidence)


def room(code: Code, what: str, about: str, free_bytes: int, total_bytes: int) -> Iterator[Finding]:
    """Whether there is room left on the file system of something."""
    if free_bytes >= max(_FREE_BYTES_NONE, min(_FREE_BYTES_MIN, total_bytes // 10)):
        return
    full = free_bytes < _FREE_BYTES_NONE
    yield Finding(
        code=code,
        severity=Severity.FAULT if full else Severity.WARNING,
        sentence=f"The file system of {what} is {'full' if full else 'nearly full'}.",
        about=about,
        why=f"{wording.size(free_bytes)} of {wording.size(total_bytes)} are free at {about}.",
        remedy="Make room. Without it nothing is taken in: agents keep what they have to tell, and nothing is lost.",
    )


def _answer(service: ServiceEvidence) -> Iterator[Finding]:
    match service.answer:
        case Answer.WELL:
            said = f"The sidecar answers at {service.listen}."
            yield Finding(code="sidecar", severity=Severity.OK, sentence=said)
        case Answer.NOT_READY:
            yield Finding(
                code=Code.SIDECAR_NOT_READY,
                severity=Severity.FAULT,
                sentence=f"The sidecar at {service.listen} runs, and cannot serve.",
                why=service.detail,
                remedy="What is wrong with its database stands among these findings; if nothing does, restart it.",
            )
        case Answer.NOBODY:
            yield Finding(
                code=Code.SIDECAR_NOT_RUNNING,
                severity=Severity.FAULT,
                sentence="The sidecar is not running.",
                why=f"Nobody answers at {service.listen}: {service.detail}.",
                remedy="systemctl start holdfast-sidecar; if it ends again, journalctl -u holdfast-sidecar says why.",
            )
        case Answer.SOMEBODY_ELSE:
            yield Finding(
                code=Code.SIDECAR_NOT_RUNNING,
                severity=Severity.FAULT,
                sentence=f"Another program answers at {service.listen}, where the sidecar is to listen.",
                why=service.detail,
                remedy="Stop that program, or give the sidecar another address (listen in sidecar.toml).",
            )


def _listen(service: ServiceEvidence) -> Iterator[Finding]:
    if not is_open(service.listen):
        return
    yield Finding(
        code=Code.LISTEN_OPEN,
        severity=Severity.WARNING,
        sentence=f"Other machines can reach the sidecar at {service.listen} without TLS.",
        why="Tokens travel readable there, and whoever reads one may use it.",
        remedy='Set listen = "127.0.0.1:8765" in sidecar.toml, and put a proxy with TLS before it.',
    )


def is_open(listen: str) -> bool:
    """Whether an address can be reached from other machines."""
    if listen.startswith("unix:"):
        return False
    host = listen.rpartition(":")[0].strip("[]")
    if host == "localhost":
        return False
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return True


def _state(evidence: Evidence) -> Iterator[Finding]:
    state = evidence.state
    if state.problem is not None or state.foreign:
        files = f"Not its user's: {', '.join(state.foreign)}." if state.foreign else ""
        yield Finding(
            code=Code.STATE_NOT_WRITABLE,
            severity=Severity.FAULT,
            sentence=f"The state directory {state.path} cannot be written as it should be.",
            about=state.path,
            why=" ".join(part for part in (state.problem, files) if part),
            remedy=f"chown -R --reference={state.path} {state.path}" if state.problem is None else _MAKE_WRITABLE,
        )
    if state.exposed:
        yield Finding(
            code=Code.STATE_EXPOSED,
            severity=Severity.WARNING,
            sentence="Everybody on this machine may read secrets of the sidecar.",
            about=state.path,
            why=f"Open to all: {', '.join(state.exposed)}.",
            remedy=f"chmod -R go-rwx {state.path}",
        )
    if state.problem is None:
        yield from room(Code.STATE_NEARLY_FULL, "the state", state.path, state.free_bytes, state.total_bytes)


_MAKE_WRITABLE = "It must exist, and belong to the sidecar's user, on a file system that can be written."

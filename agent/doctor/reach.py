"""From evidence to findings: whether the sidecar can be reached, takes the token, and fits. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from agent.doctor.evidence import Evidence, SidecarAnswer
from agent.doctor.findings import Code
from holdfast import wording
from holdfast.findings import Finding, Severity

# A photo server shows times of both machines side by side; more than this is seen, and confuses.
_CLOCK_DIFFERENCE_MAX_S = 60.0
_KEPT = "What is seen meanwhile is kept, and delivered later."
# What went wrong: the code, the sentence, and what to do. {url} is the sidecar's, {host} its host, {path} agent.toml.
_TROUBLE: dict[SidecarAnswer, tuple[Code, str, str]] = {
    SidecarAnswer.UNREACHABLE: (
        Code.SIDECAR_UNREACHABLE,
        "The sidecar at {url} does not answer.",
        f"Is {{host}} on, and does a firewall let this machine through? {_KEPT}",
    ),
    SidecarAnswer.NAME_UNKNOWN: (
        Code.SIDECAR_NAME_UNKNOWN,
        "Nobody knows the name {host}, which the sidecar is to have.",
        f"Correct sidecar in {{path}}, or the name server (resolvectl query {{host}}). {_KEPT}",
    ),
    SidecarAnswer.CONNECTION_REFUSED: (
        Code.SIDECAR_CONNECTION_REFUSED,
        "Nothing listens at {url}.",
        f"Start the sidecar there (systemctl start holdfast-sidecar), or correct the port in {{path}}. {_KEPT}",
    ),
    SidecarAnswer.TLS: (
        Code.SIDECAR_TLS,
        "The sidecar at {url} cannot be trusted, or does not speak TLS.",
        (
            "Is its certificate for {host}, valid today, and from somebody whom this machine trusts? Look at it with"
            " openssl s_client -connect {host}:PORT"
        ),
    ),
    SidecarAnswer.FAILING: (
        Code.SIDECAR_FAILING,
        "The sidecar at {url} answers, and cannot work.",
        f"On {{host}}: holdfast-sidecar doctor. {_KEPT}",
    ),
    SidecarAnswer.NOT_A_SIDECAR: (
        Code.NOT_A_SIDECAR,
        "What answers at {url} is not a sidecar.",
        "Correct sidecar in {path}. Behind a proxy, everything below /api/v1 and /healthz must get through unchanged.",
    ),
    SidecarAnswer.REFUSED: (
        Code.TOKEN_REFUSED,
        "The sidecar at {url} refuses the agent's token.",
        "If it was revoked there on purpose, leave it so. Else remove the token file and enrol anew.",
    ),
    SidecarAnswer.PLAIN_HTTP: (
        Code.PLAIN_HTTP,
        "Plain http to another machine is refused.",
        "Set sidecar to an https URL in {path}.",
    ),
    SidecarAnswer.BAD_URL: (
        Code.SIDECAR_URL,
        "The sidecar's URL cannot be used.",
        "Set sidecar in {path}; it looks like https://photos.example:8420.",
    ),
}


def diagnose_sidecar(evidence: Evidence) -> Iterator[Finding]:
    """What concerns the sidecar, as it is seen from here."""
    sidecar, url = evidence.sidecar, evidence.settings.sidecar
    if (trouble := _TROUBLE.get(sidecar.answer)) is not None:
        code, sentence, remedy = trouble
        said = {"url": url, "host": _host_of(url), "path": evidence.settings.path}
        yield Finding(
            code=code,
            severity=Severity.FAULT,
            sentence=sentence.format(**said),
            why=sidecar.detail,
            remedy=remedy.format(**said),
        )
    elif sidecar.answer is SidecarAnswer.WELL:
        status = evidence.agent.status
        how = "" if status is None or status.sidecar == "connected" else f" The agent says: {status.sidecar}."
        yield Finding(code="sidecar", severity=Severity.OK, sentence=f"The sidecar at {url} answers.{how}")
    yield from _clock(evidence)
    yield from _versions(evidence)


def _clock(evidence: Evidence) -> Iterator[Finding]:
    ahead_s = evidence.sidecar.ahead_s
    if ahead_s is None or abs(ahead_s) <= _CLOCK_DIFFERENCE_MAX_S:
        return
    yield Finding(
        code=Code.CLOCK_DIFFERS,
        severity=Severity.WARNING,
        sentence="The clocks of this machine and of the sidecar differ.",
        why=f"The sidecar is {wording.duration(abs(ahead_s))} {'ahead of' if ahead_s > 0 else 'behind'} this machine.",
        remedy="Nothing goes missing by it, but times will not fit. Set both by NTP: timedatectl set-ntp true",
    )


def _versions(evidence: Evidence) -> Iterator[Finding]:
    """A sidecar serves agents of its own version and older ones (the upgrade rule)."""
    ours, status = evidence.version, evidence.agent.status
    if status is not None and status.version != ours:
        yield Finding(
            code=Code.AGENT_OUTDATED,
            severity=Severity.WARNING,
            sentence="The agent that runs is not the one that is installed.",
            why=f"Version {status.version} runs, and {ours} is installed.",
            remedy="systemctl restart holdfast-agent",
        )
    theirs = evidence.sidecar.version
    if theirs is None or _numbers(theirs) == _numbers(ours):
        return
    newer = _numbers(ours) > _numbers(theirs)
    yield Finding(
        code=Code.AGENT_NEWER if newer else Code.AGENT_OLDER,
        severity=Severity.WARNING if newer else Severity.NOTE,
        sentence="This agent is newer than its sidecar."
        if newer
        else "This agent is older than its sidecar, which is fine.",
        why=f"It has version {ours}, and the sidecar {theirs}."
        + (" A sidecar serves agents of its own version and older ones." if newer else ""),
        remedy="Bring the sidecar to that version."
        if newer
        else "Bring it to the same version when you have the time.",
    )


def _host_of(url: str) -> str:
    return urlsplit(url).hostname or url


def _numbers(version: str) -> tuple[int, ...]:
    """What of a version is compared; what stands behind the numbers (a1, .dev0) does not count."""
    match = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(int(part) for part in match[0].split(".")) if match else ()

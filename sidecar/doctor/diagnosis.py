"""From evidence to findings: all questions, and those about the catalog. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from holdfast import mapping, wording
from holdfast.findings import Finding, Severity, worst_first
from holdfast.mapping import Mapped
from sidecar.doctor.codes import Code
from sidecar.doctor.evidence import AgentFacts, CatalogEvidence, Evidence, HookFacts
from sidecar.doctor.server import diagnose_database
from sidecar.doctor.service import diagnose_service

# More than the grain of clocks, and than the time that a message takes.
_CLOCK_DIFFERENCE_MAX_S = 60.0


def diagnose(evidence: Evidence) -> list[Finding]:
    """Every finding, the worst first; among equals in the order in which somebody should look at them."""
    found = [*diagnose_database(evidence), *diagnose_service(evidence)]
    if evidence.catalog is not None:
        questions: list[Callable[[Evidence, CatalogEvidence], Iterator[Finding]]] = [
            _worker,
            _agents,
            _paths,
            _holds,
            _jobs,
            _hooks,
        ]
        found += [finding for question in questions for finding in question(evidence, evidence.catalog)]
    return worst_first(found)


def configuration_invalid(problem: str) -> Finding:
    """The one finding there is when the configuration cannot be read."""
    return Finding(
        code=Code.CONFIGURATION_INVALID,
        severity=Severity.FAULT,
        sentence="The sidecar's configuration cannot work.",
        why=problem,
        remedy="Mend that line, then: holdfast-sidecar check-config",
    )


def _worker(_evidence: Evidence, catalog: CatalogEvidence) -> Iterator[Finding]:
    if catalog.has_worker:
        yield Finding(code="worker", severity=Severity.OK, sentence="A worker does what nobody asks for.")
        return
    yield Finding(
        code=Code.WORKER_NOT_RUNNING,
        severity=Severity.FAULT,
        sentence="No worker runs.",
        why="Nobody renews the lease in the database. So nobody notices silent agents, ends times of grace, works off"
        " jobs or delivers web hooks.",
        remedy="systemctl start holdfast-worker; if it ends again, journalctl -u holdfast-worker says why.",
    )


def _agents(evidence: Evidence, catalog: CatalogEvidence) -> Iterator[Finding]:
    if not catalog.agents:
        yield Finding(
            code=Code.NO_AGENT,
            severity=Severity.NOTE,
            sentence="No agent was enrolled yet, so nothing is known of any disk.",
            remedy="holdfast-sidecar tokens create --scope enrol --name NAME; then enrol the agent with it.",
        )
    for agent in catalog.agents:
        is_silent = agent.silent_s is None or agent.silent_s > evidence.silent_after_s
        if is_silent:
            yield _silent(agent)
        else:
            named = f"Agent {agent.name} on {agent.host} reports (version {agent.version})."
            yield Finding(code="agent", severity=Severity.OK, sentence=named, about=agent.name)
        yield from _agent_details(evidence, agent)


def _silent(agent: AgentFacts) -> Finding:
    since = (
        "It has not reported yet" if agent.silent_s is None else f"Last heard {wording.duration(agent.silent_s)} ago"
    )
    return Finding(
        code=Code.AGENT_SILENT,
        severity=Severity.WARNING,
        sentence=f"Agent {agent.name} on {agent.host} is silent.",
        about=agent.name,
        why=f"{since}. Whether its disks are there is not known; nothing of them is called missing, and nothing ages.",
        remedy=f"On {agent.host}: holdfast-agent doctor. If that host is gone for good, revoke the agent.",
    )


def _agent_details(evidence: Evidence, agent: AgentFacts) -> Iterator[Finding]:
    ours, its = _version(evidence.version), _version(agent.version)
    if its > ours:
        yield Finding(
            code=Code.AGENT_NEWER,
            severity=Severity.WARNING,
            sentence=f"Agent {agent.name} is newer than this sidecar.",
            about=agent.name,
            why=f"It has version {agent.version}, and this is {evidence.version}. A sidecar serves agents of its own"
            " version and older ones.",
            remedy="Bring the sidecar to that version.",
        )
    elif its < ours:
        yield Finding(
            code=Code.AGENT_OLDER,
            severity=Severity.NOTE,
            sentence=f"Agent {agent.name} is older than this sidecar, which is fine.",
            about=agent.name,
            why=f"It has version {agent.version}, and this is {evidence.version}.",
            remedy="Bring it to the same version when you have the time.",
        )
    if agent.ahead_s > _CLOCK_DIFFERENCE_MAX_S:
        yield Finding(
            code=Code.CLOCK_DIFFERS,
            severity=Severity.WARNING,
            sentence=f"The clock of agent {agent.name} is ahead of this machine's.",
            about=agent.name,
            why=f"It told of something that is to happen in {wording.duration(agent.ahead_s)}.",
            remedy=f"Nothing goes missing by it, but times will not fit. On {agent.host}: timedatectl set-ntp true",
        )


def _paths(_evidence: Evidence, catalog: CatalogEvidence) -> Iterator[Finding]:
    for one in catalog.refused:
        path = wording.shown(one.path)
        yield Finding(
            code=Code.IMPORT_PATH_REFUSED,
            severity=Severity.FAULT,
            sentence=one.message,
            about=path,
            why=f"A library wants {path}, and agent {one.agent} does not look into it.",
            remedy="Do what the sentence says on the agent's host; it is tried again by itself every half minute.",
        )
    yield from mapping.findings(catalog.paths, Code.PATHS_OVERLAP, _named)


def _named(one: Mapped) -> str:
    return f"{wording.shown(one.path)} ({wording.shown(one.agent)})"


def _holds(_evidence: Evidence, catalog: CatalogEvidence) -> Iterator[Finding]:
    if catalog.holds:
        files = wording.count(catalog.held_files, "file")
        yield Finding(
            code=Code.HOLDS_WAITING,
            severity=Severity.WARNING,
            sentence=f"{wording.count(catalog.holds, 'mass change')} of {files} in all: waiting for you.",
            why="More is gone, or was changed, than is usual at once. Until you decide, all of it stays as it was.",
            remedy="holdfast-sidecar holds list",
        )


def _jobs(_evidence: Evidence, catalog: CatalogEvidence) -> Iterator[Finding]:
    for job in catalog.jobs:
        yield Finding(
            code=Code.JOB_FAILED,
            severity=Severity.WARNING,
            sentence=f"A job ({job.kind}) failed within the last day.",
            about=job.id,
            why=job.error or "It left no word why.",
            remedy="Ask for it again. If it fails again, journalctl -u holdfast-worker has more; report it.",
        )


def _hooks(_evidence: Evidence, catalog: CatalogEvidence) -> Iterator[Finding]:
    for hook in catalog.hooks:
        yield from _hook(hook)


def _hook(hook: HookFacts) -> Iterator[Finding]:
    if hook.disabled is not None:
        yield Finding(
            code=Code.WEBHOOK_DISABLED,
            # Without a reason it was a person, who knows.
            severity=Severity.WARNING if hook.disabled else Severity.NOTE,
            sentence=f"Nothing is sent to the web hook {hook.url} any more.",
            about=hook.url,
            why=hook.disabled or "Somebody disabled it.",
            remedy="Mend the receiver, then enable the web hook; what happened meanwhile is told then.",
        )
    elif hook.failing_s is not None:
        told = f" The last time: {hook.last_error}" if hook.last_error else ""
        yield Finding(
            code=Code.WEBHOOK_FAILING,
            severity=Severity.WARNING,
            sentence=f"The web hook {hook.url} takes nothing.",
            about=hook.url,
            why=f"Every attempt has failed for {wording.duration(hook.failing_s)}.{told}",
            remedy="Look at the receiver. It is tried again, ever more rarely, for days; nothing is left out.",
        )


def _version(text: str) -> tuple[int, ...]:
    """The numbers of a version, to be compared; what stands behind them (a1, .dev0) does not count."""
    match = re.match(r"\d+(?:\.\d+)*", text)
    return tuple(int(part) for part in match[0].split(".")) if match else ()

"""From evidence to findings: the agent, its sidecar, its own files, the kernel. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from agent.doctor.evidence import Evidence
from agent.doctor.findings import Code
from agent.doctor.folders import diagnose_folders
from agent.doctor.reach import diagnose_sidecar
from agent.doctor.storage import diagnose_storage
from holdfast import wording
from holdfast.findings import Finding, Severity, worst_first
from holdfast.volumes import Reason

# A journal of a million photos has about 100 MB, and its log may be as large for a moment.
_FREE_BYTES_MIN = 200_000_000
_FREE_SHARE_MIN = 0.05
_FREE_BYTES_NONE = 10_000_000
# One worker that dies may have been an accident of somebody's kill.
_DEATHS_MAX = 2


def diagnose(evidence: Evidence) -> list[Finding]:
    """Every finding, the worst first; among equals in the order in which somebody should look at them."""
    questions: list[Callable[[Evidence], Iterator[Finding]]] = [
        _agent,
        diagnose_sidecar,
        _state,
        diagnose_storage,
        diagnose_folders,
        _journals,
        _workers,
        _kernel,
    ]
    return worst_first([finding for question in questions for finding in question(evidence)])


def configuration_invalid(problem: str) -> Finding:
    """The one finding there is when the configuration cannot be read."""
    return Finding(
        code=Code.CONFIGURATION_INVALID,
        severity=Severity.FAULT,
        sentence="The agent's configuration cannot work.",
        why=problem,
        remedy="Mend that line, then: holdfast-agent check-config",
    )


def _agent(evidence: Evidence) -> Iterator[Finding]:
    agent, settings = evidence.agent, evidence.settings
    if agent.status is not None:
        named = f"The agent runs (pid {agent.status.pid}, version {agent.status.version})."
        yield Finding(code="agent", severity=Severity.OK, sentence=named)
    elif agent.lock_pid is not None:
        yield Finding(
            code=Code.AGENT_SILENT_SOCKET,
            severity=Severity.FAULT,
            sentence="An agent runs, and does not answer.",
            why=f"Process {agent.lock_pid} holds {settings.state_dir}/lock; {settings.socket_path}: {agent.silence}.",
            remedy="If it was just started, wait. Else see its log (journalctl -u holdfast-agent), and restart it.",
        )
    else:
        yield Finding(
            code=Code.AGENT_NOT_RUNNING,
            severity=Severity.FAULT,
            sentence="The agent is not running.",
            why=f"Nobody answers at {settings.socket_path}: {agent.silence}.",
            remedy="systemctl start holdfast-agent; if it ends again, journalctl -u holdfast-agent says why.",
        )
    if agent.others:
        pids = ", ".join(map(str, agent.others))
        yield Finding(
            code=Code.TWO_AGENTS,
            severity=Severity.WARNING,
            sentence="More than one agent runs on this machine.",
            why=f"Also running, with a state directory of their own: process {pids}.",
            remedy="One agent serves all disks of a machine. Stop the others, unless they serve another sidecar.",
        )
    if agent.registry_problem is not None:
        yield Finding(
            code=Code.JOURNAL_UNUSABLE,
            severity=Severity.FAULT,
            sentence="The agent's registry cannot be read.",
            why=agent.registry_problem,
            remedy="Move the file away and restart the agent; volumes are recognised by their identity.",
        )
    if agent.closed:
        yield Finding(
            code=Code.NO_ACCESS,
            severity=Severity.WARNING,
            sentence="You may not read what the agent keeps, so part of this examination is missing.",
            why=f"Closed to you: {', '.join(agent.closed)}.",
            remedy="Ask as root, or as the user that the agent runs as.",
        )
    if not agent.enrolled:
        yield Finding(
            code=Code.NOT_ENROLLED,
            severity=Severity.FAULT,
            sentence="The agent was never enrolled with a sidecar.",
            why="There is no token, and no file to enrol with (enrolment_token_file).",
            remedy="Make a token at the sidecar, with 'holdfast-sidecar tokens create --scope enrol', and give it to"
            " 'holdfast-agent enrol' here.",
        )


def _state(evidence: Evidence) -> Iterator[Finding]:
    state = evidence.state
    if state.problem is not None:
        yield Finding(
            code=Code.STATE_NEARLY_FULL if "space" in state.problem else Code.NO_ACCESS,
            severity=Severity.FAULT if evidence.agent.status is None else Severity.WARNING,
            sentence=f"The state directory {state.path} cannot be used.",
            about=state.path,
            why=state.problem,
            remedy="It must exist, and belong to the agent's user.",
        )
        return
    if state.not_writable is not None or state.foreign:
        files = f"Not its user's: {', '.join(state.foreign)}." if state.foreign else ""
        yield Finding(
            code=Code.STATE_NOT_WRITABLE,
            severity=Severity.FAULT,
            sentence=f"The agent cannot write all of its state in {state.path}.",
            about=state.path,
            why=" ".join(part for part in (state.not_writable, files) if part),
            remedy="Make it writable for the agent's user."
            if state.not_writable
            else f"Somebody else has run the agent, or copied files. chown -R --reference={state.path} {state.path}",
        )
    if state.exposed:
        yield Finding(
            code=Code.STATE_EXPOSED,
            severity=Severity.WARNING,
            sentence="Everybody on this machine may read the agent's token.",
            about=state.path,
            why=f"Open to all: {', '.join(state.exposed)}.",
            remedy=f"chmod -R go-rwx {state.path}",
        )
    if state.free_inodes == 0:
        yield Finding(
            code=Code.STATE_NEARLY_FULL,
            severity=Severity.FAULT,
            sentence="The file system of the agent's state can hold no more files.",
            about=state.path,
            why=f"All inodes are in use at {state.path} (df -i shows it), whatever room there is.",
            remedy="Remove files that are not needed there, or move state_dir.",
        )
    low = max(_FREE_BYTES_MIN, min(int(state.total_bytes * _FREE_SHARE_MIN), 5 * _FREE_BYTES_MIN))
    if state.free_bytes < low:
        full = state.free_bytes < _FREE_BYTES_NONE
        yield Finding(
            code=Code.STATE_NEARLY_FULL,
            severity=Severity.FAULT if full else Severity.WARNING,
            sentence=f"The file system of the agent's state is {'full' if full else 'nearly full'}.",
            about=state.path,
            why=f"{wording.size(state.free_bytes)} of {wording.size(state.total_bytes)} are free at {state.path}.",
            remedy="Make room, or move state_dir: without room the agent can neither remember nor deliver.",
        )


def _journals(evidence: Evidence) -> Iterator[Finding]:
    for journal in evidence.journals:
        if journal.problem is not None:
            yield Finding(
                code=Code.JOURNAL_UNUSABLE,
                severity=Severity.FAULT,
                sentence="A journal cannot be opened.",
                about=journal.path,
                why=f"{journal.path}: {journal.problem}.",
                remedy="Stop the agent, move the file away, start it. A scan makes it anew; nothing is called gone.",
            )


def _workers(evidence: Evidence) -> Iterator[Finding]:
    status = evidence.agent.status
    for reading in () if status is None else status.volumes:
        label = reading.status.label
        if reading.worker_deaths > _DEATHS_MAX:
            yield Finding(
                code=Code.WORKER_RESTARTS,
                severity=Severity.FAULT,
                sentence=f"The worker for {label} ends again and again.",
                about=label,
                why=f"{wording.count(reading.worker_deaths, 'worker')} ended by themselves within the last hour.",
                remedy="journalctl -u holdfast-agent has their last words. Is there enough memory? Else report them.",
            )
        if reading.problem is not None:
            yield Finding(
                code=Code.DELIVERY_STALLED,
                severity=Severity.WARNING,
                sentence=f"What is seen on {label} does not reach the sidecar.",
                about=label,
                why=f"{reading.problem}. {wording.count(reading.status.pending, 'observation')} wait.",
                remedy="It is tried again by itself, and nothing is skipped. If it stays, see the sidecar's log.",
            )


def _kernel(evidence: Evidence) -> Iterator[Finding]:
    host = evidence.host
    if host.recycles_mount_ids:
        yield Finding(
            code=Code.OLD_KERNEL,
            severity=Severity.NOTE,
            sentence=f"This kernel ({host.kernel}) uses mount ids again.",
            why="Before Linux 6.8 the next disk may get the mount id of the last one. The agent therefore reads the"
            " identity anew in every pass, and discards a pass during which anything was mounted.",
            remedy="None is needed. With Linux 6.8 or newer, mounts elsewhere disturb no scan.",
        )
    uses_fuse = any(_is_fuse(one.identity.fs_type) for one in evidence.agent.volumes)
    if host.fusectl is not None and uses_fuse:
        yield Finding(
            code=Code.FUSECTL_MISSING,
            severity=Severity.NOTE,
            sentence="Hung FUSE file systems cannot be looked at without touching them.",
            why=f"/sys/fs/fuse/connections: {host.fusectl}.",
            remedy="mount -t fusectl none /sys/fs/fuse/connections; in a container, pass it in.",
        )
    if any(one.reason is Reason.TWO_WRITERS for one in evidence.agent.volumes) and not evidence.agent.others:
        yield Finding(
            code=Code.TWO_AGENTS,
            severity=Severity.NOTE,
            sentence="The other agent of a volume with two is on another machine.",
            why="No second agent runs here.",
            remedy="GET /api/v1/agents at the sidecar lists all of them.",
        )


def _is_fuse(fs_type: str) -> bool:
    return fs_type.startswith("fuse")

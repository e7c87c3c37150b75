"""One examination: all evidence, gathered within seconds, whatever storage does."""

from __future__ import annotations

import time

from agent.config import AgentConfig
from agent.doctor import host, sidecar
from agent.doctor.evidence import AgentEvidence, Evidence, Look, Settings, StateEvidence
from agent.doctor.looking import look, look_beneath
from agent.linux import rights
from holdfast import __version__, paths
from holdfast.volumes import Reason


def examine(config: AgentConfig, config_path: str) -> Evidence:
    """Ask agent, sidecar and kernel, and look at storage through processes that may hang."""
    settings = Settings(
        path=config_path,
        state_dir=config.state_dir,
        socket_path=config.socket_path,
        sidecar=config.sidecar,
        roots=config.roots,
        watch=config.watch,
    )
    # The state has no business on storage that hangs, and if it is there all the same, we must not hang with it.
    if look([config.state_dir], None)[config.state_dir].hung:
        return _without_state(settings, config)
    user = host.user_of(config.state_dir)
    agent = host.read_agent(
        config.state_dir, config.socket_path, config.token_path, can_enrol=bool(config.enrolment_token_file)
    )
    pid = agent.lock_pid if agent.status is None else agent.status.pid
    return Evidence(
        version=__version__,
        settings=settings,
        now=time.time(),
        agent=agent,
        sidecar=sidecar.ask(
            config.sidecar, host.read_token(config.token_path), config.trust, allow_plain_http=config.allow_plain_http
        ),
        host=host.read_host(pid, user),
        state=host.read_state(config.state_dir),
        journals=host.read_journals(config.state_dir),
        looks=look(_places(agent, config), user, reads_everything=pid is not None and rights.reads_everything(pid)),
        beneath=look_beneath([one.mounted_at for one in agent.volumes if one.mounted_at not in (None, "/")]),
    )


def _places(agent: AgentEvidence, config: AgentConfig) -> list[str]:
    """The host paths to look at: roots, import paths, and where storage that is away was mounted."""
    wanted = [*config.roots, *(path.path for path in agent.import_paths)]
    bare = [one.last_mounted_at for one in agent.volumes if one.mounted_at is None and one.last_mounted_at is not None]
    # What the agent knows to hang need not be waited for once more.
    hung = [one.last_mounted_at for one in agent.volumes if one.reason is Reason.HUNG and one.last_mounted_at]
    return [one for one in (*wanted, *bare) if not any(paths.contains(place.rstrip("/"), one) for place in hung)]


def _without_state(settings: Settings, config: AgentConfig) -> Evidence:
    looks: dict[str, Look] = {}
    return Evidence(
        version=__version__,
        settings=settings,
        now=time.time(),
        agent=AgentEvidence(silence="its state directory does not answer"),
        sidecar=sidecar.ask(config.sidecar, None, config.trust, allow_plain_http=config.allow_plain_http),
        host=host.read_host(None, None),
        state=StateEvidence(path=config.state_dir, problem="It does not answer: it lies on storage that hangs."),
        journals=[],
        looks=looks,
    )

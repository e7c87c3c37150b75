"""Which agents have not been heard from (rule R36).

Hosts' clocks cannot be compared, so nothing here looks at a time that another machine wrote. The observer sees
each agent's count of heartbeats, and measures on its own monotonic clock for how long that count stood still.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pulse:
    """An agent's heartbeat count, and the monotonic time in seconds at which it was first seen."""

    heartbeats: int
    since_s: float


def observe(known: Mapping[bytes, Pulse], counts: Mapping[bytes, int], now_s: float) -> dict[bytes, Pulse]:
    """The pulses after a fresh look at all agents. An agent seen for the first time starts its time now."""
    return {
        agent: known[agent] if agent in known and known[agent].heartbeats == count else Pulse(count, now_s)
        for agent, count in counts.items()
    }


def silent(pulses: Mapping[bytes, Pulse], now_s: float, silent_after_s: float) -> list[bytes]:
    """The agents whose count stood still for that long."""
    return sorted(agent for agent, pulse in pulses.items() if now_s - pulse.since_s >= silent_after_s)

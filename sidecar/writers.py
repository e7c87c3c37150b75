"""Which agent is the writer of a volume (rule R33).

Several agents may see one volume: a disk that is carried from host to host, a container and its host, a share. Each
says in its heartbeats how the volume is *there*. One of them is the writer: its state is what consumers are shown, and
only its reports are taken.
"""

from __future__ import annotations

from collections.abc import Mapping

from holdfast.volumes import VolumeState


def choose(holder: bytes | None, states: Mapping[bytes, VolumeState]) -> bytes:
    """The writer, after somebody has said something new. ``states`` is what each agent says, by its id; silent and
    revoked agents say ``unknown``.

    | the holder says | another says | the writer is |
    | --- | --- | --- |
    | online | anything | the holder: two that see it at once do not take turns |
    | anything else | online | that other agent; of several, the one with the lowest id |
    | anything else | nothing online | the holder: nobody could write anyway |
    | (there is none) | online | as if the holder were not online |
    | (there is none) | nothing online | the agent with the lowest id |

    Idle does not hold: an automount waits at an empty slot just the same while the disk is at work elsewhere.
    """
    if holder is not None and states.get(holder) is VolumeState.ONLINE:
        return holder
    online = [agent for agent, state in states.items() if state is VolumeState.ONLINE]
    if online:
        return min(online)
    return min(states) if holder is None else holder


def raised(fence: int, now: int) -> int:
    """The fence of a new writer. ``now`` is in microseconds.

    It is at least the time in milliseconds, so that a catalog that was set back does not give a fence a second time
    to an agent that has slept since it had it first.
    """
    return max(fence + 1, now // 1000)

"""How often somebody may try to log in. Pure.

Each key, such as an address, has a number of tries that come back one by one (a leaky bucket as a meter, ITU-T I.371).
All that has to be kept of one is the moment at which every try will have come back. So whoever guesses is slowed down,
and the wait never grows beyond the time of one try: nobody is locked out for good.
"""

from __future__ import annotations

from typing import NamedTuple

_S = 1_000_000


class Rate(NamedTuple):
    """``tries`` at once, and one more every ``each_s`` seconds."""

    tries: int
    each_s: int


# A person who has forgotten which of their passwords it was.
PAIR = Rate(tries=6, each_s=60)
# A household behind one address.
ADDRESS = Rate(tries=20, each_s=30)
# Guesses from many addresses at one account. An address from which its owner has logged in is not held to this one.
ACCOUNT = Rate(tries=30, each_s=30)
# Links and tokens have 256 random bits. This bounds the work that is made, not the chance of a guess.
LINK = Rate(tries=30, each_s=10)


def wait_us(full_at: int | None, rate: Rate, now: int) -> int:
    """How long to wait for the next try; 0: it may be now. ``full_at`` is when all tries will have come back."""
    if full_at is None:
        return 0
    spent = full_at - now
    return max(0, spent - (rate.tries - 1) * rate.each_s * _S)


def after_try(full_at: int | None, rate: Rate, now: int) -> int:
    """When all tries will have come back, after one more."""
    return max(full_at or now, now) + rate.each_s * _S

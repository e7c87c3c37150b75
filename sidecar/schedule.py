"""When a schedule falls due: a cron expression on the clock of a time zone.

What people write means the clock on their wall, which skips an hour in spring and shows one twice in autumn. It goes
as Debian's cron does it:

| the clock on the wall | a fixed time, such as 30 2 * * *      | a step, such as */30 * * * * |
| --------------------- | ------------------------------------- | ---------------------------- |
| leaves an hour out    | once, as soon as that hour is over    | goes by the time that passes |
| shows an hour twice   | once, the first time                  | goes by the time that passes |
"""

from __future__ import annotations

import zoneinfo
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache

from cronsim import CronSim, CronSimError

OFF = "off"
EXPRESSION_CHARS_MAX = 128
ZONE_CHARS_MAX = 64
_FIELDS = 5
# The one key of the time zone database that means something else on every host.
_OF_THE_HOST = "localtime"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Any day will do: what never comes within fifty years of it never comes.
_SOME_DAY_US = 0


def problem(expression: str) -> str | None:
    """What is wrong with a schedule, in a sentence; None when it can be followed."""
    if expression == OFF:
        return None
    if len(expression) > EXPRESSION_CHARS_MAX or len(expression.split()) != _FIELDS:
        return (
            "This is a cron expression of five fields (minute, hour, day of the month, month, day of the week), or"
            f" '{OFF}'; '0 0 * * *', every midnight, is the default."
        )
    try:
        due = due_after(expression, "UTC", _SOME_DAY_US)
    except CronSimError as error:
        return f"This is no cron expression: {str(error).lower()}. The default is '0 0 * * *', every midnight."
    return "This day never comes. The default is '0 0 * * *', every midnight." if due is None else None


def zone_problem(name: str) -> str | None:
    """What is wrong with a time zone, in a sentence; None when it is known."""
    known = len(name) <= ZONE_CHARS_MAX and name != _OF_THE_HOST and name in zoneinfo.available_timezones()
    return None if known else "This is the name of a time zone, such as Europe/Berlin; UTC is the default."


@lru_cache(maxsize=16)
def due_after(expression: str, time_zone: str, since_us: int) -> int | None:
    """When a schedule falls due next after a moment, in microseconds since 1970; None: never."""
    if expression == OFF:
        return None
    since = _EPOCH + timedelta(microseconds=since_us)
    # Within an hour that comes twice, what was due the first time is offered again.
    later = (one for one in CronSim(expression, since.astimezone(_zone(time_zone))) if one > since)
    due = next(later, None)
    return None if due is None else (due - _EPOCH) // timedelta(microseconds=1)


def _zone(name: str) -> tzinfo:
    """A time zone that was known when it was set. Names go out of use, if rarely; then the night comes at another
    hour, which is better than never."""
    try:
        return zoneinfo.ZoneInfo(name)
    except zoneinfo.ZoneInfoNotFoundError:
        return UTC

"""Times of the catalog as JSON shows them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(at_us: int) -> datetime:
    """A time of the catalog. A file may claim any time at all; what no calendar has becomes its end."""
    try:
        return _EPOCH + timedelta(microseconds=at_us)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC) if at_us > 0 else datetime.min.replace(tzinfo=UTC)


def moment_or_none(at_us: int | None) -> datetime | None:
    """A time of the catalog that may not have come."""
    return None if at_us is None else moment(at_us)

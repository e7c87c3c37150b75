"""The tables of people: accounts, where they are logged in, links that make accounts, and tries to get in."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Table

from sidecar.accounts import ROLES
from sidecar.catalog import columns as c
from sidecar.catalog.tables.schema import ENGINES, metadata, one_of

account = Table(
    "account",
    metadata,
    Column("id", c.identifier(), primary_key=True),
    # In its one spelling, see ``sidecar.accounts``.
    Column("name", c.line(64), nullable=False, unique=True),
    Column("role", c.word(), nullable=False),
    Column("password", c.line(255), nullable=False),
    Column("created_at", c.moment(), nullable=False),
    Column("used_at", c.moment()),
    one_of("role", ROLES),
    **ENGINES,
)

# Where somebody is logged in. It stays for a while after its end: an address that is known is trusted with more tries.
web_session = Table(
    "web_session",
    metadata,
    Column("digest", c.fixed(32), primary_key=True),
    Column("account_id", c.identifier(), ForeignKey("account.id"), nullable=False),
    Column("address", c.line(64), nullable=False),
    Column("browser", c.line(255), nullable=False),
    Column("made_at", c.moment(), nullable=False),
    Column("seen_at", c.moment(), nullable=False),
    Column("ended_at", c.moment()),
    Index("ix_web_session_account_id", "account_id"),
    **ENGINES,
)

# Links by which an account can be made, each once.
setup_link = Table(
    "setup_link",
    metadata,
    Column("digest", c.fixed(32), primary_key=True),
    Column("role", c.word(), nullable=False),
    Column("expires_at", c.moment(), nullable=False),
    one_of("role", ROLES),
    **ENGINES,
)

# Tries to get in, see ``sidecar.throttle``.
attempt = Table(
    "attempt",
    metadata,
    Column("key_digest", c.fixed(32), primary_key=True),
    Column("full_at", c.moment(), nullable=False),
    Index("ix_attempt_full_at", "full_at"),
    **ENGINES,
)

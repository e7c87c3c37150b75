"""Everything that can go wrong in the sidecar, drawn once.

SidecarError
├── ConfigError            the configuration cannot work; the text names the key
├── CatalogError
│   ├── CatalogDamaged       the database finds its own files in disorder
│   ├── CatalogUnavailable   the database does not answer, or stayed too busy; later it will
│   ├── MigrationBrokenOff   the database refused a step on the way to another version of the schema
│   └── SchemaMismatch       the database has another version of the schema than this program
└── Refused                a request that is refused, with the problem that is sent back
"""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.problems import PlacedError
from holdfast.settings_file import ConfigProblem


class SidecarError(Exception):
    """The root of the tree."""


class ConfigError(SidecarError):
    """The configuration cannot work. The text says which key, and what to do; ``problems`` says it of every mistake,
    where it is one of the file, of the environment or of an option."""

    def __init__(self, text: str, problems: Sequence[ConfigProblem] = ()) -> None:
        super().__init__(text)
        self.problems = list(problems)


class CatalogError(SidecarError):
    """Something about the database."""


class CatalogUnavailable(CatalogError):
    """The database does not answer, or a transaction lost every try. The text is for the log, ``said`` for whoever
    asked, and ``retry_after_s`` is when to come back."""

    def __init__(
        self,
        text: str,
        *,
        said: str = "The database does not answer or is too busy. Try again in a moment.",
        retry_after_s: int = 5,
    ) -> None:
        super().__init__(text)
        self.said = said
        self.retry_after_s = retry_after_s


class CatalogDamaged(CatalogError):
    """The database finds its own files in disorder. The text says what to do."""


class MigrationBrokenOff(CatalogError):
    """The database refused a step on the way to another version of the schema. The text says what to do."""


class SchemaMismatch(CatalogError):
    """The database has another version of the schema than this program understands."""


class Refused(SidecarError):
    """A request that is refused. ``code`` names the kind of problem, see ``sidecar.api.problems``.

    ``expected`` is the sequence number that a stream wants next, for ``sequence-mismatch`` only; ``digest`` that of a
    hold as it is now, in hexadecimal, for ``hold-changed`` only; ``existing`` the id of what is in the way;
    ``retry_after_s`` is how long to wait before the next try.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        errors: list[PlacedError] | None = None,
        expected: int | None = None,
        digest: str | None = None,
        existing: str | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.errors = errors or []
        self.expected = expected
        self.digest = digest
        self.existing = existing
        self.retry_after_s = retry_after_s

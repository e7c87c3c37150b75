"""``python -m tools.manual``: write all of it; with ``--check``, only say what is not up to date."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from tools.manual import markdown, roff, shells
from tools.manual.pages import PAGES
from tools.manual.reading import read

TOP = Path(__file__).resolve().parents[2]


def manual() -> Iterator[tuple[str, str]]:
    """Every file of the manual, by its path in the repository, and its text."""
    for page in PAGES:
        yield f"docs/man/{page.name}.{page.section}", roff.page(page, *read(page.program))
        yield from ((f"packaging/completions/{place}", text) for place, text in shells.completions(page))
    yield "docs/commands.md", markdown.document(PAGES)


def stale() -> list[str]:
    """The files that are not as the commands are now."""
    return [name for name, text in manual() if _text_of(TOP / name) != text]


def _text_of(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; exit status 1 when something is not up to date.")
def main(check: bool) -> None:
    """Make man pages, docs/commands.md and completions from the commands."""
    if check:
        if names := stale():
            raise click.ClickException(f"not up to date, run `make manual`: {', '.join(names)}")
        return
    for name, text in manual():
        (TOP / name).parent.mkdir(parents=True, exist_ok=True)
        (TOP / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

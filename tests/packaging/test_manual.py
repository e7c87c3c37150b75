"""Man pages, docs/commands.md and completions: made from the commands, up to date, and good to those who read them."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from holdfast import console
from holdfast.exits import Exit
from tests.needs import needs
from tools.manual import roff
from tools.manual.__main__ import TOP, manual, stale
from tools.manual.pages import PAGES, Page
from tools.manual.reading import Verb, read

PAGE_FILES = sorted((TOP / "docs/man").glob("*.[18]"))
COMPLETIONS = TOP / "packaging/completions"
VERBS = [verb for page in PAGES for verb in read(page.program)[1]]


def run(*command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment or None)


def test_what_is_in_the_repository_is_what_the_commands_say() -> None:
    assert stale() == [], "run `make manual`"
    made = {name for name, _ in manual()}
    there = {
        str(path.relative_to(TOP)) for place in ("docs/man", "packaging/completions") for path in files(TOP / place)
    }
    assert there <= made, "left over from a command that is no more"


def files(place: Path) -> list[Path]:
    return [path for path in place.rglob("*") if path.is_file()]


@pytest.mark.parametrize("page", PAGE_FILES, ids=lambda path: path.name)
class TestManPages:
    def test_groff_finds_nothing(self, page: Path) -> None:
        needs(shutil.which("groff"), "needs groff")
        done = run("groff", "-man", "-ww", "-z", page)
        assert (done.returncode, done.stderr) == (0, "")

    def test_mandoc_finds_nothing_but_that_there_is_no_date(self, page: Path) -> None:
        needs(shutil.which("mandoc"), "needs mandoc")
        found = run("mandoc", "-Tlint", page).stdout.splitlines()
        assert [line for line in found if "missing date" not in line] == []


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_every_verb_says_what_it_is_for_with_all_its_options(verb: Verb) -> None:
    assert re.fullmatch(r"[A-Z].*\.", verb.summary), "a sentence"
    for name, text in verb.options:
        assert re.search(r"\.(  \[|$)", text), f"{name}: a sentence, perhaps with its default"
    group = verb.name.split()[1]
    of_its_group = [one for one in VERBS if one.name.split()[:2] == verb.name.split()[:2]]
    assert any(one.examples for one in of_its_group), f"an example of {group}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_help_and_man_page_tell_every_exit_status(page: Page) -> None:
    told = click.Context(page.program, info_name=page.name).get_help()
    itself, verbs = read(page.program)
    written = roff.page(page, itself, verbs)
    for status in Exit:
        assert re.search(rf"^  {int(status)} +\S", told, re.MULTILINE)
        assert f".B {int(status)}\n" in written


def test_a_verb_that_comes_later_is_taken_up_with_its_group() -> None:
    @click.group(cls=console.Program, name="holdfast-new")
    def program() -> None:
        """Something new."""

    @click.group()
    def users() -> None:
        """People."""

    @users.command(epilog="\b\nExamples:\n  holdfast-new users add anna\n      somebody")
    @click.argument("name")
    @click.option("--role", help="What .they may do\\n.")
    def add(name: str, role: str) -> None:
        """Add one.

        \b
        as it
          stands
        .so x
        """

    program.add_command(users)
    itself, verbs = read(program)
    assert [verb.name for verb in verbs] == ["holdfast-new users", "holdfast-new users add"]
    added = verbs[1]
    assert added.usage == "[OPTIONS] NAME"
    assert added.examples[0].why == "somebody"
    assert ("--no-color", console.NO_COLOR_HELP) in added.options
    text = roff.page(PAGES[0], itself, verbs)
    assert "\n.nf\nas it\n  stands\n\\&.so x\n.fi\n" in text, "and troff obeys nothing of it"
    assert "What .they may do\\en." in text


class TestCompletions:
    @pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
    def test_the_shell_understands_them(self, shell: str) -> None:
        needs(shutil.which(shell), f"needs {shell}")
        scripts = files(COMPLETIONS / shell)
        assert len(scripts) == len(PAGES)
        for script in scripts:
            done = run(shell, "--no-execute" if shell == "fish" else "-n", script)
            assert (done.returncode, done.stderr) == (0, ""), script

    def test_bash_completes_verbs_and_options(self, tmp_path: Path) -> None:
        assert self.completed(tmp_path, "holdfast-agent", "sta") == ["status"]
        assert self.completed(tmp_path, "holdfast-agent", "doctor", "--j") == ["--json"]
        assert self.completed(tmp_path, "holdfast-sidecar", "tokens", "create", "--scope", "a") == ["admin"]

    def test_fish_completes_verbs_with_what_they_are_for(self, tmp_path: Path) -> None:
        needs(shutil.which("fish"), "needs fish")
        self.install(tmp_path, "holdfast-agent")
        script = f'source "{COMPLETIONS}/fish/holdfast-agent.fish"; complete -C "holdfast-agent sta"'
        done = run("fish", "--no-config", "-c", script, PATH=f"{tmp_path}:/usr/bin:/bin", HOME=str(tmp_path))
        # What stands behind a comma is lost on the way: click's own script splits there.
        assert done.stdout == "status\tShow every volume\n"

    def test_zsh_completes_verbs_and_options_as_often_as_it_is_asked(self, tmp_path: Path) -> None:
        """In a terminal of its own, with the keys that people press; ^X shows what stands there."""
        needs(shutil.which("zsh"), "needs zsh")
        self.install(tmp_path, "holdfast-agent")
        setting_up = (
            f"PS1=; fpath=({COMPLETIONS}/zsh $fpath); path=({tmp_path} $path); autoload -Uz compinit; compinit -D -u;"
            ' show() { print -r -- "<$BUFFER>" }; zle -N show; bindkey ^X show; print "<rea""dy>"'
        )
        typed = [
            "holdfast-agent sta",
            "holdfast-agent doctor --js",
            "holdfast-agent scan --vol",
            "holdfast-agent scan --js",
        ]
        script = [
            "zmodload zsh/zpty",
            "zpty z zsh -f -i",
            f"zpty -w z {shlex.quote(setting_up)}",
            "zpty -r z out '*<ready>*'",
        ]
        for text in typed:
            script += [
                f"zpty -w -n z '{text}'$'\\t\\x18'",
                "zpty -r z out '*<*>*'",
                'print -r -- "${${out##*<}%%>*}"',
                "zpty -w -n z $'\\x15'",
            ]
        done = run("zsh", "-f", "-c", "\n".join(script), PATH="/usr/bin:/bin", HOME=str(tmp_path), TERM="dumb")
        assert done.stdout.splitlines() == [
            "holdfast-agent status ",
            "holdfast-agent doctor --json ",
            "holdfast-agent scan --volume ",
            "holdfast-agent scan --js",
        ]

    def install(self, place: Path, name: str) -> None:
        module = {"holdfast-agent": "agent.cli", "holdfast-sidecar": "sidecar.cli"}[name]
        program = place / name
        program.write_text(f'#!/bin/sh\ncd {TOP} && exec {sys.executable} -m {module} "$@"\n')
        program.chmod(0o755)

    def completed(self, place: Path, *words: str) -> list[str]:
        name = words[0]
        self.install(place, name)
        function = f"_{name.replace('-', '_')}_completion"
        script = (
            f'. "{COMPLETIONS}/bash/{name}"; COMP_WORDS=({" ".join(words)}); COMP_CWORD={len(words) - 1};'
            f' {function} {name}; printf "%s\\n" "${{COMPREPLY[@]}}"'
        )
        done = run("bash", "-c", script, PATH=f"{place}:/usr/bin:/bin")
        assert done.stderr == ""
        return done.stdout.split()

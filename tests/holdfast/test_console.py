"""What all three commands share: exit statuses, colours, JSON, and names that a terminal would obey."""

from __future__ import annotations

import io
import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

import agent.cli
import holdfast.up
import sidecar.cli
from holdfast import __version__, console
from holdfast.exits import Exit

PROGRAMS = [agent.cli.main, sidecar.cli.main, holdfast.up.main]
# What a terminal obeys, as a name may hold it: clear the screen, the same in one character, turn the direction.
EVIL = "\x1b[2J \x9b2J \x7f \u202e \U000e0001 \udcff"


@pytest.fixture
def program() -> console.Program:
    @click.group(cls=console.Program, name="holdfast-test")
    def main() -> None:
        """A command."""

    @main.command()
    def ask() -> None:
        """Ask."""
        click.confirm("Is that so?", abort=True)

    @main.command("break")
    def break_() -> None:
        """Break."""
        raise ZeroDivisionError

    @main.command()
    def fail() -> None:
        """Fail."""
        console.end(EVIL, Exit.TRY_AGAIN)

    @main.command()
    @console.json_option(dict)
    def tell(as_json: bool) -> None:
        """Tell."""
        if as_json:
            console.print_json({"name": EVIL.encode("utf-16", "surrogatepass").decode("utf-16", "replace")})
        else:
            click.echo(click.style("told", fg="red"))

    return main


@pytest.mark.parametrize("main", PROGRAMS, ids=lambda main: main.name)
@pytest.mark.parametrize("arguments", [["nonsense"], ["--nonsense"], ["--no-color", "nonsense", "--json"]])
def test_what_cannot_be_understood_is_wrong_usage(main: click.Group, arguments: list[str]) -> None:
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == Exit.USAGE
    assert done.stdout == ""
    assert "--help" in done.stderr


@pytest.mark.parametrize("main", PROGRAMS, ids=lambda main: main.name)
def test_they_tell_their_version_alike(main: click.Group) -> None:
    assert CliRunner().invoke(main, ["--version"]).output == f"{main.name} {__version__}\n"


def test_no_is_an_answer(program: console.Program) -> None:
    done = CliRunner().invoke(program, ["ask"], input="n\n")
    assert (done.exit_code, done.stderr.splitlines()[-1]) == (Exit.NO, "Nothing was done.")


def test_a_sentence_on_standard_error_is_harmless(program: console.Program) -> None:
    done = CliRunner().invoke(program, ["fail"])
    assert done.exit_code == Exit.TRY_AGAIN
    assert done.stderr.rstrip("\n").isprintable()
    wrong = CliRunner().invoke(program, [EVIL.replace("\udcff", "")])
    assert wrong.stderr.replace("\n", "").isprintable()


def test_a_fault_of_the_program_is_no_answer(program: console.Program) -> None:
    done = CliRunner().invoke(program, ["break"])
    assert done.exit_code == Exit.SOFTWARE
    assert "ZeroDivisionError" in done.stderr


def test_json_is_harmless_and_says_the_same(program: console.Program) -> None:
    done = CliRunner().invoke(program, ["tell", "--json"])
    assert done.stdout.replace("\n", "").isprintable()
    assert json.loads(done.stdout)["name"].startswith(EVIL.removesuffix("\udcff"))


@pytest.mark.parametrize(
    ("arguments", "environment", "coloured"),
    [
        ([], {}, True),
        (["--no-color"], {}, False),
        ([], {"NO_COLOR": "1"}, False),
        ([], {"NO_COLOR": ""}, True),
        ([], {"CLICOLOR": "0"}, False),
        ([], {"TERM": "dumb"}, False),
    ],
)
def test_colours_are_for_terminals_that_want_them(
    arguments: list[str], environment: dict[str, str], coloured: bool
) -> None:
    """With a real terminal, and the real command: a doctor without a configuration has a fault to show."""
    shown = b"".join(on_a_terminal(["doctor", "--config", "/nowhere", *arguments], environment))
    assert b"agent-s configuration" in shown.replace(b"'", b"-")
    assert (b"\x1b[" in shown) is coloured


def test_nothing_makes_colours_appear_in_a_pipe() -> None:
    environment = {**os.environ, "CLICOLOR_FORCE": "1", "FORCE_COLOR": "1"}
    command = [sys.executable, "-m", "agent.cli", "doctor", "--config", "/nowhere"]
    done = subprocess.run(command, capture_output=True, check=False, env=environment)
    assert done.returncode == Exit.NO
    assert b"\x1b" not in done.stdout


def test_a_reader_that_stops_reading_is_no_fault() -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "sidecar.cli", "openapi"], stdout=write, stderr=subprocess.PIPE, check=False
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (0, b"")


def test_ctrl_c_ends_it_by_the_signal_as_a_shell_expects() -> None:
    program = (
        "import os, signal, click\n"
        "from holdfast import console\n"
        # What a shell starts in the background ignores it, and so would everything started from there.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "@click.group(cls=console.Program, name='holdfast-test')\n"
        "def main(): pass\n"
        "@main.command()\n"
        "def wait():\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    signal.pause()\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", program, "wait"], capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (-signal.SIGINT, b"")
    assert b"Traceback" not in done.stderr


def on_a_terminal(arguments: list[str], environment: dict[str, str]) -> Iterator[bytes]:
    without = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "CLICOLOR")}
    parent, child = pty.openpty()
    command = [sys.executable, "-m", "agent.cli", *arguments]
    process = subprocess.Popen(command, stdout=child, stderr=child, env={**without, "TERM": "xterm", **environment})
    os.close(child)
    with io.FileIO(parent) as terminal:
        while True:
            try:
                yield terminal.read(65536) or b""
            except OSError:  # so Linux says that the other side is closed
                break
    assert process.wait() == Exit.NO

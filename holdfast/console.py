"""What the three commands share: how they end, when they use colours, how they print JSON, and what their help shows.

Everything that is printed may hold names from storage, and a name may hold sequences that a terminal obeys. Text goes
through :func:`holdfast.wording.shown`, JSON through :func:`print_json`, errors through :func:`end`.
"""

from __future__ import annotations

import errno
import inspect
import os
import signal
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn, TextIO, TypeVar

import click
import msgspec

from holdfast import __version__, wording
from holdfast.exits import Exit

F = TypeVar("F", bound=Callable[..., Any])

NO_COLOR_HELP = "Use no colours. They are used on a terminal only, and not when NO_COLOR is set."


def wants_colour(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Only on a terminal, unless NO_COLOR (no-color.org) is set to anything, CLICOLOR is 0, or the terminal is dumb.
    Nothing makes colours appear in a pipe or a file."""
    refused = environment.get("NO_COLOR") or environment.get("CLICOLOR") == "0" or environment.get("TERM") == "dumb"
    return stream.isatty() and not refused


class JsonOption(click.Option):
    """``--json``. ``shape`` is the struct, or the list of structs, that is printed."""

    def __init__(self, names: Sequence[str], *, shape: Any = None, **settings: Any) -> None:
        super().__init__(names, **settings)
        self.shape = shape


class Verbs(click.Group):
    """Verbs that belong together. Its help tells what each is for, to the end of the sentence."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The verbs, each with its first paragraph."""
        shown = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        rows = [(name, _summary(verb)) for name, verb in shown if verb is not None and not verb.hidden]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


class Program(Verbs):
    """One of the three commands. It ends with the statuses of :class:`Exit`, and every verb has ``--no-color``."""

    def __init__(self, *names: Any, **settings: Any) -> None:
        settings.setdefault("context_settings", {"help_option_names": ["-h", "--help"], "max_content_width": 110})
        super().__init__(*names, **settings)
        self.params += [_version(), _no_color()]

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        """Add a verb, or a group of them."""
        super().add_command(cmd, name)
        _equip(cmd)

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Likewise of click; colours are decided on here, for all verbs."""
        extra.setdefault("color", None if wants_colour(sys.stdout, os.environ) else False)
        return super().make_context(info_name, args, parent, **extra)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The exit statuses stand below the verbs."""
        super().format_epilog(ctx, formatter)
        with formatter.section("Exit status"):
            formatter.write_dl([(str(int(one)), one.meaning) for one in Exit])

    def main(self, *arguments: Any, **extra: Any) -> Any:
        """Run it, and end the process with one of the statuses of :class:`Exit`."""
        if not extra.pop("standalone_mode", True):
            return super().main(*arguments, standalone_mode=False, **extra)  # type: ignore[call-overload]
        try:
            done = super().main(*arguments, standalone_mode=False, **extra)  # type: ignore[call-overload]
        except click.UsageError as error:
            _tell_usage(error)
            sys.exit(Exit.USAGE)
        except click.ClickException as error:
            click.echo(wording.shown(error.format_message()), err=True)
            sys.exit(Exit.NO_INPUT if isinstance(error, click.FileError) else error.exit_code)
        except click.Abort as error:
            if isinstance(error.__cause__, KeyboardInterrupt):
                # Ended by the signal, as a shell must see it to end a loop around it.
                signal.signal(signal.SIGINT, signal.SIG_DFL)
                os.kill(os.getpid(), signal.SIGINT)
            click.echo("Nothing was done.", err=True)
            sys.exit(Exit.NO)
        except Exception:  # noqa: BLE001 - a fault of our own must not end with 1, which is an answer
            traceback.print_exc()
            sys.exit(Exit.SOFTWARE)
        sys.exit(done if isinstance(done, int) else Exit.DONE)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a verb. Whoever reads may stop reading, as with ``| head``."""
        try:
            return super().invoke(ctx)
        except OSError as error:
            if error.errno != errno.EPIPE:
                raise
            # Python must not try to flush into the pipe once more.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return Exit.DONE


def json_option(shape: Any) -> Callable[[F], F]:
    """The option ``--json`` of a verb that prints this struct, or a list of it (``list[…]``)."""
    text = "Print JSON, and nothing else, for programs."
    return click.option("--json", "as_json", cls=JsonOption, is_flag=True, shape=shape, help=text)


def examples(*lines: tuple[str, str] | str) -> str:
    """The epilog of a verb: what one types, each with what it is for, if that needs saying."""
    pairs = [(one, "") if isinstance(one, str) else one for one in lines]
    told = [f"  {typed}" if not why else f"  {typed}\n      {why}" for typed, why in pairs]
    return "\n".join(["\b", "Examples:", *told])


def print_json(value: object) -> None:
    """Print a struct, or a list of them, as one JSON document. A terminal obeys nothing in it: what is not printable
    is escaped, also where JSON would not ask for it (DEL, the controls above it, marks that turn the direction)."""
    click.echo(_printable(msgspec.json.format(msgspec.json.encode(value), indent=2).decode()), color=False)


def end(sentence: str, status: int) -> NoReturn:
    """Say one sentence on standard error, and end."""
    click.echo(wording.shown(sentence), err=True)
    raise SystemExit(status)


def columns() -> int:
    """How wide the terminal is; 80 where there is none."""
    return os.get_terminal_size().columns if sys.stdout.isatty() else 80


def _printable(document: str) -> str:
    if document.isprintable():
        return document
    return "".join(char if char == "\n" or char.isprintable() else _escaped(char) for char in document)


def _escaped(char: str) -> str:
    """Such a character stands in strings only, where JSON lets everything be written by its number in UTF-16."""
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))


def _tell_usage(error: click.UsageError) -> None:
    if error.ctx is not None:
        hint = (
            f"Try '{error.ctx.command_path} --help' for help." if error.ctx.command.get_help_option(error.ctx) else ""
        )
        click.echo(f"{error.ctx.get_usage()}\n{hint}\n", err=True)
    click.echo(f"Error: {wording.shown(error.format_message())}", err=True)


def _summary(command: click.Command) -> str:
    return " ".join(inspect.cleandoc(command.help or "").partition("\n\n")[0].split())


def _equip(command: click.Command) -> None:
    if isinstance(command, click.Group):
        for verb in command.commands.values():
            _equip(verb)
    if not any("--no-color" in option.opts for option in command.params):
        command.params.append(_no_color())


def _no_color() -> click.Option:
    def refuse(context: click.Context, _option: click.Parameter, value: bool) -> None:
        if value:
            context.color = False

    return click.Option(
        ["--no-color"], is_flag=True, expose_value=False, is_eager=True, callback=refuse, help=NO_COLOR_HELP
    )


def _version() -> click.Option:
    def tell(context: click.Context, _option: click.Parameter, value: bool) -> None:
        if value:
            click.echo(f"{context.command.name} {__version__}")
            context.exit()

    return click.Option(
        ["--version"], is_flag=True, expose_value=False, is_eager=True, callback=tell, help="Print the version."
    )

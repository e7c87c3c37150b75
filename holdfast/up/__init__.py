"""``holdfast up``: both parts on one machine, with one command and nothing to configure.

Start with ``session``, which is one run from start to end. ``checks`` refuses what cannot work before anything is
started; ``processes`` and ``launch`` run the parts; ``catalog`` and ``follow`` speak with the sidecar.
``progress``, ``events``, ``narrate``, ``folders``, ``summary`` and ``restarts`` decide what is said
and done, and are pure.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from holdfast import console, wording
from holdfast.exits import Exit
from holdfast.up import checks
from holdfast.up.catalog import CatalogError
from holdfast.up.home import Home, default_directory
from holdfast.up.refusals import Refusal, Refused
from holdfast.up.session import Plan, Session, Stopped
from holdfast.up.terminal import Screen


@click.group(
    cls=console.Program,
    name="holdfast",
    epilog=console.examples(("holdfast up ~/Pictures", "both parts, on this machine, for these photos")),
)
def main() -> None:
    """Holdfast tells photo servers the truth about their storage.

    A disk that is away is never mistaken for photos that are gone. This command runs both parts on one machine, to try
    it out; as services they are holdfast-agent(8) and holdfast-sidecar(8).
    """


@main.command(
    epilog=console.examples(
        "holdfast up /mnt/usb/photos",
        ("holdfast up", "again, the folders of before"),
        ("holdfast up --listen 0.0.0.0:8765 /mnt/nas", "for a photo server on another machine; mind who can reach it"),
    )
)
@click.argument("paths", nargs=-1, metavar="PATH...", type=click.Path())
@click.option("--state", metavar="DIR", type=click.Path(), help="Where catalog, journals, tokens and logs are kept.")
@click.option("--listen", metavar="HOST:PORT", default="127.0.0.1:8765", show_default=True, help="The API's address.")
@click.option(
    "--database",
    metavar="URL",
    envvar="HOLDFAST_DATABASE",
    show_envvar=True,
    help="The catalog's database; SQLite in the state directory by default.",
)
@click.option("--quiet", is_flag=True, help="Say only what is wrong.")
def up(paths: tuple[str, ...], state: str | None, listen: str, database: str | None, quiet: bool) -> None:
    """Look after the photos below each PATH: start both parts, scan, and tell what happens.

    Folders of earlier runs with the same state directory are looked after too; without any PATH, only these. It runs
    until Ctrl-C or SIGTERM, and the same command goes on where it left off.
    """
    home = Home(os.path.abspath(os.path.expanduser(state)) if state else default_directory(os.environ))
    screen = Screen(quiet=quiet, colour=click.get_current_context().color)
    sys.exit(_run(paths, home, listen, database, screen))


def _run(paths: Sequence[str], home: Home, listen: str, database: str | None, screen: Screen) -> int:
    try:
        given = _given(paths, home)
        _refuse_if(checks.state(home.directory))
        with home:
            session = Session(_plan(given, home, listen, database), home, screen)
            try:
                session.run()
            finally:
                session.close()
    except Stopped:
        screen.say("Stopped. The same command goes on where this left off.")
    except Refused as outcome:
        screen.erase()
        for line in outcome.refusal.sentence.splitlines():
            click.echo(wording.shown(line), err=True)
        return outcome.refusal.status
    except CatalogError as error:
        screen.erase()
        click.echo(wording.shown(f"Something the sidecar was asked went wrong: {error}. See {home.logs}."), err=True)
        return Exit.SOFTWARE
    except BrokenPipeError:
        # Nobody reads any more, as with `| head`; Python must not try to flush into the pipe once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _given(paths: Sequence[str], home: Home) -> list[str]:
    """The folders on the command line, by their real names: the agent follows no symbolic links."""
    known = home.known_folders()
    given = list(dict.fromkeys(os.path.realpath(os.path.expanduser(path)) for path in paths))
    if not given and not known:
        raise Refused(Refusal(Exit.USAGE, "Name the folder that holds the photos: holdfast up /path/to/photos"))
    for folder in given:
        if folder not in known:  # the storage of a known one may be away: that is what all this is for
            _refuse_if(checks.photos(folder))
    _refuse_if(checks.state_outside(home.directory, given))
    return given


def _plan(given: list[str], home: Home, listen: str, database: str | None) -> Plan:
    """Check the rest of what can be checked before anything is started."""
    address = checks.parse_listen(listen)
    if isinstance(address, Refusal):
        raise Refused(address)
    url = database or f"sqlite:///{home.directory}/catalog.sqlite3"
    _refuse_if(checks.packages(url))
    _refuse_if(checks.database(url))
    _refuse_if(checks.port(address))
    _refuse_if(home.adopt(checks.without_password(url)))
    known = home.known_folders()
    plain = [folder for folder in given if folder not in known and checks.is_on_system_disk(folder)]
    return Plan(given=given, plain=plain, listen=address, database=url)


def _refuse_if(refusal: Refusal | None) -> None:
    if refusal is not None:
        raise Refused(refusal)

"""Completions for bash, zsh and fish. A completion asks the command itself, so it knows every verb there is."""

from __future__ import annotations

from collections.abc import Iterator

from click.shell_completion import get_completion_class

from tools.manual.pages import Page

# When zsh has found the script by itself, the script is a function. Click's asks whether it has just been loaded, which
# is true of the first completion in a shell only: the second one does nothing.
_ZSH_LOADED, _ZSH_CALLED = "[[ $zsh_eval_context[-1] == loadautofunc ]]", "[[ $funcstack[1] == _{name} ]]"
# Where each shell looks for a command's completion, below a directory of its own.
_PLACES = {"bash": "bash/{name}", "zsh": "zsh/_{name}", "fish": "fish/{name}.fish"}


def completions(page: Page) -> Iterator[tuple[str, str]]:
    """The completion scripts of a command: where each belongs, and its text."""
    for shell, place in _PLACES.items():
        kind = get_completion_class(shell)
        if kind is None:
            raise ValueError(f"bug: click knows no shell {shell}")
        variable = f"_{page.name.replace('-', '_').upper()}_COMPLETE"
        script = kind(page.program, {}, page.name, variable)
        # Not source(): that of bash asks the shell of this machine for its version first.
        text = script.source_template % script.source_vars()
        if shell == "zsh":
            if _ZSH_LOADED not in text:
                raise ValueError("bug: click's script for zsh is another one by now")
            text = text.replace(_ZSH_LOADED, _ZSH_CALLED.format(name=page.name))
        yield place.format(name=page.name), text.strip() + "\n"

"""The manual: man pages, docs/commands.md and shell completions, all made from the commands themselves.

``reading`` takes a command apart, ``roff`` and ``markdown`` write it down, ``shapes`` tells what ``--json`` prints,
``shells`` makes the completions, and ``pages`` says which page there is of what. ``make manual`` writes all of it.
"""

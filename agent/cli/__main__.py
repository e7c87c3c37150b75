"""``python -m agent.cli``."""

from agent.cli import main

main(prog_name="holdfast-agent")

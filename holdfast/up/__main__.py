"""``python -m holdfast.up``."""

from holdfast.up import main

main(prog_name="holdfast")

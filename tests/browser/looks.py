"""Looking at a page: what a screen reader would stumble over, what does not fit, and pictures for the documentation."""

from __future__ import annotations

import io
import os
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page

AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text(encoding="utf-8")
IMAGES = Path(__file__).parent.parent.parent / "docs" / "images"
# Set it to have the pictures of the documentation taken anew.
PICTURES = "HOLDFAST_PICTURES"
# Plenty for flat colours, and a third of the bytes.
_COLOURS = 128


def violations(page: Page) -> list[str]:
    """What axe finds wrong with a page."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    return [f"{one['id']}: {node['html']} {node['failureSummary']}" for one in found for node in one["nodes"]]


def does_not_fit(page: Page) -> int:
    """By how many pixels a page is wider than its window."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


def picture(page: Page, name: str) -> None:
    """Take a picture for the documentation, if that is asked for."""
    if not os.environ.get(PICTURES):
        return
    IMAGES.mkdir(exist_ok=True)
    taken = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    taken.quantize(_COLOURS, dither=Image.Dither.NONE).save(IMAGES / f"{name}.png", optimize=True)

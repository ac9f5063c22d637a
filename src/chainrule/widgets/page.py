"""How a figure comes alive in a page without a kernel: the script, the style, and a page of its own.

A module cannot be loaded by its address where a page is opened from disk, so the page gets a classic
script that carries the module's source and imports it from a Blob.
"""

import json
from html import escape
from pathlib import Path

HERE = Path(__file__).parent
MODULE, STYLE = HERE / "stepper.js", HERE / "stepper.css"

LOADER = """// Made by chainrule.widgets.page from stepper.js: do not edit.
(() => {
  const source = %s;
  const address = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  import(address).then((module) => module.hydrate(document));
})();
"""

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>%(title)s</title>
<style>
body { max-width: 60rem; margin: 1rem auto; padding: 0 1rem; font-family: system-ui, sans-serif; }
:root { color-scheme: light dark; background: Canvas; color: CanvasText; }
%(style)s
</style>
</head>
<body>
<main>
<h1>%(title)s</h1>
%(figure)s
</main>
<script>
%(script)s
</script>
</body>
</html>
"""


def loader():
    """The classic script that makes every figure of a page live."""
    source = json.dumps(MODULE.read_text(encoding="utf-8")).replace("<", "\\u003c")
    return LOADER % source


def standalone(figure, title):
    """A whole page around one figure: it needs no server, no network and no other file."""
    style = STYLE.read_text(encoding="utf-8")
    parts = {"title": escape(title), "style": style, "figure": figure, "script": loader()}
    return PAGE % parts

"""How figures come alive: the script and the style, for notebooks, for built pages, for a page alone.

The script is written as small ES modules in `script/`, which import one another by name. A notebook
and a page opened from disk can load only one module, without imports of its own; so the files are
joined, in the order below, and the lines that import are left out. The words come from `narration`,
and what a wrong guess may have come from out of `mistakes`.
"""

import json
import re
from functools import cache
from html import escape
from pathlib import Path

from chainrule.mistakes import GUESSES
from chainrule.narration import WORDS

HERE = Path(__file__).parent
SCRIPTS = [
    "arrays",
    "numbers",
    "operations",
    "parts",
    "run",
    "picture",
    "reading",
    "changes",
    "guessing",
    "code",
    "edges",
    "stepper",
    "quiz",
    "bets",
    "explorer",
    "scene",
    "replay",
    "main",
]
STYLES = ["figure", "stepper", "quiz", "bets", "explorer", "scene", "replay"]

LOADER = """// Made by chainrule.widgets.page from the files in script/: do not edit.
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


@cache
def module():
    """The one ES module that all figures run on, as text. It exports `default` for anywidget,
    `hydrate` for pages, and its pure functions for tests."""
    modules = "".join(joinable(read("script", f"{name}.js")) for name in SCRIPTS)
    said = {key: text for key, text in WORDS["labels"].items() if used(key, modules)}
    tables = {"WORDS": {**WORDS, "labels": said}, "GUESSES": GUESSES}
    words = "".join(
        f"export const {name} = {json.dumps(table, ensure_ascii=False, separators=(',', ':'))};\n"
        for name, table in tables.items()
    )
    return words + modules


def used(label, source):
    """Whether the script may show this label; the others are shown by Python alone."""
    return f'"{label}"' in source or re.search(rf"\b{label}: |`{label.split('.')[0]}\.\$", source)


@cache
def style():
    """The one style sheet of all figures, without comments and indentation."""
    sheet = "".join(read("style", f"{name}.css") for name in STYLES)
    sheet = re.sub(r"/\*.*?\*/", "", sheet, flags=re.DOTALL)
    return "\n".join(line.strip() for line in sheet.splitlines() if line.strip()) + "\n"


def read(folder, name):
    return (HERE / folder / name).read_text(encoding="utf-8")


def joinable(source):
    """A module of `script/` without its imports, and without comments and indentation, for weight."""
    source = re.sub(r"^\s*/\*\*.*?\*/\n", "", source, flags=re.DOTALL | re.MULTILINE)
    lines = (line.strip().partition(" // ")[0] for line in source.splitlines())
    kept = (line for line in lines if line and not line.startswith(("import ", "// ")))
    return "\n".join(kept) + "\n"


def loader():
    """The classic script that makes every figure of a page live."""
    source = json.dumps(module()).replace("<", "\\u003c")
    return LOADER % source


def standalone(figure, title):
    """A whole page around one figure: it needs no server, no network and no other file."""
    parts = {"title": escape(title), "style": style(), "figure": figure, "script": loader()}
    return PAGE % parts

"""How figures come alive: the script and the style, for notebooks, for built pages, for a page alone.

The script is written as small ES modules in `script/`, which import one another by name. A notebook
and a page opened from disk can load only one module, without imports of its own; so the files are
joined, in the order below, and the lines that import are left out; a built page does without the
module's door for notebooks, and calls `hydrate`. The words come from `narration`,
and what a wrong guess may have come from out of `mistakes`.
"""

import json
import re
from functools import cache
from html import escape
from pathlib import Path
from urllib.parse import quote

from chainrule.mistakes import GUESSES
from chainrule.narration import WORDS
from chainrule.widgets.shorter import shorter

HERE = Path(__file__).parent
SCRIPTS = [
    "arrays",
    "numbers",
    "operations",
    "parts",
    "run",
    "picture",
    "reading",
    "moves",
    "changes",
    "guessing",
    "products",
    "layers",
    "losses",
    "windows",
    "nudge",
    "code",
    "edges",
    "stepper",
    "quiz",
    "bets",
    "handles",
    "explorer",
    "scene",
    "replay",
    "main",
    "notebook",
]
STYLES = ["figure", "hosts", "stepper", "quiz", "bets", "chart", "explorer", "scene", "replay"]

LOADER = """(()=>{%shydrate()})();
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
def module(kinds=None):
    """The one ES module that figures run on, as text. It exports `hydrate` for pages, and its pure
    functions for tests; of all kinds, also `default` for anywidget.

    kinds   the figures that it is for, such as ("stepper", "quiz"), and the groups of operations in
            them, out of `GROUPS`, and "Power2" and the like, of two inputs, out of `OF_TWO`; with names of
            operations, such as "Add", those have words alone; None for all
    """
    wanted = names_for(kinds)
    scripts = "".join(joinable(read("script", f"{name}.js"), wanted) for name in wanted)
    labels = {key: text for key, text in WORDS["labels"].items() if is_said(key, scripts)}
    absent = {op for group, ops in GROUPS.items() if kinds and group not in kinds for op in ops}
    if kinds:
        absent |= {key for key, name in RARE.items() if name not in kinds}
    if named := {kind for kind in kinds or () if kind[0].isupper()}.difference(RARE.values()):
        absent |= {op for op in WORDS if op.isalnum() and op[0].isupper() and op not in named}
    told, guesses = (
        {
            key: said
            for key, said in table.items()
            if absent.isdisjoint((key, key.partition(".")[0]))
        }
        for table in (WORDS, GUESSES)
    )
    tables = {"WORDS": {**told, "labels": labels}, "GUESSES": guesses}
    words = "".join(f"export const {name} = {literal(table)};\n" for name, table in tables.items())
    return words + scripts


def literal(table):
    """A table as JavaScript writes it, which wants no quotes around most keys."""
    text = json.dumps(table, ensure_ascii=False, separators=(",", ":"))
    return re.sub(r'"([A-Za-z]+)":', r"\1:", text)


KINDS = ("stepper", "quiz", "explorer", "replay", "scene", "bets")  # each has a script of this name
# Operations that not every page has: their words, and their scripts where there is one of that name.
GROUPS = {
    "layers": ("Affine", "ReLU", "Sigmoid", "Tanh"),
    "losses": ("SoftmaxWithLoss", "IdentityWithLoss"),
    "products": ("MatMul",),
    "moves": ("Reshape", "Transpose", "Take", "Mean", "Max"),
    "windows": ("Conv2D", "MaxPool2D", "Flatten"),
    "guests": ("Embedding", "Attention"),
}
# What tells an operation of two inputs that has one, or three, more often; and its name among the kinds.
OF_TWO = {"Power.variable": "Power2", "Affine.plain": "Affine2", "Conv2D.plain": "Conv2D2"}
RARE = {**OF_TWO, "MatMul.dot": "Dot"}
IMPORT = re.compile(r'from "\./(\w+)\.js"')
MOUNT = re.compile(r'^"chainrule-(\w+)": ?mount\w+,$', re.MULTILINE)


def names_for(kinds):
    """The scripts that these kinds of figures need, in the order in which they are joined."""
    found, left = set(), ["main", *((*KINDS, *GROUPS, "notebook") if kinds is None else kinds)]
    while left:
        name = left.pop()
        if name not in found and name in SCRIPTS:
            found.add(name)
            left += [] if name == "main" else IMPORT.findall(read("script", f"{name}.js"))
    return [name for name in SCRIPTS if name in found]


def is_said(key, scripts):
    """Whether the scripts say this label: they name it, or, of one with a dot, its first word; a slip by its last."""
    first, dot, last = key.partition(".")
    if first == "slip":
        return f'"{last}"' in scripts
    return f'"{key}"' in scripts or (f"`{first}.${{" in scripts if dot else f"{key}:" in scripts)


@cache
def style(kinds=None):
    """The style sheet of these kinds of figures (None: of all), without comments and indentation.

    A page of the book says itself that it is dark; with "hosts" among the kinds, what other hosts say counts too.
    """
    wanted = {"figure", *(STYLES if kinds is None else kinds)}
    if {"explorer", "scene", "replay"} & wanted:
        wanted.add("chart")
    sheet = "".join(read("style", f"{name}.css") for name in STYLES if name in wanted)
    sheet = re.sub(r"/\*.*?\*/", "", sheet, flags=re.DOTALL)
    sheet = re.sub(r"(?<![\d.])0(?=\.\d)", "", sheet)  # .5rem
    return re.sub(r"(?<=[{};:,>])\s+|\s+(?=[{}>])", "", sheet).replace(";}", "}").strip() + "\n"


def read(folder, name):
    return (HERE / folder / name).read_text(encoding="utf-8")


def joinable(source, wanted):
    """A module of `script/` without its imports, and without comments and indentation, for weight."""
    source = re.sub(r"^\s*/\*\*.*?\*/\n", "", source, flags=re.DOTALL | re.MULTILINE)
    lines = (line.strip().partition(" // ")[0] for line in source.splitlines())
    kept = (line for line in lines if line and not line.startswith(("import ", "// ")))
    joined = "\n".join(kept) + "\n"
    return MOUNT.sub(lambda line: line[0] if line[1] in wanted else "", joined)


def output(still, markup):
    """The HTML of a notebook's output: what is shown there, and the figure itself in a comment, for the built page.

    A host that does not trust a notebook takes the tags out of it and leaves their text. So nothing is
    there but the still picture; a comment shows nowhere.
    """
    if not still:
        return markup
    if "-->" in markup or "--!>" in markup:
        raise ValueError("the markup of a figure may not end a comment")
    return f"{still}<!--chainrule {markup}-->"


def image(svg, alt, style=""):
    """An SVG as an image on white: it keeps its colours in a host of any theme, and no host takes anything out of it.

    style   a style sheet for inside of it
    """
    svg = re.sub(' data-(exact|moves)(="[^"]*")?', "", svg)
    head, rest = svg.split(">", 1)
    ground = 'style="background:#fff;'
    head = head.replace('style="', ground, 1) if 'style="' in head else f'{head} {ground}"'
    inside = f"<style>{style}</style>" if style else ""
    source = quote(f"{head}>{inside}{rest}", safe=" '()/:;,=-.")
    return f'<img class="chainrule-still" alt="{escape(alt)}" src="data:image/svg+xml,{source}">'


PACKED = re.compile(r'<\w+ class="chainrule-still".*?<!--chainrule (.*?)-->', re.DOTALL)


def unpacked(html):
    """The same HTML with every figure where its still picture was."""
    return PACKED.sub(lambda found: found[1], html)


@cache
def loader(kinds=None):
    """The classic script that makes the figures of a page live."""
    return LOADER % shorter(re.sub("^export (default .*)?", "", module(kinds), flags=re.MULTILINE))


def standalone(figure, title):
    """A whole page around one figure: it needs no server, no network and no other file."""
    parts = {"title": escape(title), "style": style(), "figure": figure, "script": loader()}
    return PAGE % parts

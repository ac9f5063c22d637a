"""How the reference pages are made: docstrings as reStructuredText, a table of all their names, a glossary of plain headings,
places that a plain link finds, and a list of sources that axe accepts.

A docstring of this package is plain text, written for `help()`. Here its paragraphs stay paragraphs, its
columns (a name, two spaces or more, what it is) become a definition list, and indented lines stay as they are.
Signs that are typed as letters, such as ->, are printed as signs.
"""

import inspect
import re
from itertools import groupby
from pathlib import Path

from docutils import nodes

ROW = re.compile(r"(\S(?:.*?\S)?)\s{2,}(\S.*)")  # a name, a gap, what it is
CODE_OR_STRESS = re.compile(r"`[^`]+`|(?<![\w*])\*\w[\w ]*\*(?![\w*])")
LOCAL_LINK = re.compile(r"\[([^\]]+)\]\(#([^)]+)\)")
KOREAN_SWITCH = '<label class="korean-switch"><input type="checkbox" id="korean" autocomplete="off"> Show the Korean terms</label>'
DOCUMENTED = re.compile(
    r"(?m)^\.\. (automodule|currentmodule|autoclass|autofunction|autodata):: (\S+)"
)
TIE = "\N{NO-BREAK SPACE}"
SIGNS = {
    " -> ": " → ",
    " - ": f"{TIE}−{TIE}",
    "^2": "²",
    "^T": "ᵀ",
    " = ": f"{TIE}={TIE}",
    " / ": f"{TIE}/{TIE}",
}
LIST_MARK = re.compile(r"\w{1,5}[.)]\s|[-+•]\s")  # "Y. LeCun" is a name, and no point of a list


def setup(app):
    app.connect("source-read", read_page)
    app.connect("autodoc-process-docstring", rewrite)
    app.connect("autodoc-process-signature", own_signature)
    app.connect("doctree-read", name_places)
    app.connect("html-page-context", name_roles)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


def read_page(app, docname, source):
    name = Path(docname).name
    if name in ("api", "glossary"):
        source[0] = with_names(source[0]) if name == "api" else as_glossary(source[0])


def with_names(text):
    """The API page, and below its heading "All names" a table of them: a row for each module, every name a link."""
    rows, place = {}, ""
    for directive, name in DOCUMENTED.findall(text):
        if directive == "automodule":
            row = rows[f"{{py:mod}}`{name.split('.')[1]} <{name}>`"] = []
        if directive.endswith("module"):
            place = name
        else:
            row.append(f"{{py:obj}}`{name} <{place}.{name}>`")
    table = [
        f"| {module} | {', '.join(names) or 'a table of codes'} |" for module, names in rows.items()
    ]
    head = ["", "## All names", "", "| module | its names |", "| --- | --- |"]
    return text.replace("\n## All names\n", "\n".join([*head, *table, ""]))


def as_glossary(text):
    """The page of plain headings, which leads to each word in every notebook host, with Sphinx's own glossary in their place.

    Headings that follow each other are terms of one entry; a link to a heading becomes a {term}. Each letter gets a heading,
    to which the alphabet leads. The Korean lines, each the last one of its entry, get a switch above the first fold: book.css
    hides them until the reader asks.
    """
    terms = {heading(name): name for name in re.findall(r"(?m)^## (.+)$", text)}
    text = re.sub(r"\[([A-Z])\]\(#[^)]+\)", lambda m: f"<a href='#{m[1].lower()}'>{m[1]}</a>", text)
    text = LOCAL_LINK.sub(lambda m: f"{{term}}`{m[1]} <{terms.get(m[2], m[2])}>`", text)
    head, body = text.split("\n## ", 1)
    head = head.replace("\n<details", f"\n{KOREAN_SWITCH}\n\n<details", 1)
    body = re.sub(r"(?m)^(?!## )(?=.)", "  ", f"## {body}")
    entries = re.findall(r"(?s)(?:## [^\n]+\n+)+(?:(?!## ).)+", body)
    letters = groupby(entries, key=lambda entry: entry[3].upper())
    parts = (
        f"## {letter}\n\n```{{glossary}}\n{''.join(map(as_terms, of))}```\n"
        for letter, of in letters
    )
    return "\n".join([head, *parts])


def as_terms(entry):
    return re.sub(r"(?m)^## (.+)\n+", r"\1\n", entry)


def heading(name):
    """Where JupyterLab finds a heading (docutils has rounded its apostrophes)."""
    return name.replace(" ", "-").replace("’", "'")


def rewrite(app, what, name, obj, options, lines):
    lines[:] = as_rest("\n".join(lines)).splitlines()


def own_signature(app, what, name, obj, options, signature, returned):
    """A widget shows the arguments of its own __init__, not those of the machinery above it."""
    if what != "class" or "__init__" not in vars(obj):
        return None
    own = inspect.signature(obj.__init__)
    own = own.replace(parameters=list(own.parameters.values())[1:], return_annotation=own.empty)
    return str(own), returned


def name_places(app, doctree):
    """Let `[a fork](glossary.md#fork)` find its term, and a link to `(he2015)=` its source.

    MyST looks among headings alone, and warns of anything else. Such a link works in JupyterLab too, where
    {term} and {cite} are shown as they are typed.
    """
    places = app.env.metadata[app.env.docname].setdefault("myst_slugs", {})
    for node in doctree.findall(nodes.Element):
        wanted = isinstance(node, nodes.term) or node.get("names")
        for name in node.get("ids", ()) if wanted else ():
            places.setdefault(name, (node.line or 0, name, node.astext()))
            if isinstance(node, nodes.term):
                places.setdefault(heading(node.astext()), (node.line or 0, name, node.astext()))


def name_roles(app, pagename, templatename, context, doctree):
    """docutils gives each source a role that ARIA has dropped; it stands in a list."""
    if body := context.get("body"):
        context["body"] = body.replace('role="doc-biblioentry"', 'role="listitem"')


def as_rest(text):
    return "\n\n".join(block(part) for part in re.split(r"\n\s*\n", text.strip("\n")) if part)


def block(part):
    lines = part.splitlines()
    if all(line.startswith("    ") for line in lines):
        return "::\n\n" + part
    if rows := as_rows(lines):
        return "\n".join(f"``{term}``\n    {plain(meaning)}" for term, meaning in rows)
    return plain(" ".join(line.strip() for line in lines))


def as_rows(lines):
    """[name, meaning] pairs, or [] for what is no table. Indented lines go on with the row above."""
    rows = []
    for line in lines:
        if rows and line.startswith(" "):
            rows[-1][1] += " " + line.strip()
        elif (match := ROW.fullmatch(line)) and not match[1].endswith((".", ";")):
            rows.append([match[1], match[2]])
        else:
            return []
    return rows


def plain(text):
    """Text whose `code` and *stress* are marked, and in which nothing else means anything."""
    found, end = [], 0
    for match in CODE_OR_STRESS.finditer(text):
        found += [escaped(text[end : match.start()]), marked(match[0])]
        end = match.end()
    rest = "".join([*found, escaped(text[end:])])
    return "\\" + rest if LIST_MARK.match(text) else rest


def marked(text):
    # the escaped spaces let the mark touch a letter
    return f"\\ `{text}`\\ " if text.startswith("`") else f"\\ {text}\\ "


def escaped(text):
    for typed, printed in SIGNS.items():
        text = text.replace(typed, printed)
    return re.sub(r"([\\*_`|])", r"\\\1", text)

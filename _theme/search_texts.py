"""What the search page searches: the sentences of the book by section, in one file that a page opened from disk can load too.

Sphinx's own index knows words alone, those of figures and their tables too, and reads each page for an excerpt. This one is
the text itself. What the order of results needs is written beside it: which chapter explains a word of the glossary.
"""

import json
import re
from pathlib import Path

from docutils import nodes
from sphinx import addnodes

FILE = "_static/search_texts.js"
SPHINX_FILES = (
    "searchindex.js",
    "_static/searchtools.js",
    "_static/language_data.js",
    "_static/sphinx_highlight.js",
)
UNSEEN = (
    nodes.raw,
    nodes.literal_block,
    nodes.math_block,
    nodes.comment,
    nodes.image,
    nodes.title,
    addnodes.index,
)
CHAPTER = re.compile(r"(?:\d\d|appendix)_\w+")
SIGNS = {
    "partial": "∂",
    "times": "×",
    "cdot": "·",
    "sum": "Σ",
    "le": "≤",
    "ge": "≥",
    "ne": "≠",
    "approx": "≈",
    "to": "→",
    "leftarrow": "←",
    "gets": "←",
    "infty": "∞",
    "varepsilon": "ε",
    "epsilon": "ε",
    "eta": "η",
    "beta": "β",
    "sigma": "σ",
    "log": "log",
    "exp": "exp",
    "max": "max",
    "top": "T",
    "ldots": "…",
    "dots": "…",
    "quad": " ",
}


def setup(app):
    app.connect("html-page-context", leave_marks_out, priority=900)
    app.connect("build-finished", write)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


def leave_marks_out(app, pagename, templatename, context, doctree):
    """Sphinx's own marks of what was searched stay until they are hidden, and are printed."""
    files = context.get("script_files", [])
    files[:] = [
        file for file in files if "sphinx_highlight" not in str(getattr(file, "filename", file))
    ]


def write(app, error):
    if error is not None or app.builder.format != "html":
        return
    pages = [page(app, name) for name in sorted(app.env.found_docs)]
    text = json.dumps(pages, ensure_ascii=False, separators=(",", ":"))
    (Path(app.outdir) / FILE).write_text(f"globalThis.searchTexts = {text};\n", encoding="utf-8")
    for name in SPHINX_FILES:
        (Path(app.outdir) / name).unlink(missing_ok=True)


def page(app, name):
    """A page: [its address, title, sections], and a section: [id, title, text, the chapter that a glossary entry names]."""
    doctree = app.env.get_doctree(name)
    sections = []
    for node in doctree.findall(lambda one: is_part(one)):
        text = " ".join(pieces(node)).strip()
        chapter = next(filter(None, map(CHAPTER.search, targets(node))), None)
        named = [chapter[0]] if chapter and isinstance(node, nodes.definition_list_item) else []
        sections.append([place(node), title(node), " ".join(text.split()), *named])
    return [app.builder.get_target_uri(name), app.env.titles[name].astext(), sections]


def is_part(node):
    """What a result can lead to: a section, an entry of the glossary, a name of the API."""
    if isinstance(node, nodes.definition_list_item):
        return bool(node.next_node(nodes.term)["ids"])
    if isinstance(node, addnodes.desc):
        return bool(node[0]["ids"])
    # A single letter heads a part of the glossary.
    return isinstance(node, nodes.section) and len(title(node)) > 1


def place(node):
    if isinstance(node, nodes.section):
        return node["ids"][0]
    return node.next_node(
        nodes.term if isinstance(node, nodes.definition_list_item) else addnodes.desc_signature
    )["ids"][0]


def title(node):
    if isinstance(node, nodes.definition_list_item):
        return ", ".join(term.astext() for term in node.findall(nodes.term))
    if isinstance(node, addnodes.desc):
        return node[0].get("fullname") or node[0].astext()
    return node.next_node(nodes.title).astext()


def targets(node):
    return [one.get("reftarget") or one.get("refuri") or "" for one in node.findall(nodes.Element)]


def pieces(node):
    """The texts of a part, less those of the parts inside it and of what is no sentence."""
    for child in node.children:
        if is_part(child) or isinstance(child, (*UNSEEN, nodes.term, addnodes.desc_signature)):
            continue
        if isinstance(child, nodes.TextElement):
            yield sentence(child)
        elif not set(child["classes"]) & {"cell_input", "cell_output"}:
            yield from pieces(child)


def sentence(node):
    if isinstance(node, nodes.math):
        return plain(node.astext())
    if isinstance(node, nodes.Text):
        return node.astext()
    return "" if isinstance(node, UNSEEN) else "".join(map(sentence, node.children))


def plain(formula):
    r"""A formula as a line of text: `\frac{\partial L}{\partial x}` is ∂L/∂x."""
    formula = re.sub(
        r"\\[td]?frac\{((?:[^{}]|\{[^{}]*\})*)\}\{((?:[^{}]|\{[^{}]*\})*)\}", r"\1/\2", formula
    )
    formula = re.sub(r"\\([A-Za-z]+)\s*", lambda m: SIGNS.get(m[1], ""), formula)
    return re.sub(r"\\[,;:! ]?|[{}]", "", formula)

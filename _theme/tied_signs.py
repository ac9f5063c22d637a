"""A full stop stays with the formula before it: a browser breaks a line after each formula, before a comma too.

A formula and the sign that touches it go into one piece that does not break. Long formulas may break inside (book.css).
"""

import re

from docutils import nodes

CLOSING, OPENING = re.compile(r"[.,;:?!)\]’”]+"), re.compile(r"[(\[“‘]+$")
LONG = 50  # letters of its source: more than a line of a phone


def setup(app):
    app.connect("doctree-resolved", tie_signs)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


def tie_signs(app, doctree, docname):
    for formula in list(doctree.findall(nodes.math)):
        siblings = formula.parent
        place = siblings.index(formula)
        before = siblings[place - 1] if place else None
        after = siblings[place + 1] if place + 1 < len(siblings) else None
        opening = isinstance(before, nodes.Text) and OPENING.search(before)
        closing = isinstance(after, nodes.Text) and CLOSING.match(after)
        if not opening and not closing:
            continue
        tied = nodes.inline(classes=["tied"] + ["long"] * (len(formula.astext()) > LONG))
        # By place: a text is found by its letters, and an equal one may stand before it.
        siblings[place] = tied
        tied += formula
        if opening:
            siblings[place - 1] = nodes.Text(before[: opening.start()])
            tied.insert(0, nodes.Text(opening[0]))
        if closing:
            siblings[place + 1] = nodes.Text(after[closing.end() :])
            tied += nodes.Text(closing[0])

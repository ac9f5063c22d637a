"""The theme's style sheets, less the rules for what stands on no page of this book.

They are written for every page that anybody may make with the theme: 370 kB, and a browser reads all of it before it
shows a line. A rule stays if each class and id that it names is in a page, or in a script as a word.
"""

import re
from pathlib import Path

NOTICE = re.compile(r"/\*!.*?\*/", re.DOTALL)
OURS = ("book.css", ".chainrule.css")
NAMED = re.compile(r'\b(?:class|id)="([^"]*)"')
WORD = re.compile(r"[\w-]+")
TOKEN = re.compile(r""""(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|url\((?!["'])[^)]*\)|[{};]""")
LISTS = re.compile(r":[\w-]+\((?:[^()]|\([^()]*\))*\)|\[[^\]]*\]")  # :not(.a), :is(.a, .b), [href]
NAMES = re.compile(r"[.#]((?:\\.|[\w-])+)")
GROUPS = ("@media", "@supports")


def setup(app):
    app.connect("build-finished", write_lean, priority=900)  # when all pages and scripts are there
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


def write_lean(app, error):
    if error is not None or app.builder.format != "html":
        return
    folder = Path(app.outdir)
    known = names_in(folder)
    for path in (folder / "_static").rglob("*.css"):
        if not path.name.endswith(OURS) and path.parent.name != "katex":
            sheet = path.read_text(encoding="utf-8")
            notices = NOTICE.findall(sheet)  # whose work it is, and its licence
            path.write_text("\n".join([lean(sheet, known), *notices]) + "\n", encoding="utf-8")


def names_in(folder):
    """Every class and id of the built pages, and every word of a script, which may make one."""
    known = set()
    for path in folder.rglob("*.html"):
        for names in NAMED.findall(path.read_text(encoding="utf-8")):
            known.update(names.split())
    for path in folder.rglob("*.js"):
        if path.name != "searchindex.js":  # the words of the text
            known.update(WORD.findall(path.read_text(encoding="utf-8")))
    return known


def lean(sheet, known):
    """The sheet without comments, and without the rules for names that are not in `known`."""
    kept = []
    for head, body in rules(re.sub(r"/\*.*?\*/", "", sheet, flags=re.DOTALL)):
        if body is None:
            kept.append(head)
        elif head.startswith(GROUPS):
            inner = lean(body, known)
            kept += [f"{head}{{{inner}}}"] if inner else []
        elif head.startswith("@"):
            kept.append(f"{head}{{{body}}}")
        elif wanted := [one for one in selectors(head) if is_alive(one, known)]:
            kept.append(f"{','.join(wanted)}{{{body}}}")
    return "\n".join(kept)


def rules(sheet):
    """(what stands before the braces, what stands in them), or (a whole statement, None)."""
    start = depth = 0
    for token in TOKEN.finditer(sheet):
        if token[0] == "{":
            depth += 1
            if depth == 1:
                opened = token.start()
        elif token[0] == "}":
            depth -= 1
            if depth == 0:
                yield sheet[start:opened].strip(), sheet[opened + 1 : token.start()]
                start = token.end()
        elif token[0] == ";" and depth == 0:
            yield sheet[start : token.end()].strip(), None
            start = token.end()


def selectors(head):
    """What stands between the commas of a rule's head, those in parentheses aside."""
    parts = [""]
    for piece in re.split(r"([(),])", head):
        level = parts[-1].count("(") - parts[-1].count(")")
        parts = [*parts, ""] if piece == "," and level == 0 else [*parts[:-1], parts[-1] + piece]
    return [part.strip() for part in parts]


def is_alive(selector, known):
    names = NAMES.findall(LISTS.sub("", selector))
    return all(name.replace("\\", "") in known for name in names)

"""Slides and a sheet of exercises, made from a chapter of the built book: one file each, which needs no network.

    python _theme/handouts/handouts.py slides 05_affine
    python _theme/handouts/handouts.py sheet 05_affine

Slides hold a figure each, and what stands before it; the arrow keys step through the figure and then go on. A sheet holds the
exercises and questions with room to write, and the answers begin on a page of their own.
"""

import argparse
import base64
import re
import sys
from copy import copy
from pathlib import Path

from bs4 import BeautifulSoup

from chainrule.widgets import page
from chainrule.widgets.sphinx_extension import kinds_in

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SITE = ROOT / "_build" / "html"
THIRD_PARTY = ROOT / "third_party"
LETTERS = re.compile(r"@font-face \{[^}]*\}")
FIGURE = re.compile(rf"chainrule-({'|'.join(page.KINDS)})")
HIDDEN = "details, .tag_hide-cell, .tag_hide-input"
WHOLE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="data:,">
<style>
{style}
</style>
</head>
<body>
<main>
{body}
</main>
{scripts}
</body>
</html>
"""


def article(chapter, site=SITE):
    """The article of a built chapter, without the marks beside its headings."""
    path = site / "book" / f"{chapter}.html"
    if not path.exists():
        names = ", ".join(sorted(one.stem for one in (site / "book").glob("[0-9a]*.html")))
        raise SystemExit(f"there is no chapter {chapter!r} in the built book; there are: {names}")
    page = path.read_text(encoding="utf-8")
    page = page[page.index("<article") : page.rindex("</article>")]  # half of it
    found = BeautifulSoup(page, "html.parser").article
    for mark in found.select(".headerlink"):
        mark.decompose()
    for picture in found.select("img[src]"):
        if not picture["src"].startswith("data:"):
            picture["src"] = inlined((path.parent / picture["src"]).resolve())
    for link in found.select("a[href]"):  # it would lead out of the room
        link.name = "span"
        del link["href"]
    return found


def inlined(path):
    kind = {".png": "image/png", ".svg": "image/svg+xml", ".woff2": "font/woff2"}[path.suffix]
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"


def slides(chapter, site=SITE):
    """The slides of a chapter, as one page: its title and aims, and then its figures, one a slide."""
    found = article(chapter, site)
    title = found.h1.get_text()
    aims = found.find("ul")
    parts = [
        f'<section class="slide first"><h1>{title}</h1>{aims.find_previous("p")}{aims}</section>'
    ]
    for figure in found.find_all(class_=FIGURE):
        if figure.find_parent("details") or not FIGURE.fullmatch(figure["class"][0]):
            continue
        section = figure.find_parent("section")
        heading = section.find(["h1", "h2", "h3"]).decode_contents()
        before = (
            "" if section.find("h1") else lead(figure)
        )  # what stands there speaks of the chapter
        parts.append(f'<section class="slide"><h2>{heading}</h2>{before}{figure}</section>')
    return whole(title, "slides", "\n".join(parts))


def lead(figure):
    """The paragraph right before a figure's cell; none where something else stands there."""
    cell = figure.find_parent(class_="cell")
    before = cell.find_previous_sibling() if cell else None
    return before if before is not None and before.name == "p" else ""


def sheet(chapter, site=SITE):
    """The exercises and questions of a chapter with room to write, and their answers at the end."""
    found = article(chapter, site)
    title = found.h1.get_text()
    tasks, answers = [], []
    for exercise in found.select("#exercises > section"):
        name = exercise.h3.get_text()
        answers += [f"<h3>{name}</h3>", *answers_of(exercise)]
        grids = "".join(map(to_tick, exercise.select(".chainrule-bets")))
        for hidden in exercise.select(HIDDEN):
            hidden.decompose()
        exercise.h3.decompose()
        lines = "<i></i>" * (10 if "write code" in name.lower() else 6)
        tasks.append(
            f'<section class="task"><h2>{name}</h2>{exercise.decode_contents()}{grids}'
            f'<div class="room">{lines}</div></section>'
        )
    for number, quiz in enumerate(found.select("#questions .chainrule-quiz"), 1):
        task, answer = question(number, quiz)
        tasks.append(task)
        answers.append(answer)
    if not tasks:
        raise SystemExit(f"{chapter} has no exercises")
    head = f'<header><h1>{title}</h1><p class="name">Name:</p></header>'
    back = f'<section class="answers"><h1>Answers: {title}</h1>{"".join(answers)}</section>'
    return whole(title, "sheet", "\n".join([head, *tasks, back]))


def to_tick(bets):
    """A grid of bets as it stands before anybody has placed one."""
    table = copy(bets.table)
    table.tfoot.decompose()
    for cell in table.select("tbody td"):
        cell.string = "☐"
    return f"<p>{bets.find(class_='chainrule-question').decode_contents()}</p>{table}"


def answers_of(exercise):
    """The solutions of an exercise, in words and in code, opened; of a grid of bets the truth, not its code."""
    for hidden in exercise.select(
        "details.solution, .tag_hide-cell > details, .tag_hide-input > details"
    ):
        cell = hidden.find_parent(class_="cell")
        if bets := cell and cell.find(class_="chainrule-bets"):
            yield str(bets.table)
            continue
        opened = copy(hidden)
        opened.name, opened.attrs = "div", {"class": "answer"}
        opened.summary.decompose()
        yield str(opened)


def question(number, quiz):
    """A question of the chapter's end: (the task with boxes to tick, its answer)."""
    asked = quiz.legend.decode_contents()
    choices = quiz.find_all("details")
    ticks = "".join(f"<li>{choice.summary.decode_contents()}</li>" for choice in choices)
    right = next(k for k, choice in enumerate(choices) if choice["data-answer"] == "right")
    for sign in choices[right].select("p > .chainrule-sign, p > b"):
        sign.decompose()
    task = f'<section class="task"><h2>Question {number}</h2><p>{asked}</p><ol class="choices">{ticks}</ol></section>'
    return (
        task,
        f"<p><b>Question {number}: {'ABCDEF'[right]}.</b> {choices[right].p.decode_contents().strip()}</p>",
    )


def whole(title, kind, body):
    """A page with everything that it needs inside."""
    kinds = kinds_in(body)
    book = (ROOT / "_theme" / "static" / "book.css").read_text(encoding="utf-8")
    letters = with_fonts("\n".join(LETTERS.findall(book)), THIRD_PARTY)
    katex = THIRD_PARTY / "katex"
    formulas = (
        (katex / "katex.min.css").read_text(encoding="utf-8") if 'class="katex' in body else ""
    )
    own = (HERE / f"{kind}.css").read_text(encoding="utf-8")
    style = "\n".join(
        [letters, with_fonts(formulas, katex), page.style((*kinds, "hosts")) if kinds else "", own]
    )
    scripts = [page.loader(kinds)] if kinds else []
    if (HERE / f"{kind}.js").exists():
        scripts.append((HERE / f"{kind}.js").read_text(encoding="utf-8"))
    return WHOLE.format(
        title=title,
        style=style,
        body=body,
        scripts="\n".join(f"<script>\n{script}</script>" for script in scripts),
    )


def with_fonts(style, folder):
    """A style sheet with the fonts that it names inside."""
    return re.sub(
        r"""url\("?(fonts/[\w-]+\.woff2)"?\)""", lambda m: f"url({inlined(folder / m[1])})", style
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind", choices=["slides", "sheet"])
    parser.add_argument("chapter", help="such as 05_affine, or its file")
    wanted = parser.parse_args()
    chapter = Path(wanted.chapter).stem
    text = {"slides": slides, "sheet": sheet}[wanted.kind](chapter)
    path = ROOT / "_build" / "handouts" / f"{chapter}.{wanted.kind}.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    print(
        f"Written: {path.relative_to(ROOT)}, one file that needs no network. Open it in a browser."
    )


if __name__ == "__main__":
    sys.exit(main())

"""What a reader meets in a chapter: code to learn from and not more of it, numbers, figures that say what they draw."""

import re
from html import unescape
from pathlib import Path

import nbformat
import pytest

CHAPTERS = sorted((Path(__file__).parents[1] / "book").glob("[01]*.ipynb"))
every_chapter = pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
FOLDED = {"remove-input", "hide-input", "hide-cell", "remove-cell"}
UNSEEN = {"remove-input", "remove-cell"}
MYST = re.compile(
    r"^\s*(?:```|:::)\{|^\(\w[\w-]*\)=|\{(?:cite|ref|numref|term|doc|glossary)\}`", re.MULTILINE
)


def cells(chapter, kind="code"):
    return [cell for cell in nbformat.read(chapter, as_version=4).cells if cell.cell_type == kind]


def lines(chapter, without):
    shown = [cell for cell in cells(chapter) if not without & set(cell.metadata.get("tags", []))]
    return [line for cell in shown for line in cell.source.splitlines() if line.strip()]


def printed(chapter):
    return [
        line
        for cell in cells(chapter)
        if "remove-cell" not in cell.metadata.get("tags", [])
        for output in cell.outputs
        for line in output.get("text", "").splitlines()
    ]


def axes(chapter):
    """(title of the picture, names of its axes, texts at their ticks) of each chart."""
    html = "".join(
        output.get("data", {}).get("text/html", "")
        for cell in cells(chapter)
        for output in cell.outputs
    )
    chart = re.compile(
        r'class="chainrule-chart".*?<title>(.*?)</title>.*?<g class="axes".*?>(.*?)</g>', re.DOTALL
    )
    for title, drawn in chart.findall(html):
        texts = re.findall(r"<text([^>]*)>([^<]*)</text>", drawn)
        names, ticks = (
            [unescape(t) for a, t in texts if ("name" in a) is named] for named in (True, False)
        )
        yield unescape(title), names, ticks


@every_chapter
def test_a_chapter_shows_at_most_120_lines_of_code(chapter):
    assert len(lines(chapter, FOLDED)) <= 120


@every_chapter
def test_no_line_of_shown_code_is_wider_than_79_letters(chapter):
    assert [line for line in lines(chapter, UNSEEN) if len(line) > 79] == []


@every_chapter
def test_what_is_printed_is_a_number_and_not_a_verdict(chapter):
    assert [
        line for line in printed(chapter) if re.search(r"\b(?:True|False)$", line.strip())
    ] == []


@every_chapter
def test_no_axis_has_a_name_that_looks_like_python(chapter):
    names = [name for _, names, _ in axes(chapter) for name in names]
    assert [name for name in names if re.search(r"[()\[\]{}=_]|None", name)] == []


@every_chapter
def test_a_picture_that_says_log_axis_has_powers_at_its_ticks(chapter):
    for title, _, ticks in axes(chapter):
        if "log axis" in title:
            assert any(re.match(r"1e[−-]?\d", text) for text in ticks), title


@every_chapter
def test_a_chapter_reads_well_without_myst(chapter):
    assert [
        found for cell in cells(chapter, "markdown") for found in MYST.findall(cell.source)
    ] == []


def test_the_charts_of_a_chapter_are_found_with_their_axes():
    chapter = next(path for path in CHAPTERS if path.stem.startswith("04"))
    names = [names for title, names, _ in axes(chapter) if "log axis" in title]
    assert names == [["mean size of the gradient", "layers passed"]]

"""What a reader meets in a chapter: code to learn from and not more of it, numbers, figures that say what they draw."""

import re
from html import unescape
from pathlib import Path

import nbformat
import pytest
from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin

CHAPTERS = sorted((Path(__file__).parents[1] / "book").glob("[01]*.ipynb"))
NOTEBOOKS = sorted((Path(__file__).parents[1] / "book").rglob("[!.]*.ipynb"))
every_chapter = pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
FOLDED = {"remove-input", "hide-input", "hide-cell", "remove-cell"}
UNSEEN = {"remove-input", "remove-cell"}
MARK = "\0"
HTML = {
    '<details class="hint">',
    '<details class="solution">',
    "</details>",
    "<summary>",
    "</summary>",
}
# What CommonMark takes for text, and one host or another for something else.
ELSEWHERE = {
    "role": r"\{[\w:+-]+\}\0",  # before `code`
    "directive": r"^\s*:{3,}|^\{[\w-]+\}",
    "target": r"^\([\w-]+\)=",
    "comment or break": r"^(?:%|\+\+\+)",
    "definition": r"^: ",
    "footnote": r"\[\^",
    "substitution": r"\{\{",
    "attributes": r"\0\{[.#][^}]*\}",
    "struck out": r"~~",
    "box to tick": r"^\[[ xX]\]\s",
    "environment": r"\\begin\{",
    "bare address": r"https?://|www\.",
    "dollar": r"\$",
    "citation": r"\[@",
    "alert": r"^\[!\w+\]",
}
COMMONMARK = MarkdownIt("commonmark").enable("table").use(dollarmath_plugin)


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


def unknown(source):
    """What CommonMark with tables, `$` and <details> does not know, in a text: (name, where it stands)."""
    found, kept = [], {}
    for block in COMMONMARK.parse(source, kept):
        pieces = [block, *(block.children or [])]
        found += [("HTML", tag) for one in pieces for tag in tags(one) if tag not in HTML]
        if block.type == "fence" and not re.fullmatch(r"\w*", block.info):
            found.append(("fence", block.info))
        if block.type == "math_block_label":
            found.append(("label of a formula", block.info))
        text = "".join(map(as_text, block.children or []))
        found += [(name, text) for name, one in ELSEWHERE.items() if re.search(one, text, re.M)]
    found += [("footnote", name) for name in kept.get("references", {}) if name.startswith("^")]
    return found


def as_text(token):
    """Text as it stands, and a mark for all else."""
    return token.content if token.type == "text" else "\n" if token.type == "softbreak" else MARK


def tags(token):
    return re.findall(r"<[^<>]*>", token.content) if token.type.startswith("html") else []


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_holds_nothing_that_only_one_host_knows(notebook):
    assert [found for cell in cells(notebook, "markdown") for found in unknown(cell.source)] == []


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("role", "a {term}`fork` here"),
        ("directive", ":::{note}\ntext\n:::"),
        ("fence", "```{note}\ntext\n```"),
        ("target", "(here)=\n# A heading"),
        ("comment or break", "% nobody reads this"),
        ("comment or break", "+++"),
        ("definition", "word\n: what it means"),
        ("footnote", "text[^1]\n\n[^1]: note"),
        ("substitution", "{{ name }}"),
        ("attributes", "[text](address){.red}"),
        ("struck out", "~~no~~"),
        ("box to tick", "- [ ] do it"),
        ("environment", "\\begin{align}x\\end{align}"),
        ("bare address", "see https://example.org"),
        ("dollar", "5$ or so"),
        ("citation", "as shown by [@he2015]"),
        ("alert", "> [!NOTE]\n> text"),
        ("label of a formula", "$$\nx\n$$ (name)"),
        ("HTML", "a <kbd>key</kbd>"),
        ("HTML", "<div>\n\ntext\n\n</div>"),
    ],
)
def test_what_only_one_host_knows_is_found(name, source):
    assert name in {found for found, _ in unknown(source)}


def test_what_every_host_knows_is_left_alone():
    source = """# A *heading* with `code` and $x_{i}$

| a | b |
|---|---|
| $\\frac{1}{2}$ | [text](10_learning.ipynb#a-walk) |

<details class="hint">
<summary>Hint</summary>

1. First `{a: 1}`.

$$
y = 2x
$$

</details>

```python
{"x": 1}
```
"""
    assert unknown(source) == []


def test_the_charts_of_a_chapter_are_found_with_their_axes():
    chapter = next(path for path in CHAPTERS if path.stem.startswith("04"))
    names = [names for title, names, _ in axes(chapter) if "log axis" in title]
    assert names == [["mean size of the gradient", "layers passed"]]

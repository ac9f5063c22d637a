"""What a reader meets in a chapter: code to learn from and not more of it, numbers, figures that say what they draw."""

import ast
import builtins
import re
import symtable
from html import unescape
from pathlib import Path

import nbformat
import pytest
from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin

CHAPTERS = sorted((Path(__file__).parents[1] / "book").glob("[01]*.ipynb"))
NOTEBOOKS = sorted((Path(__file__).parents[1] / "book").rglob("[!.]*.ipynb"))
PAGES = [path for path in NOTEBOOKS if path.parent.name == "book"]
every_page = pytest.mark.parametrize("chapter", PAGES, ids=lambda path: path.stem)
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


@every_page
def test_a_chapter_shows_at_most_120_lines_of_code(chapter):
    assert len(lines(chapter, FOLDED)) <= 120


@every_chapter
def test_no_line_of_shown_code_is_wider_than_79_letters(chapter):
    assert [line for line in lines(chapter, UNSEEN) if len(line) > 79] == []


@every_chapter
def test_no_line_that_a_page_prints_is_wider_than_84_letters(chapter):
    """A wider one is cut at a window of 1280 pixels."""
    assert [line for line in printed(chapter) if len(line) > 84] == []


ROOM = 40  # letters of a printed line that a phone shows


def cut_off(lines):
    """Lines whose last word is a number that a phone leaves out. Lists and code may be wider."""
    number = re.compile(r"[^\s,(\[=]\s+[-+]?\d[\w.+%-]*$")
    return [line for line in lines if len(line) > ROOM and number.search(line)]


WIDE = {"00", "01", "02", "03", "04", "05", "ap"}  # to be narrowed
NARROW = [path for path in CHAPTERS if path.stem[:2] not in WIDE]


@pytest.mark.parametrize("chapter", NARROW, ids=lambda path: path.stem)
def test_a_phone_shows_the_number_for_which_a_line_is_printed(chapter):
    seen = [cell for cell in cells(chapter) if not {"hide-cell", "remove-cell"} & tagged(cell)]
    texts = [output.get("text", "") for cell in seen for output in cell.outputs]
    assert [line for text in texts for line in cut_off(text.splitlines())] == []


def test_a_number_that_a_phone_cuts_off_is_found():
    wide, narrow = f"{'seed 0, loss':<37} 0.25", f"{'seed 0, loss':<30} 0.25"
    of_lists = [f"{'y':<40} [1.0, 2.0]", f"{'max':<40}(0, x, 2", f"{'x':<40} = 1.0"]
    assert cut_off([wide, narrow, *of_lists]) == [wide]


@every_page
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


def tagged(cell):
    return set(cell.metadata.get("tags", []))


def names_in(source):
    """(names that a cell takes from before, names that it makes), in its functions and classes too."""
    taken, made = set(), set()

    def walk(table, top):
        for name in table.get_symbols():
            here = top or name.is_global()
            if here and (name.is_assigned() or name.is_imported() or name.is_namespace()):
                made.add(name.get_name())
            if here and name.is_referenced():
                taken.add(name.get_name())
        for inner in table.get_children():
            walk(inner, False)

    walk(symtable.symtable(re.sub(r"(?m)^\s*[%!].*", "", source), "cell", "exec"), True)
    return taken, made


def undefined(sources):
    """Names that a page uses and nothing on it defines, for sources that a reader sees or can unfold."""
    known, missing = set(dir(builtins)) | {"__name__", "display"}, []
    for source in sources:
        taken, made = names_in(source)
        known |= made
        missing += sorted(taken - known)
    return missing


@every_page
def test_each_name_in_code_that_a_page_shows_is_defined_on_it(chapter):
    seen = [cell.source for cell in cells(chapter) if not UNSEEN & tagged(cell)]
    assert undefined(seen) == []


def test_a_name_that_only_a_removed_cell_defines_is_found():
    code = "import numpy as np\n\n\ndef mine(x):\n    y = np.sin(x)\n    return [k * y for k in range(3)] + ratio"
    assert undefined([code, "print(mine(nudging[-1]))"]) == ["ratio", "nudging"]
    assert undefined(["ratio = nudging = 1", code, "print(mine(nudging))"]) == []


def imported(source):
    """Names that a cell imports."""
    tree = ast.parse(re.sub(r"(?m)^\s*[%!].*", "", source))
    every = (node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom))
    return {alias.asname or alias.name for node in every for alias in node.names}


def untold(chapter):
    """Names that code in sight takes from folded code, and that no text before it names: (cell, names).

    What is imported is apart: it is explained where it is at home.
    """
    seen, folded, told, found = set(), set(), "", []
    for cell in nbformat.read(chapter, as_version=4).cells:
        if cell.cell_type == "markdown":
            told += " ".join(re.findall(r"`[^`]+`", cell.source)) + " "
        if cell.cell_type != "code" or "remove-cell" in tagged(cell):
            continue
        taken, made = names_in(cell.source)
        if tagged(cell) & FOLDED:
            folded |= made - imported(cell.source)
            continue
        of_folded = sorted((taken - seen - made) & folded)
        names = [name for name in of_folded if not re.search(rf"\b{name}\b", told)]
        found += [(cell.id, names)] if names else []
        seen |= made
    return found


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_a_name_from_folded_code_is_told_before_code_in_sight_uses_it(chapter):
    assert untold(chapter) == []


@every_page
@pytest.mark.parametrize(("tag", "other"), [("hide-output", "code"), ("hide-input", "result")])
def test_a_fold_promises_what_is_in_it(chapter, tag, other):
    promised = [
        cell.metadata.get("mystnb", {}).get("code_prompt_show", "Show the code")
        for cell in cells(chapter)
        if tag in tagged(cell)
    ]
    assert [words for words in promised if other in words] == []


@every_page
def test_a_folded_solution_has_one_name_in_the_whole_book(chapter):
    shown = [cell.metadata.get("mystnb", {}).get("code_prompt_show", "") for cell in cells(chapter)]
    assert {words for words in shown if "solution" in words} <= {"Show the solution in code"}


@every_page
def test_every_fold_among_the_exercises_says_that_it_holds_a_solution(chapter):
    behind, unnamed = False, []
    for cell in nbformat.read(chapter, as_version=4).cells:
        behind = (behind or "## Exercise" in cell.source) and "## Question" not in cell.source
        if behind and "hide-cell" in tagged(cell) and not cell.metadata.get("mystnb"):
            unnamed.append(cell.source)
    assert unnamed == []


def prose(chapter):
    """Texts that a reader reads: paragraphs, and what figures and questions are given to say."""
    yield from (cell.source for cell in cells(chapter, "markdown"))
    for cell in cells(chapter):
        if "remove-cell" not in tagged(cell):
            yield from (
                node.value
                for node in ast.walk(ast.parse(re.sub(r"(?m)^\s*[%!].*", "", cell.source)))
                if isinstance(node, ast.Constant) and isinstance(node.value, str)
            )


@every_page
def test_a_fold_that_holds_a_wrong_attempt_says_so_before_it_is_opened(chapter):
    for cell in cells(chapter):
        answers = [output.get("data", {}).get("text/plain", "") for output in cell.outputs]
        if "hide-cell" in tagged(cell) and "".join(answers).startswith("Not yet"):
            assert "attempt" in cell.metadata.get("mystnb", {}).get("code_prompt_show", ""), cell.id


# A check is evidence. So "proof" stands in this book where something is none.
PROVED = re.compile(r"\b(?:dis)?prov(?:e|es|ed|en|ing)\b|(?<!not a )(?<!no )\bproofs?\b", re.I)


@every_page
def test_a_check_is_never_said_to_prove(chapter):
    assert [text for text in prose(chapter) if PROVED.search(text)] == []


@pytest.mark.parametrize("said", ["Prove it.", "what is proved", "the proof of the fast one"])
def test_a_word_that_promises_more_than_a_check_gives_is_found(said):
    assert PROVED.search(said)
    assert not PROVED.search("evidence, not a proof; improve, provoke, approve")


def told(chapter):
    """What figures say and write: sentences, tables, notes, and words in a picture."""
    places = re.compile(
        r'<(p class="chainrule-(?:said|question|caption)[^>]*|td|th[^>]*|text[^>]*|title)>(.*?)</',
        re.DOTALL,
    )
    for cell in cells(chapter):
        for output in cell.outputs:
            html = re.sub(
                r"(?s)<code.*?</code>|<table class=\"dataframe.*?</table>",
                "",
                "".join(output.get("data", {}).get("text/html", "")),
            )
            if '<figure class="chainrule-' in html:
                yield from (
                    unescape(re.sub("<[^>]*>", "", text)) for _, text in places.findall(html)
                )


PYTHONS = re.compile(
    r"(?<![\w.)\]=−-])-(?=[.\d])|\de[+-]?0\d|\de-\d|−0(?:\.0+)?(?!\.?\d)|e−[2-9]\d"
)


@every_page
def test_numbers_in_figures_are_set_as_the_book_sets_them(chapter):
    """With a minus sign and not a hyphen; 1e−5 and not 1e-05; 0 and neither −0.00 nor 8e−30."""
    assert [text for text in told(chapter) if PYTHONS.search(text)] == []


def test_a_number_as_python_prints_it_is_found():
    found = [
        text
        for text in (
            *("x is -4", "1e-05", "2e+07", "sum −0.00.", "−0", "7.9e−30"),
            *("784-50-10, −2, 1e−5", "−0.05", "1 −0.5 2", "1e−15", "−0.001"),
        )
        if PYTHONS.search(text)
    ]
    assert found == ["x is -4", "1e-05", "2e+07", "sum −0.00.", "−0", "7.9e−30"]


def rows_of(text, places):
    """(name, numbers) of the lines that end in as many numbers as there are places."""
    number = r"\d\.\de-\d\d"
    line = re.compile(rf"^\W*(.+?)[\s|]+({number}(?:[\s|]+{number}){{{places - 1}}})[\s|]*$", re.M)
    return [(name, re.findall(number, numbers)) for name, numbers in line.findall(text)]


def test_the_table_of_the_pair_holds_the_numbers_of_the_appendix():
    book = CHAPTERS[0].parent
    told = next(
        cell
        for cell in cells(book / "09_gradient_check.ipynb", "markdown")
        if "| parameter | book | reader |" in cell.source
    )
    appendix = book / "appendix_two_results.ipynb"
    source = next(cell.source for cell in cells(appendix) if "printed_page =" in cell.source)
    texts = [re.findall(r"[\d.]+e-\d+", line) for line in source.splitlines() if "zip(" in line]
    rows = [[f"{float(n):.1e}" for n in row] for row in zip(*texts, strict=True)]
    assert [numbers for _, numbers in rows_of(told.source, 2)] == rows and len(rows) == 4


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

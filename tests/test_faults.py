"""A copy is broken on purpose, and what `make test` and `make book` run must see it. A check that cannot
fail is none.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import chapter_checks
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from normalise import normalise, text_of

from chainrule.graph import Variable
from chainrule.widgets import Stepper

ROOT = Path(__file__).parents[1]


def run(program, *arguments, **options):
    """A program of this environment: its exit code, and all that it says."""
    command = [str(Path(sys.executable).with_name(program)), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, **options)
    return done.returncode, done.stdout + done.stderr


# ---------------------------------------------------------------- the built site

WHOLE = """<!doctype html><html lang="en"><head><title>A page</title></head><body>
<p id="here"><a href="index.html#here">here</a> <img src="there.png" alt="a dot"></p>%s</body></html>"""

# what is put into a page -> the test that must fail on it
SITE_FAULTS = {
    '<a href="gone.html">x</a>': "test_no_link_image_or_anchor_is_dead",
    '<a href="index.html#gone">x</a>': "test_no_link_image_or_anchor_is_dead",
    '<img src="gone.png" alt="x">': "test_no_link_image_or_anchor_is_dead",
    '<script src="https://example.org/x.js"></script>': "test_a_page_loads_nothing_from_another_host",
    '<link rel="stylesheet" href="//example.org/x.css">': "test_a_page_loads_nothing_from_another_host",
    '<p id="here">again</p>': "test_ids_are_unique_and_the_language_is_set",
    '<img src="there.png">': "test_every_image_says_what_it_shows",
    '<span class="katex-error">x^</span>': "test_every_formula_was_rendered_at_build_time",
    '<span class="math">x^2</span>': "test_every_formula_was_rendered_at_build_time",
    '<script type="application/vnd.jupyter.widget-state+json">{}</script>': (
        "test_no_page_carries_the_state_of_widgets_or_their_manager"
    ),
}


@pytest.fixture(scope="module")
def failed_on_the_site(tmp_path_factory):
    """The tests of the site that fail on a small site, a page a fault: "test[page]"."""
    site = tmp_path_factory.mktemp("site")
    (site / "book").mkdir()
    (site / "index.html").write_text(WHOLE % "", encoding="utf-8")
    for name in ("there.png", "book/there.png"):
        (site / name).write_bytes(b"")
    for name, fault in {
        "index": "",
        **{f"p{k}": text for k, text in enumerate(SITE_FAULTS)},
    }.items():
        (site / "book" / f"{name}.html").write_text(WHOLE % fault, encoding="utf-8")
    _, said = run(
        "pytest", "-q", "-rf", "-p", "no:cacheprovider", "tests/test_site.py",
        "-k", "dead or another_host or unique or image_says_what or rendered or carries",
        cwd=ROOT, env=os.environ | {"CHAINRULE_SITE": str(site), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
    )  # fmt: skip
    return re.findall(r"^FAILED \S+::(\w+\[book/p\d+\.html\])", said, re.MULTILINE), said


@pytest.mark.parametrize("fault", SITE_FAULTS)
def test_a_fault_in_a_page_fails_its_test(fault, failed_on_the_site):
    failed, said = failed_on_the_site
    assert f"{SITE_FAULTS[fault]}[book/p{list(SITE_FAULTS).index(fault)}.html]" in failed, said


def test_no_other_page_fails(failed_on_the_site):
    failed, said = failed_on_the_site
    pages = {name.partition("[")[2] for name in failed}
    assert pages == {f"book/p{k}.html]" for k in range(len(SITE_FAULTS))}, said


# ---------------------------------------------------------------- chapters


def chapter(folder, *made, name="chapter.ipynb"):
    path = folder / name
    path.write_text(text_of(normalise(new_notebook(cells=list(made)))), encoding="utf-8")
    return path


def shown(html):
    return new_output("display_data", {"text/html": html, "text/plain": "a figure"})


def product_figure():
    z = Variable(2.0, "x") * Variable(3.0, "y")
    return Stepper(z, title="A product", caption="Two & two").markup()


def test_a_name_that_the_package_exports_is_seen_in_a_chapter(tmp_path):
    source = "def softmax(a):\n    return a\n\nclass ReLU:\n    pass\n\nclass MyReLU:\n    pass"
    path = chapter(tmp_path, new_code_cell(source))
    assert chapter_checks.redefined(path) == ["softmax", "ReLU"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"value":2.0', '"value":2.5'),  # the trace
        ('data-exact="6"', 'data-exact="6.5"'),  # the picture
        ("2 × 3 = 6", "2 × 3 = 7"),  # the table
        ("Multiply", "Add"),
        ('data-phase="start"', 'data-phase="forward"'),
    ],
)
def test_a_figure_whose_trace_disagrees_with_its_text_is_seen(old, new, tmp_path):
    whole = product_figure()
    assert old in whole
    cells = [
        new_code_cell("z", outputs=[shown(html)]) for html in (whole, whole.replace(old, new, 1))
    ]
    assert chapter_checks.disagreeing(chapter(tmp_path, *cells)) == ["A product"]


def test_a_picture_that_is_missing_or_says_nothing_is_seen(tmp_path):
    (tmp_path / "there.svg").touch()
    text = "![a](gone.svg) ![](there.svg) ![what to see](there.svg)"
    path = chapter(tmp_path, new_markdown_cell(text))
    assert chapter_checks.unhappy_images(path) == ["gone.svg", "there.svg"]


# The normal form puts Colab's cell behind the first one.
FAILING = {0: False, 1: False, 2: True, 3: True, 4: True, 5: False}
FAILING |= {6: False, 7: True, 8: False, 9: True, 10: True}


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """What nbval says of a chapter with stale outputs, a cell that raises, and good cells between."""
    folder = tmp_path_factory.mktemp("stale")
    shutil.copy(ROOT / "conftest.py", folder)

    def result(number):
        return new_output("execute_result", {"text/plain": number}, execution_count=1)

    def carries(now, committed):
        """A cell whose output carries a number in full."""
        plain = "<IPython.core.display.HTML object>"
        data = {"text/html": committed, "text/plain": plain}
        output = new_output("execute_result", data, execution_count=1)
        return new_code_cell(f"from IPython.display import HTML\nHTML({now!r})", outputs=[output])

    number = '<b data-exact="%s">0.3</b>'
    trace = '<script type="application/json">{"value":[%s]}</script>'
    chapter(
        folder,
        new_code_cell("0.1 + 0.2", outputs=[result("0.3000000000001")]),  # the same to six digits
        new_code_cell("1.25 * 3", outputs=[result("3.76")]),
        new_code_cell("print('as it was')", outputs=[new_output("stream", text="as it is\n")]),
        new_code_cell("1 / 0", outputs=[result("1")]),
        new_code_cell("2 + 2", outputs=[result("4")]),
        carries(number % 0.3, number % (0.1 + 0.2)),  # a last digit may differ
        carries(number % 0.3, number % 0.300000001),
        carries(trace % "1e9, 1e-9", trace % "1e9, 2e-9"),  # nothing, beside the other one
        carries(trace % "1.0, 2.0", trace % "1.0, 2.000000001"),
        carries(trace % "1.0, 2.0", trace % "1.0, 2.0, 3.0"),
    )
    return run("pytest", "-q", "-rf", "--nbval", "--nbval-current-env", "-p", "no:cacheprovider", str(folder), cwd=folder)  # fmt: skip


@pytest.mark.parametrize(("cell", "fails"), FAILING.items())
def test_nbval_sees_a_stale_output_a_stale_figure_and_a_cell_that_raises(cell, fails, compared):
    code, said = compared
    assert code == 1
    assert (f"Cell {cell} -" in "".join(re.findall(r"^FAILED.*", said, re.MULTILINE))) == fails, (
        said
    )


# ---------------------------------------------------------------- the build

INDEX = """# Start

A {term}`word that the glossary lacks`.

A [link](gone.md) and a {ref}`reference-to-nothing`.

![a picture](gone.png)

{cite}`nobody2020`
"""
TEXT_FAULTS = {
    "a term that the glossary lacks": "word that the glossary lacks",
    "a link to a page that is not there": "gone.md",
    "a reference to nothing": "reference-to-nothing",
    "a picture that is missing": "gone.png",
    "a source that the bibliography lacks": "nobody2020",
    "a chapter that is not there": "nowhere",
}


def build(folder, index, pages, **options):
    """What the command of `make book` says of a small book with our configuration."""
    config = (ROOT / "_config.yml").read_text(encoding="utf-8")
    config = config.replace("[book/references.bib]", "[references.bib]")
    toc = "".join(f"  - file: {page}\n" for page in pages)
    texts = {"_config.yml": config, "index.md": index, "references.bib": ""}
    texts["_toc.yml"] = f"format: jb-book\nroot: index\nchapters:\n{toc}"
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    for name in ("_theme", "third_party"):
        (folder / name).symlink_to(ROOT / name)
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    flags = re.search(r"jupyter-book build \. (?:--path-output \S+ )?(.*)", makefile)[1].split()
    return run("jupyter-book", "build", str(folder), *flags, **options)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return build(tmp_path_factory.mktemp("text"), INDEX, ["nowhere"])


@pytest.mark.parametrize("fault", TEXT_FAULTS)
def test_the_build_fails_and_names(fault, built):
    code, said = built
    assert code != 0
    assert TEXT_FAULTS[fault] in said, said


def test_the_build_fails_at_a_cell_that_raises_and_at_no_odd_place_before(tmp_path):
    """The folder has spaces and Korean letters in its name, nobody else may read in it, and there is no HOME."""
    folder = tmp_path / "내 책, a copy (1)"
    folder.mkdir()
    chapter(folder, new_markdown_cell("# A chapter"), new_code_cell("1 / 0"))
    homeless = {name: value for name, value in os.environ.items() if name != "HOME"}
    code, said = build(folder, "# Start\n", ["chapter"], env=homeless, umask=0o077)
    assert code != 0 and "ZeroDivisionError" in said, said

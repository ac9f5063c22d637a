"""What a chapter has printed and drawn in the build of the book is what stands in its notebook.

The build has run every chapter; so `make test` does not run them a second time, as `make nbval` would. What is
compared, and how closely, is what conftest.py tells nbval.
"""

from pathlib import Path

import nbformat
import pytest
from built_site import SITE
from normalise import normalise

ROOT = Path(__file__).parents[1]
CHAPTERS = [path.relative_to(ROOT) for path in sorted((ROOT / "book").rglob("*.ipynb"))]
CHAPTERS = [path for path in CHAPTERS if ".ipynb_checkpoints" not in path.parts]
PICTURES = {"image/png", "image/jpeg"}  # nobody looks at them point by point


@pytest.fixture(scope="session")
def rules(pytestconfig):
    """The conftest.py of the root."""
    return pytestconfig.pluginmanager.get_plugin(str(ROOT / "conftest.py"))


def differences(committed, ran, rules):
    """The cells of a notebook that differ from what has run: (number among those of code, what differs)."""
    found = []
    for number, pair in enumerate(zip(code(committed), code(ran), strict=True)):
        if pair[0].source != pair[1].source:
            found.append((number, pair[0].source, pair[1].source))
        elif "nbval-ignore-output" not in pair[0].metadata.get("tags", []):
            then, now = ([shown(output, rules) for output in cell.outputs] for cell in pair)
            if then != now:
                found.append((number, then, now))
            elif odd := rules.exact_differences(*(cell.outputs for cell in reversed(pair))):
                found.append((number, *odd[:3]))
    return found


def as_run(path):
    """What the build has left of a chapter, in its normal form.

    It prints what comes in pieces as one text (`nb_merge_streams`), and leaves the other pieces behind the first.
    """
    notebook = nbformat.read(path, as_version=4)
    for cell in code(notebook):
        first = {output.name: output for output in reversed(cell.outputs) if "name" in output}
        cell.outputs = [one for one in cell.outputs if first.get(one.get("name"), one) is one]
    return normalise(notebook)


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def shown(output, rules):
    """An output as a dictionary of texts, without the digits that differ between processors."""
    texts = {name: text for name, text in output.get("data", {}).items() if name not in PICTURES}
    texts |= {name: output[name] for name in ("name", "text", "ename", "evalue") if name in output}
    return {name: rules.sanitized("".join(text)) for name, text in texts.items()}


@pytest.mark.parametrize("path", CHAPTERS, ids=str)
def test_a_chapter_has_run_in_the_build_and_shows_what_is_committed(path, site, rules):
    ran = as_run(SITE.parent / "jupyter_execute" / path)
    assert differences(nbformat.read(ROOT / path, as_version=4), ran, rules) == []


def cell(*outputs, source="z", tags=()):
    return nbformat.v4.new_code_cell(source, outputs=[*outputs], metadata={"tags": [*tags]})


def displayed(html):
    return nbformat.v4.new_output("display_data", {"text/html": html, "text/plain": "a figure"})


def printed(text):
    return nbformat.v4.new_output("stream", text=text)


def raised(text):
    return nbformat.v4.new_output("error", ename="ValueError", evalue=text, traceback=[])


EXACT = '<b data-exact="%s">0.3</b>'
TRACE = '<script type="application/json">{"value":[%s]}</script>'
SAME = {
    "a last digit": (cell(printed("0.1 0.3")), cell(printed("0.1 0.3000000000001"))),
    "a last digit in full": (cell(displayed(EXACT % 0.3)), cell(displayed(EXACT % (0.1 + 0.2)))),
    "nothing, beside the other one": (
        cell(displayed(TRACE % "1e9, 1e-9")),
        cell(displayed(TRACE % "1e9, 2e-9")),
    ),
    "a measured time": (
        cell(printed("3 s"), tags=["nbval-ignore-output"]),
        cell(printed("4 s"), tags=["nbval-ignore-output"]),
    ),
}
OTHER = {
    "a number": (cell(printed("3.75")), cell(printed("3.76"))),
    "a word": (cell(printed("as it was")), cell(printed("as it is"))),
    "another source": (cell(source="1"), cell(source="2")),
    "an output more": (cell(), cell(printed("2"))),
    "another kind of output": (cell(displayed("a figure")), cell(printed("a figure"))),
    "what is raised": (cell(printed("1")), cell(raised("no"))),
    "what is said of it": (cell(raised("no")), cell(raised("yes"))),
    "a figure's markup": (cell(displayed("<b>a</b>")), cell(displayed("<i>a</i>"))),
    "a number in full": (cell(displayed(EXACT % 0.3)), cell(displayed(EXACT % 0.300000001))),
    "a trace": (cell(displayed(TRACE % "1.0, 2.0")), cell(displayed(TRACE % "1.0, 2.000000001"))),
    "a longer trace": (
        cell(displayed(TRACE % "1.0, 2.0")),
        cell(displayed(TRACE % "1.0, 2.0, 3.0")),
    ),
}


@pytest.mark.parametrize(
    ("pair", "differs"), [*((one, False) for one in SAME), *((one, True) for one in OTHER)]
)
def test_what_differs_is_seen_and_what_only_rounds_differently_is_not(pair, differs, rules):
    notebooks = (nbformat.v4.new_notebook(cells=[one]) for one in (SAME | OTHER)[pair])
    assert bool(differences(*notebooks, rules)) == differs

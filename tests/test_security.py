"""What the package must never do with what it is given: run it, unpickle it, follow it out, or write it as markup."""

import ast
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from chainrule import datasets
from chainrule.exercises import Verdict
from chainrule.gradcheck import Report, Row
from chainrule.graph import Variable
from chainrule.plots import digit_pictures
from chainrule.widgets import BetGrid, Explorer, Quiz, Replay, Scene, Stepper, page

SOURCE = Path(__file__).parents[1] / "src" / "chainrule"
MODULES = sorted(SOURCE.rglob("*.py"))
SCRIPTS = sorted((SOURCE / "widgets" / "script").glob("*.js"))
# The doctor changes one thing in a function that runs already; that it is that function is tested in test_doctor_repairs.
OF_A_TREE = "compile(ast.fix_missing_locations(around), function.__code__.co_filename, 'exec')"
RUNS_CODE = {"eval", "exec", "compile", "__import__", "input", "breakpoint"}
UNSAFE_MODULES = {"pickle", "dill", "marshal", "shelve", "code", "runpy", "ctypes"}


def calls(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            yield node, ast.unparse(node.func)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_no_module_runs_text_or_unpickles(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in [getattr(node, "module", None) or "", *(alias.name for alias in node.names)]
    }
    assert imported & UNSAFE_MODULES == set()
    for node, name in calls(path):
        if path.stem == "repairs" and ast.unparse(node) == OF_A_TREE:
            continue
        assert name not in RUNS_CODE and name not in ("os.system", "os.popen"), ast.unparse(node)
        options = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
        assert options.get("shell", "False") == "False"
        if name == "np.load":
            assert options.get("allow_pickle") == "False"


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_no_script_makes_markup_or_code_of_text(path):
    text = path.read_text(encoding="utf-8")
    found = re.findall(
        r"\w*\.(?:innerHTML|outerHTML)\s*=|insertAdjacentHTML|document\.write|\beval\(|new Function|"
        r"srcdoc|createContextualFragment|setTimeout\(\s*[\"'`]",
        text,
    )
    # the one door: what Python has drawn and escaped, in a notebook
    assert found == (["el.innerHTML ="] if path.name == "notebook.js" else [])


def test_a_built_page_has_no_door_for_markup_at_all():
    assert "innerHTML" in page.module() and "innerHTML" not in page.loader(page.KINDS)


# ---------------------------------------------------------------- markup from data

HOSTILE = "\"><img src=x onerror='alert(1)'><script>alert(2)</script>&amp;</script><!--"


class Tags(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.found, self.handlers = [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.found.append(tag)
        self.handlers += [name for name, _ in attributes if name.startswith("on")]


def hostile_markup():
    x = Variable(2.0, HOSTILE)
    z = x * Variable(3.0, "y") + x
    z.name = HOSTILE + "z"
    figures = {
        "stepper": Stepper(z, title=HOSTILE, caption=HOSTILE, step=-1),
        "explorer": Explorer(
            {HOSTILE: ([0, 1], [2, 3])}, x=HOSTILE, y=HOSTILE, title=HOSTILE, caption=HOSTILE,
            notes=[HOSTILE, HOSTILE],
        ),
        "replay": Replay(
            [{"step": 1, "loss": 1.0, "gradient_norms": {HOSTILE: 1.0}, "weights": {HOSTILE: np.ones(2)},
              "images": [(np.ones((2, 2)), HOSTILE)]}],
            title=HOSTILE, caption=HOSTILE,
        ),
        "quiz": Quiz(HOSTILE, {HOSTILE: HOSTILE, "b": HOSTILE}, "b"),
        "scene": Scene(
            lambda pen, name: pen.text(1, 1, name) or (HOSTILE, {HOSTILE: 1}),
            {HOSTILE: [HOSTILE, "b"]}, title=HOSTILE, caption=HOSTILE, x=(HOSTILE, 0, 2), y=(HOSTILE, 0, 2),
        ),
        "bets": BetGrid(HOSTILE, {HOSTILE: {HOSTILE: True}}, yes=HOSTILE, reveal=HOSTILE, caption=HOSTILE),
    }  # fmt: skip
    yield from ((name, figure.markup()) for name, figure in figures.items())
    yield from ((f"{name}, as a page", figure.to_html()) for name, figure in figures.items())
    yield "picture", figures["stepper"].to_svg()
    yield "in a notebook", figures["stepper"]._repr_mimebundle_()[0]["text/html"]
    row = Row(HOSTILE, (2,), 0, 2, 1.0, None, HOSTILE)
    yield "report", Report(HOSTILE, [row])._repr_html_()
    yield "verdict", Verdict(False, f"Not yet: {HOSTILE}")._repr_html_()
    yield "digits", digit_pictures(np.ones((1, 4)), [HOSTILE])._repr_html_()


def test_a_hostile_text_is_text_in_every_figure():
    for name, text in hostile_markup():
        tags = Tags(text)
        assert tags.handlers == [], name
        assert tags.found.count("img") == (name == "in a notebook"), name  # the picture as an image
        assert "<img src=x" not in text and "<script>alert" not in text, name
        assert tags.found.count("script") <= 2, name  # the trace as JSON; in a page, ours


def test_the_names_of_files_in_the_cache_are_a_table_and_no_input(tmp_path):
    """What a server, an archive or an IDX file says is never part of a path."""
    assert all(re.fullmatch(r"[a-z0-9-]+", name) for name in datasets.MNIST_FILES)
    for name in datasets.MNIST_FILES:
        (tmp_path / name).write_bytes(b"")
    for path in datasets.find_mnist(tmp_path).values():
        assert path.parent == tmp_path

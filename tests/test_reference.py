"""The reference pages keep up with the package and the text: names, terms, symbols and sources."""

import ast
import inspect
import json
import re
from importlib import import_module
from pathlib import Path
from typing import get_args, get_origin, get_type_hints

import nbformat
import numpy as np
import pytest

from chainrule.exercises import check
from chainrule.gradcheck import diagnose, gradient_check
from chainrule.graph import Variable
from chainrule.layers import ReLU
from chainrule.losses import softmax
from chainrule.network import two_layer_net
from chainrule.trace import trace_graph, trace_network

BOOK = Path(__file__).parents[1] / "book"
PACKAGE = Path(__file__).parents[1] / "src" / "chainrule"
PAGES = sorted([*BOOK.rglob("*.md"), *BOOK.rglob("*.ipynb")])

PUBLIC = {
    "nodes": "Add Subtract Multiply Divide Negate Power Exp Log Maximum MatMul Sum",
    "graph": "Variable exp log maximum matmul sum_ relu sigmoid tanh topological_order "
    "forward_steps backward_steps",
    "layers": "ReLU Sigmoid Tanh Affine Affine.init",
    "losses": "SoftmaxWithLoss IdentityWithLoss softmax cross_entropy sum_squared_error",
    "numeric": "numerical_gradient",
    "network": "Network Network.predict Network.loss Network.accuracy Network.gradient Network.save "
    "Network.load "
    "Network.numerical_gradient two_layer_net",
    "gradcheck": "gradient_check Report diagnose",
    "doctor.findings": "Finding",
    "zoo": "ZOO Specimen Specimen.network PART_TWO",
    "narration": "WORDS",
    "training": "SGD Momentum Adam minibatches train validation_loss",
    "more_nodes": "Reshape Transpose Take Mean Max reshape transpose take mean max_",
    "guests.dropout": "Dropout",
    "guests.batch_norm": "BatchNorm BatchNorm.init",
    "guests.convolution": "Conv2D Conv2D.init MaxPool2D Flatten",
    "guests.embedding": "Embedding Embedding.init",
    "guests.attention": "Attention Attention.init",
    "datasets": "load_digits load_mnist make_spirals make_moons",
    "exercises": "check",
    "trace": "Step Trace trace_graph trace_network",
    "widgets": "Stepper Scene Replay Explorer Quiz BetGrid",
}


def read(name):
    return (BOOK / name).read_text(encoding="utf-8")


def prose(path):
    """The text of a page; of a notebook, that of its Markdown cells."""
    if path.suffix == ".md":
        return path.read_text(encoding="utf-8")
    cells = nbformat.read(path, as_version=4).cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def documented():
    """Module -> the names that the API page documents there, in order; methods as Class.method."""
    found, module = {}, None
    for line in read("reference/api.md").splitlines():
        if match := re.match(r"\.\. (?:automodule|currentmodule):: ([\w.]+)", line):
            module = match[1]
            found[module] = []
        elif match := re.match(r"\.\. auto(?:class|function|data):: (\w+)", line):
            name = match[1]
            found[module].append(name)
        elif match := re.match(r"\s+:members: (.+)", line):
            found[module] += [f"{name}.{method}" for method in re.findall(r"\w+", match[1])]
    return found


def glossary():
    """[terms, definition] for each entry."""
    entries = re.findall(r"((?:^## .+\n\n)+)((?:(?!## ).*\n)+)", read("glossary.md"), re.MULTILINE)
    return [(re.findall(r"## (.+)", terms), " ".join(told.split())) for terms, told in entries]


def heading(term):
    """Where JupyterLab finds the heading of a term."""
    return term.replace(" ", "-")


def tables(text):
    """The rows of every table, as lists of cells, without the line of dashes below each head."""
    for line in text.splitlines():
        if line.startswith("|") and not re.fullmatch(r"[|\s:-]+", line):
            yield [cell.strip() for cell in line.strip("|").split("|")]


def sources():
    return re.findall(r"^@\w+\{(\w+),", read("references.bib"), re.MULTILINE)


def cited(text):
    lists = re.findall(r"\{cite(?::\w+)?\}`([^`]+)`", text)
    return {key.strip() for keys in lists for key in keys.split(",")}


@pytest.mark.parametrize("module", PUBLIC)
def test_the_api_page_documents_every_public_name(module):
    if module == "widgets":
        pytest.importorskip("anywidget")
    assert set(PUBLIC[module].split()) <= set(documented()[f"chainrule.{module}"])


def test_every_name_on_the_api_page_exists_where_the_page_says():
    pytest.importorskip("anywidget")
    for module, names in documented().items():
        for name in names:
            thing = import_module(module)
            for part in name.split("."):
                thing = getattr(thing, part)


def shown_code(path):
    """The code of a page that its readers see, or can unfold."""
    if path.suffix == ".md":
        blocks = r"^```(?:python|\{code-cell\}.*)\n((?::tags:.*\n)?)(.*?)^```"
        found = re.findall(blocks, path.read_text(encoding="utf-8"), re.M | re.S)
        return [code for tags, code in found if "remove-input" not in tags]
    cells = nbformat.read(path, as_version=4).cells
    code = [cell for cell in cells if cell.cell_type == "code"]
    return [c.source for c in code if "remove-input" not in c.metadata.get("tags", [])]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_what_a_page_tells_its_readers_to_import_is_on_the_api_page_under_that_module(page):
    pytest.importorskip("anywidget")
    known = [import_module(module) for module in documented()]
    known += [getattr(import_module(m), name) for m in documented() for name in names_of(m)]
    for code in shown_code(page):
        for node in ast.walk(ast.parse(re.sub(r"(?m)^\s*[%!].*", "", code))):
            if isinstance(node, ast.ImportFrom) and node.module.startswith("chainrule"):
                for one in node.names:
                    thing = getattr(import_module(node.module), one.name)
                    assert any(thing is other for other in known), (node.module, one.name)
                    places = [m for m in documented() if one.name in names_of(m)]
                    told = [m for m in places if f"{m}.".startswith(f"{node.module}.")]
                    assert told or not places, (one.name, "is imported from", node.module)


def test_what_a_head_says_comes_back_comes_back():
    class MyReLU(ReLU):
        def backward(self, dout):
            return dout

    net = two_layer_net(2, 3, 2, np.random.default_rng(0))
    x, t = np.array([[1.0, -2.0], [0.5, 1.5]]), np.array([0, 1])
    made = {
        two_layer_net: net,
        gradient_check: gradient_check(net, x, t),
        check: check(MyReLU),
        trace_graph: trace_graph(Variable(2.0) * 3.0),
        trace_network: trace_network(net, x, t),
    }
    for function, one in made.items():
        assert type(one) is get_type_hints(function)["return"], function
    told, found = get_type_hints(diagnose)["return"], diagnose(MyReLU(), x)
    assert isinstance(found, get_origin(told))
    assert {type(one) for one in found} == set(get_args(told))


def names_of(module):
    return [name for name in documented()[module] if "." not in name]


@pytest.mark.parametrize("module", documented())
def test_docstrings_on_the_api_page_send_nobody_to_a_module_that_it_lacks(module):
    there = import_module(module)
    told = [there, *(getattr(there, name) for name in names_of(module))]
    modules = {path.stem for path in PACKAGE.rglob("*.py")} | {"doctor", "guards", "guests"}
    known = {name.split(".")[1] for name in documented()} | set(names_of(module))
    for thing in told:
        marked = set(re.findall(r"`(\w+)(?:\.\w+)?`", inspect.getdoc(thing) or ""))
        assert marked & modules <= known, thing


def test_the_api_page_follows_the_reading_order():
    modules = [name.removeprefix("chainrule.") for name in documented()]
    core = ["nodes", "graph", "layers", "losses", "numeric", "network", "gradcheck"]
    assert modules[:7] == core and "doctor" in modules[7:]


def test_every_entry_of_the_glossary_is_told_in_english_and_ends_with_its_korean_term():
    for terms, definition in glossary():
        said, korean = definition.split(" *Korean:* ")
        assert re.match(r"\[?[A-Z$]", said) and len(said.split()) >= 4, terms
        assert re.fullmatch(r".*[가-힣].*\.", korean), terms


def test_the_last_words_of_an_entry_of_the_glossary_say_where_it_is_explained():
    for terms, definition in glossary():
        said = definition.split(" *Korean:* ")[0]
        assert re.search(r"\]\((?!#)[^)]+\)( makes one)?\.$", said), terms


def test_every_entry_of_the_glossary_is_linked_from_a_page_or_another_entry():
    roles, anchors = set(), set()
    for page in PAGES:
        text = prose(page)
        links = re.findall(r"\[([^\]]*)\](?:\(|\(\S*glossary\.md)#([^)]*)\)", text)
        anchors |= {anchor for name, anchor in links if not re.fullmatch("[A-Z]", name)}
        for role in re.findall(r"\{term\}`([^`]+)`", text):
            target = re.search(r"<(.+)>", role)
            roles.add((target[1] if target else role).lower())
    for terms, _ in glossary():
        assert set(map(heading, terms)) & anchors or {term.lower() for term in terms} & roles, terms


def test_the_time_that_the_core_path_takes_is_told_alike_and_computed():
    """The index computes it, in its own cell; the page for teachers says the same number in words."""
    cell = re.search(r"^def minutes\(path\):.*?^    return total$", read("index.md"), re.M | re.S)
    names = {"json": json, "re": re, "Path": Path}
    exec(cell[0], names)
    hours = sum(names["minutes"](path) for path in BOOK.glob("0[0-7]_*.ipynb")) / 60
    words = ["none", "one", "two", "three", "four", "five", "six"]
    assert f"takes about {words[round(hours)]} hours" in read("reference/teachers.md"), hours


def test_the_index_says_of_every_chapter_which_question_it_answers_and_how_long_it_takes():
    rows = [row for row in tables(read("index.md")) if row[0].startswith("[")]
    for told, time in rows:
        link, question = told.split(" <br> ")
        name = re.search(r"\((?:(\d\d)_\w+|appendix_(\w+))\)", link)
        assert question.endswith("?"), question
        assert time == f"{{glue:text}}`minutes {name[1] or name[2]}`"
    linked = [re.search(r"\((\w+)\)", told)[1] for told, _ in rows]
    chapters = [path.stem for path in sorted(BOOK.glob("[01]*.ipynb"))]
    appendices = linked[len(chapters) :]
    assert linked == chapters + appendices
    assert sorted(appendices) == sorted(path.stem for path in BOOK.glob("appendix_*.ipynb"))


def test_the_glossary_has_the_terms_of_the_note():
    korean = {
        "forward propagation": "순전파",
        "backward propagation": "역전파",
        "backpropagation": "오차역전파법",
        "computational graph": "계산 그래프",
        "chain rule": "연쇄법칙",
        "local calculation": "국소적 계산",
        "gradient check": "기울기 확인",
        "composite function": "합성 함수",
        "numerical differentiation": "수치 미분",
        "learning": "학습",
    }
    told = {term: definition for terms, definition in glossary() for term in terms}
    for term, word in korean.items():
        assert told[term].split("*Korean:* ")[1].startswith(word), term


def test_the_glossary_is_in_alphabetical_order_and_tells_nothing_twice():
    terms = [terms[0].lower() for terms, _ in glossary()]
    assert terms == sorted(terms)
    every = [term.lower() for terms, _ in glossary() for term in terms]
    assert len(every) == len(set(every))


def test_a_letter_at_the_top_of_the_glossary_leads_to_its_first_entry():
    firsts = {}
    for terms, _ in glossary():
        firsts.setdefault(terms[0][0].upper(), heading(terms[0]))
    assert re.findall(r"\[([A-Z])\]\(#(.*?)\)", read("glossary.md")) == list(firsts.items())


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_every_term_that_a_page_links_to_is_in_the_glossary(page):
    known = {term.lower() for terms, _ in glossary() for term in terms}
    for role in re.findall(r"\{term\}`([^`]+)`", prose(page)):
        target = re.search(r"<(.+)>", role)
        assert (target[1] if target else role).lower() in known, role


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_every_plain_link_to_a_term_or_a_source_leads_to_one(page):
    terms = {heading(term) for terms, _ in glossary() for term in terms}
    links = re.findall(r"\]\(\S*(glossary|bibliography)\.md#([^)]*)\)", prose(page))
    known = terms | {f"source-{key}" for key in sources()}
    assert [anchor for _, anchor in links if anchor not in known] == []


def test_the_numbers_in_the_glossary_are_computed():
    told = {term: definition for terms, definition in glossary() for term in terms}
    a, b = Variable(3.0), Variable(4.0)
    (a * b).backward(10.0)
    assert f"of 10, the inputs {b.grad / 10:g} and {a.grad / 10:g} get" in told["multiply node"]
    assert f"get {a.grad:g} and {b.grad:g}." in told["multiply node"]
    y = softmax(np.log([1.0, 2.0, 7.0]))
    assert "0.1, 0.2 and 0.7." in told["softmax"] and np.allclose(y, [0.1, 0.2, 0.7])
    assert f"At a probability of 0.2 it is {-np.log(y[1]):.1f}." in told["cross-entropy error"]
    central, forward = (3**3 - 1**3) / 2, 3**3 - 2**3
    assert f"$(27 - 1)/2 = {central:g}$, and the slope is 12." in told["central difference"]
    assert f"$27 - 8 = {forward:g}$, and the slope is 12." in told["forward difference"]
    cube = Variable(2.0)
    (cube**3).backward()
    assert cube.grad == 12
    assert f"Of [3, 4] it is {np.linalg.norm([3, 4]):g}." in told["norm"]
    assert (
        f"Of 1 and −7 it is {np.sqrt(np.mean(np.square([1, -7]))):g}." in told["root mean square"]
    )
    assert f"of 1 and 7 it is {np.var([1, 7]):g}." in told["variance"]
    assert str(np.eye(4, dtype=int)[2].tolist()) in told["one-hot encoding"]


def test_every_link_inside_the_glossary_leads_to_one_of_its_headings():
    links = re.findall(r"\]\(#([^)]*)\)", read("glossary.md"))
    assert len(links) > 100
    assert set(links) <= {heading(term) for terms, _ in glossary() for term in terms}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_every_source_that_a_page_cites_is_in_the_bibliography(page):
    assert cited(prose(page)) <= set(sources())


def test_the_bibliography_says_what_each_source_is_good_for():
    assert len(sources()) == len(set(sources()))
    assert cited(read("reference/bibliography.md")) == set(sources())


def test_every_symbol_has_a_name_in_code_and_a_shape():
    rows = [row for row in tables(read("notation.md")) if row[0].startswith("$")]
    assert len(rows) > 40
    for row in rows:
        symbol, meaning, code, shape, *_ = row
        assert symbol and meaning and "`" in code and shape, row


def test_the_code_that_authors_copy_runs():
    """What the page runs itself is compared with its outputs; this is what stands there to be read."""
    pytest.importorskip("anywidget")
    blocks = re.findall(
        r"^```python\n(.*?)^```", prose(BOOK / "reference" / "figures.ipynb"), re.M | re.S
    )
    assert blocks
    for block in blocks:
        exec(compile(block, "figures.ipynb", "exec"), {})


def test_the_lesson_for_teachers_adds_up_and_its_numbers_are_computed():
    text = read("reference/teachers.md")
    length, lesson = re.search(r"## One lesson: (\d+) minutes\n(.*?)\n## ", text, re.S).groups()
    rows = [row for row in tables(lesson) if row[0].isdigit()]
    minutes, steps = zip(*rows, strict=True)
    lines = (re.split(r" <br> \*\*You (?:hear|say)\*\* ", step) for step in steps)
    asked, expected, told = zip(*lines, strict=True)
    assert sum(map(int, minutes)) == int(length) and all("?" in one for one in asked[:-1])
    side, price = Variable(3.0), Variable(20.0)
    area = side**2
    tiles = area * price
    net = tiles + 15.0
    total = net * 1.2
    total.backward()
    assert expected[1].startswith(f"“{net.value:g}”: ")  # what pupils say
    assert (
        f"it is {net.grad:g}, and then {tiles.grad:g}, {area.grad:g} and {side.grad:g}." in told[1]
    )
    more = (4.0**2 * 20.0 + 15.0) * 1.2 - total.value
    assert f"no: {more:g} more, since the corner adds {more - side.grad:g}." in told[2]
    assert f"{2**30:,} paths, and 30 visits" in told[4]
    a, b, c = Variable(2.0), Variable(-3.0), Variable(10.0)
    ((a * b + c) ** 2).backward()
    right = f"{a.grad:g} and {b.grad:g}, and {c.grad:g} for `c`.".replace("-", "−")
    assert told[5].endswith(right), right


def test_what_the_api_page_advises_first_is_documented_on_it_in_the_module_that_it_names():
    advised = re.findall(r"\{py:\w+\}`(\w+) <chainrule\.(\w+)\.(\w+)>`", read("reference/api.md"))
    assert len(advised) == 7
    known = documented()
    for told, module, name in advised:
        assert told == name and name in known[f"chainrule.{module}"]

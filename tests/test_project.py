"""The project keeps its own promises: pins, targets, licences, the direction of imports, tidy chapters."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from functools import partial
from importlib.util import resolve_name
from itertools import chain
from pathlib import Path

import nbformat
import pytest
import yaml
from mutants import REASONS
from normalise import normalise, text_of, with_keys
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "chainrule"
CHAPTERS = sorted((ROOT / "book").rglob("*.ipynb"))
every_chapter = pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)

# A module may import what stands in an earlier row, never in its own or a later one.
ORDER = [
    ["guards"],
    ["nodes"],
    ["graph"],
    ["more_nodes"],
    ["layers"],
    ["losses"],
    ["numeric"],
    ["network"],
    ["guests"],
    ["training", "guesses", "scenes", "zoo"],
    ["mistakes"],
    ["doctor"],
    ["gradcheck"],
    ["exercises"],
]
ROW = {name: row for row, names in enumerate(ORDER) for name in names}
SHOWN = [
    "narration",
    "sources",
    "trace",
    "layout",
    "chain",
    "drawing",
    "widgets",
]  # beside the core, in this order
BESIDE = ["datasets", "plots"]  # these import nothing of ours
CORE = ["nodes", "graph", "layers", "losses", "numeric", "network", "gradcheck"]


@pytest.fixture(scope="module")
def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def pins():
    """Name -> versions, from requirements.txt."""
    found = {}
    for line in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines():
        if match := re.match(r"([A-Za-z0-9._-]+)==([^ ;\\]+)", line):
            found.setdefault(canonicalize_name(match[1]), []).append(match[2])
    return found


def test_requirements_pin_the_five_that_a_reader_asks_for():
    assert {"jupyter-book", "numpy", "ipywidgets", "matplotlib", "nbval"} <= set(pins())


def test_requirements_meet_every_range_of_pyproject(project):
    extras = project["project"]["optional-dependencies"]
    ranges = [*project["project"]["dependencies"], *sum(extras.values(), [])]
    for wanted in map(Requirement, ranges):
        if wanted.name != "chainrule":
            versions = pins()[canonicalize_name(wanted.name)]
            assert all(wanted.specifier.contains(version) for version in versions), str(wanted)


def test_every_pin_carries_hashes_and_no_index_is_named():
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    blocks = [line for line in text.replace("\\\n", "").splitlines() if "==" in line]
    assert blocks and all("--hash=sha256:" in line for line in blocks)
    assert not re.search(r"^\s*--(?!hash)|://|file:", text, re.MULTILINE)


def test_the_package_alone_needs_numpy_and_nothing_else(project):
    assert [Requirement(line).name for line in project["project"]["dependencies"]] == ["numpy"]


def test_bare_make_lists_the_targets():
    listed = subprocess.run(
        ["make", "--no-print-directory"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    names = {line.split()[0] for line in listed.stdout.splitlines()}
    assert {"book", "test", "lint", "notebooks", "nbval", "lock", "serve", "clean"} <= names
    assert listed.stderr == ""


def test_code_is_mit_and_text_is_cc_by():
    licence = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert licence.startswith("MIT License")
    assert "CC BY 4.0" in licence
    text_licence = (ROOT / "LICENSE-text.md").read_text(encoding="utf-8")
    assert "creativecommons.org/licenses/by/4.0" in text_licence


def test_the_repository_has_one_address(project):
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    assert config["repository"]["url"] == project["project"]["urls"]["Repository"]


def test_only_what_the_table_of_contents_names_stands_in_the_book():
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    named = {chapter["file"] for part in toc["parts"] for chapter in part["chapters"]}
    assert {chapter.relative_to(ROOT).with_suffix("").as_posix() for chapter in CHAPTERS} <= named


def tracked():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.decode().split("\0") if name]


def test_nothing_committed_names_a_folder_of_one_machine():
    machine = re.compile(rb"(?<![\w.])/(?:work|root|home/\w+|Users/\w+|opt/pypi)/|file:///\w")
    found = [
        f"{path.relative_to(ROOT)}: {match[0].decode()}"
        for path in tracked()
        if path.is_file() and path != Path(__file__)
        if (match := machine.search(path.read_bytes()))
    ]
    assert found == []


def imports(path):
    """Every module that a file imports, at its top or inside a function, as absolute names."""
    package = ".".join(path.relative_to(SOURCE.parent).parent.parts)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = resolve_name("." * node.level + (node.module or ""), package)
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def ours(path):
    """The modules of the package that a file imports, by first name: chainrule.nodes -> nodes."""
    names = {name.split(".")[1] for name in imports(path) if name.startswith("chainrule.")}
    return {name for name in names if (SOURCE / name).is_dir() or (SOURCE / f"{name}.py").exists()}


MODULES = [path for path in sorted(SOURCE.rglob("*.py")) if path.name != "__init__.py"]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_imports_flow_one_way(path):
    name = path.relative_to(SOURCE).parts[0].removesuffix(".py")
    used = ours(path) - {name}
    if name in ROW:
        assert {other for other in used if ROW.get(other, 99) >= ROW[name]} == set()
    elif name in SHOWN:
        before = SHOWN[: SHOWN.index(name)]
        assert used <= set(ROW) | set(before)
    else:
        assert name in BESIDE, f"{name} has no place yet in the order of modules"
        assert used == set()


@pytest.mark.parametrize("name", [n for row in ORDER for n in row])
def test_the_core_imports_numpy_alone_at_its_top(name):
    folder = SOURCE / name
    paths = folder.glob("*.py") if folder.is_dir() else [SOURCE / f"{name}.py"]
    tops = {
        (alias.name if isinstance(node, ast.Import) else node.module).split(".")[0]
        for path in paths
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert tops and tops <= set(sys.stdlib_module_names) | {"numpy", "chainrule"}


def loaded_by(*modules):
    """The packages that are loaded, beyond the standard library, once these modules are imported."""
    program = (
        f"import sys, json, {', '.join(modules)}\n"
        "print(json.dumps([name.partition('.')[0] for name in sys.modules]))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return set(json.loads(ran.stdout)) - set(sys.stdlib_module_names)


def test_the_core_loads_nothing_but_numpy():
    core = loaded_by(*(f"chainrule.{name}" for name in CORE))
    assert core - loaded_by("numpy") == {"chainrule"}


@pytest.mark.parametrize(
    ("lacks", "program", "extra"),
    [
        ("anywidget", "from chainrule.widgets import Stepper", "chainrule[widgets]"),
        ("traitlets", "from chainrule.widgets import Stepper", "chainrule[widgets]"),
        ("matplotlib", "from chainrule import plots; plots.use_book_style()", "chainrule[plots]"),
        ("pooch", "from chainrule.datasets import load_mnist; load_mnist()", "chainrule[data]"),
    ],
)
def test_the_package_alone_names_the_extra_that_something_else_needs(
    lacks, program, extra, tmp_path
):
    ran = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.modules[{lacks!r}] = None; {program}"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    last = ran.stderr.strip().splitlines()[-1]
    assert ran.returncode == 1 and lacks in last and f"pip install '{extra}'" in last


@every_chapter
def test_a_chapter_is_committed_in_its_normal_form(chapter):
    text = chapter.read_text(encoding="utf-8")
    assert "widgets" not in json.loads(text)["metadata"]
    assert text == text_of(normalise(nbformat.reads(text, as_version=4))), "run `make notebooks`"


@every_chapter
def test_a_chapter_is_committed_with_its_outputs_and_no_error(chapter):
    cells = [
        cell for cell in nbformat.read(chapter, as_version=4).cells if cell.cell_type == "code"
    ]
    assert all(cell.execution_count for cell in cells if cell.source.strip())
    kinds = {output.output_type for cell in cells for output in cell.outputs}
    assert kinds and "error" not in kinds


def test_the_picture_of_the_readme_is_what_the_package_draws():
    """Draw it anew with: python tests/readme_picture.py."""
    from readme_picture import PICTURE, picture

    assert f"]({PICTURE.relative_to(ROOT).as_posix()})" in (ROOT / "README.md").read_text(
        encoding="utf-8"
    )
    assert PICTURE.read_text(encoding="utf-8") == picture()


@every_chapter
def test_a_question_does_not_show_its_answer_in_its_source(chapter):
    for cell in nbformat.read(chapter, as_version=4).cells:
        if cell.cell_type == "code" and re.search(r"^Quiz\(", cell.source, re.MULTILINE):
            assert "remove-input" in cell.metadata.get("tags", []), cell.source[:80]
            assert cell.metadata["jupyter"]["source_hidden"]
            assert re.sub(r"^from chainrule.*\n", "", cell.source).strip().startswith("Quiz(")
            assert "right=" not in cell.source and re.search(r'key="\w{8}"', cell.source)


def test_the_right_choice_of_a_question_becomes_a_key():
    from chainrule.widgets import Quiz

    source = 'Quiz(\n    "Q",\n    {"a": "right=", "b": "c"},\n    right="b",\n    reveal="go",\n)'
    written = with_keys(source)
    assert written == source.replace('right="b"', written[written.index("key=") :].split(",")[0])
    assert eval(written, {"Quiz": Quiz}).right == "b"
    assert with_keys(written) == written


@pytest.mark.parametrize(
    ("tag", "folded"),
    [
        ("hide-cell", {"source_hidden": True, "outputs_hidden": True}),
        ("hide-input", {"source_hidden": True}),
        ("remove-input", {"source_hidden": True}),
        ("hide-output", {"outputs_hidden": True}),
        ("nbval-ignore-output", None),
    ],
)
def test_what_the_page_folds_is_folded_in_a_notebook_too(tag, folded):
    cells = [nbformat.v4.new_code_cell("1", metadata={"tags": [tag]}) for _ in range(2)]
    notebook = normalise(nbformat.v4.new_notebook(cells=cells))
    assert notebook.cells[-1].metadata.get("jupyter") == folded


def test_two_commands_make_a_fork_a_book_of_its_own(tmp_path):
    """What HOSTING.md says, done to a copy: no file keeps the old title or address, and the new ones agree."""
    git = partial(subprocess.run, check=True, cwd=tmp_path)
    git(["git", "clone", "--quiet", "--no-hardlinks", ROOT, "."])
    commands = re.findall(r"^    (git grep .*)$", (ROOT / "HOSTING.md").read_text(), re.MULTILINE)
    assert len(commands) == 2
    for command in commands:
        git(["bash", "-c", command])
    config = yaml.safe_load((tmp_path / "_config.yml").read_text())
    assert config["title"] == "Your Title"
    assert config["repository"]["url"].endswith("/you/your-book")
    for old in ("chainrule-book/chainrule-book", "Backpropagation, Step by Step"):
        left = subprocess.run(["git", "grep", "-lF", old], cwd=tmp_path, capture_output=True)
        assert left.stdout.decode().split() in ([], ["HOSTING.md"])
    for chapter in sorted((tmp_path / "book").glob("[0-9]*.ipynb"))[:2]:
        assert "you/your-book" in chapter.read_text()


MADE_BY_A_MUTANT = {"is", "not", "or", "and", "else", "True", "False", "None"}


def test_every_reason_for_a_mutant_that_lived_is_about_a_line_that_is_there():
    """A pattern that outlived its line might excuse one that nobody has looked at."""
    for reason in chain.from_iterable(kind.values() for kind in REASONS.values()):
        for module in reason:
            source = (ROOT / "src" / "chainrule" / f"{module}.py").read_text(encoding="utf-8")
            for pattern in reason[module]:
                words = set(re.findall(r"[A-Za-z_]\w+", re.sub(r"\\[a-z]", " ", pattern)))
                lost = {word for word in words - MADE_BY_A_MUTANT if word not in source}
                assert not lost, f"{module}: {pattern} names {', '.join(lost)}"

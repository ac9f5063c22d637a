"""What strangers find: workflows, addresses, commands and paths that are named, licences, the citation."""

import re
import shlex
import sys
import tomllib
from pathlib import Path

import nbformat
import pytest
import yaml
from normalise import COLAB, normalise
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
ADDRESS = PROJECT["urls"]["Repository"]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
GUIDES = ["README.md", "CONTRIBUTING.md"]
every_guide = pytest.mark.parametrize("guide", GUIDES)
every_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)


def text_of(name):
    return (ROOT / name).read_text(encoding="utf-8")


def workflow(path):
    return yaml.load(path.read_text(encoding="utf-8"), yaml.BaseLoader)  # `on` is no boolean


def jobs():
    return {name: job for path in WORKFLOWS for name, job in workflow(path)["jobs"].items()}


def targets():
    return set(re.findall(r"^([a-z]+):(?!=)", text_of("Makefile"), re.MULTILINE))


# Workflows: their form is checked by `make lint`.


@every_workflow
def test_every_action_is_pinned_by_its_hash_with_the_version_beside(path):
    uses = re.findall(r"uses: *(.*)", path.read_text(encoding="utf-8"))
    assert uses
    for line in uses:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line


def test_an_action_has_one_hash_in_all_workflows():
    found = {}
    for path in WORKFLOWS:
        for name, pin in re.findall(r"uses: *(\S+)@(\w+)", path.read_text(encoding="utf-8")):
            found.setdefault(name, set()).add(pin)
    assert {name: pins for name, pins in found.items() if len(pins) > 1} == {}


@every_workflow
def test_a_job_may_do_only_what_it_says_and_ends_some_time(path):
    whole = workflow(path)
    assert whole["permissions"] == {} and "concurrency" in whole
    for name, job in whole["jobs"].items():
        assert job["permissions"] and int(job["timeout-minutes"]) <= 60, name


def test_no_checkout_leaves_its_token_behind():
    steps = [step for job in jobs().values() for step in job["steps"]]
    checkouts = [step for step in steps if step.get("uses", "").startswith("actions/checkout@")]
    assert checkouts
    assert all(step["with"]["persist-credentials"] == "false" for step in checkouts)


def test_workflows_run_targets_that_exist():
    commands = [step["run"] for job in jobs().values() for step in job["steps"] if "run" in step]
    wanted = {"test", "looks", "book", "browsers", "hosts", "binder", "links"}
    wanted |= {"witnesses", "coverage", "explore"}
    assert {f"make {target}" for target in wanted} == set(commands)
    assert {command.removeprefix("make ") for command in commands} <= targets()


def test_every_python_that_the_package_names_is_tested_from_the_oldest_that_it_allows():
    named = [
        line.rpartition(" ")[2] for line in PROJECT["classifiers"] if ":: Python :: 3." in line
    ]
    assert jobs()["test"]["strategy"]["matrix"]["python"] == named
    allowed = SpecifierSet(PROJECT["requires-python"])
    minors = [f"3.{minor}" for minor in range(30) if f"3.{minor}" in allowed]
    assert (
        minors[: len(named)] == named
    )  # and newer ones: nobody is refused before it has been tried


def test_the_job_that_repeats_binder_takes_its_python():
    (setup,) = [step for step in jobs()["binder"]["steps"] if "setup-python" in str(step)]
    assert f"python-{setup['with']['python-version']}" == text_of(".binder/runtime.txt").strip()


def test_only_what_passed_on_main_is_published():
    deploy = jobs()["deploy"]
    assert set(deploy["needs"]) == {"test", "looks", "browsers", "witnesses", "binder", "build"}
    assert "github.ref == 'refs/heads/main'" in deploy["if"]
    assert "github.event_name != 'pull_request'" in deploy["if"]


def test_no_install_step_runs_code_that_is_not_pinned():
    """Either hashes and wheels alone (an sdist asks for build tools of its own), or nothing is fetched."""
    steps = "\n".join(map(text_of, ["Makefile", ".binder/postBuild"]))
    pinned = re.search(r"^PINNED := (.*)", steps, re.MULTILINE)[1]
    installs = re.findall(r"pip (install .*)", steps.replace("$(PINNED)", pinned))
    assert len(installs) == 6
    for options in installs:
        assert (
            "--require-hashes --no-deps --only-binary :all:" in options
            or "--no-deps --no-build-isolation --editable ." in options
            or "--no-build-isolation --use-pep517 $(UNHASHED)" in options  # exact versions
        ), options
    assert not re.search(r"curl|wget|npm |npx|uvx|pipx", steps + str(jobs()))


# Addresses.


NAMING = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "CODE_OF_CONDUCT.md", "CITATION.cff"]


@pytest.mark.parametrize("name", [*NAMING, ".github/ISSUE_TEMPLATE/config.yml"])
def test_the_repository_is_named_by_its_one_address(name):
    owner, repository = ADDRESS.removeprefix("https://github.com/").split("/")
    text = text_of(name)
    named = re.findall(r"(?:github\.com|/gh|/github)/([\w.-]+)/([\w.-]+)", text)
    assert named and set(named) == {(owner, repository)}
    pages = re.findall(r"https://([\w.-]+)\.github\.io/([\w.-]*)", text)
    assert set(pages) <= {(owner, repository)}


# Colab.


class Shell:
    """Stands for IPython's: remembers which magics ran."""

    def __init__(self):
        self.ran = []

    def run_line_magic(self, name, line):
        self.ran.append((name, line))


def ran_by_the_colab_cell():
    shell = Shell()
    exec(COLAB, {"get_ipython": lambda: shell})
    return shell.ran


def test_the_first_code_cell_does_nothing_outside_colab():
    """That every chapter holds it, test_project.py asks: it belongs to the normal form."""
    assert ran_by_the_colab_cell() == []


def test_the_first_code_cell_installs_this_repository_on_colab(monkeypatch):
    monkeypatch.setitem(sys.modules, "google.colab", object())
    ((magic, line),) = ran_by_the_colab_cell()
    command, option, wanted = shlex.split(line)
    assert (magic, command, option) == ("pip", "install", "--quiet")
    requirement = Requirement(wanted)
    assert requirement.url == f"git+{ADDRESS}"
    assert requirement.name == PROJECT["name"]
    assert requirement.extras <= set(PROJECT["optional-dependencies"])


def test_a_chapter_gets_the_cell_once_behind_its_title():
    title = nbformat.v4.new_markdown_cell("# 1. A title", id="title")
    code = nbformat.v4.new_code_cell("1 + 1", id="sum")
    notebook = nbformat.v4.new_notebook(cells=[title, code])
    for _ in range(2):
        normalise(notebook)
        assert [cell.id for cell in notebook.cells] == ["title", "colab", "sum"]
        assert [cell.get("execution_count") for cell in notebook.cells] == [None, 1, 2]
    assert notebook.cells[1].metadata.tags == ["remove-cell"]


# Commands and paths that the guides name.


def quoted(guide):
    """What a guide writes as code: between backticks, fenced, and in indented blocks."""
    text = text_of(guide)
    fenced = "".join(re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
    lines = [*fenced.splitlines(), *re.findall(r"^    (.*)$", text, re.MULTILINE)]
    return re.findall(r"`([^`\n]+)`", text) + [line.split("#")[0] for line in lines]


@every_guide
def test_every_make_target_that_a_guide_names_exists(guide):
    named = [name for code in quoted(guide) for name in re.findall(r"\bmake ([a-z]+)", code)]
    assert len(named) >= 3 and set(named) <= targets()


@every_guide
def test_every_path_that_a_guide_names_exists(guide):
    words = [word for code in quoted(guide) for word in code.split() if "/" in word]
    paths = [word for word in words if not re.search(r"^[_.]build|^\.venv|://|NN_|^_build", word)]
    assert len(paths) >= 5
    assert [path for path in paths if not (ROOT / path).exists()] == []


@every_guide
def test_every_file_that_a_guide_links_to_exists(guide):
    links = re.findall(r"\]\(([^)\s]+)\)", text_of(guide))
    files = [link for link in links if "://" not in link]
    assert files and [file for file in files if not (ROOT / file).exists()] == []


def test_a_program_that_a_guide_or_a_hook_starts_is_installed_with_the_environment():
    hooks = yaml.safe_load(text_of(".pre-commit-config.yaml"))["repos"][0]["hooks"]
    code = [line for guide in GUIDES for line in quoted(guide)]
    started = " ".join([*code, *(hook["entry"] for hook in hooks)])
    programs = set(re.findall(r"\.venv/bin/([\w-]+)", started))
    brought_by = {"jupyter": "jupyter-core", "python": None}
    pinned = text_of("requirements.txt")
    for program in programs:
        package = brought_by.get(program, program)
        assert package is None or re.search(rf"^{package}==", pinned, re.MULTILINE), program


# Citation, changes, licences.


def test_the_citation_says_what_the_project_says():
    citation = yaml.safe_load(text_of("CITATION.cff"))
    assert citation["version"] == PROJECT["version"]
    assert " AND ".join(citation["license"]) == PROJECT["license"]
    assert citation["title"] == yaml.safe_load(text_of("_config.yml"))["title"]
    assert citation["authors"][0]["name"] == yaml.safe_load(text_of("_config.yml"))["author"]


def test_the_changelog_begins_with_what_is_not_released_and_links_each_version():
    text = text_of("CHANGELOG.md")
    versions = re.findall(r"^## \[([^\]]+)\]", text, re.MULTILINE)
    assert versions[0] == "Unreleased"
    assert versions == re.findall(r"^\[([^\]]+)\]: https", text, re.MULTILINE)


def listed():
    """The first column of every table in the list of what others made."""
    rows = re.findall(r"^\| (`[^|]+`) \|", text_of("third_party/README.md"), re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row)}


def test_everything_in_third_party_is_listed_with_a_licence_that_is_there():
    rows = [name for name in listed() if not name.startswith("src/")]
    files = [path for path in (ROOT / "third_party").rglob("*") if path.is_file()]
    for file in files:
        name = file.relative_to(ROOT / "third_party").as_posix()
        licence = file.name in ("LICENSE", "README.md") or file.match("OFL*.txt")
        assert licence or any(name.startswith(row) for row in rows), name
    assert all((ROOT / "third_party" / row).exists() for row in rows)


def test_every_licence_file_that_the_list_names_is_there():
    text = text_of("third_party/README.md")
    named = re.findall(r": `([^`]+(?:LICENSE|\.txt))` \|", text)
    assert len(named) == 6
    for name in named:
        base = ROOT if name.startswith("src/") else ROOT / "third_party"
        assert (base / name).exists(), name


def test_every_data_set_is_listed_and_says_where_it_is_from():
    for file in (ROOT / "src" / "chainrule" / "data").glob("*.npz"):
        assert file.relative_to(ROOT).as_posix() in listed()
        assert "Licence:" in file.with_suffix(".txt").read_text(encoding="utf-8")


def test_the_fonts_are_served_with_their_licence(site):
    """The Open Font License wants its text beside the fonts, wherever they go."""
    folders = {file.parent for file in site.rglob("*.woff2")}
    assert len(folders) == 2
    assert all(list(folder.glob("OFL*.txt")) for folder in folders)


OURS = {"share.png", "katex", "fonts", "search_texts.js"}


def test_whatever_the_site_serves_beside_our_own_is_listed(site):
    text = text_of("third_party/README.md").split("## In the built pages")[1]
    names = re.findall(r"`([^`]+)`", text)
    theme = {path.name for path in (ROOT / "_theme" / "static").iterdir()}
    static = site / "_static"
    for path in static.rglob("*"):
        name = path.relative_to(static).as_posix()
        if path.is_dir() or name.split("/")[0] in OURS | theme or ".chainrule." in name:
            continue
        assert any(fits(name, listed_name) for listed_name in names), name


def fits(name, listed_name):
    return re.fullmatch(re.escape(listed_name).replace(r"\*", "[^/]*"), name) or (
        listed_name.endswith("/") and name.startswith(listed_name)
    )

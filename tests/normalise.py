"""Bring chapters into the one form that is committed: outputs kept, everything of one machine dropped.

Every chapter holds one cell more than its author wrote, behind the title: it installs the package on Colab. The right
choice of a question is written as a key, since some hosts show the source of every cell.

    python tests/normalise.py [--execute] book/*.ipynb

--execute runs each notebook first, from its own folder, in a fresh kernel.
"""

import argparse
import ast
import hashlib
import os
import re
import tomllib
from pathlib import Path

import nbformat

from chainrule.widgets.quiz import sealed

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
ADDRESS = PROJECT["project"]["urls"]["Repository"]
COLAB = f"""\
import sys

# Colab lacks the package; anywhere else this does nothing.
if "google.colab" in sys.modules:
    package = "chainrule[widgets,plots,data] @ git+{ADDRESS}"
    get_ipython().run_line_magic("pip", f"install --quiet '{{package}}'")"""
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
LANGUAGE = {"name": "python"}
# A widget's view holds a random id and is nothing without its kernel; the figure is in text/html.
DROPPED_OUTPUT = "application/vnd.jupyter.widget-view+json"
RESULT = {"code_prompt_hide": "Hide the result", "code_prompt_show": "Show the result"}
DROPPED_METADATA = {"execution", "collapsed", "scrolled", "ExecuteTime", "vscode", "id", "outputId"}


def normalise(notebook):
    """The same notebook in its committed form. Changes `notebook` and returns it."""
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNEL, "language_info": LANGUAGE})
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    notebook.cells = with_colab_cell(notebook.cells)
    seen, count = set(), 0
    for cell in notebook.cells:
        cell.id = stable_id(cell, seen)
        cell.metadata = nbformat.from_dict(
            {key: value for key, value in cell.metadata.items() if key not in DROPPED_METADATA}
        )
        if cell.cell_type == "code":
            cell.source = with_keys(cell.source)
            fold(cell.metadata)
            count += bool(cell.source.strip())
            number_outputs(cell, count if cell.source.strip() else None)
    return notebook


def with_colab_cell(cells):
    """The cells with the one for Colab behind the first; one that is there already is made anew."""
    first, *rest = [cell for cell in cells if cell.get("id") != "colab"]
    cell = nbformat.v4.new_code_cell(COLAB, id="colab", metadata={"tags": ["remove-cell"]})
    return [first, cell, *rest]


def fold(metadata):
    """What the page folds or leaves out is folded in JupyterLab, Notebook and VS Code too."""
    tags = set(metadata.get("tags", []))
    hidden = {
        "source_hidden": bool(tags & {"hide-input", "hide-cell", "remove-input", "remove-cell"}),
        "outputs_hidden": bool(tags & {"hide-output", "hide-cell", "remove-output", "remove-cell"}),
    }
    metadata.pop("jupyter", None)
    if any(hidden.values()):
        metadata["jupyter"] = {name: True for name, is_hidden in hidden.items() if is_hidden}
    if "hide-output" in tags:  # or the page would offer to show the code, which is there
        metadata.setdefault("mystnb", nbformat.from_dict(RESULT))
    elif metadata.get("mystnb") == RESULT:  # of a fold that the cell no longer has
        del metadata["mystnb"]


def with_keys(source):
    """The source with `key=` for the `right=` of each Quiz: some hosts show the source of every cell."""
    if "Quiz(" not in source:
        return source
    for call in ast.walk(ast.parse(source)):
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "Quiz":
            for named in call.keywords:
                if named.arg == "right":
                    question, right = map(ast.literal_eval, (call.args[0], named.value))
                    old = ast.get_source_segment(source, named)
                    source = source.replace(old, f'key="{sealed(question, right)}"')
    return source


def stable_id(cell, seen):
    """The id that is there; in place of a missing or doubled one, a hash of the source."""
    name = cell.get("id", "")
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name) or name in seen:
        base = hashlib.sha256(cell.source.encode()).hexdigest()[:8]
        name, again = f"c-{base}", 1
        while name in seen:
            again += 1
            name = f"c-{base}-{again}"
    seen.add(name)
    return name


def number_outputs(cell, count):
    cell.execution_count = count
    for output in cell.outputs:
        if "execution_count" in output:
            output.execution_count = count
        if "data" in output:
            output.data.pop(DROPPED_OUTPUT, None)
    cell.outputs = [o for o in joined(cell.outputs) if "data" not in o or o.data]


def joined(outputs):
    """Text printed in pieces as one output a stream, since the pieces differ from run to run."""
    streams, kept = {}, []
    for output in outputs:
        if output.output_type == "stream" and output.name in streams:
            streams[output.name].text += output.text
        else:
            kept.append(output)
            if output.output_type == "stream":
                streams[output.name] = output
    return kept


def execute(notebook, folder):
    from nbclient import NotebookClient

    os.environ["TQDM_DISABLE"] = "1"  # on a busy machine a chapter may train long enough for a bar
    NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    ).execute()


def text_of(notebook):
    return nbformat.writes(notebook).rstrip("\n") + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--execute", action="store_true", help="run each notebook first")
    parser.add_argument("notebooks", nargs="+", type=Path)
    wanted = parser.parse_args()
    for path in wanted.notebooks:
        notebook = nbformat.read(path, as_version=4)
        if wanted.execute:
            print(f"Running {path}", flush=True)
            execute(notebook, path.parent)
        write_whole(path, text_of(normalise(notebook)))


def write_whole(path, text):
    """Put a file in the place of another at once: whoever is interrupted leaves the old one."""
    beside = path.with_name(f".{path.name}.new")
    try:
        beside.write_text(text, encoding="utf-8")
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


if __name__ == "__main__":
    main()

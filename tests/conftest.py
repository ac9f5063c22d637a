"""What the tests share: how examples are chosen; a browser, the built site, and pages that complain when anything is amiss."""

import threading
from functools import partial
from http.server import ThreadingHTTPServer

import find_browser
import profiles  # noqa: F401
import pytest
from built_site import SITE, SUB_PATH, BelowAPath, watch
from hosts import tell, told  # noqa: F401
from processes import listen_to_ctrl_c, nothing_is_left_running  # noqa: F401

from chainrule.doctor import pieces

listen_to_ctrl_c()
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
    """open_page(path, scheme="http", complaints=None, **context) opens a page of the built site.

    `path` is below the site ("book/index.html", a query or an anchor allowed); scheme "file" opens it
    from disk. `context` goes to Playwright's new_context (viewport, color_scheme, java_script_enabled,
    reduced_motion). When the test ends, it fails if any page asked for something outside the site, wrote
    a warning or an error to the console, threw, or asked for a file that is not there. A list given as
    `complaints` gets these instead.
    """
    contexts, all_complaints = [], []

    def open_it(path, scheme="http", complaints=None, **context_options):
        complaints = all_complaints if complaints is None else complaints
        home = site_url if scheme == "http" else site.as_uri() + "/"
        context = browser.new_context(**context_options)
        contexts.append(context)
        page = context.new_page()
        watch(page, home, path, complaints)
        page.goto(home + path, wait_until="load")
        return page

    yield open_it
    for context in contexts:
        context.close()
    assert all_complaints == []


@pytest.fixture
def show(browser, tmp_path):
    """Open a stepper in a page of its own, from disk; any warning or error there fails the test."""
    complaints, pages = [], []

    def open_it(stepper, **options):
        path = tmp_path / f"figure{len(pages)}.html"
        path.write_text(stepper.to_html(), encoding="utf-8")
        page = browser.new_page(**options)
        page.set_default_timeout(3_000)
        page.on("console", lambda m: complaints.append(m.text) if m.type != "log" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "request",
            lambda r: (
                complaints.append(r.url) if not r.url.startswith(("file:", "blob:")) else None
            ),
        )
        page.goto(path.as_uri())
        if options.get("java_script_enabled", True):
            page.wait_for_selector(".chainrule-live")
        pages.append(page)
        return page

    yield open_it
    for page in pages:
        page.close()
    assert complaints == []


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

"""The site under its own content security policy: everything of ours runs, and nothing else does."""

import re

import pytest
from built_site import SITE, BelowAPath, settle

from chainrule.widgets import policy

PAGES = [
    "book/00_why_not_nudge.html",
    "book/07_network.html",
    "book/10_learning.html",
    "search.html",
]


class WithPolicy(BelowAPath):
    def end_headers(self):
        text = (SITE / policy.FILE).read_text(encoding="utf-8").strip()
        self.send_header("Content-Security-Policy", text)
        super().end_headers()


@pytest.fixture(scope="module")
def guarded(site, serve):
    return serve(site, WithPolicy)


@pytest.fixture
def visit(browser, guarded):
    """visit(path): a page of the guarded site, and what was said in its console."""
    contexts, said = [], []

    def open_it(path):
        contexts.append(browser.new_context(viewport={"width": 1280, "height": 800}))
        page = contexts[-1].new_page()
        page.on("console", lambda m: m.type in ("warning", "error") and said.append(m.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(guarded + path)
        settle(page)
        return page, said

    yield open_it
    for context in contexts:
        context.close()


@pytest.mark.parametrize("path", PAGES)
def test_a_page_works_under_the_policy(path, visit):
    page, said = visit(path)
    assert page.title()
    assert said == []


def test_a_figure_can_be_driven_under_the_policy(visit):
    page, said = visit("book/07_network.html")
    figure = page.locator(".chainrule-stepper").first
    figure.get_by_role("button", name="Last step", exact=True).click()
    assert figure.get_attribute("data-step") == figure.get_attribute("data-steps")
    assert said == []


def test_the_search_works_under_the_policy(visit):
    page, said = visit("book/index.html")
    page.keyboard.press("Control+k")
    page.keyboard.type("gradient")
    page.keyboard.press("Enter")
    page.wait_for_selector("#search-results li a")
    assert said == []


def test_a_script_that_was_smuggled_in_does_not_run(visit):
    page, said = visit("book/07_network.html")
    page.evaluate(
        """() => {
            const script = document.createElement("script");
            script.textContent = "window.smuggled = true";
            document.body.append(script);
            document.body.insertAdjacentHTML("beforeend", "<img src=x onerror='window.smuggled = true'>");
        }"""
    )
    page.wait_for_timeout(200)
    assert page.evaluate("window.smuggled") is None
    assert any("Content Security Policy" in line for line in said)


def test_no_script_is_allowed_but_by_its_hash_or_from_here(site):
    text = (site / policy.FILE).read_text(encoding="utf-8")
    allowed = re.search(r"script-src ([^;]*);", text)[1].split()
    kinds = {word for word in allowed if not word.startswith("'sha256-")}
    assert kinds == {"'self'", "'unsafe-hashes'"}
    assert len(text) < 4_000  # a header line that servers take

"""The built site, as a reader meets it: on a server, below a path, and opened from disk."""

import gzip
import posixpath
from functools import cache
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

import pytest
from built_site import SITE, SUB_PATH

SCRIPT_BUDGET, STYLE_BUDGET = 60_000, 100_000  # bytes, gzip, on any page
BESIDES = ("_static", "_sources", "_images", "_downloads")
PAGES = sorted(
    path.relative_to(SITE).as_posix()
    for path in SITE.rglob("*.html")
    if path.relative_to(SITE).parts[0] not in BESIDES
)
CHAPTERS = [page for page in PAGES if page.startswith("book/")]
every_page = pytest.mark.parametrize("path", PAGES)
READ = [page for page in PAGES if page != "index.html"]  # that one only sends the reader on
every_chapter = pytest.mark.parametrize("path", CHAPTERS)


class Page(HTMLParser):
    """What a page's markup refers to, and what can be referred to in it."""

    def __init__(self, text):
        super().__init__()
        self.links, self.ids, self.images, self.lang = [], [], [], None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if "id" in attributes:
            self.ids.append(attributes["id"])
        for name in ("href", "src", "data", "poster"):
            if attributes.get(name) and not (tag == "a" and attributes.get("download") == ""):
                self.links.append((tag, attributes[name]))
        if tag == "meta" and (attributes.get("http-equiv") or "").lower() == "refresh":
            self.links.append((tag, attributes["content"].partition("url=")[2]))
        if tag == "img":
            self.images.append(attributes)
        if tag == "html":
            self.lang = attributes.get("lang")


@cache
def parsed(path):
    return Page((SITE / path).read_text(encoding="utf-8"))


def test_the_site_has_the_pages_of_the_table_of_contents(site):
    wanted = {"index.html", "search.html", "book/index.html"}
    assert wanted <= set(PAGES)
    assert len(CHAPTERS) >= 4


@every_page
def test_no_link_image_or_anchor_is_dead(path, site):
    dead = []
    for tag, address in parsed(path).links:
        parts = urlsplit(address)
        if parts.scheme or parts.netloc:
            continue
        target = posixpath.normpath(
            posixpath.join(posixpath.dirname(path), unquote(parts.path)) if parts.path else path
        )
        file = site / target
        if target.startswith("..") or not file.is_file():
            dead.append(f"<{tag}> {address}")
        elif parts.fragment and tag == "a" and target.endswith(".html"):
            if unquote(parts.fragment) not in parsed(target).ids:
                dead.append(f"<{tag}> {address}: no such anchor")
    assert dead == []


@every_page
def test_a_page_loads_nothing_from_another_host(path, site):
    loading = [
        address
        for tag, address in parsed(path).links
        if tag != "a" and (urlsplit(address).scheme not in ("", "data") or address.startswith("//"))
    ]
    assert loading == []


@every_page
def test_ids_are_unique_and_the_language_is_set(path, site):
    page = parsed(path)
    assert sorted(page.ids) == sorted(set(page.ids))
    if path in READ:
        assert page.lang == "en"


@every_chapter
def test_every_image_says_what_it_shows(path, site):
    assert [image.get("src") for image in parsed(path).images if not image.get("alt")] == []


@every_chapter
def test_every_formula_was_rendered_at_build_time(path, site):
    text = (site / path).read_text(encoding="utf-8")
    assert "katex-error" not in text
    assert text.count('class="math') == text.count('class="katex-html"')


@every_chapter
def test_no_page_carries_the_state_of_widgets_or_their_manager(path, site):
    text = (site / path).read_text(encoding="utf-8")
    for word in (
        "widget-state+json",
        "require.min.js",
        "html-manager",
        "MathJax",
        "fontawesome.js",
    ):
        assert word not in text


@pytest.mark.parametrize("scheme", ["http", "file"])
@every_page
def test_a_page_opens_without_a_complaint(path, scheme, open_page):
    page = open_page(path, scheme)
    page.wait_for_load_state("networkidle")
    assert page.title()


@every_chapter
def test_a_page_is_light(path, open_page, site_url):
    page = open_page(path)
    page.wait_for_load_state("networkidle")
    loaded = page.evaluate("performance.getEntriesByType('resource').map(entry => entry.name)")
    files = {SITE / urlsplit(url).path.partition(SUB_PATH)[2] for url in loaded}
    for kind, budget in ((".js", SCRIPT_BUDGET), (".css", STYLE_BUDGET)):
        sizes = [len(gzip.compress(file.read_bytes())) for file in files if file.suffix == kind]
        assert sizes and sum(sizes) <= budget


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("path", READ)
def test_no_page_is_wider_than_the_window(path, width, open_page):
    page = open_page(path, viewport={"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["http", "file"])
def test_search_finds_a_page(scheme, open_page):
    page = open_page("book/index.html", scheme, viewport={"width": 1280, "height": 800})
    page.keyboard.press("Control+k")
    page.keyboard.type("gradient")
    page.keyboard.press("Enter")
    page.click("#search-results li a")
    page.wait_for_url("**/book/*.html*")


@every_chapter
def test_every_icon_of_the_theme_is_drawn_by_our_style(path, open_page):
    page = open_page(path)
    blank = page.eval_on_selector_all(
        "i[class*='fa-']",
        "all => all.filter(i => !getComputedStyle(i).maskImage.startsWith('url(')).map(i => i.className)",
    )
    assert blank == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_follows_the_readers_colour_scheme(scheme, open_page):
    page = open_page("book/index.html", color_scheme=scheme)
    assert page.evaluate("document.documentElement.dataset.theme") == scheme


@every_chapter
def test_without_javascript_the_text_and_every_figure_stand(path, open_page):
    page = open_page(path, "file", java_script_enabled=False)
    assert page.locator("section > h1").first.is_visible()
    page.eval_on_selector_all("details", "all => all.forEach(one => (one.open = true))")
    for figure in page.locator(".chainrule-stepper").all():
        assert figure.locator("svg").first.is_visible()
        assert figure.locator("table").count() == 1


def test_a_menu_opens_and_closes_by_click_and_by_key(open_page):
    page = open_page("book/07_network.html", viewport={"width": 1280, "height": 800})
    button = page.get_by_role("button", name="Download this page")
    link = page.locator("a.btn-download-source-button")
    assert not link.is_visible()
    button.click()
    page.mouse.move(640, 600)  # the theme shows a menu under the pointer, opened or not
    assert link.is_visible() and button.get_attribute("aria-expanded") == "true"
    box = link.bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= 1280
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.className").count("btn-download-source-button")
    page.keyboard.press("Escape")
    assert not link.is_visible()
    button.click()
    page.mouse.click(640, 600)
    assert not link.is_visible()

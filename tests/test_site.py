"""The built site: its markup, its menus and ways on, its search, its print. What holds for each page that opens: test_pages.py."""

import posixpath
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from built_site import CHAPTERS, PAGES, READ, SITE, parsed, watch

every_page = pytest.mark.parametrize("path", PAGES)
every_chapter = pytest.mark.parametrize("path", CHAPTERS)


def dead_links(path, site=SITE):
    """Links of a page that lead to no file of the site or no place in it. Other hosts are not asked."""
    dead = []
    for tag, address in parsed(path, site).links:
        parts = urlsplit(address)
        if parts.scheme in ("https", "mailto", "data"):
            continue
        folder = posixpath.dirname(path)
        target = posixpath.normpath(posixpath.join(folder, unquote(parts.path) or Path(path).name))
        if parts.scheme or parts.netloc or target.startswith(("..", "/")):
            dead.append(f"<{tag}> {address}: outside the site")
        elif not (site / target).is_file():
            dead.append(f"<{tag}> {address}")
        elif parts.fragment and tag == "a" and target.endswith(".html"):
            if unquote(parts.fragment) not in parsed(target, site).ids:
                dead.append(f"<{tag}> {address}: no such anchor")
    return dead


def loaded_from_elsewhere(path, site=SITE):
    """What a page's markup loads from other hosts. A link, or a form, is followed only when it is used."""
    return [
        address
        for tag, address in parsed(path, site).links
        if tag not in ("a", "form")
        and (urlsplit(address).scheme not in ("", "data") or address.startswith("//"))
    ]


@pytest.mark.parametrize("path", READ)
def test_no_page_shows_a_zero_with_a_minus_sign(path, site):
    text = (site / path).read_text(encoding="utf-8")
    assert re.findall(r"(?<![\w.)\]−])−0(?:\.0*)?(?![\de]|\.\d)", text) == []


def test_the_site_has_the_pages_of_the_table_of_contents(site):
    wanted = {"index.html", "search.html", "404.html", "book/index.html"}
    assert wanted <= set(PAGES)
    assert len(CHAPTERS) >= 4


@every_page
def test_no_link_image_or_anchor_is_dead(path, site):
    assert dead_links(path) == []


@every_page
def test_a_page_loads_nothing_from_another_host(path, site):
    assert loaded_from_elsewhere(path) == []


@every_page
def test_ids_are_unique_and_the_language_is_set(path, site):
    page = parsed(path)
    assert sorted(page.ids) == sorted(set(page.ids))
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


@pytest.mark.parametrize("path", [page for page in READ if page not in ("404.html", "search.html")])
def test_no_script_of_any_size_holds_up_the_first_screen(path, site):
    head = (site / path).read_text(encoding="utf-8").partition("</head>")[0]
    waited_for = re.findall(r"<script(?![^>]* (?:defer|async))[^>]* src=\"([^\"?]*)", head)
    assert [Path(name).name for name in waited_for] == ["documentation_options.js"]


@pytest.mark.parametrize("scheme", ["http", "file"])
def test_search_finds_a_page(scheme, open_page):
    page = open_page("book/index.html", scheme, viewport={"width": 1280, "height": 800})
    page.keyboard.press("Control+k")
    page.keyboard.type("gradient")
    page.keyboard.press("Enter")
    page.click("#search-results li a")
    page.wait_for_url("**/book/*.html*")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_follows_the_readers_colour_scheme(scheme, open_page):
    page = open_page("book/index.html", color_scheme=scheme)
    assert page.evaluate("document.documentElement.dataset.theme") == scheme


def test_a_menu_opens_and_closes_by_click_and_by_key(open_page):
    page = open_page("book/07_network.html", viewport={"width": 360, "height": 640})
    button = page.locator("summary[aria-label='Run this page']")
    link = page.get_by_role("link", name="Download the notebook")
    assert not link.is_visible()
    button.click()
    assert link.is_visible()
    box = link.bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= 360
    page.mouse.click(180, 500)
    assert not link.is_visible()
    button.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Run on Binder"
    page.keyboard.press("Escape")
    assert not link.is_visible()
    assert page.evaluate("document.activeElement.ariaLabel") == "Run this page"


def test_a_menu_opens_without_javascript_and_saves_the_notebook(open_page):
    page = open_page("book/07_network.html", java_script_enabled=False)
    page.locator("summary[aria-label='Run this page']").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download the notebook").click()
    assert download.value.suggested_filename == "07_network.ipynb"


@pytest.mark.parametrize(
    "path", ["book/index.html", "book/07_network.html", "book/reference/api.html"]
)
def test_title_and_search_stay_in_view_in_a_low_window_and_names_of_chapters_need_one_line(
    path, open_page
):
    page = open_page(path, viewport={"width": 1280, "height": 720})
    sidebar = page.locator("#pst-primary-sidebar")
    current = sidebar.locator("li.current > a, [aria-current=page]").bounding_box()
    assert 0 <= current["y"] < 720
    sidebar.evaluate("(one) => (one.scrollTop = one.scrollHeight)")
    title = sidebar.get_by_role("navigation", name="Home").get_by_role("link")
    for shown in (title, sidebar.get_by_role("button", name="Search")):
        box = shown.bounding_box()
        assert 0 <= box["y"] and box["y"] + box["height"] < 150
    sizes = "(all) => all.map((one) => [one.offsetHeight, one.scrollWidth - one.clientWidth])"
    links = sidebar.locator("nav.bd-links a").evaluate_all(sizes)
    parts = sidebar.locator("nav.bd-links .caption").evaluate_all(sizes)
    captions = (
        (Path(__file__).parents[1] / "_toc.yml").read_text(encoding="utf-8").count("caption:")
    )
    assert len(links) == len(CHAPTERS) - 1 and len(parts) == captions
    for group in (links, parts + title.locator("p").evaluate_all(sizes)):
        assert max(group)[0] < 1.5 * min(group)[0] and max(over for _, over in group) <= 0
    page.set_viewport_size({"width": 1000, "height": 720})  # a narrow column: the title takes two
    assert all(over <= 0 for _, over in title.locator("p").evaluate_all(sizes))


def test_contents_mark_the_section_that_is_read_and_keep_it_in_view(open_page):
    page = open_page("book/10_learning.html", viewport={"width": 1280, "height": 720})
    headings = page.locator("article h2")
    for k in [*range(headings.count()), 2]:  # and back up, in one jump
        headings.nth(k).evaluate(
            "(one) => scrollTo(0, one.getBoundingClientRect().top + scrollY - 100)"
        )
        name = headings.nth(k).inner_text().rstrip("#")
        page.wait_for_function(
            "(name) => document.querySelector('.page-toc [aria-current]')?.textContent === name",
            arg=name,
        )
        marked = page.locator(".page-toc .active")
        assert marked.count() == 1
        box = marked.bounding_box()
        assert 0 <= box["y"] and box["y"] + box["height"] <= 720


def test_the_menus_of_a_wide_window_have_words(open_page):
    for width, is_wide in ((1280, True), (800, False)):
        page = open_page("book/07_network.html", viewport={"width": width, "height": 800})
        words = page.locator(".menu .word")
        assert words.all_text_contents() == ["Run", "Source"]
        assert {word.is_visible() for word in words.all()} == {is_wide}


def test_a_phone_without_javascript_opens_and_closes_the_contents(open_page):
    phone = {"viewport": {"width": 360, "height": 640}, "is_mobile": True, "has_touch": True}
    page = open_page("book/07_network.html", java_script_enabled=False, **phone)
    chapter = page.locator("#pst-primary-sidebar").get_by_role("link", name="The chain rule")
    assert not chapter.is_visible()
    page.get_by_title("Contents of the book").tap()
    chapter.wait_for()
    page.touchscreen.tap(350, 320)
    chapter.wait_for(state="hidden")
    page.get_by_title("Contents of the book").tap()
    chapter.tap()
    page.wait_for_url("**/02_chain_rule.html")


@pytest.mark.parametrize("name", ["Toggle primary sidebar", "Toggle secondary sidebar"])
def test_a_phone_opens_the_contents_of_the_book_and_of_the_page(name, open_page):
    page = open_page("book/07_network.html", viewport={"width": 360, "height": 640})
    button = page.get_by_role("button", name=name)
    button.click()
    assert page.locator("dialog[open]").is_visible()
    page.keyboard.press("Escape")
    assert page.locator("dialog[open]").count() == 0
    assert button.evaluate("(button) => button === document.activeElement")


def test_a_lost_reader_finds_the_way_back_from_any_depth(open_page, site):
    complaints = []
    page = open_page("book/deep/er/nothing.html", complaints=complaints)
    assert page.get_by_role("heading", name="No such page").is_visible()
    assert {what.split()[1] for what in complaints} == {
        "404",
        "console",
    }  # itself, and nothing else
    home = parsed("book/index.html").canonical.removesuffix("book/index.html")
    ways = [address for tag, address in parsed("404.html").links if tag in ("a", "form")]
    assert len(ways) > len(CHAPTERS)
    assert [way for way in ways if not (site / way.removeprefix(home)).is_file()] == []


def test_a_page_prints_light_with_its_figures_as_picture_and_table(open_page):
    page = open_page("book/01_computational_graphs.html", color_scheme="dark")
    page.emulate_media(media="print")
    page.wait_for_function("document.documentElement.dataset.theme === 'light'")
    figure = page.locator(".chainrule-stepper").first
    assert figure.locator("svg").first.is_visible() and figure.locator("table").is_visible()
    assert not figure.get_by_role("button", name="Next step").is_visible()
    cut = page.eval_on_selector_all(
        "pre", "all => all.filter((e) => e.scrollWidth > e.clientWidth).length"
    )
    assert cut == 0
    page.emulate_media(media="screen")
    page.wait_for_function("document.documentElement.dataset.theme === 'dark'")


BROKEN = """<link rel="icon" href="data:,">
<img src="https://example.org/a.png" alt=""> <script src="https://example.org/b.js"></script>
<script>fetch("https://example.org/c").catch(() => {}); new WebSocket("ws://example.org/d");</script>
<script>console.warn("odd"); console.error("bad"); console.assert(false, "false");</script>
<script>throw new Error("thrown")</script> <script src="missing.js"></script>
<img src="missing.png" alt="">"""
COMPLAINTS = [
    *(f"asks for https://example.org/{name}" for name in ("a.png", "b.js", "c")),
    "asks for ws://example.org/d",
    *("console warning: odd", "console error: bad", "console assert: false"),
    *("throws thrown", "missing.js", "missing.png"),
]


@pytest.mark.parametrize("scheme", ["http", "file"])
def test_whatever_is_amiss_on_a_page_is_complained_of(scheme, browser, tmp_path, serve):
    home = serve(tmp_path) if scheme == "http" else tmp_path.as_uri() + "/"
    (tmp_path / "broken.html").write_text(BROKEN)
    complaints, page = [], browser.new_page()
    watch(page, home, "broken.html", complaints)
    page.goto(home + "broken.html")
    missed = COMPLAINTS
    for _ in range(100):  # ten seconds
        missed = [wanted for wanted in missed if not any(wanted in one for one in complaints)]
        if not missed:
            break
        page.wait_for_timeout(100)
    page.close()
    assert missed == []


def test_dead_links_and_what_is_loaded_from_elsewhere_are_found(tmp_path):
    (tmp_path / "there.html").write_text("<p id='here'></p>")
    (tmp_path / "page.html").write_text(
        """<a href="there.html#here"></a><a href="https://example.org"></a>
        <a href="gone.html"></a><img src="gone.png"><a href="there.html#gone"></a>
        <a href="#gone"></a><a href="../page.html"></a><a href="/page.html"></a>
        <a href="file:page.html"></a><a href="//example.org"></a>
        <link href="https://example.org/a.css"><script src="//example.org/b.js"></script>"""
    )
    dead = " ".join(dead_links("page.html", tmp_path))
    for address in (
        "gone.html",
        "gone.png",
        "there.html#gone",
        "#gone",
        "../page.html",
        "/page.html",
    ):
        assert f"> {address}" in dead
    assert "file:page.html" in dead and "> //example.org" in dead
    assert "#here" not in dead and "https:" not in dead
    elsewhere = loaded_from_elsewhere("page.html", tmp_path)
    assert elsewhere == ["https://example.org/a.css", "//example.org/b.js"]


def test_the_first_stepper_is_at_most_ten_tabs_from_the_target_of_the_skip_link(open_page):
    page = open_page("book/index.html", viewport={"width": 1280, "height": 900})
    page.wait_for_selector(".chainrule-live")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # the skip link
    for pressed in range(1, 11):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.closest('.chainrule-stepper') !== null"):
            return
    raise AssertionError(f"after {pressed} presses no stepper is reached")

"""The search, asked as a reader would: which place comes first, what is shown of it, and where it leads."""

import gzip
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pytest
from built_site import SITE
from test_reference import glossary

ROOT = Path(__file__).parents[1]
TEXTS = SITE / "_static" / "search_texts.js"
BUDGET = (
    140_000  # bytes, gzip, of all sentences of the book; they are loaded with the first question
)
# What readers ask, and the place that explains it.
PLACES = {
    "momentum": "10_learning.html#a-walk-in-a-valley",
    "train/test split": "10_learning.html#what-learning-is-for",
    "overfit": "10_learning.html#what-learning-is-for",
    "tolerance": "09_gradient_check.html#what-to-do-when-a-check-fails",
    "chain rule": "02_chain_rule.html#the-chain-rule-and-forks",
    "kink": "04_relu_and_sigmoid.html#the-kink-at-0",
}


@pytest.fixture(scope="module")
def texts(site):
    return json.loads(
        TEXTS.read_text(encoding="utf-8").removeprefix("globalThis.searchTexts = ").rstrip(";\n")
    )


@pytest.fixture
def ask(open_page):
    """ask(query, scheme="http") opens the search page with a question: (page, results), a result (address, text shown)."""

    def open_it(query, scheme="http", **options):
        page = open_page("search.html", scheme, **options)
        page.fill(".bd-search-container input", query)
        page.wait_for_selector("#search-results [role=status]")
        shown = page.eval_on_selector_all(
            "#search-results h2",
            "all => all.map((one) => [one.firstChild.href, one.nextElementSibling.textContent])",
        )
        return page, [(re.sub(".*/book/|:~:.*", "", address), text) for address, text in shown]

    return open_it


def page_of(address):
    return address.partition("#")[0]


@pytest.mark.parametrize("scheme", ["http", "file"])
@pytest.mark.parametrize("query", PLACES)
def test_a_word_leads_to_the_place_that_explains_it_and_then_to_its_entry(query, scheme, ask):
    _, results = ask(query, scheme)
    addresses = [address for address, _ in results]
    assert addresses[0] == PLACES[query]
    pages = list(dict.fromkeys(map(page_of, addresses)))
    assert pages[1] == "glossary.html"
    entry = next(address for address in addresses if page_of(address) == "glossary.html")
    assert entry.partition("#term-")[2]
    assert "reference/api.html" not in pages[:-1]


@pytest.mark.parametrize("scheme", ["http", "file"])
def test_a_result_shows_the_sentence_and_a_click_leads_to_it(scheme, ask):
    page, results = ask("cancelled what roots", scheme)
    page, results = ask("valley slope", scheme)
    address, shown = results[0]
    assert address == "10_learning.html#a-walk-in-a-valley"
    assert "Along the valley every step is short, because the slope is small there." in shown
    marked = page.locator("#search-results p").nth(2).locator("mark").all_text_contents()
    assert {word.lower() for word in marked} >= {"valley", "slope"}
    page.locator("#search-results a").first.click()
    page.wait_for_url("**/10_learning.html*")
    page.wait_for_function(
        "document.getElementById('a-walk-in-a-valley').getBoundingClientRect().top < innerHeight"
    )


def test_nothing_stays_marked_on_the_page_that_was_found(ask):
    page, _ = ask("gradient")
    page.locator("#search-results a").first.click()
    page.wait_for_url("**/book/*.html*")
    for _ in range(2):  # on arrival, and when the page is opened once more
        page.wait_for_load_state()
        assert page.locator(".highlighted, .highlight-link").count() == 0
        assert "Hide Search Matches" not in page.content()
        page.goto(page.url.partition("#")[0])
    page.emulate_media(media="print")
    background = "getComputedStyle(document.body, '::target-text').backgroundColor"
    assert page.evaluate(background) == "rgba(0, 0, 0, 0)"


def test_every_word_of_the_glossary_leads_to_its_chapter_first_and_to_its_entry_next(ask):
    page, _ = ask("gradient")
    asked = [
        (term, re.search(r"\((\w+)\.ipynb\)", told)) for terms, told in glossary() for term in terms
    ]
    assert len(asked) > 120
    found = page.evaluate(
        "(all) => all.map((one) => search(one, searchTexts).map(({ address, sections }) => [address, sections[0][1]]))",
        [term for term, _ in asked],
    )
    astray = []
    for (term, chapter), pages in zip(asked, found, strict=True):
        entry = pages[1] if len(pages) > 1 else pages[0]
        names = entry[1].replace("’", "'").split(", ")
        if entry[0] != "book/glossary.html" or term not in names:
            astray.append((term, entry))
        elif chapter and pages[0][0] != f"book/{chapter[1]}.html":
            astray.append((term, pages[0][0]))
    assert astray == []


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("연쇄 법칙", "glossary.html#term-chain-rule"),  # written in one word there
        ("softmax zebra", "06_softmax_with_loss.html"),
        ("GRADIENT_CHECK", "09_gradient_check.html"),
        ("overfits", "10_learning.html#what-learning-is-for"),
    ],
)
def test_what_is_asked_in_another_form_is_found_too(query, shown, ask):
    _, results = ask(query)
    assert any(address.startswith(shown) for address, _ in results[:4]), results[:4]


@pytest.mark.parametrize("query", ["zebra", "<img src=x onerror=alert(1)>zebra", "...", "(?<"])
def test_what_is_not_there_or_no_word_is_answered_in_words_or_not_at_all(query, open_page):
    page = open_page("search.html")
    page.fill(".bd-search-container input", query)
    page.wait_for_selector("#search-results [role=status]", state="attached")
    page.wait_for_timeout(100)
    assert page.locator("#search-results img").count() == 0
    if query == "zebra":
        assert page.locator("#search-results").inner_text() == "No page holds any of these words."


def test_nothing_is_loaded_before_a_question_and_no_page_but_this_one_loads_it(open_page):
    loaded = "performance.getEntriesByType('resource').filter((one) => one.name.includes('search')).length"
    assert open_page("book/10_learning.html").evaluate(loaded) == 0
    page = open_page("search.html")
    assert page.evaluate(loaded) == 1  # search.js
    page.keyboard.press("Control+k")
    assert page.evaluate(loaded) == 1
    page.fill(".bd-search-container input", "fork")
    page.wait_for_selector("#search-results li")
    assert page.evaluate(loaded) == 2


class Words(HTMLParser):
    """The texts of an output, each as one string."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_data(self, data):
        self.found.append(" ".join(data.split()))


def test_the_texts_hold_every_paragraph_and_nothing_of_the_figures(texts, site):
    assert len(gzip.compress(TEXTS.read_bytes())) <= BUDGET
    assert not (site / "searchindex.js").exists()
    whole = {
        Path(address).stem: " ".join(text for _, _, text, *_ in parts)
        for address, _, parts in texts
    }
    for path in sorted((ROOT / "book").glob("*.ipynb")):
        drawn, written = set(), []
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "markdown":
                for paragraph in cell.source.split("\n\n"):
                    text = " ".join(paragraph.split())
                    written += re.findall(r"(?<=\. )[A-Z][\w ,;]{40,}\.", text)
            for output in cell.get("outputs", []):
                drawn |= set(Words(output.get("data", {}).get("text/html", "")).found)
        assert written and [one for one in written if one not in whole[path.stem]] == []
        long = {one for one in drawn if len(one) > 50}
        assert long and [one for one in long if one in whole[path.stem]] == []

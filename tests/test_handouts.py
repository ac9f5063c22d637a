"""Slides and sheets of exercises: each opened as a teacher would, from disk and without a network."""

import re
from functools import cache

import pytest
from built_site import SITE

pytestmark = pytest.mark.looks

CHAPTERS = sorted(path.stem for path in (SITE / "book").glob("[01]*.html"))
some_chapters = pytest.mark.parametrize(
    "chapter", ["01_computational_graphs", "05_affine", "10_learning", "appendix_where_next"]
)
WIDE = {"width": 1280, "height": 720}


@pytest.fixture(scope="module")
def handouts(site, theme):
    module = theme("handouts/handouts")
    module.slides, module.sheet = cache(module.slides), cache(module.sheet)
    return module


def step(page):
    return int(page.locator(".chainrule-stepper").first.get_attribute("data-step"))


def slide(page):
    return page.evaluate("slides.indexOf(shown())")


def test_the_arrow_keys_step_through_a_figure_and_then_go_on(handouts, from_disk):
    page = from_disk(handouts.slides("01_computational_graphs"), viewport=WIDE)
    page.wait_for_selector("html[data-ready]")
    where = page.evaluate("slides.findIndex((one) => one.querySelector('.chainrule-stepper'))")
    steps = int(page.locator(".chainrule-stepper").first.get_attribute("data-steps"))
    for _ in range(where):
        page.keyboard.press("ArrowDown")
    assert (slide(page), step(page)) == (where, 0)
    for k in range(1, steps + 1):
        page.keyboard.press("ArrowRight" if k % 2 else "PageDown")
        assert (slide(page), step(page)) == (where, k)
    page.keyboard.press("ArrowRight")
    assert slide(page) == where + 1
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowLeft")
    assert (slide(page), step(page)) == (where, steps - 1)
    page.keyboard.press("Home")
    assert slide(page) == 0
    page.keyboard.press("ArrowLeft")
    assert slide(page) == 0


@some_chapters
def test_a_slide_holds_one_figure_alive_and_fits_a_projector(chapter, handouts, from_disk):
    page = from_disk(handouts.slides(chapter), viewport=WIDE)
    page.wait_for_selector("html[data-ready]")
    kinds = ", ".join(f".chainrule-{kind}" for kind in handouts.page.KINDS)
    figures = page.eval_on_selector_all(
        ".slide", f"(all) => all.map((one) => one.querySelectorAll('{kinds}').length)"
    )
    assert len(figures) > 3 and figures == [0, *[1] * (len(figures) - 1)]
    dead = page.locator(f".slide > :is({kinds}):not(.chainrule-live)")
    assert dead.count() == 0
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= WIDE["width"]


@some_chapters
def test_a_sheet_has_room_to_write_and_the_answers_begin_on_a_page_of_their_own(
    chapter, handouts, from_disk
):
    page = from_disk(handouts.sheet(chapter))
    built = handouts.article(chapter)
    tasks = page.locator(".task")
    assert tasks.count() == len(built.select("#exercises > section")) + len(
        built.select("#questions .chainrule-quiz")
    )
    assert page.locator(".room").count() == len(built.select("#exercises > section"))
    assert all(
        box["height"] > 150
        for box in map(lambda one: one.bounding_box(), page.locator(".room").all())
    )
    assert page.locator(".task details, .task .solution, .task .answer").count() == 0
    answers = page.locator(".answers").inner_text()
    for solution in built.select("#exercises details.solution p"):
        if solution.find(class_="math") is None:
            assert " ".join(solution.get_text().split())[:60] in " ".join(answers.split())
    page.emulate_media(media="print")
    style = "getComputedStyle(document.querySelector('.answers'))"
    assert page.evaluate(f"{style}.breakBefore") == "page"
    assert page.evaluate("document.querySelector('main').lastElementChild.className") == "answers"


def test_a_sheet_prints_on_a_few_pages_with_its_answers_behind(handouts, from_disk):
    page = from_disk(handouts.sheet("05_affine"))
    pages = len(re.findall(rb"/Type\s*/Page\b", page.pdf(prefer_css_page_size=True)))
    page.evaluate("document.querySelector('.answers').remove()")
    tasks = len(re.findall(rb"/Type\s*/Page\b", page.pdf(prefer_css_page_size=True)))
    assert 3 <= tasks <= 6 and 1 <= pages - tasks <= 2


def test_a_grid_of_bets_is_empty_on_the_sheet_and_filled_in_among_the_answers(handouts, from_disk):
    chapter = "15_attention"
    built = handouts.article(chapter).select_one("#exercises .chainrule-bets")
    page = from_disk(handouts.sheet(chapter))
    asked = page.locator(".task", has=page.locator("table tbody td", has_text="☐"))
    boxes = asked.locator("tbody td").all_inner_texts()
    assert len(boxes) == len(built.select("tbody td")) and set(boxes) == {"☐"}
    assert built.find(class_="chainrule-question").get_text() in asked.inner_text()
    told = page.locator(".answers table tbody td").all_inner_texts()
    words = [one.get_text() for one in built.select("tbody td")]
    assert [one.strip() for one in told] == words and len(set(words)) == 2
    assert "BetGrid" not in page.locator("main").inner_text()


def test_no_slide_is_called_after_the_list_of_contents(handouts):
    for chapter in CHAPTERS:
        text = handouts.slides(chapter)
        assert "<h2>Contents</h2>" not in text and "You need</strong>" not in text, chapter


@some_chapters
def test_words_on_a_slide_can_be_read_from_the_last_row(chapter, handouts, from_disk):
    """Headings and paragraphs are a thirtieth of the screen's height or more with their line, on any projector."""
    page = from_disk(handouts.slides(chapter), viewport=WIDE)
    page.wait_for_selector("html[data-ready]")
    for wide, high in ((1280, 720), (1920, 1080)):
        page.set_viewport_size({"width": wide, "height": high})
        sizes = page.eval_on_selector_all(
            ".slide > :is(h1, h2, p)",
            "(all) => all.map((one) => parseFloat(getComputedStyle(one).lineHeight))",
        )
        assert min(sizes) >= high / 32
        tall = page.eval_on_selector_all(".slide", "(all) => all.map((one) => one.offsetHeight)")
        assert max(tall) <= 1.1 * high


def test_the_answer_of_a_question_is_the_choice_with_its_letter(handouts):
    text = handouts.sheet("05_affine")
    assert re.search(r"<b>Question 1: [ABC]\.</b> It gives 0 at 0, and it respects sums", text)
    assert "Right." not in re.search(r"<p><b>Question 1:.*?</p>", text)[0]


def test_every_chapter_has_slides_and_a_sheet(handouts):
    assert len(CHAPTERS) > 12
    for chapter in CHAPTERS:
        assert handouts.slides(chapter).count('<section class="slide') > 3, chapter
        assert handouts.sheet(chapter).count('<div class="room') > 1, chapter


def test_a_chapter_that_is_not_there_is_answered_with_those_that_are(handouts):
    with pytest.raises(SystemExit, match="no chapter '12'.*05_affine"):
        handouts.slides("12")

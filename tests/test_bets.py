"""The grid of bets: ticked by mouse and by keys, compared with the truth, and what is refused."""

import numpy as np
import pytest
import traitlets
from audit import findings
from test_quiz import Both, in_a_notebook

from chainrule.widgets import BetGrid

FOUND = {
    "mask forgotten": {"check": True, "first loss": False},
    "N twice": {"check": np.True_, "first loss": False},
    "labels <moved>": {"check": False, "first loss": False},
}


def grid(**options):
    words = {"yes": "found", "no": "missed", "reveal": "Compare with my bets"}
    return BetGrid("Which *detector* finds which bug?", FOUND, **{**words, **options})


def compare(page):
    page.get_by_role("button", name="Compare with my bets").click()


def test_bets_are_compared_with_the_truth_at_one_press(show):
    page = show(grid())
    assert page.get_by_role("checkbox").count() == 6
    page.get_by_role("checkbox", name="mask forgotten, check").check()
    page.get_by_role("checkbox", name="N twice, first loss").check()
    compare(page)
    assert page.get_by_role("status").inner_text().startswith("4 of your 6 bets are right.")
    lost = page.locator("td.lost").all_text_contents()
    assert lost == ["found ✗", "missed ✗"]
    won = page.locator("tbody td:not(.lost)").all_text_contents()
    assert won[0] == "found ✓" and len(won) == 4
    assert page.locator("tfoot td").all_inner_texts() == ["2", "0"]
    assert page.get_by_role("checkbox").count() == 0


@pytest.mark.parametrize("width", [360, 1280])
def test_the_reveal_moves_nothing(show, width):
    page = show(grid(caption="below"), viewport={"width": width, "height": 700})
    boxes = """() => [...document.querySelectorAll("tr, figure > p")].map((one) => one.getBoundingClientRect())
        .map(({ x, y, width, height }) => [x, y, width, height])"""
    before = page.evaluate(boxes)
    compare(page)
    assert len(before) == 7 and page.evaluate(boxes) == before


def test_before_the_press_nothing_of_the_truth_is_shown(show):
    page = show(grid())
    assert page.locator("tfoot").is_visible() is False
    assert page.get_by_text("found", exact=True).filter(visible=True).count() == 0
    assert page.locator("tbody td").all_inner_texts() == [""] * 6


def test_the_keyboard_alone_is_enough(show):
    page = show(grid())
    page.keyboard.press("Tab")  # the box that may scroll
    for key in ("Tab", "Space", "Tab", "Tab", "Space", "Tab", "Tab", "Tab", "Tab", "Enter"):
        page.keyboard.press(key)
    assert page.get_by_role("status").inner_text().startswith("6 of your 6 bets are right.")


def test_in_a_notebook_python_sees_the_bets_and_can_reveal_them(module):
    in_a_notebook(module, grid(), bets=[], revealed=False)
    module.get_by_role("checkbox", name="N twice, check").check()
    assert module.evaluate("state.bets") == [["N twice", "check"]]
    module.evaluate("python('bets', [['mask forgotten', 'check']])")
    assert module.get_by_role("checkbox", name="mask forgotten, check").is_checked()
    assert not module.get_by_role("checkbox", name="N twice, check").is_checked()
    module.evaluate("python('revealed', true)")
    assert module.get_by_role("status").inner_text().startswith("5 of your 6 bets are right.")
    module.evaluate("python('revealed', false)")
    compare(module)
    assert module.evaluate("state.revealed") is True
    assert module.evaluate("leave()") == []


def test_python_counts_the_score_as_the_page_does():
    made = grid()
    assert made.score() == 4
    made.bets = [["mask forgotten", "check"], ["N twice", "first loss"]]
    assert made.score() == 4
    made.bets = [["mask forgotten", "check"], ["N twice", "check"]]
    assert made.score() == 6


def test_without_script_the_truth_unfolds(show):
    page = show(grid(), java_script_enabled=False)
    assert not page.get_by_text("mask forgotten").is_visible()
    page.get_by_text("Compare with my bets").click()
    assert page.locator("tbody tr").nth(1).text_content() == "N twicefoundmissed"


@pytest.mark.looks
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_axe_finds_nothing_before_and_after(show, width, scheme):
    page = show(grid(), viewport={"width": width, "height": 700}, color_scheme=scheme)
    for act in (lambda: None, lambda: compare(page)):
        act()
        assert findings(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_two_grids_on_a_page_do_not_disturb_each_other(show):
    page = show(Both(grid(), grid()))
    page.get_by_role("checkbox").nth(0).check()
    page.get_by_role("button").nth(1).click()
    assert page.get_by_role("checkbox").count() == 6
    assert page.get_by_role("checkbox").nth(0).is_checked()


HOSTILE = '</table></script><img src=x onerror="document.title=1">&"'


def test_hostile_texts_show_as_themselves(show):
    texts = dict.fromkeys(("yes", "no", "reveal", "caption"), HOSTILE)
    page = show(BetGrid(HOSTILE, {HOSTILE: {HOSTILE: True}}, **texts))
    page.get_by_role("button").click()
    assert page.locator("td.lost").text_content() == f"{HOSTILE} ✗"
    assert page.locator("img").count() == 0 and page.title() != "1"


@pytest.mark.parametrize(
    ("arguments", "options", "said"),
    [
        (("", FOUND), {}, "question as a text"),
        (("Q", {}), {}, "1 to 20 rows"),
        (("Q", {"a": {"b": True}, "c": {"d": True}}), {}, "the same 1 to 8 columns"),
        (("Q", {"a": {}}), {}, "1 to 8 columns"),
        (("Q", [1]), {}, "found as a dict"),
        (("Q", {"a": {"b": 1}}), {}, "True or False in each cell, got 1"),
        (("Q", {"a": {"": True}}), {}, "named by texts, got ''"),
        (("Q", FOUND), {"yes": ""}, "yes as a text"),
    ],
)
def test_wrong_arguments_are_refused_with_what_is_wanted(arguments, options, said):
    with pytest.raises(ValueError, match=said):
        BetGrid(*arguments, **options)


def test_a_bet_that_is_no_cell_is_refused():
    made = grid()
    for bets in ([["nobody", "check"]], ["check"], [3]):
        with pytest.raises(traitlets.TraitError, match="a .row, column. of the grid"):
            made.bets = bets


def test_a_terminal_shows_the_question_and_the_rows():
    assert grid().as_text().splitlines()[1] == "  - mask forgotten"
    assert grid().markup() == grid().markup()


def test_in_forced_colours_the_button_keeps_its_edge(show):
    page = show(grid(), forced_colors="active")
    edge = page.get_by_role("button").evaluate("(e) => getComputedStyle(e).borderTopWidth")
    assert edge != "0px"

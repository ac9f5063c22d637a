"""The quiz, driven as a reader would: by mouse, by keys, without script, in print."""

import pytest
from audit import findings

from chainrule.widgets import Quiz, page
from chainrule.widgets.quiz import marked, sealed

CHOICES = {
    "half of it to each": "A gradient is not shared out.",
    "`1.2` to each": "Addition *copies* its upstream gradient.",
    "more to the larger input": "Addition does not look at its inputs.",
}


PHONE = {"width": 360, "height": 700}


def quiz():
    return Quiz("What does the add node send back?", CHOICES, right="`1.2` to each")


class Both:
    """Two figures on one page."""

    def __init__(self, first, second):
        self.markup = first.markup() + second.markup()

    def to_html(self):
        return page.standalone(self.markup, "Two figures")


def in_a_notebook(module, figure, **traits):
    """Show a figure as anywidget does; `python(trait, value)` in the page is what the kernel does."""
    module.evaluate(
        """(state) => {
            const acts = {};
            globalThis.state = state;
            globalThis.python = (name, value) => {
                state[name] = value;
                acts[`change:${name}`]();
            };
            const model = {
                get: (name) => state[name],
                set: (name, value) => (state[name] = value),
                save_changes: () => {},
                on: (event, act) => (acts[event] = act),
                off: (event) => delete acts[event],
            };
            const el = document.createElement("div");
            document.body.replaceChildren(el);
            globalThis.leave = () => {
                globalThis.left();
                el.remove();
                return Object.keys(acts);
            };
            globalThis.left = chainrule.default.render({ model, el });
        }""",
        {"html": figure.html, **traits},
    )


def answer(page):
    return page.locator(".chainrule-quiz").get_attribute("data-answer")


def test_before_the_first_choice_no_reason_is_shown(show):
    page = show(quiz())
    assert answer(page) == ""
    assert page.get_by_role("status").inner_text() == ""
    assert page.get_by_text("Addition copies").filter(visible=True).count() == 0
    assert page.get_by_role("group", name="What does the add node send back?").is_visible()


def test_a_choice_shows_its_reason_and_says_what_it_is(show):
    page = show(quiz())
    page.get_by_role("radio", name="half of it to each").check()
    assert page.get_by_role("status").inner_text() == "✗ Not right. A gradient is not shared out."
    assert answer(page) == "wrong"
    page.get_by_role("radio", name="1.2 to each").check()
    said = page.get_by_role("status")
    assert said.inner_text() == "✓ Right. Addition copies its upstream gradient."
    assert said.locator("em").inner_text() == "copies"
    assert answer(page) == "right"


def everything(page):
    """Where each choice stands, and where the page ends."""
    tops = [row.bounding_box()["y"] for row in page.locator("label").all()]
    return [*tops, page.locator("form").bounding_box()["height"]]


@pytest.mark.looks
@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("name", ["quiz", "bet"])
def test_an_answer_moves_nothing_on_the_page(show, name, width):
    page = show({"quiz": quiz, "bet": bet}[name](), viewport={"width": width, "height": 800})
    before = everything(page)
    for radio in page.get_by_role("radio").all():
        radio.check()
        assert everything(page) == before
        below = page.locator("label").last.bounding_box()
        assert page.get_by_role("status").bounding_box()["y"] >= below["y"] + below["height"]
    if name == "bet":
        page.get_by_role("button").click()
        for radio in page.get_by_role("radio").all():
            radio.check()
            assert everything(page) == before


def test_a_lost_bet_says_what_would_have_won(show):
    page = show(bet())
    look = page.get_by_role("button", name="I have looked")
    page.get_by_role("radio", name="more to the larger").check()
    look.click()
    said = "✗ Not right. Addition does not look at its inputs. The right answer: 1.2 to each"
    assert page.get_by_role("status").inner_text() == said


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_i_have_looked_looks_like_a_button_before_and_after_a_bet(show, scheme):
    page = show(bet(), color_scheme=scheme)
    look = page.get_by_role("button", name="I have looked")
    for act in (lambda: None, page.get_by_role("radio").nth(0).check):
        act()
        found = look.evaluate(
            "(e) => [getComputedStyle(e).backgroundColor, getComputedStyle(document.documentElement).backgroundColor,"
            " getComputedStyle(e).textDecorationLine, e.offsetHeight]"
        )
        assert found[0] not in ("rgba(0, 0, 0, 0)", found[1]) and found[2] == "none"
        assert found[3] >= 36


def test_the_keyboard_alone_is_enough(show):
    page = show(quiz())
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    answers = [answer(page)]
    for _ in CHOICES:  # the last press leads round to the first
        page.keyboard.press("ArrowDown")
        answers.append(answer(page))
    right = quiz().shuffled().index(quiz().right)
    assert [place for place, one in enumerate(answers[:3]) if one == "right"] == [right]
    assert answers[3] == answers[0]
    while answer(page) != "right":
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")  # submits nothing, and the page stays
    assert answer(page) == "right"
    outlines = "getComputedStyle(document.activeElement.closest('label')).outlineStyle"
    assert page.evaluate(outlines) == "solid"


def test_the_same_quiz_twice_on_a_page_is_two_quizzes(show):
    page = show(Both(quiz(), quiz()))
    first, second = page.locator(".chainrule-quiz").all()
    first.get_by_role("radio", name="half of it").check()
    second.get_by_role("radio", name="1.2 to each").check()
    assert first.get_by_role("radio", name="half of it").is_checked()
    assert [first.get_attribute("data-answer"), second.get_attribute("data-answer")] == [
        "wrong",
        "right",
    ]


def test_different_quizzes_name_their_groups_differently(show):
    page = show(Both(quiz(), Quiz("Another?", CHOICES, "half of it to each")))
    names = page.locator("input").evaluate_all("all => all.map((one) => one.name)")
    assert len(names) == 6 and len(set(names)) == 2


def test_in_a_notebook_the_reader_tells_python_and_python_moves_the_view(module):
    in_a_notebook(module, quiz(), choice="", revealed=True)
    module.get_by_role("radio", name="half of it to each").check()
    assert module.evaluate("state.choice") == "half of it to each"
    module.evaluate("python('choice', '`1.2` to each')")
    assert module.get_by_role("radio", name="1.2 to each").is_checked()
    assert answer(module) == "right"
    module.evaluate("python('choice', '')")
    assert answer(module) == "" and module.get_by_role("status").inner_text() == ""
    assert module.evaluate("leave()") == []


def bet():
    return Quiz("What will it send back?", CHOICES, "`1.2` to each", reveal="I have looked")


def test_a_bet_keeps_its_answer_back_until_the_reader_has_looked(show):
    page = show(bet())
    look, said = page.get_by_role("button", name="I have looked"), page.get_by_role("status")
    assert look.get_attribute("aria-disabled") == "true"
    look.click(force=True)  # no bet yet, and so nothing to reveal
    assert (answer(page), said.inner_text()) == ("", "")
    page.get_by_role("radio", name="half of it to each").check()
    assert answer(page) == "" and "Look first; then press “I have looked”" in said.inner_text()
    assert page.get_by_text("not shared out").filter(visible=True).count() == 0
    look.click()
    assert said.inner_text().startswith("✗ Not right. A gradient is not shared out.")
    assert answer(page) == "wrong" and not look.is_visible()
    page.get_by_role("radio", name="1.2 to each").check()  # and now each choice answers at once
    assert answer(page) == "right"


def test_a_bet_is_placed_and_revealed_by_the_keyboard_alone(show):
    page = show(bet())
    down = ["ArrowDown"] * bet().shuffled().index(bet().right)
    for key in ("Tab", "Space", *down, "Tab", "Enter"):
        page.keyboard.press(key)
    assert answer(page) == "right"
    page.keyboard.press("ArrowUp")  # the focus is back at the choice that was picked
    assert answer(page) == "wrong"


def test_in_a_notebook_python_sees_the_bet_and_can_reveal_it(module):
    in_a_notebook(module, bet(), choice="", revealed=False)
    module.get_by_role("radio", name="half of it to each").check()
    assert module.evaluate("state.choice") == "half of it to each" and answer(module) == ""
    module.evaluate("python('revealed', true)")
    assert answer(module) == "wrong"
    module.evaluate("python('revealed', false)")
    module.get_by_role("button", name="I have looked").click()
    assert module.evaluate("state.revealed") is True
    module.evaluate("leave()")


def test_the_markup_of_a_bet_is_open_only_once_it_is_revealed():
    placed = bet()
    placed.choice = "half of it to each"
    assert "<details open" not in placed.markup() and 'quiz" data-answer=""' in placed.markup()
    placed.revealed = True
    assert "<details open" in placed.markup() and "data-reveal" not in placed.markup()


@pytest.mark.looks
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_a_bet(show, scheme):
    page = show(bet(), viewport=PHONE, color_scheme=scheme)
    assert findings(page) == []
    page.get_by_role("radio").nth(0).check()
    assert findings(page) == []
    page.get_by_role("button").click()
    assert findings(page) == []


@pytest.mark.parametrize("figure", [quiz, bet])
def test_without_script_each_choice_unfolds_to_its_reason(show, figure):
    page = show(figure(), java_script_enabled=False)
    reason = page.get_by_text("✗ Not right. A gradient is not shared out.")
    assert not reason.is_visible()
    page.get_by_text("half of it to each").click()
    assert reason.is_visible()


def test_in_print_every_reason_is_there(show):
    page = show(quiz())
    page.emulate_media(media="print")
    assert page.get_by_role("radio").filter(visible=True).count() == 0
    shown = page.locator("details p").evaluate_all("all => all.map((one) => one.offsetHeight > 0)")
    assert shown == [True] * 3


@pytest.mark.looks
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_axe_finds_nothing_before_and_after_a_choice(show, width, scheme):
    page = show(quiz(), viewport={"width": width, "height": 700}, color_scheme=scheme)
    assert findings(page) == []
    for radio in page.get_by_role("radio").all():
        radio.check()
        assert findings(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.looks
def test_without_script_axe_finds_nothing(show):
    quiz_of_now = quiz()
    quiz_of_now.choice = "half of it to each"
    page = show(quiz_of_now)
    page.evaluate("document.querySelector('.chainrule-live').classList.remove('chainrule-live')")
    page.evaluate("document.querySelector('.chainrule-choices').remove()")
    assert findings(page) == []


HOSTILE = '</form></script><img src=x onerror="document.title=1"> & "quoted" `<b>` *<i>*'


def test_hostile_texts_show_as_themselves(show):
    hostile = Quiz(HOSTILE, {HOSTILE: HOSTILE, HOSTILE + "2": HOSTILE}, HOSTILE)
    page = show(hostile)
    page.get_by_role("radio").nth(hostile.shuffled().index(HOSTILE)).check()
    plain = HOSTILE.replace("`", "").replace("*", "")
    assert page.get_by_role("status").inner_text() == f"✓ Right. {plain}"
    assert page.locator("legend").inner_text() == plain
    assert page.locator("img").count() == 0 and page.title() != "1"


def test_long_words_do_not_widen_a_phone(show):
    page = show(Quiz("a" * 200, {"b" * 200: "c" * 200, "d": "e"}, "d"), viewport=PHONE)
    page.get_by_role("radio").nth(0).check()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


@pytest.mark.parametrize(
    ("text", "markup"),
    [
        ("`x * y` and *why*", "<code>x * y</code> and <em>why</em>"),
        ("2 * 3 * 4", "2 * 3 * 4"),
        ("a*b*c and x**2 and **no**", "a*b*c and x**2 and **no**"),
        ("`*kept*`", "<code>*kept*</code>"),
        ("one ` alone, one * alone", "one ` alone, one * alone"),
        ("x < y & `<b>`", "x &lt; y &amp; <code>&lt;b&gt;</code>"),
        ("(*so*), *two words*.", "(<em>so</em>), <em>two words</em>."),
    ],
)
def test_backticks_and_stars_are_the_only_marks(text, markup):
    assert marked(text) == markup


def test_the_markup_is_the_same_at_every_run_and_shows_the_choice_made():
    assert quiz().markup() == quiz().markup()
    picked = quiz()
    picked.choice = "`1.2` to each"
    assert 'data-answer="right"' in picked.markup()
    assert picked.markup().count("<details open") == 1
    assert "<script" not in picked.markup() and "<style" not in picked.markup()


def test_a_quiz_that_was_answered_opens_answered(show):
    picked = quiz()
    picked.choice = "`1.2` to each"
    page = show(picked)
    assert answer(page) == "right"
    assert page.get_by_role("radio", name="1.2 to each").is_checked()


def test_a_choice_that_is_not_there_is_refused_with_the_choices():
    with pytest.raises(Exception, match="half of it to each.*got 'all'"):
        quiz().choice = "all"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("Q", {"a": "b"}, "a"), "2 to 6 choices"),
        (("Q", {str(k): "b" for k in range(7)}, "1"), "2 to 6 choices"),
        (("Q", ["a", "b"], "a"), "a dict from choice to reason"),
        (("Q", {"a": "b", "c": " "}, "a"), "a reason for 'c'"),
        (("Q", {"a": "b", "c": 1}, "a"), "a reason for 'c'"),
        (("Q", {"a": "b", 2: "c"}, "a"), "each choice as a text, got 2"),
        (("Q", {"a": "b", "c": "d"}, "e"), "right is one of 'a', 'c', got 'e'"),
        (("Q", {"a": "b", "c": "d"}, ["a"]), "right is one of"),
        (("", {"a": "b", "c": "d"}, "a"), "the question as a text, got ''"),
        ((None, {"a": "b", "c": "d"}, "a"), "the question as a text, got None"),
        (("Q", {"a": "b", "c": "d"}, "a", True), "reveal as the text of a button"),
        (("Q", {"a": "b", "c": "d"}, "a", " "), "reveal as the text of a button"),
        (("Q", {"a": "b", "c": "d"}), "right is one of 'a', 'c', got None"),
        (("Q", {"a": "b", "c": "d"}, "a", "", sealed("Q", "a")), "right or key, not both"),
        (("Q", {"a": "b", "c": "e"}, None, "", sealed("Q", "d")), "run `make notebooks`"),
        (("R", {"a": "b", "c": "d"}, None, "", sealed("Q", "a")), "that of no choice"),
        (("Q", {"a": "b", "c": "d"}, None, "", ["a"]), "that of no choice"),
    ],
)
def test_wrong_arguments_are_refused_with_what_is_wanted(arguments, said):
    with pytest.raises(ValueError, match=said):
        Quiz(*arguments)


def test_a_key_stands_for_the_right_choice_and_does_not_show_it():
    choices = {"yes": "It is.", "no": "It is not."}
    for right in choices:
        key = sealed("Q", right)
        assert Quiz("Q", choices, key=key).right == right
        assert Quiz("Q", choices, key=key).html == Quiz("Q", choices, right).html
        assert right not in key


def test_the_dict_of_choices_is_left_as_it_was_and_may_change_later():
    choices = dict(CHOICES)
    made = Quiz("Q", choices, "`1.2` to each")
    choices.clear()
    assert made.choices == CHOICES


def test_a_terminal_shows_the_question_and_the_choices():
    first, *others = quiz().as_text().splitlines()
    assert first == quiz().question and sorted(others) == sorted(
        f"  - {choice}" for choice in CHOICES
    )
    assert quiz()._repr_mimebundle_()[0]["text/plain"] == quiz().as_text()

"""How the reference pages are made: the docstrings of the API, and a glossary of plain headings."""

import importlib
import inspect
import re
from pathlib import Path

import pytest

TIED = "\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}"
GLOSSARY = Path(__file__).parents[1] / "book" / "glossary.md"


@pytest.fixture(scope="module")
def pages(theme):
    return theme("reference_pages")


def test_columns_become_a_definition_list(pages):
    told = "W   (D, M), the weights,\n    a row for each input\nb   (M,)"
    assert (
        pages.as_rest(told)
        == "``W``\n    (D, M), the weights, a row for each input\n``b``\n    (M,)"
    )


def test_indented_lines_stay_as_they_are(pages):
    assert pages.as_rest("Both:\n\n    a  b\n    c  d") == "Both:\n\n::\n\n    a  b\n    c  d"


def test_a_sentence_with_a_gap_is_no_table(pages):
    assert pages.as_rest("dx = dout;  dW = x") == TIED.join(["dx", "dout;  dW", "x"])


def test_signs_typed_as_letters_are_printed_as_signs_but_not_in_code(pages):
    assert (
        pages.as_rest("x -> y^2 - 1, `x -> y - 1`")
        == "x → y²\N{NO-BREAK SPACE}−\N{NO-BREAK SPACE}1, \\ ``x -> y - 1``\\ "
    )
    assert pages.as_rest("dx = dout") == TIED.join(["dx", "dout"])


def test_what_means_something_in_rest_is_escaped(pages):
    assert pages.as_rest("x ** y and |a| and sum_") == r"x \*\* y and \|a\| and sum\_"
    assert pages.as_rest("Y. LeCun") == r"\Y. LeCun"
    assert "`` or ``" not in pages.as_rest("`a`s and *every* one")


def test_code_and_stress_are_kept(pages):
    assert pages.as_rest("the *sum* of `x`s") == "the \\ *sum*\\  of \\ ``x``\\ s"


def test_the_docstrings_of_the_api_are_plain_text_and_the_codes_of_mistakes_are_a_list(pages):
    api = (GLOSSARY.parent / "reference" / "api.md").read_text(encoding="utf-8")
    modules = re.findall(r"automodule:: (\S+)", api)
    assert len(modules) > 12
    for name in modules:
        module = importlib.import_module(name)
        own = [one for one in vars(module).values() if getattr(one, "__module__", None) == name]
        for one in (module, *own):
            assert "``" not in (inspect.getdoc(one) or ""), one
    mistakes = importlib.import_module("chainrule.mistakes")
    assert pages.as_rest(mistakes.__doc__).count("\n    ") == len(mistakes.TABLE)


def test_the_api_page_begins_with_a_table_of_all_its_names_with_links(pages):
    text = "# A\n\n## All names\n\nB.\n\n.. automodule:: c.d\n\n.. autoclass:: E\n\n.. currentmodule:: c.d.f\n\n.. autofunction:: g\n"
    table = "| module | its names |\n| --- | --- |\n| {py:mod}`d <c.d>` | {py:obj}`E <c.d.E>`, {py:obj}`g <c.d.f.g>` |\n"
    assert pages.with_names(text) == text.replace("names\n", f"names\n\n{table}")


def test_every_name_in_the_table_of_the_api_page_leads_to_its_place(open_page):
    page = open_page("book/reference/api.html")
    links = page.locator("#all-names td:nth-child(2) a").evaluate_all(
        "links => links.map((one) => [one.textContent, document.querySelector(`[id='${one.hash.slice(1)}'] .descname`)?.textContent])"
    )
    text = (GLOSSARY.parent / "reference" / "api.md").read_text(encoding="utf-8")
    assert [told for told, _ in links] == re.findall(r"auto(?:class|function|data):: (\w+)", text)
    assert all(told == there for told, there in links), links


def test_the_glossary_is_plain_markdown_and_the_site_makes_terms_of_its_headings(pages):
    assert not re.search(r"\{\w+(?::\w+)?\}`|```", GLOSSARY.read_text(encoding="utf-8"))
    text = pages.as_glossary(
        "# Words\n\nHello. [A](#a-b)\n\n## a b\n\n## c\n\nSee [its](#d-e)\nline.\n\n*K:* x.\n\n## a d\n\nAnd.\n\n## d e\n\nOther.\n"
    )
    assert text == (
        "# Words\n\nHello. <a href='#a'>A</a>\n"
        "\n## A\n\n```{glossary}\na b\nc\n  See {term}`its <d e>`\n  line.\n\n  *K:* x.\n\na d\n  And.\n\n```\n"
        "\n## D\n\n```{glossary}\nd e\n  Other.\n```\n"
    )


def test_the_alphabet_of_the_glossary_leads_to_a_heading_for_each_letter_below_itself(open_page):
    page = open_page("book/glossary.html", viewport={"width": 390, "height": 740})
    links = page.locator("#glossary > p").get_by_role("link", name=re.compile("^[A-Z]$"))
    letters = page.locator("#glossary > section > h2").all_inner_texts()
    assert links.all_inner_texts() == [told[0] for told in letters] and len(letters) > 20
    for link in (links.nth(5), links.last):
        link.click()
        heading = page.locator(f"section{link.get_attribute('href')} > h2")
        assert heading.bounding_box()["y"] >= links.last.bounding_box()["y"] + 20


def test_the_korean_terms_are_hidden_until_a_reader_asks_or_follows_a_link(open_page):
    page = open_page("book/glossary.html")
    korean = page.locator("dl.glossary dd > p:last-child")
    assert korean.count() > 140
    assert page.locator("dl.glossary dd > p:last-child:visible").count() == 0
    switch = page.get_by_role("checkbox", name="Show the Korean terms")
    switch.focus()
    page.keyboard.press("Space")
    assert page.locator("dl.glossary dd > p:last-child:visible").count() == korean.count()
    assert all("Korean" in told for told in korean.all_inner_texts())

    page = open_page("book/glossary.html#term-chain-rule")
    shown = page.locator("dl.glossary dd > p:last-child:visible")
    assert shown.all_inner_texts() == ["Korean: 연쇄법칙."]


def test_a_map_is_full_where_the_chosen_box_stands_and_pale_below_that(theme):
    maps = theme("maps")
    needs, drawn = [set(), {0}, {1}, {0}], []

    class Pen:
        def box(self, *corners, look, opacity):
            drawn.append((look, opacity))

        def text(self, *place, **how):
            drawn.append(place[2])

    assert maps.behind(needs, 2) == {0, 1} and maps.behind(needs, 0) == set()
    maps.boxes(Pen(), "abcd", needs, 2, {3: "note"}, first=1)
    assert [one for one in drawn if isinstance(one, tuple)] == [
        ("value", 0.2), ("value", 0.6), ("ink", 0.0), ("ink", 0.15), ("value", 0.0),
    ]  # fmt: skip
    assert [one for one in drawn if not isinstance(one, tuple)] == [
        *(1, "a", 2, "b", 3, "c", 4, "note", "d"),
    ]

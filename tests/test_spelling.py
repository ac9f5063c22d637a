"""The spelling check of `make lint` finds what it should, where it stands, and nothing else."""

import pytest
import spelling

KNOWN = spelling.known_words()


def words(text):
    return [word for _, word in spelling.unknown(text, KNOWN)]


@pytest.mark.parametrize(
    "wrong",
    [
        "gradeint",
        "propogation",
        "derivitave",
        "Recieve",
        "color",
        "neighbors",
        "center",
        "optimize",
    ],
)
def test_a_misspelling_and_an_american_spelling_are_found(wrong):
    assert words(f"Here the {wrong} is sent back.") == [wrong]


@pytest.mark.parametrize(
    "right",
    [
        "Linnainmaa’s neighbours optimise a colour of a certain size.",
        "PyTorch keeps dout, and MyReLU2 the gradeint.txt.",
        "`gradeint` and $\\gradeint_k$ and [here](gradeint.html) and https://gradeint.org",
        "```python\ngradeint = 1\n```",
    ],
)
def test_names_and_code_are_no_prose(right):
    assert words(right) == []


def test_a_dropdown_is_prose_and_the_line_is_told():
    assert list(spelling.unknown("one\n\n```{dropdown} Hint\nA derivitave.\n```", KNOWN)) == [
        (3, "derivitave")
    ]


def test_docstrings_comments_and_captions_are_prose_and_names_are_not():
    source = (
        'def gradeint():\n    """Send the gradeint back."""\n'
        '    return Figure(caption="Look at the propogation.")  # a derivitave\n'
    )
    found = [word for _, text in spelling.texts_of_python(source) for word in words(text)]
    assert sorted(found) == ["derivitave", "gradeint", "propogation"]

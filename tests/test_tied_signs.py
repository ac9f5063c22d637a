"""A sign that touches a formula moves into one piece with it, and nothing else of the paragraph changes."""

import pytest

nodes = pytest.importorskip("docutils.nodes")


@pytest.fixture(scope="module")
def tie(theme):
    module = theme("tied_signs")
    return lambda doctree: module.tie_signs(None, doctree, "page")


def paragraph(*pieces):
    """A paragraph of texts, formulas ($...$) and code (`...`)."""
    kinds = {"$": nodes.math, "`": nodes.literal}
    return nodes.paragraph(
        "",
        "",
        *[kinds[p[0]]("", p.strip("$`")) if p[0] in kinds else nodes.Text(p) for p in pieces],
    )


@pytest.mark.parametrize(
    "pieces",
    [
        ("The class ", "`A`", ". ", "`f`", " takes ", "$x$", ". ", "`g`", " does not."),
        ("From ", "$a$", ", ", "`b`", " (", "$c$", "), ", "$d$", ", ", "`e`", " (", "$f$", ") on."),
        ("$x$", " and ", "$x$", "."),
    ],
)
def test_a_paragraph_with_equal_texts_reads_as_before(tie, pieces):
    told = paragraph(*pieces)
    words = told.astext()
    tie(told)
    assert told.astext() == words
    ties = [piece.astext() for piece in told.findall(nodes.inline)]
    assert ties and all(set(piece) & set(".,()") for piece in ties)

"""The theme's style sheets are cut to what the book uses: a page looks as it would with all of them."""

import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "_theme"))
import lean_style

SHEET = """@charset "UTF-8";
.kept,.gone>p,h1:not(.gone){color:red}
.gone:hover{content:"}"}
@media print{.gone{top:0}}
@media print{.gone{top:0}#here.kept{background:url(data:a;b)}}
@font-face{src:url("a}b.woff")}
:is(.gone,:not(.kept,.gone)) a[href=".gone"]{left:0}
.col-1\\/2{left:1px}"""


def test_a_rule_stays_if_all_that_it_names_is_there():
    assert lean_style.lean(SHEET, {"kept", "here"}).splitlines() == [
        '@charset "UTF-8";',
        ".kept,h1:not(.gone){color:red}",
        "@media print{#here.kept{background:url(data:a;b)}}",
        '@font-face{src:url("a}b.woff")}',
        ':is(.gone,:not(.kept,.gone)) a[href=".gone"]{left:0}',
    ]


def test_a_name_with_a_stroke_is_found():
    assert lean_style.lean(".col-1\\/2{left:1px}", {"col-1/2"})
    assert not lean_style.lean(".col-1\\/2{left:1px}", {"col-1"})


def whole(name):
    """A sheet of the theme as it was installed."""
    places = {"basic.css": "sphinx.themes.basic"}
    folder = Path(find_spec("pydata_sphinx_theme").origin).parent / "theme"
    (path,) = folder.rglob(name) if name not in places else [None]
    return path.read_text(encoding="utf-8")


LOOKS = """() => [...document.querySelectorAll("body, body *")].map((element) => {
    const { cssText, length } = getComputedStyle(element);
    const style = getComputedStyle(element);
    const all = Array.from({ length }, (_, k) => `${style[k]}: ${style.getPropertyValue(style[k])}`);
    return [element.tagName + "." + element.className, all.join("; ")];
})"""


@pytest.mark.parametrize("path", ["book/07_network.html", "book/glossary.html", "book/index.html"])
@pytest.mark.parametrize("width", [1280, 390])
def test_a_page_looks_as_it_would_with_the_whole_sheet(path, width, open_page, site):
    sheet = "pydata-sphinx-theme.css"
    lean = (site / "_static" / "styles" / sheet).stat().st_size
    full = whole(sheet)
    assert lean < len(full) / 3
    page = open_page(path, viewport={"width": width, "height": 800}, reduced_motion="reduce")
    now = page.evaluate(LOOKS)
    from chainrule.widgets.sphinx_extension import ICON_FONTS

    page.evaluate(
        """(text) => {
            const link = document.querySelector('link[href*="pydata-sphinx-theme.css"]');
            link.replaceWith(Object.assign(document.createElement("style"), { textContent: text }));
        }""",
        ICON_FONTS.sub("", full),
    )
    then = page.evaluate(LOOKS)
    assert len(now) == len(then) > 200
    assert [a[0] for a, b in zip(now, then, strict=True) if a != b] == []

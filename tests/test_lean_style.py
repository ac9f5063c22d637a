"""The theme's style sheets are cut to what the book uses: a page looks as it would with all of them."""

import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from chainrule.widgets.sphinx_extension import ICON_FONTS

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


LOOKS = """async () => {
    for (let k = 0; k < 3; k += 1) await new Promise(requestAnimationFrame);  // what looks at sizes has looked
    const kinds = new Map();  // the first element of each kind that can be seen
    for (const one of document.querySelectorAll("body, body *:not(.katex *, svg *)")) {
        const kind = [one.parentElement.tagName, one.parentElement.className, one.tagName, one.className, one.id].join(" ");
        if (!kinds.has(kind) && one.checkVisibility()) kinds.set(kind, one);
    }
    return [...kinds].map(([kind, one]) => {
        const style = getComputedStyle(one);
        return [kind, ...Array.from(style, (name) => style.getPropertyValue(name))].join(";");
    });
}"""
PUT = """(text) => {
    const link = document.querySelector('link[href*="pydata-sphinx-theme.css"]');
    link.replaceWith(Object.assign(document.createElement("style"), { textContent: text }));
}"""


@pytest.mark.looks
@pytest.mark.parametrize(
    ("path", "width"), [("book/07_network.html", 390), ("book/glossary.html", 1280)]
)
def test_a_page_looks_as_it_would_with_the_whole_sheet(path, width, open_page, site):
    (found,) = Path(find_spec("pydata_sphinx_theme").origin).parent.rglob("pydata-sphinx-theme.css")
    full = ICON_FONTS.sub("", found.read_text(encoding="utf-8"))
    assert (site / "_static" / "styles" / found.name).stat().st_size < len(full) / 3
    page = open_page(path, viewport={"width": width, "height": 800}, reduced_motion="reduce")
    lean = page.evaluate(LOOKS)
    page.evaluate(PUT, full)
    whole = page.evaluate(LOOKS)
    assert len(lean) == len(whole) > 100
    assert [a[:80] for a, b in zip(lean, whole, strict=True) if a != b] == []

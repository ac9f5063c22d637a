import subprocess
import sys

import numpy as np
import pytest

from chainrule.plots import Picture, digit_pictures

SPREADS = {"He": [0.5, 0.4], "0.05": [0.1, 0.01]}


def test_matplotlib_is_loaded_only_when_a_curve_is_drawn():
    code = "import sys, chainrule.plots; print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_pixel_is_a_unit_square_in_the_colour_of_the_page():
    html = digit_pictures([[0, 1, 0, 0.5]], ["7"])._repr_html_()
    assert '<path fill="currentColor" fill-opacity="0.5" d="M1 1h1v1h-1z"/>' in html
    assert '<path fill="currentColor" fill-opacity="1" d="M1 0h1v1h-1z"/>' in html
    assert html.count("<path") == 2


def test_images_that_are_not_square_are_refused():
    with pytest.raises(ValueError, match="square images"):
        digit_pictures(np.zeros((2, 6)), ["a", "b"])


def test_the_description_is_the_label_and_the_text_form():
    picture = Picture("<svg></svg>", 'a < "b"')
    assert 'aria-label="a &lt; &quot;b&quot;"' in picture._repr_html_()
    assert repr(picture) == 'Picture: a < "b"'


def test_curves_are_the_same_each_time_without_date_and_without_fixed_ink():
    pytest.importorskip("matplotlib")
    from chainrule.plots import spread_by_layer

    first, second = (spread_by_layer(SPREADS)._repr_html_() for _ in range(2))
    assert first == second
    assert "<metadata" not in first and "<!--" not in first
    panels = first.partition("</style>")[2]
    assert "#1c1e21" not in panels and "currentColor" in panels


def test_no_two_pictures_share_an_id():
    pytest.importorskip("matplotlib")
    import re

    from chainrule.plots import spread_by_layer

    html = spread_by_layer(SPREADS)._repr_html_() + spread_by_layer({"He": [1, 2]})._repr_html_()
    ids = re.findall(r' id="([^"]+)"', html)
    assert ids and len(ids) == len(set(ids))


@pytest.mark.parametrize(
    ("logs", "said"),
    [
        ("", ""),
        ("y", " The y axis is logarithmic."),
        ("x", " The x axis is logarithmic."),
        ("xy", " The axes are logarithmic."),
    ],
)
def test_the_description_says_the_scale_of_the_axes_that_are_drawn(logs, said):
    pytest.importorskip("matplotlib")
    from chainrule.plots import panel, picture

    figure, axes = panel("Size", xlabel="layer")
    for axis in logs:
        getattr(axes, f"set_{axis}scale")("log")
    axes.plot([1, 2], [1, 2])
    assert picture([figure], "A line.").alt == "A line." + said


def test_of_two_panels_the_description_says_which_is_logarithmic():
    pytest.importorskip("matplotlib")
    from chainrule.plots import panel, picture

    figures = [panel("One", xlabel="x")[0], panel("Two", xlabel="x", ticks=(1,))[0]]
    assert picture(figures, "Both.").alt == "Both. In “Two” the y axis is logarithmic."


@pytest.mark.parametrize("wrong", [{"xlabel": (1,)}, {"xlabel": "x", "ylabel": (1,)}])
def test_a_label_that_is_no_text_is_refused(wrong):
    pytest.importorskip("matplotlib")
    from chainrule.plots import panel

    with pytest.raises(ValueError, match=r"as a text, got \(1,\)"):
        panel("Size", **wrong)
    with pytest.raises(TypeError):
        panel("Size", "layer", (1,))


def test_small_tick_labels_are_not_rounded_away():
    pytest.importorskip("matplotlib")
    from chainrule.plots import spread_by_layer

    assert ">0.0001</text>" in spread_by_layer({"small": [1.0, 1e-4]})._repr_html_()


def test_a_figure_of_your_own_can_wear_the_book_style():
    matplotlib = pytest.importorskip("matplotlib")
    from matplotlib.figure import Figure

    from chainrule.plots import picture, use_book_style

    with matplotlib.rc_context():
        use_book_style()
        figure = Figure(figsize=(2, 1))
        figure.subplots().plot([0, 1], [1, 0], color="#0b61a8")
        html = picture([figure], "a falling line")._repr_html_()
    assert "stroke: var(--chainrule-value)" in html

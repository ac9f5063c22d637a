"""The explorer: what Python draws, what the slider and the choices show, and what is refused."""

import json
import math
import re

import numpy as np
import pytest
import traitlets
from audit import findings
from test_overlaps import POINTS_OF
from test_quiz import Both, in_a_notebook

from chainrule.narration import display
from chainrule.widgets import Explorer
from chainrule.widgets.chart import Axis, axis_over, line_path, place_names, points_of, tick_texts

PHONE = {"width": 360, "height": 800}
GRID = 10.0 ** np.arange(-8, 0.5)  # nine points


def curves(scale=1.0):
    """A V and a straight line, on a log grid."""
    return {
        "central": (GRID, scale * (GRID**2 + 1e-12 / GRID)),
        "forward": (GRID, scale * GRID),
    }


def simple(**options):
    notes = [(1e-8, 1e-5, "*Rounding* wins."), (1e-4, 1, "`h` is too large.")]
    options = {"notes": notes, "log": "xy", "x": "h", "y": "error", **options}
    return Explorer(curves(), **options)


def laboratory(**options):
    records = {
        (parameter, seed): {
            "all": (GRID, (seed + 1) * GRID, GRID > 0.01 * 10.0**-seed),
            "off the kinks": (GRID, (seed + 1) * GRID ** (2 if parameter == "W" else 3)),
        }
        for parameter in ("W", "b")
        for seed in (0, 1, 2)
    }
    settings = {"parameter": ["W", "b"], "seed": [0, 1, 2]}
    options = {"log": "xy", "x": "h", "y": "error", "kink": "a kink", **options}
    return Explorer(records, settings, **options)


def readout(page):
    return page.locator(".chainrule-readout td").all_inner_texts()


def pick(page, setting, value):
    group = page.get_by_role("group", name=setting)
    group.get_by_role("button", name=str(value), exact=True).click()


def picked(page, setting):
    return page.get_by_role("group", name=setting).locator("[aria-pressed=true]").inner_text()


def slider(page):
    return page.get_by_role("slider")


# ---------------------------------------------------------------- in the browser


def test_the_slider_reads_every_curve_at_its_point(show):
    page = show(simple(index=2))
    ys = [made[1] for made in curves().values()]
    assert readout(page) == [display(y[2]) for y in ys]
    for k in (0, 5, 8):
        slider(page).fill(str(k))
        assert readout(page) == [display(y[k]) for y in ys]
        assert page.get_by_role("columnheader", name=f"h = {display(GRID[k])}").is_visible()
        assert page.locator(".chainrule-explorer").get_attribute("data-index") == str(k)


def test_the_slider_works_by_keys_and_says_where_it_stands(show):
    page = show(simple())
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    said = slider(page).get_attribute("aria-valuetext")
    assert said == "h = 1e−6; central 1e−6; forward 1e−6"
    page.keyboard.press("End")
    assert readout(page) == ["1", "1"]


def test_the_marks_stand_on_their_curves(show):
    explorer = simple()
    page = show(explorer)
    slider(page).fill("3")
    places = page.locator(".mark").evaluate_all(
        "all => all.map((e) => e.getAttribute('transform'))"
    )
    for (_, ys), place in zip(curves().values(), places, strict=True):
        found = [float(number) for number in re.findall(r"[\d.]+", place)]
        wanted = explorer.across.at(GRID[3]), explorer.up.at(ys[3])
        assert found == pytest.approx(wanted, abs=0.06)


def test_a_press_on_the_picture_takes_the_slider_there(show):
    explorer = simple()
    page = show(explorer)
    box = page.locator(".chainrule-chart").bounding_box()
    x = box["x"] + explorer.across.at(GRID[6]) / 560 * box["width"] + 3
    page.mouse.click(x, box["y"] + box["height"] / 2)
    assert slider(page).input_value() == "6"


@pytest.mark.looks
@pytest.mark.parametrize("width", [390, 1280])
def test_the_sliders_thumb_stands_at_its_marker_in_the_chart(show, width):
    uneven = Explorer({"y": ([1, 2, 10, 11, 50], [1, 2, 3, 4, 5])})
    for explorer in (simple(), uneven):
        page = show(explorer, viewport={"width": width, "height": 800})
        for k in range(len(explorer.grid)):
            slider(page).fill(str(k))
            thumb, guide, mark = (
                page.locator(place).first.bounding_box() for place in ("input", ".guide", ".mark")
            )
            middle = [box["x"] + box["width"] / 2 for box in (thumb, guide, mark)]
            assert middle[1:] == pytest.approx([middle[0]] * 2, abs=1)
            assert thumb["y"] < guide["y"] + guide["height"] < thumb["y"] + thumb["height"]
        page.close()


def test_a_drag_follows_the_pointer_selects_no_text_and_leaves_the_keys_with_the_slider(show):
    page = show(simple())
    box = page.locator(".chainrule-chart").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] + 200, box["y"] + box["height"] + 100)  # far outside
    assert slider(page).input_value() == "8"
    page.mouse.up()
    assert page.evaluate("getSelection().toString()") == ""
    page.keyboard.press("ArrowLeft")
    assert slider(page).input_value() == "7"


def test_the_picture_is_as_wide_as_the_column(show):
    page = show(simple(), viewport={"width": 700, "height": 800})
    column = page.locator("main").bounding_box()["width"]
    assert page.locator(".chainrule-chart").bounding_box()["width"] == pytest.approx(column, abs=1)


BY_SEED = {0: [(1e-8, 1e-5, "small")], 1: [(1e-8, 1, "*all*")], 2: []}


@pytest.mark.parametrize(
    "notes",
    [
        lambda parameter, seed: BY_SEED[seed],
        {(parameter, seed): BY_SEED[seed] for parameter in ("W", "b") for seed in (0, 1, 2)},
    ],
    ids=["a function", "a dict"],
)
def test_notes_follow_every_choice(show, notes):
    page = show(laboratory(notes=notes))
    note = page.get_by_role("status")
    for parameter in ("b", "W"):
        pick(page, "parameter", parameter)
        for seed, at, said in [
            (0, 0, "small"),
            (1, 0, "all"),
            (2, 0, ""),
            (1, 8, "all"),
            (0, 8, ""),
        ]:
            pick(page, "seed", seed)
            slider(page).fill(str(at))
            assert note.inner_text() == said
            other = laboratory(notes=notes, index=at, chosen={"parameter": parameter, "seed": seed})
            served = re.search(r'role="status">(.*?)</p>', other.markup())[1]
            assert re.sub("<.*?>", "", served) == said
    page.get_by_text("All points as a table").click()
    pick(page, "seed", "1")
    assert page.locator(".chainrule-notes li").filter(visible=True).count() == 1


def test_the_note_of_the_range_is_told_once(show):
    page = show(simple())
    note = page.get_by_role("status")
    assert note.inner_text() == "Rounding wins." and note.locator("em").count() == 1
    page.evaluate(
        """() => {
            globalThis.told = 0;
            new MutationObserver(() => (told += 1))
                .observe(document.querySelector("[role=status]"), { childList: true });
        }"""
    )
    slider(page).fill("2")
    slider(page).fill("3")
    page.wait_for_timeout(50)
    assert page.evaluate("told") == 0
    slider(page).fill("4")
    assert note.inner_text() == "h is too large." and note.locator("code").inner_text() == "h"
    page.wait_for_timeout(50)
    assert page.evaluate("told") == 1


def test_a_choice_shows_the_record_that_python_would_draw(show):
    """For every record, what the script makes is what Python serves."""
    page = show(laboratory(index=4))
    for parameter in ("b", "W"):
        for seed in (2, 0, 1):
            pick(page, "parameter", parameter)
            pick(page, "seed", seed)
            wanted = laboratory(index=4, chosen={"parameter": parameter, "seed": seed})
            other = show(wanted)
            for what in (
                "all => all.map((e) => e.textContent)",
                "all => all.map((e) => ['d', 'x', 'y', 'transform'].map((a) => e.getAttribute(a)))",
            ):
                for place in (".chainrule-chart *", ".chainrule-readout *"):
                    found, served = (p.locator(place).evaluate_all(what) for p in (page, other))
                    assert found == served
            tables = [p.locator(".chainrule-wide table").first for p in (page, other)]
            assert tables[0].text_content() == tables[1].text_content()
            other.close()


def test_the_script_draws_the_paths_that_python_serves(show):
    explorer = laboratory(index=3, chosen={"parameter": "b", "seed": 1})
    paths = "all => all.map((e) => e.getAttribute('d'))"
    live, served = (
        show(explorer, java_script_enabled=script).locator(".curve path").evaluate_all(paths)
        for script in (True, False)
    )
    for one, two in zip(live, served, strict=True):
        assert numbers_in(one) == pytest.approx(numbers_in(two), abs=0.11)


def numbers_in(path):
    return [float(number) for number in re.findall(r"-?\d+\.?\d*", path)]


def test_the_axes_stay_when_another_record_is_chosen(show):
    page = show(laboratory())
    before = page.locator(".axes").inner_html()
    pick(page, "seed", "2")
    assert page.locator(".axes").inner_html() == before


def test_kinks_are_crosses_and_are_named_in_the_tables(show):
    page = show(laboratory(index=8))
    assert readout(page) == ["1 (a kink)", "1"]
    assert page.get_by_text("× a kink", exact=True).is_visible()
    crosses = page.locator(".crosses").evaluate_all("all => all.map((e) => e.getAttribute('d'))")
    assert [path.count("l8 8") for path in crosses] == [2, 0]
    slider(page).fill("3")
    assert readout(page)[0] == display(1e-5)


def test_a_point_that_is_not_finite_has_no_mark_and_is_said(show):
    ys = np.array([1.0, np.nan, 2.0, np.inf, 3.0, 0.0])
    page = show(Explorer({"y": (range(1, 7), ys)}, log="y"))
    said = "Not in the picture: 3 of 6 points of y (not a number, ∞, 0)."
    assert page.get_by_text(said).is_visible()
    for k, shown in enumerate([True, False, True, False, True, False]):
        slider(page).fill(str(k))
        assert page.locator(".mark").is_visible() == shown
        assert readout(page) == [display(ys[k])]


def test_without_script_the_picture_the_readout_and_all_points_are_there(show):
    page = show(simple(index=8), java_script_enabled=False)
    assert page.locator(".chainrule-chart").is_visible()
    assert readout(page) == ["1", "1"]
    page.get_by_text("All points as a table").click()
    assert page.locator(".chainrule-wide tbody tr").count() == len(GRID)
    assert page.get_by_text("h from 1e−8 to 1e−5: Rounding wins.").is_visible()


def test_small_records_are_all_tables_and_of_large_ones_the_rest_is_counted():
    assert laboratory().markup().count("<caption>") == 6
    grid = np.arange(1.0, 101.0)
    many = {(k,): {"y": (grid, grid + k)} for k in range(5)}
    text = Explorer(many, {"run": range(5)}).markup()
    assert text.count("<caption>") == 1
    assert "The live figure holds 5 recorded runs to choose from." in text


@pytest.mark.looks
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_axe_finds_nothing_and_nothing_is_wider_than_the_page(show, width, scheme):
    explorer = laboratory(caption="Six runs.", notes=[(1e-8, 1, "Here.")])
    page = show(explorer, viewport={"width": width, "height": 800}, color_scheme=scheme)
    assert findings(page) == []
    page.eval_on_selector_all("details", "all => all.forEach((one) => (one.open = true))")
    slider(page).fill("8")
    assert findings(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_on_a_phone_the_letters_of_the_picture_can_be_read(show):
    page = show(simple(), viewport=PHONE)
    size = """() => {
        const svg = document.querySelector(".chainrule-chart");
        return parseFloat(getComputedStyle(svg).fontSize) * svg.getBoundingClientRect().width / 560;
    }"""
    assert page.evaluate(size) >= 10.5


def test_every_curve_differs_by_dash_and_mark_not_by_colour_alone():
    six = {f"c{k}": ([1, 2], [k, k + 1]) for k in range(6)}
    text = Explorer(six).markup()
    lines = re.findall(r'class="line" stroke-width="2" stroke-dasharray="([^"]*)"', text)
    marks = re.findall(r'class="mark[^>]* d="([^"]*)"', text)
    assert len(set(lines)) == len(set(marks)) == 6


HOSTILE = '</script></text><img src=x onerror="document.title=1">&"'


def test_hostile_names_and_notes_show_as_themselves(show):
    explorer = Explorer(
        {(HOSTILE,): {HOSTILE: ([1, 2], [1, 2], [True, False])}},
        {HOSTILE: [HOSTILE]},
        x=HOSTILE, y=HOSTILE, notes=[HOSTILE, "b"], kink=HOSTILE, title=HOSTILE, caption=HOSTILE,
    )  # fmt: skip
    page = show(explorer)
    assert page.get_by_role("status").inner_text() == HOSTILE
    assert page.locator(".chainrule-readout tbody th").inner_text().strip() == HOSTILE
    assert page.locator("img").count() == 0 and page.title() != "1"


def test_in_a_notebook_the_reader_tells_python_and_python_moves_the_view(module):
    in_a_notebook(module, laboratory(), index=0, chosen={"parameter": "W", "seed": 0})
    slider(module).fill("4")
    pick(module, "seed", "2")
    assert module.evaluate("[state.index, state.chosen]") == [4, {"parameter": "W", "seed": 2}]
    module.evaluate("python('chosen', { parameter: 'b', seed: 1 })")
    module.evaluate("python('index', 8)")
    assert picked(module, "parameter") == "b"
    assert readout(module) == ["2 (a kink)", "2"]
    assert module.evaluate("leave()") == []


def test_two_explorers_on_a_page_do_not_disturb_each_other(show):
    page = show(Both(simple(), simple(index=3)))
    slider(page).nth(0).fill("5")
    states = "all => all.map((e) => e.dataset.index)"
    assert page.locator(".chainrule-explorer").evaluate_all(states) == ["5", "3"]


# ---------------------------------------------------------------- the chart


def test_a_log_axis_has_round_powers_and_a_linear_one_round_steps():
    assert Axis(True, -12, 0, 0, 100).ticks() == [1e-12, 1e-9, 1e-6, 1e-3, 1]
    assert Axis(True, -3.2, 0.1, 0, 100).ticks() == [1e-3, 1e-2, 1e-1, 1]
    assert Axis(True, 0.1, 1.2, 0, 100).ticks() == [2, 5, 10]
    assert Axis(True, np.log10(0.66), np.log10(0.69), 0, 100).ticks() == [
        0.66,
        0.665,
        0.67,
        0.675,
        0.68,
        0.685,
        0.69,
    ]
    assert Axis(False, -0.05, 1.05, 0, 100).ticks() == [0, 0.2, 0.4, 0.6, 0.8, 1]
    assert Axis(False, 17, 63, 0, 100).ticks() == [20, 30, 40, 50, 60]


def test_the_ticks_of_an_axis_are_written_in_one_style():
    assert tick_texts(Axis(True, -6, 0, 0, 100)) == ["1e−6", "1e−4", "1e−2", "1"]
    assert tick_texts(Axis(True, -5, 0, 0, 100)) == [f"1e−{k}" for k in (5, 4, 3, 2, 1)] + ["1"]
    assert tick_texts(Axis(True, -3, 1, 0, 100)) == ["0.001", "0.01", "0.1", "1", "10"]
    assert tick_texts(Axis(False, 0, 1, 0, 100)) == ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]
    assert tick_texts(Axis(False, -2, 2, 0, 100)) == ["−2", "−1", "0", "1", "2"]


@pytest.mark.parametrize("log", [False, True])
def test_every_axis_has_a_few_ticks_within_its_ends(log):
    rng = np.random.default_rng(0)
    for _ in range(300):
        size = 10.0 ** rng.integers(-9, 9)
        values = size * rng.uniform(1, 10.0 ** rng.integers(0, 9), 2)
        axis = axis_over(values, log, 0.0, 400.0)
        ticks = axis.ticks()
        assert len(ticks) <= 12 and ticks == sorted(set(ticks))
        assert all(-1e-6 <= axis.at(tick) <= 400 + 1e-6 for tick in ticks)
        assert ticks


def test_one_value_alone_still_has_an_axis():
    for value in (0.0, 3.0, -1e-9):
        axis = axis_over([value, value], False, 0, 100)
        assert axis.at(value) == pytest.approx(50)
    assert axis_over([1e-5], True, 0, 100).at(1e-5) == pytest.approx(50)


def test_a_line_breaks_at_a_missing_point_and_a_lone_point_is_a_dot():
    assert line_path([(0, 1), (2, 3), None, (4, 5), None]) == "M0 1h0L2 3M4 5h0"


def test_the_script_places_numbers_where_python_does(module):
    rng = np.random.default_rng(0)
    for log in (False, True):
        values = rng.normal(size=200) * 10.0 ** rng.integers(-9, 9, 200)
        values = [*values.tolist(), 0.0, 1e-300]
        axis = axis_over(values, log, 30, 450)
        script = "([axis, values]) => values.map((value) => chainrule.placeOn(axis, value))"
        found = module.evaluate(script, [axis.data(), values])
        wanted = [axis.at(value) for value in values]
        assert [f is None for f in found] == [w is None for w in wanted]
        assert [f or 0 for f in found] == pytest.approx([w or 0 for w in wanted], abs=1e-9)


def test_names_lie_on_no_line_where_there_is_room():
    xs = np.arange(1.0, 11)
    across, up = Axis(False, 1, 10, 60, 460), Axis(False, 0, 10, 270, 44)
    lines = [points_of(xs, ys, across, up) for ys in (xs * 0 + 9, xs, xs * 0 + 1)]
    places = place_names(lines, ["top", "middle", "bottom"], across, up)
    assert len({tuple(place) for place in places}) == 3
    for (x, y), line in zip(places, lines, strict=True):
        distance = min(math.dist((x, y), point) for point in line)
        assert 4 < distance < 60


def test_names_stand_at_the_right_ends_of_curves_that_end_apart():
    xs = np.arange(1.0, 11)
    across, up = Axis(False, 1, 10, 60, 460), Axis(False, 0, 10, 270, 44)
    lines = [points_of(xs, ys, across, up) for ys in (9 - xs / 20, xs / 2, 2 - xs / 10)]
    for (x, y), line in zip(
        place_names(lines, ["top", "mid", "low"], across, up), lines, strict=True
    ):
        assert math.dist((x, y), line[-1]) < 60


def four_vs():
    """The Vs of chapter 8, as their two errors say: they cross, and share their arms in pairs."""
    grid = 10.0 ** np.arange(-15, -0.4, 0.5)
    made = {}
    for name, u in {"float64": 1.1e-16, "float32": 6e-8}.items():
        made[f"one side, {name}"] = grid, np.minimum(grid / 2 + 2 * u / grid, 1)
        made[f"both sides, {name}"] = grid, np.minimum(grid**2 / 6 + u / grid, 1)
    return Explorer(made, log="xy", x="h", y="relative error")


TOUCHED = """() => {
    const svg = document.querySelector(".chainrule-chart");
    const lines = [...svg.querySelectorAll(".line")].flatMap((line) => Array.from({ length: 500 },
        (_, k) => line.getPointAtLength((k / 499) * line.getTotalLength())));
    const boxes = [...svg.querySelectorAll("text.name[class*=c]")].map((name) => name.getBBox());
    const inside = (box, { x, y }) => x > box.x - 3 && x < box.x + box.width + 3 && y > box.y && y < box.y + box.height;
    const over = (a, b) => a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
    return {
        names: boxes.length,
        lines: boxes.filter((box) => lines.some((point) => inside(box, point))).length,
        others: boxes.filter((box, k) => boxes.some((other, l) => l < k && over(box, other))).length,
    };
}"""


@pytest.mark.parametrize("viewport", [PHONE, {"width": 1280, "height": 900}], ids=["phone", "desk"])
def test_names_touch_no_line_and_no_name_in_a_crowded_figure(show, viewport):
    page = show(four_vs(), viewport=viewport)
    assert page.evaluate(TOUCHED) == {"names": 4, "lines": 0, "others": 0}


COVERED = """() => {
    const knob = document.querySelector(".chainrule-thumb").getBoundingClientRect();
    const middle = [knob.x + knob.width / 2, knob.y + knob.height / 2];
    const radius = 8; // pixels, of its dark part
    return [...document.querySelectorAll(".axes text:not(.name)")].filter((text) => {
        const box = text.getBoundingClientRect();
        const high = box.height * 0.2; // of a line box over and under its digits
        const away = [[box.left, box.right], [box.top + high, box.bottom - high]].map(([low, end], k) => Math.max(low - middle[k], middle[k] - end, 0));
        return Math.hypot(...away) < radius;
    }).map((text) => text.textContent);
}"""


@pytest.mark.parametrize("viewport", [PHONE, {"width": 1280, "height": 900}], ids=["phone", "desk"])
def test_the_handle_covers_no_number_of_an_axis(show, viewport):
    xs = np.arange(1.0, 11)
    page = show(Explorer({"a": (xs, 1 / xs)}, log="y"), viewport=viewport)
    slider = page.get_by_role("slider")
    for k in range(len(xs)):
        slider.fill(str(k))
        assert page.evaluate(COVERED) == [], k


def test_a_curve_is_neither_a_value_nor_a_gradient_and_wears_the_colour_of_neither(show):
    xs = np.arange(1.0, 4)
    page = show(Explorer({name: (xs, xs * k) for k, name in enumerate("abcdef")}))
    colours = page.evaluate(
        """() => [...document.querySelectorAll(".curve")].map((curve) => getComputedStyle(curve).color).concat(
            ["value", "gradient"].map((kind) => {
                const span = Object.assign(document.createElement("span"), { className: kind });
                document.querySelector("figure").append(span);
                return getComputedStyle(span).color;
            }))"""
    )
    assert len(set(colours)) == 8


# ---------------------------------------------------------------- Python's side


def test_the_numbers_keep_their_full_precision_and_nan_survives_json():
    ys = [0.1 + 0.2, 1 / 3, float("nan"), float("-inf")]
    text = Explorer({"y": ([1, 2, 3, 4], ys)}).markup()
    data = json.loads(
        re.search(r"<script[^>]*>(.*?)</script>", text)[1], parse_constant=pytest.fail
    )
    assert data["records"][0]["ys"][0] == [*ys[:2], {"float": "NaN"}, {"float": "-Infinity"}]


def test_the_markup_is_the_same_at_every_run_and_has_no_style():
    assert laboratory().markup() == laboratory().markup()
    assert "<style" not in laboratory().markup() and " id=" not in laboratory().markup()


def test_the_markup_follows_the_traits():
    explorer = laboratory()
    explorer.index, explorer.chosen = 5, {"parameter": "b", "seed": 2}
    assert explorer.markup() == laboratory(index=5, chosen={"parameter": "b", "seed": 2}).markup()
    assert laboratory(index=-1).index == len(GRID) - 1


def test_arrays_of_the_caller_are_copied_and_left_as_they_were():
    xs, ys = GRID.copy(), GRID.copy()
    for array in (xs, ys):
        array.flags.writeable = False
    explorer = Explorer({"y": (xs, ys)}, log="xy")
    assert not np.shares_memory(explorer.grid, xs)


def test_traits_refuse_what_is_not_there():
    explorer = laboratory()
    with pytest.raises(traitlets.TraitError, match="from 0 to 8, got 9"):
        explorer.index = 9
    with pytest.raises(traitlets.TraitError, match=r"seed is one of \[0, 1, 2\], got 7"):
        explorer.chosen = {"parameter": "W", "seed": 7}
    with pytest.raises(traitlets.TraitError, match="chosen wants"):
        explorer.chosen = {"seed": 1}


def test_a_single_setting_needs_no_tuples():
    explorer = Explorer(
        {0: curves(), 1: curves(2.0)}, {"seed": [0, 1]}, chosen={"seed": np.int64(1)}
    )
    assert explorer.key == (1,)


line = ([1, 2], [1, 2])


@pytest.mark.parametrize(
    ("arguments", "options", "said"),
    [
        (({},), {}, "a dict of curves"),
        (("abc",), {}, "a dict of curves"),
        (({"a": 3},), {}, r"name: \(xs, ys\), got 'a': 3"),
        (({"a": ([2, 1], [1, 2])},), {}, "increasing xs"),
        (({"a": ([1], [1])},), {}, "2 to 200"),
        (({"a": ([1, np.nan], [1, 2])},), {}, "finite"),
        (({"a": ([1, 2], [1, 2, 3])},), {}, "2 xs, ys of shape"),
        (({"a": ([1, 2], ["b", "c"])},), {}, "numbers as curve 'a'"),
        (({"a": ([1, 2], [1, 2], [True])},), {}, "kinks of shape"),
        (({"a": line, "b": ([1, 3], [1, 2])},), {}, "share their xs, but not 'b'"),
        (({str(k): line for k in range(7)},), {}, "1 to 6 curves"),
        (({"a": ([1, 2], [np.nan, np.inf])},), {}, "no number that could be drawn"),
        (({"a": ([-1, 2], [1, 2])},), {"log": "x"}, "above 0 on a log x axis"),
        (({"a": line},), {"log": "z"}, "log is out of 'x' and 'y'"),
        (({"a": line},), {"index": 2}, "from 0 to 1"),
        (({"a": line},), {"index": 0.5}, "whole number"),
        (({"a": line},), {"notes": ["one"]}, "a note for each of 2 points, got 1"),
        (({"a": line},), {"notes": [(5, 6, "off")]}, "no point lies between"),
        (({"a": line},), {"notes": [("a", "b", "off")]}, "numbers as a note's ends"),
        (({"a": line},), {"notes": [(1, "off")]}, r"\(from, to, sentence\)"),
        (({"a": line},), {"notes": {3: []}}, r"notes for \[\(\)\], got \[\(3,\)\]"),
        (({"a": line},), {"x": ""}, "x as a text"),
        (({(1,): {"a": line}}, {"seed": [1, 2]}), {}, r"missing: \(2,\)"),
        (({1: {"a": line}, 2: {"a": line}}, {"seed": [1]}), {}, r"not asked for: \(2,\)"),
        (({1: {"a": line}, 2: {"b": line}}, {"seed": [1, 2]}), {}, "the same curves"),
        (({1: {"a": line}}, {"seed": [1, 1]}), {}, "different values"),
        (({1: {"a": line}}, {"seed": []}), {}, "different values"),
        (({1: {"a": line}}, ["seed"]), {}, "settings as a dict"),
        (({1: {"a": line}}, {"seed": [1]}), {"chosen": {"seed": 3}}, r"one of \[1\], got 3"),
        (({1: {"a": line}}, {"seed": [1]}), {"chosen": {"sed": 1}}, "chosen wants"),
    ],
)
def test_wrong_arguments_are_refused_with_what_is_wanted(arguments, options, said):
    with pytest.raises(ValueError, match=said):
        Explorer(*arguments, **options)


def test_a_terminal_says_what_the_curves_do():
    assert simple().as_text().startswith("error over h. central: 0.0001 at h = 1e−8, 1 at h = 1;")


def test_curves_are_a_bet_until_the_reader_has_decided(show):
    made = Explorer(
        {"a": ([1, 2, 3], [1, 4, 9]), "b": ([1, 2, 3], [3, 2, 1])}, reveal="I have decided"
    )
    page = show(made)
    parts = [".curve", ".mark", ".guide", ".chainrule-readout", "details", "input"]
    for part in parts:
        assert not page.locator(part).first.is_visible(), part
    assert page.locator("desc").count() == 0  # what is hidden is not read aloud either
    page.get_by_role("button", name="I have decided").click()
    for part in parts:
        assert page.locator(part).first.is_visible() or part == ".guide", part
    assert page.locator("desc").count() == 1
    assert page.evaluate("document.activeElement.type") == "range"
    assert page.locator(".chainrule-look").is_hidden()


def test_without_script_no_bet_hides_anything(show):
    made = Explorer({"a": ([1, 2], [1, 4])}, reveal="I have decided")
    page = show(made, java_script_enabled=False)
    assert page.locator(".curve").is_visible() and page.locator(".chainrule-readout").is_visible()


def test_reveal_is_a_text():
    with pytest.raises(ValueError, match="Explorer wants reveal as the text of a button"):
        Explorer({"a": ([1, 2], [1, 4])}, reveal=3)


# Of every chart of a page, whatever is chosen in it: names that are nearer to another curve than to their own, or far from it;
# and texts that the handle lies over at some place of the slider. In pixels of the picture.
ASTRAY = """() => [...document.querySelectorAll(".chainrule-explorer")].flatMap((figure) => {
    figure.classList.remove("veiled");
    const [svg, thumb] = [".chainrule-chart", ".chainrule-thumb"].map((one) => figure.querySelector(one));
    const rows = [...figure.querySelectorAll(".chainrule-choosers")].map((row) => [...row.querySelectorAll("button")]);
    const far = ({ x, y, width, height }, at) => Math.hypot(
        Math.max(x - at.x, 0, at.x - x - width), Math.max(y + height / 5 - at.y, 0, at.y - y - 4 * height / 5));
    POINTS_OF
    const nearest = (box, path) => Math.min(...pointsOf(path, 300).map((at) => far(box, at)));
    const odd = [];
    for (const choice of rows.reduce((all, row) => all.flatMap((some) => row.map((_, k) => [...some, k])), [[]])) {
        choice.forEach((k, n) => rows[n][k].click());
        const paths = [...svg.querySelectorAll(".curve .line")];
        [...svg.querySelectorAll("text.name[class*=c]")].filter(({ parentNode }) => parentNode === svg).forEach((name, k) => {
            if (name.getAttribute("visibility") === "hidden") return;
            const [own, ...others] = [paths[k], ...paths.filter((path, j) => j !== k && path.getAttribute("d"))].map((path) => nearest(name.getBBox(), path));
            if (own > Math.min(...others) + 2 || own > 45) odd.push(`${choice} ${name.textContent}: ${own} from its own, ${others}`);
        });
    }
    const [scale, size] = [svg.viewBox.baseVal.width / svg.getBoundingClientRect().width, getComputedStyle(thumb).getPropertyValue("--dot")];
    for (thumb.value = 0; ; thumb.value = Number(thumb.value) + 1) {
        thumb.dispatchEvent(new Event("input"));
        const at = { x: (parseFloat(thumb.style.left) * svg.viewBox.baseVal.width) / 100, y: (parseFloat(thumb.style.top) * svg.viewBox.baseVal.height) / 100 };
        for (const text of svg.querySelectorAll("text")) {
            if (far(text.getBBox(), at) < 0.5 * parseFloat(size) * 16 * scale) odd.push(`the handle at ${thumb.value} over ${text.textContent}`);
        }
        if (thumb.value === thumb.max) return odd;
    }
})"""


@pytest.mark.looks
@pytest.mark.parametrize("width", [1280, 390])
def test_in_every_chart_of_the_book_a_name_is_by_its_own_curve_and_the_handle_over_no_text(
    width, site, open_page
):
    pages = [
        page
        for page in sorted(site.glob("book/*.html"))
        if "chainrule-explorer" in page.read_text("utf-8")
    ]
    assert len(pages) >= 6
    for path in pages:
        page = open_page(f"book/{path.name}", viewport={"width": width, "height": 900})
        assert page.evaluate(ASTRAY.replace("POINTS_OF", POINTS_OF)) == [], path.name


def test_of_two_curves_that_are_one_the_first_alone_is_drawn_and_named(show):
    figure = Explorer(
        {"one": ([0, 1], [2, 3]), "same": ([0, 1], [2, 3]), "other": ([0, 1], [1, 5])}
    )
    names = re.findall(r'visibility="(\w+)">(one|same|other)</text>', figure.html)
    assert names == [("visible", "one"), ("hidden", "same"), ("visible", "other")]
    for script in (True, False):
        page = show(figure, java_script_enabled=script)
        paths = page.locator(".curve .line").evaluate_all(
            "all => all.map((e) => e.getAttribute('d'))"
        )
        marks = page.locator(".mark").evaluate_all(
            "all => all.map((e) => e.getAttribute('visibility'))"
        )
        assert [bool(path) for path in paths] == [True, False, True]
        assert marks == ["visible", "hidden", "visible"]
        assert readout(page) == ["2", "2", "1"]

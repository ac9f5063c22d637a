"""The replay of a training run: recording it, drawing it, and stepping through it in a browser."""

import json
import re
from collections import OrderedDict

import numpy as np
import pytest
import traitlets
from audit import findings
from test_quiz import in_a_notebook

from chainrule.layers import Affine
from chainrule.losses import IdentityWithLoss
from chainrule.narration import display
from chainrule.network import Network, two_layer_net
from chainrule.training import SGD, Record, train
from chainrule.widgets import Replay, record_training
from chainrule.widgets.replay import as_levels, levels_svg

PHONE = {"width": 360, "height": 800}


def made(count=5, **more):
    """Frames typed by hand: the loss halves, the accuracy rises and is measured at every second frame."""
    return [
        {
            "step": 10 * k + 1,
            "loss": 2.0 / 2**k,
            "accuracy": None if k % 2 else 0.5 + k / 10,
            "gradient_norms": {"Affine1.W": 1.0 / (k + 1), "Affine1.b": 0.1 * (k + 1)},
            **{key: value(k) for key, value in more.items()},
        }
        for k in range(count)
    ]


def images(k):
    """Fewer and fewer digits are read wrongly."""
    pixels = [np.full((8, 8), one / 4) for one in range(4)]
    return [(pixels[one], f"{one}, read as {k}") for one in range(max(0, 3 - k))]


def weights(k):
    return {"W": np.arange(12.0).reshape(3, 4) * k, "b": np.array([0.0, k])}


def full(**options):
    return Replay(made(images=images, weights=weights), **options)


def small_run(**options):
    """Training on two blurs of 4 by 4 pixels."""
    rng = np.random.default_rng(0)
    x = np.clip(rng.normal(0.3, 0.2, (60, 16)), 0, 1)
    t = np.arange(60) % 2
    x[t == 1, :8] *= 0.5
    net = two_layer_net(16, 5, 2, rng)
    options = {"optimizer": SGD(0.5), "batch_size": 10, "updates": 25, **options}
    return net, (x, t), options, rng


def press(page, name):
    page.get_by_role("button", name=name, exact=True).click()


def frame(page):
    return int(page.locator(".chainrule-replay").get_attribute("data-frame"))


def status(page):
    return page.get_by_role("status").inner_text()


# ---------------------------------------------------------------- in the browser


def test_the_controls_walk_through_the_frames(show):
    page = show(full())
    assert frame(page) == 0
    for name, after in [
        ("Next step", 1),
        ("Last step", 4),
        ("Previous step", 3),
        ("First step", 0),
    ]:
        press(page, name)
        assert frame(page) == after
    page.get_by_role("slider").fill("2")
    assert frame(page) == 2
    assert page.get_by_text("frame 3 of 5").is_visible()


def test_the_keys_do_what_the_buttons_do(show):
    page = show(full())
    page.keyboard.press("Tab")
    for key, after in [("ArrowRight", 1), ("End", 4), ("ArrowLeft", 3), ("Home", 0)]:
        page.keyboard.press(key)
        assert frame(page) == after


def test_play_runs_to_the_end_and_stops(show):
    page = show(full())
    page.clock.install()
    press(page, "Play")
    page.clock.run_for(60_000)
    assert frame(page) == 4
    assert page.get_by_role("button", name="Play", exact=True).is_visible()


@pytest.mark.parametrize(
    "motion, seconds, after", [("no-preference", 0.7, 2), ("reduce", 0.7, 0), ("reduce", 1.5, 1)]
)
def test_a_frame_lasts_as_long_as_its_pause_and_longer_for_who_wants_calm(
    show, motion, seconds, after
):
    page = show(full(pause=0.3), reduced_motion=motion)
    page.clock.install()
    press(page, "Play")
    page.clock.run_for(1000 * seconds)
    assert frame(page) == after


def test_a_quick_run_is_read_aloud_only_where_it_stops(show):
    page = show(full(pause=0.25))
    page.clock.install(time=0)
    page.clock.pause_at(1_000)
    live = page.get_by_role("status").get_attribute
    press(page, "Play")
    page.clock.run_for(600)
    assert (frame(page), live("aria-live")) == (2, "off")
    page.clock.run_for(5_000)
    assert (frame(page), live("aria-live")) == (4, "polite")


@pytest.mark.parametrize("pause", [0, -1, 11, "fast", float("nan")])
def test_a_pause_is_some_seconds(pause):
    with pytest.raises(ValueError, match="pause as seconds from 0.05 to 10"):
        full(pause=pause)


def test_every_frame_of_the_page_is_the_one_that_python_draws(show):
    page = show(full())
    for k in [0, 1, 2, 3, 4, 2, 0]:
        page.get_by_role("slider").fill(str(k))
        other = show(full(frame=k))
        for place, what in [
            (".chainrule-sentence", "all => all.map((e) => e.innerHTML)"),
            ("[data-panel]:not([data-panel=wrong]) *", "all => all.map((e) => e.textContent)"),
            (".bar, .mark, .guide", "all => all.map((e) => [...e.attributes].map((a) => a.value))"),
            (".chainrule-heading", "all => all.map((e) => e.textContent)"),
            (".chainrule-pictures li:not([hidden])", "all => all.map((e) => e.innerHTML)"),
        ]:
            found, wanted = (p.locator(place).evaluate_all(what) for p in (page, other))
            assert found == wanted
        other.close()


@pytest.mark.parametrize("k", range(5))
def test_what_python_serves_is_what_the_script_shows(show, k):
    live, served = show(full(frame=k)), show(full(frame=k), java_script_enabled=False)
    assert status(live) == status(served)
    for place in (".bar", ".mark", ".guide", ".chainrule-pictures li"):
        shapes = "all => all.map((e) => e.outerHTML.replace(/<\\/?path|<\\/?svg/g, ''))"
        found, wanted = (p.locator(place).evaluate_all(shapes) for p in (live, served))
        assert found == wanted


def test_the_sentence_has_the_numbers_of_the_frame(show):
    page = show(full())
    assert status(page) == (
        "Update 1. The loss of its mini-batch is 2. The accuracy is 0.5. "
        "The largest gradient, 1, is that of Affine1.W."
    )
    press(page, "Next step")
    assert "Update 11. The loss of its mini-batch is 1." in status(page)
    assert "The accuracy, measured at update 1, was 0.5." in status(page)
    press(page, "Last step")
    assert "The largest gradient, 0.5, is that of Affine1.b." in status(page)


def test_the_wrong_guesses_change_and_their_end_is_said(show):
    page = show(full())
    captions = page.locator(".chainrule-pictures:not(.chainrule-weights) li span")

    def shown():
        return [c.inner_text() for c in captions.all() if c.is_visible()]

    assert shown() == ["0, read as 0", "1, read as 0", "2, read as 0"]
    press(page, "Next step")
    assert shown() == ["0, read as 1", "1, read as 1"]
    press(page, "Last step")
    assert shown() == []
    assert page.get_by_text("Nothing is read wrongly after this update.").is_visible()
    press(page, "First step")
    assert shown() == ["0, read as 0", "1, read as 0", "2, read as 0"]


def test_weights_are_drawn_on_one_scale_over_the_whole_run(show):
    page = show(full())
    opacities = """() => [...document.querySelectorAll(".chainrule-weights li:first-child path")]
        .map((e) => Number(e.getAttribute("fill-opacity")))"""
    assert page.evaluate(opacities) == []
    press(page, "Next step")
    assert max(page.evaluate(opacities)) == 0.25
    press(page, "Last step")
    assert max(page.evaluate(opacities)) == 1
    assert page.get_by_text("W, 0 to 44").is_visible()


def test_a_frame_with_numbers_that_are_not_finite_is_shown_and_said(show):
    frames = made()
    frames[2]["loss"] = float("nan")
    frames[3]["gradient_norms"] = {"Affine1.W": float("inf"), "Affine1.b": 0.0}
    page = show(Replay(frames))
    page.get_by_role("slider").fill("2")
    assert "The loss of its mini-batch is not a number." in status(page)
    page.get_by_role("slider").fill("3")
    assert [bar.get_attribute("width") for bar in page.locator(".bar").all()] == ["0", "0"]
    assert page.locator(".norm").all_text_contents() == ["∞", "0"]
    assert page.locator('[data-panel="loss"] .line').get_attribute("d").count("M") == 2


def test_without_script_the_frame_and_all_numbers_are_there(show):
    page = show(full(frame=-1), java_script_enabled=False)
    assert status(page).startswith("Update 41.")
    page.get_by_text("All 5 frames as a table").click()
    rows = page.locator("tbody tr").all_inner_texts()
    assert len(rows) == 5
    assert rows[0].split("\t") == ["1", "2", "0.5", "1", "0.1", rows[0].split("\t")[-1]]
    assert "0, read as 0; 1, read as 0; 2, read as 0" in rows[0]


@pytest.mark.looks
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_axe_finds_nothing_and_nothing_is_wider_than_the_page(show, width, scheme):
    page = show(
        full(caption="Five frames."), viewport={"width": width, "height": 800}, color_scheme=scheme
    )
    assert findings(page) == []
    page.eval_on_selector_all("details", "all => all.forEach((one) => (one.open = true))")
    press(page, "Next step")
    assert findings(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


HOSTILE = '</script><img src=x onerror="document.title=1">&"'


def test_hostile_names_and_captions_show_as_themselves(show):
    frames = made(
        2, images=lambda k: [(np.ones((2, 2)), HOSTILE)], weights=lambda k: {HOSTILE: [1.0, k]}
    )
    for one in frames:
        one["gradient_norms"] = {HOSTILE: 1.0}
    page = show(Replay(frames, title=HOSTILE, caption=HOSTILE))
    press(page, "Next step")
    assert HOSTILE in status(page)
    assert page.get_by_text(HOSTILE, exact=True).first.is_visible()
    assert page.locator("img").count() == 0 and page.title() != "1"


def test_in_a_notebook_the_reader_tells_python_and_python_moves_the_view(module):
    in_a_notebook(module, full(), frame=0)
    press(module, "Last step")
    assert module.evaluate("state.frame") == 4
    module.evaluate("python('frame', 1)")
    assert status(module).startswith("Update 11.")
    assert module.get_by_role("slider").input_value() == "1"
    press(module, "Play")
    assert module.evaluate("leave()") == []


def test_200_frames_stay_quick(show):
    frames = made(200, images=images, weights=lambda k: {"W": np.ones((24, 24)) * k})
    page = show(Replay(frames))
    took = page.evaluate(
        """() => {
            const slider = document.querySelector("input[type=range]");
            const start = performance.now();
            for (let k = 1; k < 200; k++) {
                slider.value = k;
                slider.dispatchEvent(new Event("input"));
            }
            return performance.now() - start;
        }"""
    )
    assert frame(page) == 199
    assert took / 199 < 50


# ---------------------------------------------------------------- recording


def test_recording_does_not_change_what_is_learned():
    net, data, options, rng = small_run()
    frames = record_training(net, data, every=4, rng=rng, **options)
    alone, _, _, rng = small_run()
    records = list(train(alone, data, rng=rng, **options))
    losses = [r.loss for r in records]
    assert [f["step"] for f in frames] == [1, 5, 9, 13, 17, 21, 25]
    for f in frames:
        last = losses[max(0, f["step"] - 4) : f["step"]]
        assert (f["loss"], f["over"]) == (pytest.approx(np.mean(last)), len(last))
    for name, array in net.params.items():
        assert np.array_equal(array, alone.params[name])


def test_the_same_seed_gives_the_same_replay():
    first, second = (record_training(n, d, rng=r, **o) for n, d, o, r in (small_run(), small_run()))
    assert Replay(first).markup() == Replay(second).markup()


def test_the_last_update_is_always_a_frame_and_frames_are_measured():
    net, data, options, rng = small_run()
    frames = record_training(
        net, data, every=10, wrong=3, weights=["Affine2.W"], rng=rng, **options
    )
    assert [f["step"] for f in frames] == [1, 11, 21, 25]
    assert frames[-1]["accuracy"] == pytest.approx(net.accuracy(*data))
    assert np.array_equal(frames[-1]["weights"]["Affine2.W"], net.params["Affine2.W"])
    assert not np.array_equal(frames[0]["weights"]["Affine2.W"], net.params["Affine2.W"])
    assert all(len(f["images"]) <= 3 for f in frames)


def test_wrong_guesses_are_the_first_ones_of_the_held_out_data():
    net, (x, t), options, rng = small_run(updates=1)
    frames = record_training(net, ((x[:30], t[:30]), (x[30:], t[30:])), rng=rng, **options)
    guess = net.predict(x[30:]).argmax(axis=1)
    missed = np.flatnonzero(guess != t[30:])
    for (pixels, said), k in zip(frames[-1]["images"], missed, strict=False):
        assert np.array_equal(pixels, x[30 + k])
        assert said == f"{t[30 + k]}, read as {guess[k]}"


def test_one_hot_labels_are_read_as_classes():
    net, (x, t), options, rng = small_run(updates=2)
    frames = record_training(net, (x, np.eye(2)[t]), rng=rng, **options)
    assert frames[-1]["accuracy"] == pytest.approx(net.accuracy(x, t))


def test_without_every_the_frames_come_where_something_happens():
    net, data, options, rng = small_run(updates=40)
    frames = record_training(net, data, rng=rng, **options)
    assert [f["step"] for f in frames] == [1, 2, 3, 5, 8, 13, 21, 34, 40]
    alone, _, _, rng = small_run(updates=40)
    records = list(train(alone, data, rng=rng, **options))
    assert frames[-1]["over"] == 13  # a third of them, and not the six since the frame before
    for name in net.params:
        norms = [r.gradient_norms[name] for r in records[-13:]]
        assert frames[-1]["gradient_norms"][name] == pytest.approx(np.mean(norms))
    replay = Replay(frames, frame=-1)
    assert replay.axes["loss"][0].log
    assert "The loss, a mean over the last 13 mini-batches, is" in replay.as_text()
    named = re.findall(r'class="name"[^>]*>([^<]*)<', replay.html)
    assert named == [  # the curves last, next to the player
        "size of each gradient, logarithmic",
        *("loss, logarithmic", "update", "accuracy", "update"),
    ]


def regression(**options):
    """A line with some noise, and no classes."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 3))
    t = x @ rng.normal(size=(3, 2)) + 0.1 * rng.normal(size=(40, 2))
    net = Network(OrderedDict(Affine1=Affine.init(3, 2, rng)), IdentityWithLoss())
    frames = record_training(net, (x, t), rng=rng, updates=20, batch_size=10, **options)
    return net, x, t, frames


def test_a_regression_is_measured_by_its_loss():
    net, x, t, frames = regression()
    assert frames[-1]["metric"] == pytest.approx(net.loss(x, t))
    assert frames[-1]["accuracy"] is None and frames[-1]["images"] == []
    said = Replay(frames, frame=-1).as_text()
    assert f"The loss on all the data is {display(net.loss(x, t), 3)}." in said
    assert "accuracy" not in Replay(frames).markup()


def test_a_regression_with_held_out_data_says_so():
    rng = np.random.default_rng(0)
    x, t = rng.normal(size=(40, 3)), rng.normal(size=(40, 2))
    net = Network(OrderedDict(Affine1=Affine.init(3, 2, rng)), IdentityWithLoss())
    data = (x[:30], t[:30]), (x[30:], t[30:])
    frames = record_training(net, data, rng=rng, updates=3, batch_size=10)
    assert frames[-1]["metric"] == pytest.approx(net.loss(x[30:], t[30:]))
    assert frames[-1]["measured"] == "held-out loss"


def largest_error(network, x, t):
    return np.abs(network.predict(x) - t).max()


def test_a_metric_of_ones_own_is_drawn_under_its_name(show):
    net, x, t, frames = regression(metric=largest_error)
    assert frames[-1]["metric"] == largest_error(net, x, t)
    page = show(Replay(frames, frame=-1))
    assert f"The largest error is {display(largest_error(net, x, t), 3)}." in status(page)
    page.get_by_role("slider").fill("0")
    assert f"The largest error is {display(frames[0]['metric'], 3)}." in status(page)


def test_inputs_that_are_no_images_are_not_drawn_as_such():
    rng = np.random.default_rng(0)
    x, t = rng.normal(size=(20, 4)), np.arange(20) % 2
    net = two_layer_net(4, 3, 2, rng)
    frames = record_training(net, (x, t), rng=rng, updates=3, batch_size=5)
    assert [f["images"] for f in frames] == [[]] * 3 and Replay(frames).side == 0


def test_the_weights_into_hidden_units_are_pictures_that_follow_the_frames(show):
    net, data, options, rng = small_run()
    frames = record_training(net, data, units=3, rng=rng, **options)
    assert np.array_equal(frames[-1]["units"], net.params["Affine1.W"][:, :3].T)
    page = show(Replay(frames))
    for k in (len(frames) - 1, 2, 0):
        page.get_by_role("slider").fill(str(k))
        other = show(Replay(frames, frame=k))
        drawn = [p.locator("[data-panel=units] svg").all_inner_texts() for p in (page, other)]
        paths = [
            p.locator("[data-panel=units] path").evaluate_all(
                "all => all.map((e) => [e.getAttribute('d'), e.getAttribute('fill-opacity')])"
            )
            for p in (page, other)
        ]
        assert len(drawn[0]) == 3 and paths[0] == paths[1] != []
        other.close()


@pytest.mark.parametrize("width", [390, 1280])
def test_a_press_on_a_curve_goes_to_its_frame(show, width):
    replay = full()
    page = show(replay, viewport={"width": width, "height": 1200})
    for name, k in [("loss", 3), ("metric", 1)]:
        box = page.locator(f"[data-panel={name}] svg").bounding_box()
        x = box["x"] + replay.axes[name][0].at(10 * k + 1) / 320 * box["width"]
        page.mouse.click(x + 2, box["y"] + box["height"] / 3)
        assert frame(page) == k
    page.keyboard.press("ArrowRight")  # the keys go on from there
    assert frame(page) == 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"units": 2.5}, "units is a whole number from 0"),
        ({"metric": "accuracy"}, "metric is a function"),
        ({"every": 0}, "whole number from 1, got 0"),
        ({"weights": ["W9"]}, "got .'W9'."),
    ],
)
def test_recording_refuses_what_it_cannot_do(options, said):
    net, data, train_options, rng = small_run()
    with pytest.raises(ValueError, match=said):
        record_training(net, data, rng=rng, **train_options, **options)


# ---------------------------------------------------------------- Python's side


def test_records_of_train_are_frames():
    records = [Record(k, k / 2, 1.0 / k, None, {"W": 1.0}) for k in (1, 2, 3)]
    replay = Replay(iter(records), frame=1)
    assert replay.steps == [1, 2, 3] and replay.side == 0
    assert "The loss of its mini-batch is 0.5." in replay.as_text()
    assert 'data-panel="metric"' not in replay.markup()


def test_parameters_keep_their_place_whatever_the_order_of_a_frames_dict():
    frames = made(2)
    frames[1]["gradient_norms"] = dict(reversed(frames[1]["gradient_norms"].items()))
    assert Replay(frames).markup() == Replay(made(2)).markup()


def test_grey_levels_are_letters_and_python_and_script_draw_them_alike(module):
    rng = np.random.default_rng(0)
    levels = as_levels(rng.random((5, 7)))
    assert as_levels([0, 0.5, 1, np.nan, 2]) == "aiqaq"
    found = module.evaluate("([l, c]) => chainrule.greyPaths(l, c)", [levels, 7])
    drawn = re.findall(r'd="([^"]*)"', levels_svg(levels, 5, 7))
    assert [path for path in found[1:] if path] == drawn


def test_a_picture_that_comes_twice_is_kept_once_and_numbers_in_full():
    frames = made(3, images=lambda k: [(np.eye(8), "same")])
    frames[1]["loss"] = 0.1 + 0.2
    text = Replay(frames).markup()
    data = json.loads(
        re.search(r"<script[^>]*>(.*?)</script>", text)[1], parse_constant=pytest.fail
    )
    assert len(data["pictures"]) == 1
    assert data["loss"][1] == 0.1 + 0.2


def test_large_weights_are_shown_by_means_of_neighbours():
    replay = Replay(made(2, weights=lambda k: {"W": np.ones((64, 50)) * k}))
    assert replay.frames[1].weights["W"].shape == (24, 24)
    assert replay.ranges["W"] == (0.0, 1.0)


def test_the_markup_is_the_same_at_every_run_and_follows_the_trait():
    replay = full()
    replay.frame = 3
    assert replay.markup() == full(frame=3).markup()
    assert "<style" not in replay.markup() and " id=" not in replay.markup()
    with pytest.raises(traitlets.TraitError, match="from 0 to 4, got 5"):
        replay.frame = 5


def test_arrays_of_the_caller_are_left_as_they_were():
    pixels, kept = np.eye(8), np.ones((30, 30))
    for array in (pixels, kept):
        array.flags.writeable = False
    Replay(made(2, images=lambda k: [(pixels, "one")], weights=lambda k: {"W": kept}))


def changed(**values):
    return [{**made(1)[0], **values}]


@pytest.mark.parametrize(
    ("frames", "said"),
    [
        ([], "1 to 200 frames, got 0"),
        (made(201), "1 to 200 frames, got 201"),
        ([3], "records of train or dicts, got 3"),
        ([{"step": 1}], "step, loss and gradient_norms"),
        (changed(loss="high"), "loss as a number, got 'high'"),
        (changed(gradient_norms=[1.0]), "gradient_norms"),
        (changed(images=[np.eye(8)]), r"each \(pixels, caption\)"),
        (changed(images=[(np.eye(8), "a")] * 13), "at most 12 images"),
        (
            changed(images=[(np.ones((3, 4)), "a")]),
            r"square images up to 28 by 28, got shape \(3, 4\)",
        ),
        (changed(images=[(np.eye(8) * 16, "a")]), "pixels from 0 to 1"),
        (changed(images=[(np.eye(8), "a"), (np.eye(4), "b")]), "one size"),
        (changed(weights={"W": np.ones((2, 2, 2))}), "one or two axes"),
        (changed(units=np.ones((3, 5))), r"units as squares.* got \(3, 5\)"),
        (changed(over=0.5), "over as a whole number"),
        (made(1) + made(1), "rising steps, got 1 after 1"),
        (made(1) + made(2, gradient_norms=lambda k: {"W": 1.0})[1:], "the same gradient_norms"),
        (made(1) + made(2, weights=weights)[1:], "the same weights"),
    ],
)
def test_wrong_frames_are_refused_with_what_is_wanted(frames, said):
    with pytest.raises(ValueError, match=said):
        Replay(frames)


@pytest.mark.parametrize("start", [5, -2, 1.5, True])
def test_a_start_that_is_no_frame_is_refused(start):
    with pytest.raises(ValueError, match="from 0 to 4"):
        full(frame=start)


def test_a_terminal_says_where_the_run_stands():
    said = f"A training run. Update 41. The loss of its mini-batch is {display(0.125)}."
    assert full(frame=-1).as_text().startswith(said)

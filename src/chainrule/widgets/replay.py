"""A recorded training run, frame by frame: loss, accuracy, gradient sizes, and what is read wrongly.

Nothing is trained in the page. `record_training` runs `training.train` and keeps what is worth seeing.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, is_dataclass, replace
from html import escape

import numpy as np
import traitlets

from chainrule.drawing import caption_html, harmless
from chainrule.guards.numbers import check_count
from chainrule.narration import WORDS, display, fill, label
from chainrule.trace import encode
from chainrule.training import are_classes, split, train, validation_loss
from chainrule.widgets import page
from chainrule.widgets.chart import (
    LETTER,
    STILL,
    axes_svg,
    axis_over,
    chart_svg,
    left_of,
    line_path,
    points_of,
    short,
    tenth,
    text_svg,
)
from chainrule.widgets.figure import Figure

WIDTH, HEIGHT, ROW = 320, 200, 24  # of a panel, and of one bar in it
MOST_FRAMES, MOST_IMAGES, LARGEST_SIDE = 200, 12, 28
LEVELS = 16  # of grey above blank; a level is a letter, from "a" for blank
LONGEST = 14  # letters of a parameter's name, beside its bar
STILL_PANELS = (
    "svg>text{fill:#1c1e21;font-weight:400;stroke:none}svg>.tick{fill:#5b6570}"
    "svg>.norm{fill:#b1470a;font-weight:600}"
)
MARK = "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0-10 0z"


@dataclass(frozen=True)
class Frame:
    """What is shown of one update.

    step, loss, norms   as in `training.Record`; norms by the parameter's name
    over     over how many updates loss and norms are means
    metric   the accuracy, or whatever is measured, or None
    images   what is read wrongly: (levels, caption), the pixels as letters
    weights  name -> array (rows, columns), small enough to be drawn
    units    (k, side, side), the weights into each of the first k hidden units
    """

    step: int
    loss: float
    over: int
    metric: float | None
    norms: dict
    images: list
    weights: dict
    units: np.ndarray


class Replay(Figure):
    """A recorded training run, with the player's controls.

    frames  1 to 200 records of `training.train`, or dicts with the same keys: step, loss, accuracy or
            metric (or None), gradient_norms {name: number}; and, if wanted, over (how many updates loss and
            norms are means over), measured (the metric's name), images [(pixels, caption)] with square
            pixels from 0 to 1, at most 12, weights {name: array}, and units, an array (k, side, side) or
            (k, side * side) of the weights into k hidden units. `record_training` makes such dicts
    title, caption  for those who cannot see it; a line under it
    frame   where it starts: a position in `frames`, -1 for the last
    pause   seconds from one frame to the next when it plays, from 0.05 to 10; without it the run takes about
            ten. A reader who asks the system for reduced motion gets at least the 1.4 seconds of a stepper

    Going back is exact: a frame is shown as it was recorded, and nothing is trained again. A run with the
    same seed gives the same frames. A press on a curve goes to the frame there. `.frame` is a synced trait. ValueError says what is allowed.
    """

    frame = traitlets.Int(0).tag(sync=True)

    def __init__(self, frames, *, title=None, caption=None, frame=0, pause=None):
        frames = listed(frames)
        self.frames = check_frames(frames)
        self.side = side_of(self.frames)
        self.measured = measured_in(frames)
        self.pause = check_pause(pause, len(self.frames))
        self.caption = None if caption is None else str(caption)
        self.title = label("replay.title") if title is None else str(title)
        self.axes = self.make_axes()
        self.ranges = {name: self.range_of(name) for name in self.frames[0].weights}
        super().__init__(frame=self.in_range(frame))
        self.html = self.markup()

    def in_range(self, frame):
        last = len(self.frames) - 1
        whole = isinstance(frame, (int, np.integer)) and not isinstance(frame, bool)
        if not whole or not -1 <= frame <= last:
            raise ValueError(f"frame is a whole number from 0 to {last}, or -1, got {frame!r}")
        return last if frame == -1 else int(frame)

    @traitlets.validate("frame")
    def check_frame(self, proposal):
        return self.whole(proposal, len(self.frames) - 1)

    @property
    def steps(self):
        return [frame.step for frame in self.frames]

    @property
    def losses(self):
        return [frame.loss for frame in self.frames]

    @property
    def metrics(self):
        """The metric of each frame, NaN where it was not measured."""
        return [np.nan if frame.metric is None else frame.metric for frame in self.frames]

    @property
    def names(self):
        return list(self.frames[0].norms)

    def make_axes(self):
        """The axes of the panels, name -> (across, up), or (across,) for the bars; a panel without any number is left out."""
        axes = {}
        norms = [list(frame.norms.values()) for frame in self.frames]
        if np.any(np.isfinite(norms) & (np.array(norms) > 0)):
            start = 12 + LETTER * max(len(short(name, LONGEST)) for name in self.names)
            axes["norms"] = (axis_over(norms, True, start, WIDTH - 56, 0.08),)
        for name, numbers in (("loss", self.losses), ("metric", self.metrics)):
            if np.isfinite(numbers).any():
                log = (
                    name == "loss" and min(number for number in numbers if np.isfinite(number)) > 0
                )
                up = axis_over(numbers, log, HEIGHT - 49, 30)
                axes[name] = (
                    axis_over(self.steps, widening(self.steps), left_of(up), WIDTH - 22, 0.02),
                    up,
                )
        return axes

    def range_of(self, name):
        """The smallest and the largest entry of a weight over the whole run."""
        numbers = np.concatenate([frame.weights[name].ravel() for frame in self.frames])
        numbers = numbers[np.isfinite(numbers)]
        return (float(numbers.min()), float(numbers.max())) if numbers.size else (0.0, 0.0)

    # ---- as markup

    def markup(self):
        drawn = {
            name: f'<div data-panel="{name}">{svg}</div>' for name, svg in self.charts().items()
        }
        # the curves last: where the panels stand in one column, they stay in sight of the player
        parts = [drawn.pop("norms", ""), self.wrong_panel(), self.units_panel(), *drawn.values()]
        return (
            f'<figure class="chainrule-replay" data-frame="{self.frame}" '
            f'data-frames="{len(self.frames)}" data-pause="{1000 * self.pause:g}" '
            f'aria-label="{escape(self.title)}"><div class="chainrule-panels">{"".join(parts)}</div>'
            f'<p class="chainrule-sentence" role="status">{self.sentence_html()}</p>'
            f"{self.weights_html()}{caption_html(self.caption)}{self.table()}"
            f'<script type="application/json">{self.data()}</script></figure>'
        )

    def charts(self):
        """Panel -> its SVG: a curve for loss and metric, and the bars."""
        return {name: self.bars() if name == "norms" else self.curve(name) for name in self.axes}

    def curve(self, name):
        (across, up), numbers = self.axes[name], self.numbers(name)
        points = points_of(self.steps, numbers, across, up)
        line = line_path(points if name == "loss" else self.known_points(points))
        here = self.last_known(name)
        x = tenth(across.at(self.steps[self.frame]))
        called = label("replay.loss") if name == "loss" else self.measured
        beside = label("replay.log", name=called) if up.log else called
        body = axes_svg(across, up, label("replay.step"), beside)
        body += (
            f'<path class="guide" d="M0 {up.end:g}V{up.start:g}" transform="translate({x:g} 0)" '
            f'stroke="#8a939e"/><g class="c0" color="#0b61a8" fill="none" stroke="currentColor">'
            f'<path class="line" stroke-width="2" d="{line}"/></g>'
            f"{mark_svg(None if here is None else points[here])}"
        )
        said = [display(number, 3) for number in numbers if np.isfinite(number)]
        described = label("replay.curve", name=called, first=said[0], last=said[-1])
        return chart_svg(WIDTH, HEIGHT, called, described, body)

    def known_points(self, points):
        """The points of the frames whose metric was measured: the line goes from one to the next."""
        pairs = zip(points, self.frames, strict=True)
        return [point for point, frame in pairs if frame.metric is not None]

    def numbers(self, name):
        return self.losses if name == "loss" else self.metrics

    def last_known(self, name):
        """The last frame so far with a number that can be drawn, or None."""
        numbers = self.numbers(name)[: self.frame + 1]
        return max((k for k, number in enumerate(numbers) if np.isfinite(number)), default=None)

    def bars(self):
        """How large each gradient is, as a bar on a log axis; zero has no bar."""
        (across,) = self.axes["norms"]
        bottom = 30 + ROW * len(self.names)
        named = label("replay.log", name=label("replay.norms"))
        body = [text_svg(named, 2, 15, "start", "name")]
        for tick in across.ticks(3):
            x = tenth(across.at(tick))
            body.append(f'<path class="hair" stroke="#c9d1d9" d="M{x:g} 26V{bottom:g}"/>')
            body.append(text_svg(display(tick), x, bottom + 17, "middle", "tick"))
        for k, (name, norm) in enumerate(self.frames[self.frame].norms.items()):
            y = 30 + ROW * k
            body.append(text_svg(short(name, LONGEST), across.start - 8, y + 15, "end"))
            body.append(
                f'<rect class="bar" fill="#b1470a" x="{across.start:g}" y="{y + 3}" '
                f'width="{self.bar(norm):g}" height="{ROW - 8}"/>'
            )
            body.append(text_svg(display(norm, 3), WIDTH - 2, y + 15, "end", "norm"))
        described = label("replay.bars")
        return chart_svg(WIDTH, bottom + 24, label("replay.norms"), described, "".join(body))

    def units_panel(self):
        """The weights into each of some hidden units, as pictures of the input's shape."""
        if not self.frames[0].units.size:
            return ""
        units, most = self.frames[self.frame].units, self.most
        side = units.shape[-1]
        drawn = "".join(f"<li>{levels_svg(self.shades(one), side, side)}</li>" for one in units)
        said = label("replay.units", count=len(units), most=display(most, 2))
        return (
            f'<div data-panel="units"><p class="chainrule-heading">{escape(said)}</p>'
            f'<ul class="chainrule-pictures">{drawn}</ul></div>'
        )

    @property
    def most(self):
        """How large a weight is full: of all weights of the run one in fifty is larger."""
        sizes = np.abs([frame.units for frame in self.frames])
        return (
            float(np.quantile(sizes[np.isfinite(sizes)], 0.98)) if np.isfinite(sizes).any() else 0.0
        )

    def shades(self, unit):
        return as_levels(0.5 + unit / (2 * self.most or 1.0))

    def bar(self, norm):
        (across,) = self.axes["norms"]
        end = across.at(norm)
        return 0.0 if end is None else tenth(end - across.start)

    def sentence(self):
        """What this frame says, as (kind, text) parts; the script fills the same templates."""
        frame, known = self.frames[self.frame], self.last_known("metric")
        loss, over = ("value", display(frame.loss)), ("", display(frame.over))
        parts = filled("loss.is" if frame.over == 1 else "loss.mean", loss=loss, over=over)
        if known is not None:
            metric = ("value", display(self.frames[known].metric, 3))
            here = "metric.now" if known == self.frame else "metric.before"
            at = {"step": ("", display(self.steps[known])), "name": ("", self.measured)}
            parts += filled(here, metric=metric, **at)
        finite = {name: norm for name, norm in frame.norms.items() if np.isfinite(norm)}
        if finite:
            name = max(finite, key=finite.get)
            parts += filled("largest", name=("", name), norm=("gradient", display(finite[name], 3)))
        return label("replay.update", step=display(frame.step)), parts

    def sentence_html(self):
        title, parts = self.sentence()
        words = "".join(
            f'<span class="{kind}">{escape(text)}</span>' if kind else escape(text)
            for kind, text in parts
        )
        return f"<b>{escape(title)}</b>{words}"

    def wrong_panel(self):
        """What is read wrongly after this update: as many places as any frame needs."""
        places = max(len(frame.images) for frame in self.frames)
        if places == 0:
            return ""
        images = self.frames[self.frame].images
        heading = label("replay.wrong" if images else "replay.none")
        items = ""
        for k in range(places):
            levels, said = images[k] if k < len(images) else ("", "")
            items += (
                f"<li{'' if k < len(images) else ' hidden'}>{levels_svg(levels, self.side, self.side)}"
                f"<span>{escape(said)}</span></li>"
            )
        return (
            f'<div data-panel="wrong"><p class="chainrule-heading">{escape(heading)}</p>'
            f'<ul class="chainrule-pictures chainrule-wrong">{items}</ul></div>'
        )

    def weights_html(self):
        items = ""
        for name, (low, high) in self.ranges.items():
            array = self.frames[self.frame].weights[name]
            said = label("replay.range", name=name, low=display(low, 3), high=display(high, 3))
            drawn = levels_svg(self.levels(name, array), *array.shape)
            items += f"<li>{drawn}<span>{escape(said)}</span></li>"
        if not items:
            return ""
        return (
            f'<p class="chainrule-heading">{escape(label("replay.weights"))}</p>'
            f'<ul class="chainrule-pictures chainrule-weights">{items}</ul>'
        )

    def levels(self, name, array):
        low, high = self.ranges[name]
        return as_levels((array - low) / (high - low) if high > low else np.zeros(array.shape))

    def table(self):
        heads = [label("replay.step"), label("replay.loss"), self.measured, *self.names]
        with_images = any(frame.images for frame in self.frames)
        heads += [label("replay.wrong.short")] if with_images else []
        rows = ""
        for frame in self.frames:
            metric = "" if frame.metric is None else display(frame.metric, 3)
            cells = [display(frame.loss), metric]
            cells += [display(norm, 3) for norm in frame.norms.values()]
            cells += ["; ".join(said for _, said in frame.images)] if with_images else []
            rows += f'<tr><th scope="row">{display(frame.step)}</th>'
            rows += "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"
        head = "".join(f'<th scope="col">{escape(name)}</th>' for name in heads)
        name = escape(label("replay.table", count=len(self.frames)))
        return (
            f'<details class="chainrule-table"><summary>{name}</summary><div class="chainrule-wide" '
            f'tabindex="0" role="group" aria-label="{name}"><table><thead><tr>{head}</tr></thead>'
            f"<tbody>{rows}</tbody></table></div></details>"
        )

    def data(self):
        """What the script needs, as JSON; a picture that comes in many frames is kept once."""
        pictures = {}
        wrong = [
            [[pictures.setdefault(levels, len(pictures)), said] for levels, said in frame.images]
            for frame in self.frames
        ]
        data = {
            "axes": {name: [axis.data() for axis in axes] for name, axes in self.axes.items()},
            "names": self.names,
            "steps": self.steps,
            "loss": self.losses,
            "over": [frame.over for frame in self.frames],
            "metric": self.metrics,
            "measured": self.measured,
            "norms": [list(frame.norms.values()) for frame in self.frames],
            "side": self.side,
            "pictures": list(pictures),
            "wrong": wrong,
            "weights": [
                [
                    *self.frames[0].weights[name].shape,
                    [self.levels(name, f.weights[name]) for f in self.frames],
                ]
                for name in self.ranges
            ],
            "units": [[self.shades(one) for one in frame.units] for frame in self.frames],
        }
        return harmless(
            json.dumps(encode(data), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        )

    def still(self):
        """Its curves and bars as images, and the sentence of its frame."""
        panels = [
            page.image(picture, label("replay.title"), STILL + STILL_PANELS)
            for picture in self.charts().values()
        ]
        return f"{''.join(panels)}<p>{self.sentence_html()} {escape(label('still.moves'))}</p>"

    def as_text(self):
        title, parts = self.sentence()
        return f"{self.title}. {title}{''.join(text for _, text in parts)}"


def widening(steps):
    """Whether the frames lie ever further apart, as 1, 2, 3, 5, 8, 13 do: then a log axis spreads them evenly."""
    gaps = np.diff(steps)
    return len(gaps) > 2 and steps[0] > 0 and bool(np.median(gaps) > 2 * gaps[0])


def filled(key, **slots):
    """The words of a label as (kind, text) parts, its slots filled with such parts."""
    return [("", " "), *fill(WORDS["labels"][f"replay.{key}"], slots)]


def mark_svg(point):
    place = f"translate({point[0]:g} {point[1]:g})" if point else "translate(0 0)"
    shown = "visible" if point else "hidden"
    return (
        f'<path class="mark c0" color="#0b61a8" fill="currentColor" d="{MARK}" '
        f'transform="{place}" visibility="{shown}"/>'
    )


def as_levels(array):
    """Numbers from 0 to 1 as letters, one a number, row by row; what is not finite is blank."""
    scaled = np.nan_to_num(np.asarray(array, float).ravel(), nan=0.0, posinf=0.0, neginf=0.0)
    levels = np.rint(np.clip(scaled, 0, 1) * LEVELS).astype(int)
    return "".join(chr(ord("a") + level) for level in levels)


def levels_svg(levels, rows, columns):
    """A picture of unit squares, one path a level of grey; the script draws the same."""
    paths = ""
    for level in range(1, LEVELS + 1):
        letter = chr(ord("a") + level)
        squares = "".join(
            f"M{k % columns} {k // columns}h1v1h-1z"
            for k, one in enumerate(levels)
            if one == letter
        )
        if squares:
            paths += f'<path fill-opacity="{level / LEVELS:g}" d="{squares}"/>'
    return (
        f'<svg viewBox="0 0 {columns} {rows}" width="{8 * columns}" height="{8 * rows}" '
        f'fill="currentColor" shape-rendering="crispEdges" aria-hidden="true">{paths}</svg>'
    )


# ---------------------------------------------------------------- what is allowed


def listed(frames):
    """Frames as a list of what `Frame` is made of."""
    try:
        frames = list(frames)
    except TypeError:
        raise ValueError(f"Replay wants a list of frames, got {frames!r}") from None
    whole = (is_dataclass(frame) and not isinstance(frame, type) for frame in frames)
    return [asdict(frame) if one else frame for one, frame in zip(whole, frames, strict=True)]


def measured_in(frames):
    """What the metric of the frames is called."""
    return str(frames[0].get("measured") or label("replay.accuracy"))


def check_frames(frames):
    if not 1 <= len(frames) <= MOST_FRAMES:
        raise ValueError(
            f"Replay wants 1 to {MOST_FRAMES} frames, got {len(frames)}; of more, take every few"
        )
    checked = [as_frame(frame) for frame in frames]
    for one, two in zip(checked, checked[1:], strict=False):
        if two.step <= one.step:
            raise ValueError(f"Replay wants rising steps, got {two.step} after {one.step}")
        if one.norms.keys() != two.norms.keys():
            raise ValueError(
                f"Replay wants the same gradient_norms in each frame, not so at {two.step}"
            )
        shapes = [{name: array.shape for name, array in f.weights.items()} for f in (one, two)]
        if shapes[0] != shapes[1] or one.units.shape != two.units.shape:
            raise ValueError(f"Replay wants the same weights in each frame, not so at {two.step}")
    names = list(checked[0].norms)
    return [replace(one, norms={name: one.norms[name] for name in names}) for one in checked]


def check_pause(pause, frames):
    if pause is None:
        return min(1.0, max(0.25, 10 / frames))
    if not (isinstance(pause, (int, float)) and 0.05 <= pause <= 10):
        raise ValueError(f"Replay wants pause as seconds from 0.05 to 10, got {pause!r}")
    return pause


def as_frame(frame):
    """A `Frame` of a record or a dict. ValueError says what is missing or odd."""
    if not isinstance(frame, Mapping):
        raise ValueError(f"Replay wants frames as records of train or dicts, got {frame!r}")
    missing = [key for key in ("step", "loss", "gradient_norms") if key not in frame]
    if missing or not isinstance(frame["gradient_norms"], Mapping):
        raise ValueError(
            f"Replay wants step, loss and gradient_norms (a dict) in each frame, got {list(frame)}"
        )
    name = "metric" if frame.get("accuracy") is None else "accuracy"
    metric = frame.get(name)
    return Frame(
        whole_step("step", frame["step"]),
        number("loss", frame["loss"]),
        whole_step("over", frame.get("over", 1)),
        None if metric is None else number(name, metric),
        {str(name): number(name, norm) for name, norm in frame["gradient_norms"].items()},
        [(as_levels(square(pixels)), str(said)) for pixels, said in images_of(frame)],
        {str(name): drawable(name, array) for name, array in weights_of(frame).items()},
        units_of(frame),
    )


def units_of(frame):
    """The weights into some hidden units as (k, side, side); k is 0 where there are none."""
    units = frame.get("units")
    if units is None:
        return np.zeros((0, 1, 1))
    units = numbers("units", units)
    side = math.isqrt(units[0].size) if units.ndim in (2, 3) and len(units) else 0
    if not 1 <= side <= LARGEST_SIDE or units.size != len(units) * side**2:
        raise ValueError(
            f"Replay wants units as squares, (k, side, side) with side to {LARGEST_SIDE}, got {units.shape}"
        )
    return units.reshape(len(units), side, side)


def whole_step(name, value):
    step = number(name, value)
    if not step.is_integer():
        raise ValueError(f"Replay wants {name} as a whole number, got {value!r}")
    return int(step)


def weights_of(frame):
    weights = frame.get("weights")
    weights = {} if weights is None else weights
    if not isinstance(weights, Mapping):
        raise ValueError(f"Replay wants weights as a dict from name to array, got {weights!r}")
    return weights


def number(name, value):
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ValueError(f"Replay wants {name} as a number, got {value!r}") from None


def numbers(name, values):
    try:
        return np.array(values, float)
    except (TypeError, ValueError):
        raise ValueError(f"Replay wants {name} as numbers, got {values!r}") from None


def images_of(frame):
    images = frame.get("images")
    images = () if images is None else images
    if (not isinstance(images, (list, tuple)) or len(images) > MOST_IMAGES) or not all(
        isinstance(image, (tuple, list)) and len(image) == 2 for image in images
    ):
        raise ValueError(
            f"Replay wants at most {MOST_IMAGES} images a frame, each (pixels, caption)"
        )
    return images


def square(pixels):
    """Pixels as (side, side), from 0 to 1."""
    pixels = numbers("pixels", pixels)
    side = round(pixels.size**0.5)
    if side * side != pixels.size or not 1 <= side <= LARGEST_SIDE:
        raise ValueError(
            f"Replay wants square images up to {LARGEST_SIDE} by {LARGEST_SIDE}, got shape {pixels.shape}"
        )
    if not (np.isfinite(pixels).all() and pixels.min() >= 0 and pixels.max() <= 1):
        raise ValueError("Replay wants pixels from 0 to 1")
    return pixels.reshape(side, side)


def side_of(frames):
    """The one side of all images, 0 where there is none."""
    sides = {math.isqrt(len(levels)) for frame in frames for levels, _ in frame.images}
    if len(sides) > 1:
        raise ValueError(f"Replay wants images of one size, got sides {sorted(sides)}")
    return sides.pop() if sides else 0


def drawable(name, array):
    """An array as (rows, columns), at most 24 each; of a larger one the means of neighbours."""
    array = numbers(f"weights {name!r}", array)
    if array.ndim not in (1, 2) or array.size == 0:
        raise ValueError(f"Replay wants weights {name!r} with one or two axes, got {array.shape}")
    array = np.atleast_2d(array)
    for axis in (0, 1):
        parts = np.array_split(array, min(24, array.shape[axis]), axis=axis)
        array = np.concatenate([part.mean(axis=axis, keepdims=True) for part in parts], axis=axis)
    return array


# ---------------------------------------------------------------- recording


def record_training(
    network, data, *, every=None, wrong=6, weights=(), units=0, metric=None, rng, **options
):
    """Train the network in place, and return frames for `Replay`: a dict for every few updates.

    data     as `training.train` takes it; (x, t) alone, or with held-out data, which is then what the
             metric and the wrong guesses are about
    every    updates from one frame to the next. Without it, frames come where something happens: after
             1, 2, 3, 5, 8, 13, 21 ... updates. The last update is always a frame
    wrong    how many of the wrongly read images to keep in each frame, the first ones; 0 keeps none
    weights  names of parameters whose values are kept as small pictures
    units    of how many hidden units to keep the weights from the input as pictures; the input is an image
    metric   a function of (network, x, t) to a number, named by its __name__; the default is the accuracy
             for classes, and the loss for anything else
    options  go to `train`: optimizer, batch_size, epochs or updates, replacement, progress

    Loss and gradient norms are means over the last updates, so that no frame is the accident of one batch:
    over `every` of them, or over the last third. The metric is measured at each frame, after its update. The
    network learns as it would with `train` alone: measuring draws nothing from `rng`.
    """
    if not (hasattr(network, "gradient") and hasattr(network, "params")):
        raise TypeError(f"record_training wants a network, got {network!r}")
    if every is not None:
        every = check_count(every, "record_training: every is a whole number from 1")
    check_count(wrong, "record_training: wrong is a whole number from 0", 0)
    named = isinstance(weights, (list, tuple))
    if not named or any(name not in network.params for name in weights):
        raise ValueError(
            f"record_training: weights are out of {list(network.params)}, got {weights!r}"
        )
    _, (x, t) = split(data)
    x, t = np.asarray(x), np.asarray(t)
    name, measure = what_to_measure(metric, network, t, isinstance(data[0], tuple))
    source = first_layer(network, units)
    records, frames, due = [], [], frames_due(every)
    wanted = next(due)

    def look():
        step = records[-1].step
        frame = averaged(records[-(every or max(1, step // 3)) :])
        number = float(measure(network, x, t))
        frame |= {"measured": name, "metric": number}
        frame["accuracy"] = number if name == label("replay.accuracy") else None
        frame["images"] = (
            wrongly_read(network, x, t, wrong) if frame["accuracy"] is not None else []
        )
        frame["weights"] = {key: network.params[key].copy() for key in weights}
        if source:
            frame["units"] = network.params[source][:, :units].T.copy()
        frames.append(frame)

    for record in train(network, data, rng=rng, metric=measure, **options):
        records.append(record)
        if record.step == wanted:
            look()
            wanted = next(due)
    if records and frames[-1]["step"] != records[-1].step:
        look()
    return frames


def frames_due(every):
    """The updates that are frames: 1, 1 + every, ...; or 1, 2, 3, 5, 8, 13, each the sum of the two before."""
    step, after = 1, 2
    while True:
        yield step
        step, after = (step + every, 0) if every else (after, step + after)


def what_to_measure(metric, network, t, held_out):
    """(its name, a function of network, x, t)"""
    if metric is not None:
        if not callable(metric):
            raise ValueError(
                f"record_training: metric is a function of (network, x, t), got {metric!r}"
            )
        return getattr(metric, "__name__", "metric").replace("_", " "), metric
    if are_classes(t) and hasattr(network, "accuracy"):
        return label("replay.accuracy"), lambda network, x, t: network.accuracy(x, t)
    return label("replay.held" if held_out else "replay.all"), validation_loss


def first_layer(network, units):
    """The name of the first matrix, whose columns are drawn. None where no units are wanted."""
    check_count(units, "record_training: units is a whole number from 0", 0)
    if not units:
        return None
    name = next((key for key, array in network.params.items() if np.ndim(array) == 2), None)
    rows = len(network.params[name]) if name else 0
    if math.isqrt(rows) ** 2 != rows or not 1 <= rows <= LARGEST_SIDE**2:
        raise ValueError(
            f"record_training: units want images as input, of side * side pixels, got {rows}"
        )
    return name


def averaged(records):
    """The last record as a dict, its loss and norms as means over all of them."""
    norms = {
        key: float(np.mean([record.gradient_norms[key] for record in records]))
        for key in records[-1].gradient_norms
    }
    loss = float(np.mean([record.loss for record in records]))
    return {**asdict(records[-1]), "loss": loss, "gradient_norms": norms, "over": len(records)}


def wrongly_read(network, x, t, most):
    """The first images that the network reads wrongly now, with captions; none where x holds no images."""
    side = math.isqrt(x[0].size)
    if side * side != x[0].size or not 3 <= side <= LARGEST_SIDE or x.min() < 0 or x.max() > 1:
        return []
    guess = network.predict(x).argmax(axis=-1)
    right = t.argmax(axis=-1) if t.ndim > 1 else t
    missed = np.flatnonzero(guess != right)[:most]
    return [(x[k].copy(), label("replay.guess", label=right[k], guess=guess[k])) for k in missed]

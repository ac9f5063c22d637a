"""A chart as SVG: axes, curves, and places for their names. `explorer` and `replay` draw with it.

Every curve has a dash and a mark of its own as well as a colour, and everything stands on whole tenths
of pixels, so that a picture is short and the same everywhere.
"""

import math
from dataclasses import dataclass
from html import escape

import numpy as np

from chainrule.narration import display

COLOURS = (  # where no style sheet says otherwise: value, gradient, ink, quiet, faint, and four for curves,
    "#0b61a8", "#b1470a", "#1c1e21", "#5b6570", "#c9d1d9",
    "#0f6d77", "#723e85", "#51701c", "#a1385e",
)  # fmt: skip
CURVES = 5, 6, 2, 3, 7, 8  # of these; they are no values or gradients, so neither blue nor orange
DASHES = ("none", "8 4", "2 5", "10 4 2 4", "16 5", "5 3 2 3 2 3")
SHAPES = (  # of the mark on each curve, around (0, 0)
    "M-5.5 0a5.5 5.5 0 1 0 11 0a5.5 5.5 0 1 0-11 0z",
    "M-5-5h10v10h-10z",
    "M0-7l7 7l-7 7l-7-7z",
    "M0-6.5l6.5 11h-13z",
    "M0 6.5l6.5-11h-13z",
    "M-2-6h4v4h4v4h-4v4h-4v-4h-4v-4h4z",
)
LONGEST_NAME = 28  # letters, in the picture
STILL = (  # what a chart wears in a still picture, where no style sheet of the page reaches it
    "text{font-variant-numeric:tabular-nums}.axes,.guide{stroke:#5b6570}.axes text{fill:#5b6570}.axes .name{fill:#1c1e21}.hair{stroke:#c9d1d9}"
    "svg>text{font-weight:600;paint-order:stroke;stroke:#fff;stroke-width:4px}.mark{stroke:#fff;stroke-width:1.5px}"
)
LETTER, LINE = 11.5, 21  # the room that a letter and a line of text take, also on a phone
DESK = 0.4  # of the room of a name on a phone: so much less it takes on a wide screen
CLEAR = 9  # pixels between a name and a line: a mark that slides along the line fits between
APART = -9, -9, 9, 9  # the room around a name, where others stand only in need
HANDLE = 16  # pixels over the x axis where its handle slides, on a phone


@dataclass(frozen=True)
class Axis:
    """One axis: the numbers from `low` to `high` (their logarithms where `log`) on pixels `start` to `end`."""

    log: bool
    low: float
    high: float
    start: float
    end: float

    def at(self, value):
        """The pixel of a number, or None where it has no place: not finite, or not above 0 on a log axis."""
        if not math.isfinite(value) or (self.log and value <= 0):
            return None
        value = math.log10(value) if self.log else value
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self, most=6):
        """Round numbers along the axis, about `most` of them at most."""
        if not self.log:
            return round_numbers(self.low, self.high)
        powers = range(math.ceil(self.low - 1e-9), math.floor(self.high + 1e-9) + 1)
        every = -(-len(powers) // most)
        finer = [self.multiples(parts) for parts in ((1, 2, 5), (1, 3)) if len(powers) <= 2]
        fitting = [ticks for ticks in finer if len(ticks) <= most]
        ticks = (fitting or [[float(f"1e{power}") for power in powers if power % every == 0]])[0]
        return ticks if len(ticks) > 1 else round_numbers(10**self.low, 10**self.high)

    def multiples(self, parts):
        """These multiples of the powers of ten, as far as they lie on the axis."""
        powers = range(math.floor(self.low), math.ceil(self.high) + 1)
        rounds = [float(f"{part}e{power}") for power in powers for part in parts]
        return [tick for tick in rounds if self.low <= math.log10(tick) <= self.high]

    def data(self):
        return [self.log, self.low, self.high, self.start, self.end]


def round_numbers(low, high):
    """Multiples of 1, 2 or 5 times a power of ten from low to high, at most seven of them."""
    power = 10.0 ** math.floor(math.log10((high - low) / 6))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= (high - low) / 6 * (1 - 1e-9))
    ends = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [float(f"{k * step:.12g}") for k in range(ends[0], ends[1] + 1)]


def axis_over(values, log, start, end, room=0.05):
    """An axis that holds all numbers that can be drawn, with some room at its ends. ValueError for none."""
    values = np.asarray(values, float).ravel()
    values = values[np.isfinite(values) & ((values > 0) | (not log))]
    if values.size == 0:
        raise ValueError(
            "there is no number that could be drawn: all are not finite, or not above 0"
        )
    scaled = np.log10(values) if log else values
    low, high = float(scaled.min()), float(scaled.max())
    spare = room * (high - low) or 0.5 * (1.0 if log else abs(high) or 1.0)
    return Axis(log, low - spare, high + spare, start, end)


def points_of(xs, ys, across, up):
    """The pixel (x, y) of each point of a curve, or None for a point that has no place."""
    places = [(across.at(float(x)), up.at(float(y))) for x, y in zip(xs, ys, strict=True)]
    return [None if None in place else (tenth(place[0]), tenth(place[1])) for place in places]


def tenth(pixel):
    return round(pixel, 1)


def line_path(points):
    """A line through the points; it breaks where one is missing, and a lone point is a dot."""
    path, pen = "", "M"
    for point in points:
        if point is not None:
            path += f"{pen}{point[0]:g} {point[1]:g}" + ("h0" if pen == "M" else "")
        pen = "M" if point is None else "L"
    return path


def dots_path(points):
    return "".join(f"M{x:g} {y:g}h0" for x, y in filter(None, points))


def crosses_path(points, marks):
    """A cross on each marked point."""
    crossed = [point for point, mark in zip(points, marks, strict=True) if mark and point]
    return "".join(f"M{x:g} {y:g}m-4-4l8 8m0-8l-8 8" for x, y in crossed)


def axes_svg(across, up, x_name, y_name, clear=0):
    """Hairlines, ticks and the names of the axes; y's name stands above its axis, to be read level.

    An axis without a name is not drawn. `clear`: pixels more between the x axis and its numbers, for a handle.
    """
    left, right, bottom = across.start, across.end, up.start
    drawn = []
    for tick, text in zip(up.ticks(), tick_texts(up) if y_name else [], strict=False):
        y = tenth(up.at(tick))
        drawn.append(f'<path class="hair" d="M{left:g} {y:g}H{right:g}"/>')
        drawn.append(text_svg(text, left - 6, y + 4.5, "end"))
    for tick, text in zip(across.ticks(), tick_texts(across) if x_name else [], strict=False):
        x = tenth(across.at(tick))
        drawn.append(f'<path d="M{x:g} {bottom:g}v5"/>')
        drawn.append(text_svg(text, x, bottom + clear + LINE + 2, "middle"))
    drawn.append(f'<path d="M{left:g} {bottom:g}H{right:g}"/>' if x_name else "")
    drawn.append(text_svg(y_name, 2, LINE - 4, "start", "name") if y_name else "")
    drawn.append(
        text_svg(x_name, right, bottom + clear + 2 * LINE + 2, "end", "name") if x_name else ""
    )
    return f'<g class="axes" fill="none" stroke="#8a939e">{"".join(drawn)}</g>'


def tick_texts(axis):
    """The numbers at the ticks of an axis, all in one style: with as many decimals, or all as powers."""
    ticks = axis.ticks()
    texts = [display(tick) for tick in ticks]
    if axis.log:
        if any("e" in text for text in texts):
            texts = [
                text if tick == 1 else power(tick) for tick, text in zip(ticks, texts, strict=True)
            ]
        return texts
    if any("e" in text for text in texts):
        return texts
    places = max((len(text.partition(".")[2]) for text in texts), default=0)
    return [f"{tick:.{places}f}".replace("-", "−") for tick in ticks]


def power(number):
    mantissa, _, exponent = f"{number:e}".partition("e")
    return f"{float(mantissa):g}e{int(exponent)}".replace("-", "−")


def text_svg(text, x, y, anchor, kind=""):
    named = f' class="{kind}"' if kind else ""
    return (
        f'<text{named} x="{x:g}" y="{y:g}" text-anchor="{anchor}" stroke="none" fill="currentColor">'
        f"{escape(text)}</text>"
    )


def left_of(up):
    """How far from the left edge the x axis starts, so that y's ticks have room."""
    return 14 + LETTER * max(len(text) for text in tick_texts(up))


def chart_svg(width, height, title, described, body):
    return (
        f'<svg class="chainrule-chart" xmlns="http://www.w3.org/2000/svg" role="img" '
        f'viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'font-family="system-ui, sans-serif" font-size="13" stroke-linecap="round" '
        f'stroke-linejoin="round"><title>{escape(title)}</title><desc>{escape(described)}</desc>'
        f"{body}</svg>"
    )


def place_names(curves, names, across, up):
    """Where each curve's name stands: [x, y] of its middle and its base, or None for an empty curve.

    curves  a list of points for each curve. A name touches no line and no other name where there is
            such a place, nor the handle on the x axis. Of these places it takes one that is near its own
            curve and its right end, rather over it, and not near another.
    """
    lines = [samples(points) for points in curves]
    ends = [[np.argmax(line[:, 0])] if len(line) else [] for line in lines]
    places, taken = [], np.empty((0, 4))
    for own, (line, name) in enumerate(zip(lines, names, strict=True)):
        if len(line) == 0:
            places.append(None)
            continue
        boxes = boxes_within(LETTER * len(short(name)), across, up)
        spare = DESK / 2 * (boxes[0, 2] - boxes[0, 0])
        small = boxes + [spare, 5, -spare, -5]  # the same on a wide screen
        gaps = np.array([gap(small, line) for line in lines])
        others = np.delete(gaps, own, axis=0).min(axis=0, initial=np.inf)
        cost = (
            2 * gaps[own] - 3 * np.minimum(others - gaps[own], 15) + gap(small, line[ends[own]]) / 6
        )
        cost += 100.0 * np.maximum(gaps[own] - others, 0)
        cost += 1000.0 * np.maximum(CLEAR - gap(boxes, np.concatenate(lines)), 0)
        cost += 100.0 * np.maximum(boxes[:, 3] - up.start + HANDLE, 0)
        cost += 100_000.0 * overlaps(boxes, taken) + 50.0 * overlaps(boxes, taken + APART)
        best = boxes[np.argmin(cost - boxes[:, 0] / 1000 + boxes[:, 1] / 100)]
        taken = np.vstack([taken, best])
        places.append([round(float(best[0] + best[2]) / 2), round(float(best[3])) - 5])
    return places


def short(name, most=LONGEST_NAME):
    return name if len(name) <= most else name[: most - 1] + "…"


def samples(points):
    """Points along a curve every few pixels, (n, 2)."""
    drawn = [np.array([point]) for point in points if point]
    for a, b in zip(points, points[1:], strict=False):
        if a and b:
            drawn.append(np.linspace(a, b, 2 + int(math.dist(a, b) / 4)))
    return np.concatenate([np.empty((0, 2)), *drawn])


def boxes_within(width, across, up):
    """Boxes (left, top, right, bottom) of that width, every few pixels, within the axes."""
    lefts = np.arange(across.start + 3, max(across.start + 4, across.end - width), 6)
    tops = np.arange(up.end - LINE, up.start - LINE - 2, 6)
    left, top = (array.ravel() for array in np.meshgrid(lefts, tops))
    return np.stack([left, top, left + width, top + LINE], axis=1)


def gap(boxes, dots):
    """How far each of the boxes (k, 4) is from the nearest of the dots (n, 2): 0 inside, infinite from none."""
    aside, column = beyond(boxes[:, 0], boxes[:, 2], dots[:, 0])
    away, row = beyond(boxes[:, 1], boxes[:, 3], dots[:, 1])
    # A row of boxes at a time: so few numbers stay in the processor's cache.
    nearest = [(aside + one).min(axis=1, initial=np.inf) for one in away]
    return np.sqrt(np.array(nearest)[row, column])


def beyond(start, end, at):
    """How far each of the numbers `at` (n,) is outside of each span, squared, of spans that are alike once; and which."""
    _, first, which = np.unique(start, return_index=True, return_inverse=True)
    start, end = start[first, None], end[first, None]
    return np.square(np.maximum(np.maximum(start - at, at - end), 0)), which


def overlaps(boxes, taken):
    left, top, right, bottom = (boxes[:, k, None] for k in range(4))
    apart = (
        (right < taken[:, 0]) | (left > taken[:, 2]) | (bottom < taken[:, 1]) | (top > taken[:, 3])
    )
    return (~apart).sum(axis=1)


def worn(kind, k):
    """The attributes of a part of the k-th curve: its class, and its colour where no style sheet says."""
    return f'class="{kind} c{CURVES[k]}" color="{COLOURS[CURVES[k]]}"'


def key_svg(k):
    """A piece of the k-th curve's line, with its mark."""
    return (
        f'<svg {worn("chainrule-key", k)} viewBox="0 0 48 16" width="48" height="16" aria-hidden="true"><path d="M1 8h46" '
        f'stroke="currentColor" stroke-width="2" stroke-dasharray="{DASHES[k]}"/>'
        f'<path d="{SHAPES[k]}" transform="translate(24 8)" fill="currentColor"/></svg> '
    )

"""A picture of an idea that a reader moves: drawn by a Python function, once for each setting.

Nothing is computed in the page. It holds every picture that the reader can ask for, as what differs
from the first.
"""

import json
import math
from dataclasses import dataclass
from html import escape

import numpy as np

from chainrule.drawing import caption_html, harmless
from chainrule.narration import display, label, typeset
from chainrule.widgets import page
from chainrule.widgets.chart import (
    COLOURS,
    LETTER,
    LINE,
    STILL,
    Axis,
    axes_svg,
    chart_svg,
    left_of,
    line_path,
    points_of,
    tenth,
)
from chainrule.widgets.choices import Choosing, check_settings, is_number, worded
from chainrule.widgets.quiz import is_text, marked, unmarked

WIDTH, SQUARE = 560, 40  # pixels: of the picture, and of the unit where there is no axis
MOST_FRAMES = 400
LOOKS = {"value": 0, "gradient": 1, "ink": 2, "quiet": 3, "faint": 4}
# How full a box may be under a word of each look, for a contrast of 4.5 in both themes; a box of ink less, a faint one more.
FULLEST = {"value": 0.22, "gradient": 0.14, "ink": 0.5, "quiet": 0.18}
OF_THIS = {"ink": 0.7, "faint": 3.5}
ANCHORS = {"left": "start", "middle": "middle", "right": "end"}  # the side at which a text stands
SHADES = 8  # of an image
HEAD = 8  # pixels, of an arrow
STILL_SHAPES = (
    ".line,.arrow,.hollow,.frame,.grip{fill:none;stroke:currentColor}.area,.shade,.dot{fill:currentColor}"
    ".box{fill:currentColor;stroke:currentColor}.hollow{fill:#fff;stroke-width:2px}.grip{stroke-width:2px}"
    "svg>.text{fill:currentColor}svg>.text:is(.c2,.c3){font-weight:400}svg>.in{stroke:none}"
)


class Scene(Choosing):
    """A picture with sliders: `draw` is called for every combination of the settings, and draws it.

    draw      draw(pen, h) draws one picture with the pen, where h is the value of the first setting; more
              settings are more arguments, in their order. It returns one or two sentences about the picture
              with its real numbers, or (sentences, {name: number}), numbers for columns of the table. In
              sentences `code` in backticks and *emphasis* are marked
    settings  a dict from setting to its values. Numbers make a slider, in their order; texts make buttons.
              At most 400 combinations; some 25 values are enough for a slider that feels smooth
    title     what the picture is, for those who cannot see it
    x, y      what the pen's coordinates mean: ("name", low, high) is an axis with ticks and a name,
              (low, high) a range without. Without either a unit is 40 pixels: x from 0 to 14, y from 0 to 8
    log       which of them are logarithmic: "", "x", "y" or "xy"
    height    of the picture, in pixels; its width is 560
    caption   a line under it
    chosen    where it starts: a dict from setting to one of its values; else the first of each

    The pen draws in these coordinates, x to the right and y upwards. `look` is "value" (blue), "gradient"
    (orange), "ink", "quiet" (grey) or "faint"; blue is for values and orange for gradients only.

        pen.line(xs, ys, look="ink", dash=False, width=2)
            a curve; cut off at the ends of the axes
        pen.area(xs, ys, look="faint", opacity=0.3)
            what the points enclose, filled
        pen.box(x0, y0, x1, y1, look="value", opacity=0.2)
            a filled rectangle, pale enough for a text that is drawn
            in it; opacity=0 leaves its frame
        pen.dot(x, y, look="ink", size=6, hollow=False)
        pen.arrow(x0, y0, x1, y1, look="ink", dash=False, width=2)
        pen.text(x, y, text, look="ink", at="middle", size=14)
            at: its "left", "middle" or "right" is at x; y is the
            middle of its height. It stays inside the picture
        pen.image(x0, y0, x1, y1, array, look="ink")
            numbers from 0 (blank) to 1 (full), as squares
        pen.handle(setting, x, y)
            the slider of that setting is here, to be dragged

    A slider without a handle stands below the picture. What is drawn first lies below. Lines, areas, boxes
    and images lie below dots, arrows and texts. Pictures need not all draw the same things. On a phone
    letters are larger against the picture: reckon with 10 of its 560 pixels for each.

        def draw(pen, h):
            ws = np.linspace(0, 2, 81)
            pen.line(ws, ws**2, look="value")
            pen.line([0, 2], [-1 - h, 3 + h], look="gradient")
            pen.dot(1, 1)
            pen.handle("h", 1 + h, (1 + h) ** 2)
            said = f"The secant rises by {2 + h:g}, the slope is 2."
            return said, {"secant": 2 + h}

        Scene(draw, {"h": np.linspace(1, 0.05, 20)},
              title="A secant becomes the slope",
              x=("w", 0, 2), y=("loss", 0, 4))

    `.chosen` is a synced trait. Python draws everything when the figure is made: the page moves without a
    kernel, and without script it shows the first picture and a table of all sentences. ValueError says what
    is allowed where an argument is wrong.
    """

    def __init__(
        self, draw, settings, *, title, x=None, y=None, log="", height=320, caption=None, chosen=None,
    ):  # fmt: skip
        if not callable(draw):
            raise ValueError(f"Scene wants a function draw(pen, h), got {draw!r}")
        if not is_text(title):
            raise ValueError(f"Scene wants title as a text, got {title!r}")
        self.settings = check_settings(settings, "Scene")
        count = len(self.keys_of_all)
        if not self.settings or count > MOST_FRAMES:
            raise ValueError(
                f"Scene wants 1 to {MOST_FRAMES} pictures; {settings!r} makes {count if self.settings else 0}"
            )
        self.title, self.height = title, check_height(height)
        self.caption = None if caption is None else str(caption)
        self.names, self.across, self.up = make_axes(x, y, log, self.height)
        super().__init__(chosen=self.first_choice(chosen))
        self.pens, self.said, self.numbers = {}, {}, {}
        for key in self.keys_of_all:
            self.draw_one(draw, key)
        self.handles = handles_of(self.pens)
        self.shapes = merged(list(self.pens.values()))
        self.html = self.markup()

    def draw_one(self, draw, key):
        pen = Pen(self.across, self.up, self.settings, self.height)
        said = draw(pen, *key)
        said, numbers = said if isinstance(said, tuple) and len(said) == 2 else (said, {})
        if not is_text(said):
            raise ValueError(f"Scene: draw returns a sentence about its picture, got {said!r}")
        known = next(iter(self.numbers.values()), numbers)
        if not isinstance(numbers, dict) or numbers.keys() != known.keys():
            raise ValueError(f"Scene: draw returns the same numbers each time, got {numbers!r}")
        self.pens[key], self.said[key], self.numbers[key] = pen, typeset(said), numbers

    # ---- as markup

    def markup(self):
        return (
            f'<figure class="chainrule-scene" aria-label="{escape(self.title)}">'
            f'<div class="chainrule-over">{self.picture()}</div>'
            f'<p class="chainrule-said" role="status">{marked(self.said[self.key])}</p>'
            f"{caption_html(self.caption)}{self.table()}"
            f'<script type="application/json">{self.data()}</script></figure>'
        )

    def picture(self):
        now = self.keys_of_all.index(self.key)
        below, above = (
            "".join(shape_svg(shape, now) for shape in self.shapes if shape.below == under)
            for under in (True, False)
        )
        axes = axes_svg(self.across, self.up, *self.names) if any(self.names) else ""
        if any(self.names):  # a picture within the picture cuts off what leaves the axes
            left, top = self.across.start, self.up.end
            size = self.across.end - left, self.up.start - top
            box = " ".join(f"{number:g}" for number in (left, top, *size))
            below = (
                f'<svg x="{left:g}" y="{top:g}" width="{size[0]:g}" height="{size[1]:g}" '
                f'viewBox="{box}">{below}</svg>'
            )
        said = unmarked(self.said[self.key])
        return chart_svg(WIDTH, self.height, self.title, said, axes + below + above)

    def table(self):
        """Every picture in words: the script takes its sentences from here."""
        columns = [*self.settings, *next(iter(self.numbers.values()))]
        head = "".join(f'<th scope="col">{escape(name)}</th>' for name in columns)
        head += f'<th scope="col">{escape(label("scene.said"))}</th>'
        rows = "".join(self.row(keys) for keys in self.alike())
        name = escape(label("scene.table"))
        return (
            f'<details class="chainrule-table"><summary>{name}</summary><div class="chainrule-wide" '
            f'tabindex="0" role="group" aria-label="{name}"><table><thead><tr>{head}</tr></thead>'
            f"<tbody>{rows}</tbody></table></div></details>"
        )

    def alike(self):
        """The choices, those together of which the same is said: where they are all that some values make."""
        groups = {}
        for key in self.keys_of_all:
            groups.setdefault((self.said[key], *self.numbers[key].values()), []).append(key)
        for keys in list(groups.values()):
            whole = math.prod(len(set(values)) for values in zip(*keys, strict=True)) == len(keys)
            yield from [keys] if whole else ([key] for key in keys)

    def row(self, keys):
        """data-of: the numbers of the pictures that the row tells of."""
        of = " ".join(str(self.keys_of_all.index(key)) for key in keys)
        heads = "".join(
            f'<th scope="row">{escape(self.head(setting, dict.fromkeys(values)))}</th>'
            for setting, values in zip(self.settings, zip(*keys, strict=True), strict=True)
        )
        cells = "".join(f"<td>{escape(display(n))}</td>" for n in self.numbers[keys[0]].values())
        return f'<tr data-of="{of}">{heads}{cells}<td>{marked(self.said[keys[0]])}</td></tr>'

    def head(self, setting, values):
        every = len(values) == len(self.settings[setting]) > 1
        return label("scene.any") if every else ", ".join(map(worded, values))

    def data(self):
        """What the script needs, as JSON: the settings, what moves, and where the handles are."""
        data = {
            "settings": [
                [name, values, [worded(value) for value in values], all(map(is_number, values))]
                for name, values in self.settings.items()
            ],
            "chosen": list(self.key),
            "moves": [
                [[name, *packed(values)] for name, values in shape.moves.items()]
                for shape in self.shapes
                if shape.moves
            ],
            "handles": {
                name: [pen.handles[name] for pen in self.pens.values()] for name in self.handles
            },
        }
        return harmless(
            json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        )

    def still(self):
        """The picture as one image, and its sentence."""
        picture = page.image(self.picture(), self.title, STILL + STILL_SHAPES)
        return f"{picture}<p>{marked(self.said[self.key])} {escape(label('still.moves'))}</p>"

    def as_text(self):
        return f"{self.title}. {unmarked(self.said[self.key])}"


# ---------------------------------------------------------------- drawing


class Pen:
    """What draws one picture of a scene; `Scene` says what it can do."""

    def __init__(self, across, up, settings, height):
        self.across, self.up, self.settings, self.height = across, up, settings, height
        self.shapes, self.handles = {}, {}  # (tag, kind, look, number of these) -> attributes
        self.grounds = []  # corners of the filled boxes, and their attributes

    def at(self, x, y):
        """The pixel of a point, or None where it has no place."""
        return points_of([x], [y], self.across, self.up)[0]

    def add(self, tag, kind, look, **attributes):
        """Keep a shape. Shapes of one kind and look are told apart by their order."""
        if look not in LOOKS:
            raise ValueError(f"look is one of {', '.join(LOOKS)}, got {look!r}")
        count = sum(key[:3] == (tag, kind, look) for key in self.shapes)
        named = {name.replace("_", "-"): value for name, value in attributes.items()}
        self.shapes[tag, kind, look, count] = named
        return named

    def line(self, xs, ys, look="ink", dash=False, width=2):
        points = points_of(*pairs(xs, ys), self.across, self.up)
        self.add("path", "line", look, d=line_path(points), **stroke(dash, width))

    def area(self, xs, ys, look="faint", opacity=0.3):
        points = [point for point in points_of(*pairs(xs, ys), self.across, self.up) if point]
        path = line_path(points).replace("h0", "") + "z" if points else ""
        self.add("path", "area", look, d=path, fill_opacity=f"{opacity:g}")

    def box(self, x0, y0, x1, y1, look="value", opacity=0.2):
        one, two = self.at(x0, y0), self.at(x1, y1)
        path = f"M{one[0]:g} {one[1]:g}H{two[0]:g}V{two[1]:g}H{one[0]:g}z" if one and two else ""
        frame = {"stroke_opacity": "0.5"} if opacity else {}  # the ground shows its edge by itself
        shape = self.add("path", "box", look, d=path, fill_opacity=f"{opacity:g}", **frame)
        self.grounds += [((one, two), shape, look)] if path and opacity else []

    def dot(self, x, y, look="ink", size=6, hollow=False):
        kind = "hollow" if hollow else "dot"
        self.add("circle", kind, look, r=f"{size:g}", **placed(self.at(x, y)))

    def arrow(self, x0, y0, x1, y1, look="ink", dash=False, width=2):
        one, two = self.at(x0, y0), self.at(x1, y1)
        if one and two:  # a short arrow is thin, or its head would be a blot
            width = min(width, max(1.5, math.dist(one, two) / 4))
        self.add("path", "arrow", look, d=arrow_path(one, two), **stroke(dash, width))

    def text(self, x, y, text, look="ink", at="middle", size=14):
        if at not in ANCHORS:
            raise ValueError(f"at is one of {', '.join(ANCHORS)}, got {at!r}")
        place, text, left = self.at(x, y), typeset(str(text)), list(ANCHORS).index(at) / 2
        if place:  # and inside the picture
            wide, high = LETTER * len(text) * size / 14, LINE * size / 14
            lows, highs = (
                (left * wide, high / 2),
                (WIDTH - (1 - left) * wide, self.height - high / 2),
            )
            place = [
                tenth(float(max(low, min(pixel, end))))
                for pixel, low, end in zip(place, lows, highs, strict=True)
            ]
        style = {"text_anchor": ANCHORS[at], "font_size": f"{size / 14:g}em"}
        under = self.boxes_at(place) if place else []
        for shape, filled in under:
            fullest = FULLEST.get(look, 1) * OF_THIS.get(filled, 1) / len(under)
            shape["fill-opacity"] = f"{min(float(shape['fill-opacity']), fullest):g}"
        kind = "text in" if under else "text"
        self.add("text", kind, look, **style, **placed(place), text=text)

    def boxes_at(self, place):
        """The filled boxes drawn before a text that stands in them, which needs no ground of its own."""
        return [
            (shape, look)
            for corners, shape, look in self.grounds
            if all(min(ends) <= at <= max(ends) for at, *ends in zip(place, *corners, strict=True))
        ]

    def image(self, x0, y0, x1, y1, array, look="ink"):
        array = np.atleast_2d(np.asarray(array, float))
        (left, top), (right, bottom) = self.at(x0, y1), self.at(x1, y0)
        wide, high = (right - left) / array.shape[1], (bottom - top) / array.shape[0]
        levels = np.rint(SHADES * np.clip(np.nan_to_num(array), 0, 1)).astype(int)
        for level in range(1, SHADES + 1):
            squares = "".join(
                f"M{tenth(left + wide * column):g} {tenth(top + high * row):g}"
                f"h{tenth(wide):g}v{tenth(high):g}h{-tenth(wide):g}z"
                for row, column in np.argwhere(levels == level)
            )
            self.add("path", "shade", look, d=squares, fill_opacity=f"{level / SHADES:g}")
        frame = f"M{left:g} {top:g}H{right:g}V{bottom:g}H{left:g}z"
        self.add("path", "frame", look, d=frame)

    def handle(self, setting, x, y):
        values = self.settings.get(setting, ())
        place = self.at(x, y)
        if not values or not all(map(is_number, values)):
            raise ValueError(f"handle: {setting!r} is no setting with numbers as its values")
        if place is None:
            raise ValueError(f"handle: ({x}, {y}) is no place in the picture")
        self.handles[setting] = place
        self.add("circle", "grip", "ink", r="9", **placed(place))


def pairs(xs, ys):
    xs, ys = (np.asarray(numbers, float).ravel() for numbers in (xs, ys))
    if len(xs) != len(ys):
        raise ValueError(f"a line wants as many ys as xs, got {len(xs)} xs and {len(ys)} ys")
    return xs, ys


def stroke(dash, width):
    return {"stroke_dasharray": "7 5" if dash else "none", "stroke_width": f"{width:g}"}


def placed(point):
    if point is None:
        return {"transform": "translate(0 0)", "visibility": "hidden"}
    return {"transform": f"translate({point[0]:g} {point[1]:g})", "visibility": "visible"}


def arrow_path(one, two):
    """A line with a head at its second end, or only its start where both ends are one."""
    if not one or not two:
        return ""
    long = math.dist(one, two)
    if long < 1:
        return ""
    head, angle = min(HEAD, long / 2), math.atan2(two[1] - one[1], two[0] - one[0])
    sides = [
        (two[0] - head * math.cos(angle + turn), two[1] - head * math.sin(angle + turn))
        for turn in (0.45, -0.45)
    ]
    (a, b), (c, d) = (map(tenth, side) for side in sides)
    return f"M{one[0]:g} {one[1]:g}L{two[0]:g} {two[1]:g}M{a:g} {b:g}L{two[0]:g} {two[1]:g}L{c:g} {d:g}"


BELOW = ("line", "area", "box", "shade", "frame")


@dataclass(frozen=True)
class Shape:
    """A shape of all pictures: what is the same in each, and of each other attribute its value in each."""

    tag: str
    below: bool
    fixed: dict
    moves: dict


def merged(pens):
    """The shapes of all pictures, in the order in which they are drawn; one that is missing somewhere hides there."""
    order = []
    for pen in pens:
        last = -1
        for key in pen.shapes:
            if key in order:
                last = max(last, order.index(key))
            else:
                last += 1
                order.insert(last, key)
    shapes = [merged_shape(key, [pen.shapes.get(key) for pen in pens]) for key in order]
    return sorted(shapes, key=level)


def level(shape):
    """How far up a shape is painted: lines and areas, then dots, words over them, and handles over all."""
    if shape.below:
        return 0
    return 3 if shape.fixed["class"].startswith("grip") else 2 if shape.tag == "text" else 1


def merged_shape(key, found):
    tag, kind, look, _ = key
    some = next(attributes for attributes in found if attributes)
    fixed, moves = {"class": f"{kind} c{LOOKS[look]}", "color": COLOURS[LOOKS[look]]}, {}
    for name in {**some, "visibility": ""}:
        away = "hidden" if name == "visibility" else some.get(name)
        values = [attributes.get(name, "visible") if attributes else away for attributes in found]
        if len(set(values)) > 1:
            moves[name] = values
        elif (name, values[0]) not in {("visibility", "visible"), ("stroke-dasharray", "none")}:
            fixed[name] = values[0]
    return Shape(tag, kind in BELOW, fixed, moves)


def shape_svg(shape, now):
    attributes = {**shape.fixed, **{name: values[now] for name, values in shape.moves.items()}}
    text = attributes.pop("text", None)
    moves = " data-moves" if shape.moves else ""
    named = "".join(f' {name}="{escape(value)}"' for name, value in attributes.items())
    end = "/>" if text is None else f' dy=".35em">{escape(text)}</text>'
    return f"<{shape.tag}{moves}{named}{end}"


def packed(values):
    """The different values, and which of them each picture has; [values] alone where all differ."""
    different = list(dict.fromkeys(values))
    if len(different) == len(values):
        return [values]
    return [different, [different.index(value) for value in values]]


def handles_of(pens):
    """The settings with a handle. ValueError if one is missing in some picture."""
    names = [list(pen.handles) for pen in pens.values()]
    if any(set(some) != set(names[0]) for some in names):
        raise ValueError("Scene: a handle is in every picture or in none")
    return names[0]


# ---------------------------------------------------------------- what is allowed


def check_height(height):
    if not (is_number(height) and 80 <= height <= 800):
        raise ValueError(f"Scene wants height as pixels from 80 to 800, got {height!r}")
    return int(height)


def make_axes(x, y, log, height):
    """The names of the axes, None for one without, and both axes."""
    if not isinstance(log, str) or not set(log) <= {"x", "y"}:
        raise ValueError(f'Scene: log is "", "x", "y" or "xy", got {log!r}')
    x_name, *x_ends = named_ends("x", x, (0, WIDTH / SQUARE), "x" in log)
    y_name, *y_ends = named_ends("y", y, (0, height / SQUARE), "y" in log)
    bottom, top = height - (49 if x_name else 2), 34 if y_name else 2
    if x_name is None and y_name is None:
        bottom, top = height, 0
    up = Axis("y" in log, *y_ends, bottom, top)
    left = left_of(up) if y_name else 0 if x_name is None else 16
    return (x_name, y_name), Axis("x" in log, *x_ends, left, WIDTH - (16 if x_name else 0)), up


def named_ends(which, given, default, log):
    """(name or None, low, high), the ends as the axis counts. ValueError for anything else."""
    given = default if given is None else given
    listed = isinstance(given, (tuple, list)) and len(given) in (2, 3)
    name, *ends = (given if len(given) == 3 else (None, *given)) if listed else (None,)
    fits = listed and all(map(is_number, ends)) and ends[0] < ends[1]
    if not fits or not (name is None or is_text(name)):
        raise ValueError(
            f'Scene wants {which} as ("name", low, high) or (low, high), got {given!r}'
        )
    if log and ends[0] <= 0:
        raise ValueError(f"Scene wants {which} above 0 on a log axis, got {given!r}")
    return name, *(map(math.log10, ends) if log else map(float, ends))

"""Recorded curves and a slider: where a reader stands on each of them, and what it says there.

Everything is measured in Python beforehand: the page computes nothing but places.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from itertools import product

import numpy as np
import traitlets

from chainrule.drawing import caption_html, harmless
from chainrule.narration import display, label, typeset
from chainrule.trace import encode
from chainrule.widgets import page
from chainrule.widgets.chart import (
    DASHES,
    SHAPES,
    STILL,
    axes_svg,
    axis_over,
    chart_svg,
    crosses_path,
    dots_path,
    key_svg,
    left_of,
    line_path,
    place_names,
    points_of,
    short,
    tenth,
    worn,
)
from chainrule.widgets.choices import Choosing, check_settings, worded
from chainrule.widgets.quiz import check_reveal, is_text, marked

WIDTH, HEIGHT = 560, 340
CLEAR = 6  # pixels: the handle stands on the x axis and covers none of its numbers
FEW = 20  # points; each of them is then drawn as a dot
MOST_POINTS, MOST_CURVES, MOST_NUMBERS = 200, len(SHAPES), 400


@dataclass(frozen=True)
class Curve:
    """One recorded curve over the common grid: its name, ys (n,), and where its kinks are (n,) bool."""

    name: str
    ys: np.ndarray
    kinks: np.ndarray


class Explorer(Choosing):
    """Recorded curves over one grid, a slider along it, and a choice of runs.

    records   curves: a dict from name to (xs, ys), or to (xs, ys, kinks) with a mask of the points to
              be marked. With settings: a dict from a tuple of choices to such curves
    settings  a dict from setting to the list of its values; every combination wants a record
    x, y      the names of the axes
    log       which of them are logarithmic: "", "x", "y" or "xy"
    notes     what to say where: a sentence for each point of the grid, or (from, to, sentence) with
              both ends in x; `code` in backticks and *emphasis* are marked. Where they depend on what is
              chosen: a dict with the keys of records, or a function of the chosen values in their
              order that returns them, notes=lambda seed, numbers: by_numbers[numbers]
    kink      what a marked point is called
    title, caption  for those who cannot see it; a line under it
    index, chosen   where it starts: a point of the grid, and a dict from setting to value
    reveal    "" shows the curves at once. A text makes them a bet: there are axes alone until the reader,
              who has decided what they look like, presses the button that bears this text

    All curves share their xs (2 to 200, increasing) and all records their names (at most 6). A point that
    is not finite, or not above 0 on a log axis, is left out of its curve, and the figure says so.
    `.index`, `.chosen` and `.revealed` are synced traits. ValueError says what is allowed where an argument is wrong.
    """

    index = traitlets.Int(0).tag(sync=True)
    revealed = traitlets.Bool(True).tag(sync=True)

    def __init__(
        self, records, settings=None, *, x="x", y="y", log="", notes=(), kink="kink",
        title=None, caption=None, index=0, chosen=None, reveal="",
    ):  # fmt: skip
        self.settings = check_settings(settings, "Explorer")
        self.grid, self.records = check_records(records, self.settings)
        self.x, self.y, self.kink = x, y, kink
        self.caption = None if caption is None else str(caption)
        check_names(x=x, y=y, kink=kink)
        self.title = label("explorer.title", x=x, y=y) if title is None else str(title)
        self.across, self.up = self.axes(check_log(log))
        self.notes = self.notes_of_all(notes)
        self.reveal = check_reveal(reveal, "Explorer")
        super().__init__(
            index=self.in_range(index), chosen=self.first_choice(chosen), revealed=not reveal
        )
        self.html = self.markup()

    def axes(self, log):
        """The two axes, the same over all records."""
        ys = np.concatenate([curve.ys for record in self.records.values() for curve in record])
        up = axis_over(ys, "y" in log, HEIGHT - 49 - CLEAR, 36)
        if "x" in log and self.grid[0] <= 0:
            raise ValueError(f"Explorer wants xs above 0 on a log x axis, got {self.grid[0]}")
        return axis_over(self.grid, "x" in log, left_of(up), WIDTH - 26, 0.035), up

    def in_range(self, index):
        last = len(self.grid) - 1
        if isinstance(index, bool) or not isinstance(index, (int, np.integer)):
            raise ValueError(f"index is a whole number from 0 to {last}, got {index!r}")
        if not -1 <= index <= last:
            raise ValueError(f"index runs from 0 to {last}, or is -1 for the last, got {index!r}")
        return last if index == -1 else int(index)

    @traitlets.validate("index")
    def check_index(self, proposal):
        return self.whole(proposal, len(self.grid) - 1)

    @property
    def names(self):
        return [curve.name for curve in next(iter(self.records.values()))]

    # ---- as markup

    def markup(self):
        left_out = self.left_out(self.records[self.key])
        bet = "" if self.revealed else f' data-reveal="{escape(self.reveal)}"'
        return (
            f'<figure class="chainrule-explorer" data-index="{self.index}"{bet} '
            f'aria-label="{escape(self.title)}">'
            f'<div class="chainrule-over">{self.picture()}</div>{self.readout()}{self.note_html()}'
            f'<p class="chainrule-left-out">{escape(left_out)}</p>'
            f"{caption_html(self.caption)}{self.tables()}"
            f'<script type="application/json">{self.data()}</script></figure>'
        )

    def picture(self):
        record, x = self.records[self.key], tenth(self.across.at(self.grid[self.index]))
        curves = [points_of(self.grid, curve.ys, self.across, self.up) for curve in record]
        names = self.places(curves)
        drawn = [points if names[k] else [None] * len(points) for k, points in enumerate(curves)]
        marks = "".join(self.mark_svg(k, points[self.index]) for k, points in enumerate(drawn))
        body = (
            axes_svg(self.across, self.up, self.x, self.y, CLEAR)
            + f'<path class="guide" d="M0 {self.up.end:g}V{self.up.start:g}" '
            f'transform="translate({x:g} 0)" stroke="#8a939e"/>'
            + "".join(self.curve_svg(k, record[k], points) for k, points in enumerate(drawn))
            + marks
            + "".join(self.name_svg(k, place) for k, place in enumerate(names))
        )
        return chart_svg(WIDTH, HEIGHT, self.title, self.described(record), body)

    def places(self, curves):
        """Where each curve has its name; of curves that are one, the first alone has it, and is drawn."""
        places = place_names(curves, self.names, self.across, self.up)
        return [None if curves[k] in curves[:k] else place for k, place in enumerate(places)]

    def curve_svg(self, k, curve, points):
        dots = dots_path(points) if len(self.grid) <= FEW else ""
        crosses = crosses_path(points, curve.kinks)
        return (
            f'<g {worn("curve", k)} fill="none" stroke="currentColor">'
            f'<path class="line" stroke-width="2" '
            f'stroke-dasharray="{DASHES[k]}" d="{line_path(points)}"/>'
            f'<path class="dots" stroke-width="5" d="{dots}"/>'
            f'<path class="crosses" stroke-width="2" d="{crosses}"/></g>'
        )

    def mark_svg(self, k, point):
        place = f"translate({point[0]:g} {point[1]:g})" if point else "translate(0 0)"
        shown = "visible" if point else "hidden"
        return f'<path {worn("mark", k)} fill="currentColor" d="{SHAPES[k]}" transform="{place}" visibility="{shown}"/>'

    def name_svg(self, k, place):
        x, y = place or (0, 0)
        return (
            f'<text {worn("name", k)} fill="currentColor" text-anchor="middle" x="{x}" y="{y}" '
            f'visibility="{"visible" if place else "hidden"}">{escape(short(self.names[k]))}</text>'
        )

    def readout(self):
        """Where the slider stands: the value of each curve, with the curve's line and mark as a key."""
        at = label("explorer.at", x=self.x, value=display(self.grid[self.index]))
        rows = "".join(
            f'<tr><th scope="row">{key_svg(k)}{escape(curve.name)}</th>'
            f"<td>{escape(self.shown(curve, self.index))}</td></tr>"
            for k, curve in enumerate(self.records[self.key])
        )
        return (
            f'<table class="chainrule-readout"><thead><tr>'
            f'<th scope="col" class="chainrule-at">{escape(at)}</th>'
            f'<th scope="col">{escape(self.y)}</th></tr></thead>'
            f"<tbody>{rows}</tbody></table>{self.cross_key()}"
        )

    def cross_key(self):
        if not any(curve.kinks.any() for record in self.records.values() for curve in record):
            return ""
        return f'<p class="chainrule-note">× {escape(self.kink)}</p>'

    def shown(self, curve, k):
        kink = f" ({self.kink})" if curve.kinks[k] else ""
        return display(curve.ys[k]) + kink

    def note_html(self):
        """The notes at the slider; further down all of them stand, with the range that each is for."""
        if not self.notes:
            return ""
        here = [
            said
            for (first, last, said), keys in self.notes.items()
            if first <= self.index <= last and self.key in keys
        ]
        return f'<p class="chainrule-said" role="status">{" ".join(map(marked, here))}</p>'

    def notes_of_all(self, notes):
        """(first, last, sentence) -> the keys of the records that it is for."""
        made = {}
        if isinstance(notes, Mapping):
            notes = {key if isinstance(key, tuple) else (key,): some for key, some in notes.items()}
            if notes.keys() != self.records.keys():
                raise ValueError(
                    f"Explorer wants notes for {list(self.records)}, got {list(notes)}"
                )
        for key in self.records:
            some = notes[key] if isinstance(notes, Mapping) else notes
            if callable(some):
                some = some(*key)
            for note in check_notes(some, self.grid):
                made.setdefault(note, []).append(key)
        return made

    def tables(self):
        """Every number of the records: of all of them where they are few, else of the one shown."""
        size = len(self.records) * len(self.names) * len(self.grid)
        others = [key for key in self.records if key != self.key]
        keys = [self.key, *(others if size <= MOST_NUMBERS else [])]
        tables = "".join(self.table(key, self.records[key]) for key in keys)
        more = ""
        if len(keys) < len(self.records):
            more = f"<p>{escape(label('explorer.more', count=len(self.records)))}</p>"
        return (
            f'<details class="chainrule-table"><summary>{escape(label("explorer.table"))}</summary>'
            f'{self.all_notes()}<div class="chainrule-wide" tabindex="0" role="group" '
            f'aria-label="{escape(label("explorer.table"))}">{tables}</div>{more}</details>'
        )

    def all_notes(self):
        items = ""
        keys = list(self.records)
        for (first, last, said), of in self.notes.items():
            ends = {"first": display(self.grid[first]), "last": display(self.grid[last])}
            words = label("explorer.range" if first < last else "explorer.one", x=self.x, **ends)
            hidden = "" if self.key in of else " hidden"
            which = "" if of == keys else f' data-of="{" ".join(str(keys.index(k)) for k in of)}"'
            items += (
                f'<li data-first="{first}" data-last="{last}"{which}{hidden}>{escape(words)} '
                f"<span>{marked(said)}</span></li>"
            )
        return f'<ul class="chainrule-notes">{items}</ul>' if items else ""

    def table(self, key, record):
        names = "".join(f'<th scope="col">{escape(curve.name)}</th>' for curve in record)
        rows = "".join(
            f'<tr><th scope="row">{escape(display(x))}</th>'
            + "".join(f"<td>{escape(self.shown(curve, k))}</td>" for curve in record)
            + "</tr>"
            for k, x in enumerate(self.grid)
        )
        return (
            f"<table><caption>{escape(self.called(key))}</caption><thead><tr>"
            f'<th scope="col">{escape(self.x)}</th>{names}</tr></thead><tbody>{rows}</tbody></table>'
        )

    def called(self, key):
        """What the record of a key is called: the settings, and what the numbers are."""
        pairs = [f"{name} {worded(value)}" for name, value in zip(self.settings, key, strict=True)]
        return ", ".join([self.y, *pairs])

    def described(self, record):
        """The record in words, for those who cannot see it."""
        return " ".join(self.curve_described(curve) for curve in record)

    def curve_described(self, curve):
        drawn = self.drawn(curve)
        if not drawn.any():
            return label("explorer.empty", name=curve.name)
        xs, ys = self.grid[drawn], curve.ys[drawn]
        least = int(np.argmin(ys))
        numbers = {"left": xs[0], "first": ys[0], "right": xs[-1], "last": ys[-1]}
        numbers |= {"least": ys[least], "there": xs[least]}
        shown = {name: display(value) for name, value in numbers.items()}
        said = label("explorer.told", name=curve.name, x=self.x, **shown)
        kinks = label("explorer.kinks", kink=self.kink, count=int(curve.kinks.sum()))
        return f"{said} {kinks}" if curve.kinks.any() else said

    def drawn(self, curve):
        return np.array([self.up.at(float(y)) is not None for y in curve.ys])

    def left_out(self, record):
        """What the picture cannot show, in words; curves with the same gaps share a sentence."""
        gaps = {}
        for curve in record:
            odd = curve.ys[~self.drawn(curve)]
            values = ", ".join(dict.fromkeys(display(y) for y in odd))
            gaps.setdefault((odd.size, values), []).append(curve.name)
        return " ".join(
            label("explorer.left", count=count, all=len(self.grid), values=values, name=listed(of))
            for (count, values), of in gaps.items()
            if count
        )

    def data(self):
        """What the script needs, as JSON: the grid, the axes, and every record with its texts."""
        settings = [[name, list(values)] for name, values in self.settings.items()]
        data = {
            "grid": self.grid.tolist(),
            "across": self.across.data(),
            "up": self.up.data(),
            "names": [self.x, self.kink],
            "dots": len(self.grid) <= FEW,
            "settings": settings,
            "chosen": list(self.key),
            "records": [self.record_data(key, record) for key, record in self.records.items()],
        }
        return harmless(
            json.dumps(encode(data), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        )

    def record_data(self, key, record):
        curves = [points_of(self.grid, curve.ys, self.across, self.up) for curve in record]
        return {
            "ys": [curve.ys.tolist() for curve in record],
            "kinks": [np.flatnonzero(curve.kinks).tolist() for curve in record],
            "places": self.places(curves),
            "texts": [self.called(key), self.described(record), self.left_out(record)],
        }

    def still(self):
        """The chart as one image, and what it shows in words."""
        said = self.described(self.records[self.key])
        picture = page.image(self.picture(), self.title, STILL)
        return f"{picture}<p>{escape(said)} {escape(label('still.moves'))}</p>"

    def as_text(self):
        return f"{self.title}. {self.described(self.records[self.key])}"


# ---------------------------------------------------------------- what is allowed


def listed(names):
    """Names as a text lists them: a, b and c."""
    return " and ".join([", ".join(names[:-1])] * (len(names) > 1) + names[-1:])


def check_names(**names):
    for which, name in names.items():
        if not is_text(name):
            raise ValueError(f"Explorer wants {which} as a text, got {name!r}")


def check_log(log):
    log = tuple(log)
    if not set(log) <= {"x", "y"}:
        raise ValueError(f"Explorer: log is out of 'x' and 'y', got {log!r}")
    return log


def check_records(records, settings):
    """The grid (n,), and key -> list of curves, in the order of the settings. ValueError if amiss."""
    if not isinstance(records, Mapping) or not records:
        raise ValueError(f"Explorer wants a dict of curves, got {records!r}")
    if not settings:
        records = {(): records}
    records = {key if isinstance(key, tuple) else (key,): made for key, made in records.items()}
    keys = list(product(*settings.values()))
    missing = [key for key in keys if key not in records]
    if missing or len(records) > len(keys):
        odd = missing or [key for key in records if key not in keys]
        raise ValueError(
            f"Explorer wants one record a combination of settings, {len(keys)} in all; "
            f"{'missing' if missing else 'not asked for'}: {', '.join(map(repr, odd[:3]))}"
        )
    grids, checked = [], {}
    for key in keys:
        checked[key] = check_curves(records[key], grids)
        if [curve.name for curve in checked[key]] != [curve.name for curve in checked[keys[0]]]:
            raise ValueError(f"Explorer wants the same curves in each record, not so in {key!r}")
    return grids[0], checked


def check_curves(curves, grids):
    """A list of `Curve`; their grid is appended to `grids`, and is the one that stands there already."""
    if not isinstance(curves, Mapping) or not 1 <= len(curves) <= MOST_CURVES:
        raise ValueError(f"Explorer wants 1 to {MOST_CURVES} curves, a dict from name to (xs, ys)")
    checked = []
    for name, curve in curves.items():
        if not is_text(name) or not isinstance(curve, (tuple, list)) or len(curve) not in (2, 3):
            raise ValueError(f"Explorer wants a curve as name: (xs, ys), got {name!r}: {curve!r}")
        xs, ys = (numbers(f"curve {name!r}", part) for part in curve[:2])
        check_grid(name, xs)
        kinks = np.array(curve[2], bool) if len(curve) == 3 else np.zeros(len(xs), bool)
        if ys.shape != xs.shape or kinks.shape != xs.shape:
            raise ValueError(
                f"Explorer: curve {name!r} has {len(xs)} xs, ys of shape {ys.shape}, "
                f"kinks of shape {kinks.shape}"
            )
        if grids and not np.array_equal(grids[0], xs):
            raise ValueError(f"Explorer: all curves share their xs, but not {name!r}")
        grids.append(xs)
        checked.append(Curve(name, ys, kinks))
    return checked


def check_grid(name, xs):
    increasing = xs.ndim == 1 and bool(np.isfinite(xs).all()) and bool((np.diff(xs) > 0).all())
    if not increasing or not 2 <= len(xs) <= MOST_POINTS:
        raise ValueError(
            f"Explorer: curve {name!r} wants 2 to {MOST_POINTS} finite, increasing xs, got {xs!r}"
        )


def numbers(of, values):
    try:
        return np.array(values, float)
    except (TypeError, ValueError):
        raise ValueError(f"Explorer wants numbers as {of}, got {values!r}") from None


def check_notes(notes, grid):
    """(first, last, sentence) by points of the grid; neighbours that say the same are one."""
    if not isinstance(notes, (list, tuple)):
        raise ValueError(f"Explorer wants notes as a list, got {notes!r}")
    if notes and all(isinstance(note, str) for note in notes):
        return joined_notes([typeset(note) for note in notes], grid)
    checked = []
    for note in notes:
        if not isinstance(note, (tuple, list)) or len(note) != 3 or not is_text(note[2]):
            raise ValueError(f"Explorer wants a note as (from, to, sentence), got {note!r}")
        first, last = numbers("a note's ends", note[:2])
        near = [np.isclose(grid, end, rtol=1e-9, atol=0) for end in (first, last)]
        held = np.flatnonzero(((grid >= first) | near[0]) & ((grid <= last) | near[1]))
        if held.size == 0:
            raise ValueError(f"Explorer: no point lies between the ends of the note {note!r}")
        checked.append((int(held[0]), int(held[-1]), typeset(note[2])))
    return checked


def joined_notes(sentences, grid):
    if len(sentences) != len(grid):
        raise ValueError(
            f"Explorer wants a note for each of {len(grid)} points, got {len(sentences)}"
        )
    made = []
    for k, said in enumerate(sentences):
        if made and made[-1][2] == said:
            made[-1] = (made[-1][0], k, said)
        else:
            made.append((k, k, said))
    return [note for note in made if note[2].strip()]

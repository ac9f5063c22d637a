"""The picture: a trace drawn once, as SVG, by Python.

Values stand above a wire, gradients below it. The script in a page only fills in texts and sets
classes; `layout` has decided where everything stands. `figure_html` wraps the picture with the table
of all steps, which is what a reader without script, and a printed page, gets.
"""

import json
from dataclasses import dataclass
from html import escape

import numpy as np

from chainrule import chain as row
from chainrule.chain import WIDEST, is_chain, lay_out_chain
from chainrule.layout import (
    DESK,
    GOES_ON,
    GRID,
    HEAT_HEIGHT,
    KEPT_DROP,
    NAME,
    NUMBER_ROOM,
    PHONE,
    RADIUS,
    ROW,
    block_size,
    cell_room,
    cell_widths,
    entry_of_pieces,
    grid,
    has_pieces,
    lay_out,
    node_reach,
    node_symbol,
    pieces_of,
    shorten,
    summary,
    under,
)
from chainrule.narration import display, fit, label

VALUE, GRADIENT = "#1f6fb2", "#b9500b"  # where no style sheet says otherwise

STYLE = f"""
svg{{--value:{VALUE};--gradient:{GRADIENT};--ink:#1c1e21;--quiet:#8a939e;color:var(--ink)}}
@media (prefers-color-scheme: dark){{svg{{--value:#6cb6ff;--gradient:#ff9a57;--ink:#e6e6e6}}}}
.edges{{stroke:var(--value)}} .backs{{stroke:var(--gradient)}}
.value{{fill:var(--value)}} .gradient{{fill:var(--gradient)}}
.hidden{{visibility:hidden}} .pieces .gradient:not(.hidden){{visibility:visible}} .later{{opacity:.35}} .now :is(circle,rect){{stroke-width:3}}
"""


def draw(trace, step=None, title="Computational graph", style=False, legend=False, laid=None):
    """The SVG of a trace, as text.

    step    None draws everything; a number draws the state after that step
    style   True adds a style sheet and a legend, for a picture that stands alone
    legend  True adds the legend alone
    laid    its layout for a desk, where that is known
    """
    if step is not None:
        trace.check_step(step)
    legend = legend or style
    laid = laid or lay_out(trace)
    fits, layers = laid.narrowest <= DESK.width, " loss" in trace.code
    if is_chain(trace) and (layers or ((laid.going_on or not fits) and laid.least == 1)):
        chain = lay_out_chain(trace)
        if chain.width <= WIDEST or not fits:  # rows that fit beat a line that scrolls
            return draw_chain(trace, chain, step, title, style, legend)
    return draw_graph(trace, laid, step, title, style, legend)


def draw_graph(trace, laid, step, title, style, legend):
    margin = laid.page.margin
    width, height = laid.width + 2 * margin, laid.height + 2 * margin
    lines = legend_lines(width) if legend else []
    if lines:
        width, height = max(width, LEGEND_WIDTH), height + LEGEND_HEIGHT * len(lines)
    state = state_after(trace, len(trace) if step is None else step)
    body = "".join(
        [
            group("edges", VALUE, edges(trace, laid, state, back=False)),
            group("backs", GRADIENT, edges(trace, laid, state, back=True)),
            group("nodes", "currentColor", nodes(trace, laid, state, step)),
            f'<g class="variables" fill="{VALUE}" font-weight="600">',
            labels(trace, laid, state, len(trace) if step is None else step),
            "</g>",
            pieces_on_edges(trace, laid, state),
            legend_text(lines, height - 2 * margin),
        ]
    )
    return svg(trace, body, width, height, margin, title, style, 15, laid.least)


def svg(trace, body, width, height, margin, title, style, size, least):
    """least   how far the picture may shrink before it scrolls"""
    tall = " chainrule-tall" if height > TALL else ""
    wide = width / ENLARGED if tall else width  # a screen holds more of a tall one
    return (
        f'<svg class="chainrule-picture{tall}" xmlns="http://www.w3.org/2000/svg" role="img" '
        f'viewBox="{-margin} {-margin} {n(width)} {n(height)}" width="{n(width)}" '
        f'height="{n(height)}" style="min-width:{n(least * width)}px;--width:{n(wide)}" '
        f'font-family="system-ui, sans-serif" font-size="{size}" text-anchor="middle">'
        f"<title>{escape(title)}</title><desc>{escape(describe(trace))}</desc>"
        f"{'<style>' + STYLE + '</style>' if style else ''}{body}</svg>"
    )


LEGEND_HEIGHT, LEGEND_WIDTH = 26, 480  # pixels: of a line, and the least for two
TALL = 600  # of a picture: its buttons stay in sight
ENLARGED = 1.15  # how far a page may enlarge a picture, in stepper.css


def legend_lines(width):
    """What stands where, for a picture that nobody can step through: one line as markup, or two where it is narrow."""
    value, gradient, rule = (label(f"legend.{name}") for name in ("value", "gradient", "rule"))
    named = (
        f'<tspan class="value" fill="{VALUE}" font-weight="600">{escape(value)}</tspan> · '
        f'<tspan class="gradient" fill="{GRADIENT}" font-weight="600">{escape(gradient)}</tspan>'
    )
    fits = width >= 7 * len(value + gradient + rule)
    return [f"{named} {escape(rule)}"] if fits else [named, escape(rule)]


def legend_text(lines, bottom):
    return "".join(
        f'<text x="0" y="{n(bottom - LEGEND_HEIGHT * below)}" font-size="13" fill="currentColor" '
        f'text-anchor="start">{line}</text>'
        for below, line in zip(reversed(range(len(lines))), lines, strict=True)
    )


def describe(trace):
    """The graph in words, for those who cannot see it."""
    made = [
        f"{v.shown} is {v.op} of {' and '.join(called(trace.variables[i]) for i in v.inputs)}"
        for v in trace.variables
        if v.inputs
    ]
    return f"A computational graph, read from left to right: {'; '.join(made) or 'one value'}."


def called(variable):
    return display(variable.value) if variable.constant else variable.shown


@dataclass
class State:
    """What is known at some point of a run.

    valued     indices of the variables that have a value
    gradients  index -> the gradient received so far
    returned   indices of the variables whose node has run backward
    active     the index of the variable whose node ran last, or None
    """

    valued: set
    gradients: dict
    returned: set
    active: int | None


def state_after(trace, step):
    state = State({i for i, v in enumerate(trace.variables) if not v.inputs}, {}, set(), None)
    for done in trace.steps[:step]:
        state.active = done.variable
        if done.phase == "forward":
            state.valued.add(done.variable)
            continue
        if not done.seed:
            state.returned.add(done.variable)
        for i, share in zip(trace.receivers(done), done.contributions, strict=True):
            if share is not None:
                before = state.gradients.get(i)
                state.gradients[i] = share if before is None else before + share
    return state


def n(number):
    """A coordinate in whole pixels, so that the picture is short and the same everywhere."""
    return f"{round(float(number))}"


def group(name, stroke, body):
    return f'<g class="{name}" fill="none" stroke="{stroke}" stroke-width="1.6">{body}</g>'


class Pen:
    """A path in whole pixels and relative steps, so that it is short."""

    def __init__(self, x, y):
        self.x, self.y = round(x), round(y)
        self.path = f"M{self.x} {self.y}"

    def bend(self, x, y):
        dx, dy = round(x) - self.x, round(y) - self.y
        if dy == 0:
            return self.across(x)
        self.path += f"c{spaced(dx // 2, 0, dx // 2, dy, dx, dy)}"
        self.x, self.y = round(x), round(y)

    def across(self, x):
        if round(x) != self.x:
            self.path += f"h{round(x) - self.x}"
        self.x = round(x)

    def head(self, way, x=None, y=None):
        """An arrowhead, here or at x, y: way 1 points to the right, -1 to the left."""
        dx, dy = (0, 0) if x is None else (round(x) - self.x, round(y) - self.y)
        self.path += f"m{spaced(dx - 6 * way, dy - 3.5)}l{spaced(6 * way, 3.5, -6 * way, 3.5)}"


def spaced(*numbers):
    return " ".join(f"{number:g}" for number in numbers).replace(" -", "-")


def edges(trace, laid, state, back):
    """One path for each input of each node, and one for each variable's own wire.

    The way back is drawn a little below the way forward, with its own arrowheads.
    """
    drop, drawn, starts = (6 if back else 0), [], branches(trace, laid)
    going_on = laid.going_on
    for j, variable in enumerate(trace.variables):
        column = laid.column(j)
        tail = column.end - column.trunk
        if not (back and has_no_gradient(variable)):
            known = j in (state.gradients if back else state.valued)
            end, y = column.end + GOES_ON * (j in going_on), laid.places[j].y + drop
            pen = Pen(end, y)
            pen.across(tail + back)
            if back:
                pen.head(-1)
            elif j in going_on:
                pen.head(1, end, y)
            drawn.append(mark("wire", f"{j}", known, pen.path))
        for port, i in enumerate(variable.inputs):
            if back and has_no_gradient(trace.variables[i]):
                continue
            path = edge_path(i, j, port, trace, laid, drop, starts.get((i, j)))
            if not back and (word := word_place(i, j, port, trace, laid)):
                path += f'" data-word="{word}'
            known = j in (state.returned if back else state.valued)
            drawn.append(mark("edge", f"{j}.{port}", known, path))
    return "".join(drawn)


def word_place(i, j, port, trace, laid):
    """Where the local derivative of an edge is written, beyond the gradient that it makes: x, y, how it is anchored there.

    None for an edge that has none.
    """
    gradient = trace.variables[i].grad
    if has_no_gradient(trace.variables[i]):
        return None
    if trace.is_fork(i):
        x, y, way, bent = piece_place(i, j, port, trace, laid)
        x = laid.column(j).end - laid.column(j).trunk - 2 if bent else x
        return f"{n(x)} {n(y + 15 * way * has_pieces(trace, i))} end"
    column = laid.column(i)
    y = laid.places[i].y + 12 + under(gradient) + block_size(gradient, laid.page)[1]
    aside = any(trace.is_fork(k) for k in trace.variables[j].inputs)  # a piece stands by its node
    return f"{n(column.end - column.trunk / 2)} {n(y)} {'end' if aside else 'middle'}"


def has_no_gradient(variable):
    return variable.constant or variable.grad is None


def mark(kind, key, known, path):
    later = "" if known else ' class="later"'
    return f'<path{later} data-{kind}="{key}" d="{path}"/>'


MANY_USES = 12


def branches(trace, laid):
    """(i, j) -> the column whose end an edge starts at, for each edge that does not start at its variable.

    Of a variable that is used very often, each edge starts where the one before it turned off, or the
    picture would grow with the square of the uses.
    """
    users = {}
    for j, variable in enumerate(trace.variables):
        for i in dict.fromkeys(variable.inputs):
            users.setdefault(i, []).append(j)
    starts = {}
    for i, many in users.items():
        if len(many) > MANY_USES:
            ordered = sorted(many, key=lambda j: laid.places[j].column)
            for before, j in zip(ordered, ordered[1:], strict=False):
                starts[i, j] = laid.places[before].column - 1
    return starts


def edge_path(i, j, port, trace, laid, drop, start=None):
    start, x = laid.places[i].column if start is None else start, None
    for column in range(start, laid.places[j].column):
        if i in laid.columns[column].enters:  # it comes from a row above
            start, x = column, laid.columns[column].enters[i]
    x_start = laid.columns[start].end if x is None else x
    pen = Pen(x_start, laid.lanes.get((i, start), laid.places[i]).y + drop)
    entrance = pen.y
    pen.across(laid.columns[start].end)
    for column in range(start + 1, laid.places[j].column):
        pen.bend(laid.columns[column].start, laid.lanes[i, column].y + drop)
        pen.across(laid.columns[column].end)
    target = laid.column(j)
    rise = port_rise(j, port, trace, laid)
    reach = target.end - target.trunk - 2 * node_reach(trace.variables[j])
    reach += RADIUS - (RADIUS**2 - rise**2) ** 0.5  # the left end is half a circle
    pen.bend(target.start, laid.places[j].y + rise + drop)
    pen.across(reach - 1)
    if not drop:
        pen.head(1)
    elif x is not None:
        pen.head(-1, x, entrance)
    return pen.path


def port_rise(j, port, trace, laid):
    """How far from the node's middle an edge arrives: its inputs spread, the highest one on top."""
    inputs = trace.variables[j].inputs

    def height(k):
        before = laid.places[inputs[k]]
        lane = laid.lanes.get((inputs[k], laid.places[j].column - 1))
        return ((lane or before).y, k)

    order = sorted(range(len(inputs)), key=height)
    spread = 14.0 if len(inputs) < 3 else 22.0 / (len(inputs) - 1)
    return (order.index(port) - (len(inputs) - 1) / 2) * spread


def nodes(trace, laid, state, step):
    drawn = []
    for j, variable in enumerate(trace.variables):
        if not variable.inputs:
            continue
        column = laid.column(j)
        reach = node_reach(variable)
        x = column.end - column.trunk - reach
        classes = "node" + ("" if j in state.valued else " later")
        classes += " now" if step and j == state.active else ""
        symbol = node_symbol(variable)
        size = 18 if len(symbol) < 3 else 13
        shape = f'<circle r="{RADIUS}"/>'
        if reach > RADIUS:
            shape = (
                f'<rect x="{n(-reach)}" y="{-RADIUS}" width="{n(2 * reach)}" '
                f'height="{2 * RADIUS}" rx="{RADIUS}"/>'
            )
        drawn.append(
            f'<g class="{classes}" data-node="{j}" transform="translate({n(x)} {n(laid.places[j].y)})">'
            f'{shape}<text dy=".35em" font-size="{size}" fill="currentColor" stroke="none">'
            f"{escape(symbol)}</text></g>"
        )
    return "".join(drawn)


def labels(trace, laid, state, step):
    """Names, values and gradients: values above the wire, gradients below it."""
    drawn = []
    for i, variable in enumerate(trace.variables):
        column, y = laid.column(i), laid.places[i].y
        tail = column.end - column.trunk
        middle = (tail + column.end) / 2
        texts = []
        if variable.constant:
            texts.append(number("value", variable.value, tail - 6, y + 5, "end", True))
        else:
            top = y - 8 - block_size(variable.value, laid.page)[1]
            if laid.page.name_over(variable):
                texts.append(name_text(variable.shown, middle, top - 3, "middle", NAME))
            else:
                texts.append(name_text(variable.shown, tail - 6, y + 5, "end", 15))
            texts.append(block(laid.page, "value", variable.value, middle, top, i in state.valued))
            gradient = state.gradients.get(i, variable.grad)
            if gradient is not None:
                known = i in state.gradients
                if trace.is_fork(i):
                    texts.append(fork_text(trace, laid, i, gradient, y + 10, step))
                else:
                    texts.append(block(laid.page, "gradient", gradient, middle, y + 10, known))
            if variable.kept is not None:
                texts.append(
                    kept_block(laid.page, variable, tail, y + KEPT_DROP, i in state.valued)
                )
        for k, further in enumerate(laid.columns):  # its name again, where its wire goes on
            if i in further.enters:
                at = further.enters[i] - 6, laid.lanes[i, k].y + 5
                texts.append(name_text(called(variable), *at, "end", NAME))
        drawn.append(
            f'<g class="variable" data-variable="{escape(variable.name)}" data-index="{i}">'
            f"{''.join(texts)}</g>"
        )
    return "".join(drawn)


def fork_text(trace, laid, i, gradient, top, step):
    """What came back to a variable that is used more than once: the pieces, and their sum."""
    known, (terms, total) = bool(trace.got(i, step)), pieces_of(trace, i, step)
    hidden, column = "" if terms else " hidden", laid.column(i)
    middle = column.end - column.trunk / 2
    text = f'<text class="pieces{hidden}" fill="{GRADIENT}"'
    if np.ndim(gradient):
        under = top + block_size(gradient, laid.page)[1] + 13
        x = n(middle)
        return block(laid.page, "gradient", gradient, middle, top, known) + (
            f'{text} x="{x}" y="{n(under)}" font-size="12"><tspan class="terms"{at_entry(trace, i)}>'
            f'{escape(terms)}</tspan><tspan class="total" x="{x}" dy="{ROW - 2}">{escape(total)}</tspan></text>'
        )
    return (
        f'{text} x="{n(middle)}" y="{n(top + 13)}"><tspan class="terms">{escape(terms and terms + " = ")}</tspan>'
        f'<tspan class="gradient{"" if known else " hidden"}" data-exact="{escape(exact(gradient))}">'
        f"{escape(fit(gradient, NUMBER_ROOM))}</tspan></text>"
    )


def at_entry(trace, i):
    entry = entry_of_pieces(trace, i)
    return "" if entry is None else f' data-entry="{entry}"'


def pieces_on_edges(trace, laid, state):
    """Beside each edge of a fork, the piece of the gradient that comes back along it."""
    drawn = []
    for _, done in trace.numbered():
        if done.phase == "forward" or done.seed:
            continue
        j = done.variable
        for port, (i, share) in enumerate(
            zip(trace.receivers(done), done.contributions, strict=True)
        ):
            if share is None or not has_pieces(trace, i):
                continue
            entry = entry_of_pieces(trace, i)
            piece = share if entry is None else np.ravel(share)[entry]
            x, y, _, bent = piece_place(i, j, port, trace, laid)
            hidden = "" if j in state.returned else ' class="hidden"'
            anchor = ' text-anchor="start"' if bent else ""
            drawn.append(
                f'<text{hidden} data-piece="{j}.{port}" x="{n(x)}" y="{n(y)}"{anchor}>'
                f"{escape(fit(piece, NUMBER_ROOM))}</text>"
            )
    return group_of_pieces("".join(drawn)) if drawn else ""


def piece_place(i, j, port, trace, laid):
    """Where what comes back along an edge of a fork stands, before its node: x, y, its side, and whether the edge is bent.

    It is over the edge (-1) or under it (1), and ends before the arrowhead. If the edge comes from that very side, a
    long number would stand in its bend: so it begins behind the bend, and goes on over or under the node.
    """
    column, y = laid.column(j), laid.places[j].y
    rise = port_rise(j, port, trace, laid)
    before = laid.lanes.get((i, laid.places[j].column - 1), laid.places[i])
    way = 1 if rise > 0 or (rise == 0 and before.y < y) else -1
    if way * (before.y - y - rise) > BEND and not (way == 1 and trace.variables[j].kept):
        return column.start, y + way * RADIUS + (11 if way == 1 else -1), way, True
    x = column.end - column.trunk - 2 * node_reach(trace.variables[j]) - ARROW
    return x, y + rise + (20 if way == 1 else -5), way, False


ARROW = 12  # the room of an arrowhead, before a node
BEND = 4  # pixels: an edge that climbs by more reaches into what stands beside it


def group_of_pieces(body):
    halo = 'paint-order="stroke" stroke="#fff" stroke-width="4" stroke-linejoin="round"'
    return (
        f'<g class="on-edges" fill="{GRADIENT}" font-size="{NAME}" font-weight="600" text-anchor="end" '
        f"{halo}>{body}</g>"
    )


def kept_block(page, variable, right, top, known):
    """What a layer keeps for the way back, under its node."""
    name, value = variable.kept
    middle = right - block_size(value, page)[0] / 2
    return kept_name(name, middle, top - 4, known) + block(page, "kept", value, middle, top, known)


def kept_name(name, x, y, known):
    return (
        f'<text class="name kept-name{"" if known else " hidden"}" x="{n(x)}" y="{n(y)}" font-size="12" '
        f"{PLAIN}>{escape(label('kept', name=name))}</text>"
    )


def name_text(name, x, y, anchor, size):
    whole = f"<title>{escape(name)}</title>" if shorten(name) != name else ""
    return (
        f'<text class="name" x="{n(x)}" y="{n(y)}"{anchored(anchor)} font-size="{size}" '
        f"{PLAIN}>{escape(shorten(name))}{whole}</text>"
    )


PLAIN = 'fill="currentColor" font-weight="400"'


def anchored(anchor):
    return "" if anchor == "middle" else f' text-anchor="{anchor}"'


def coloured(kind):
    """Values have their colour from the group that they stand in."""
    return f' fill="{GRADIENT}"' if kind == "gradient" else ""


def number(kind, value, x, y, anchor, known):
    hidden = "" if known else " hidden"
    return (
        f'<text class="{kind}{hidden}" data-exact="{escape(exact(value))}" x="{n(x)}" y="{n(y)}"'
        f"{anchored(anchor)}{coloured(kind)}>{escape(fit(value, NUMBER_ROOM))}</text>"
    )


def block(page, kind, value, middle, top, known):
    """A value or a gradient under its top edge: a number, a grid of numbers, or a summary."""
    rows = grid(value)
    steps, room = ((), 0) if rows is None else (cell_widths(rows, page), cell_room(rows, page))
    return drawn_block(kind, value, rows, block_size(value, page), middle, top, known, steps, room)


def chain_block(kind, value, place, top, known):
    """As `block`, in the closer grid of a network."""
    rows, size = row.rows_of(value) if place.cell else None, row.size_of(value, place.cell)
    steps = () if rows is None else [place.cell] * rows.shape[1]
    return drawn_block(kind, value, rows, size, place.middle, top, known, steps, place.room)


def drawn_block(kind, value, rows, size, middle, top, known, steps, room):
    """`rows` as a grid with columns of these widths, and `room` characters a number; None: a summary."""
    if np.ndim(value) == 0:
        return number(kind, value, middle, top + 13, "middle", known)
    (width, height), box = size, ""
    left, right = middle - width / 2, middle + width / 2
    if rows is None:
        body = summarised(value, middle, top)
    else:
        box = f' data-room="{room}" data-columns="{rows.shape[1]}"'
        box += f' data-box="{n(left + 5)} {n(top)} {" ".join(map(str, steps))}"'
        ends = np.cumsum(steps)
        body = bracket(left, top, height, 4) + bracket(right, top, height, -4)
        body += "".join(
            f'<text data-cell="{r},{c}" x="{n(left + 2 + ends[c])}" '
            f'y="{n(top + ROW * r + 13)}">{escape(fit(entry, room))}</text>'
            for r, entries in enumerate(rows)
            for c, entry in enumerate(entries)
        )
    return (
        f'<g class="{kind}{"" if known else " hidden"}" data-exact="{escape(exact(value))}"{box}'
        f'{coloured(kind)} font-size="{GRID}" text-anchor="end">{body}</g>'
    )


def bracket(x, top, height, lip):
    path = f"M{n(x + lip)} {n(top + 1)}H{n(x)}V{n(top + height)}H{n(x + lip)}"
    return f'<path class="bracket" fill="none" stroke="currentColor" d="{path}"/>'


def summarised(value, middle, top):
    """A large array: shape, range, and a heat picture, darkest where the number is largest."""
    lines = "".join(
        f'<text data-line="{k}" x="{n(middle)}" y="{n(top + ROW * k + 13)}" text-anchor="middle">'
        f"{escape(line)}</text>"
        for k, line in enumerate(summary(value))
    )
    rows, columns, paths = heat(value)
    scale = min(HEAT_HEIGHT / rows, 60 / columns)
    x, y = middle - scale * columns / 2, top + 2 * ROW + 2
    levels = "".join(
        f'<path data-level="{k}" fill-opacity="{(k + 1) / HEAT_LEVELS:.2f}" d="{path}"/>'
        for k, path in enumerate(paths)
    )
    place = f"translate({n(x)} {n(y)}) scale({scale:.3f})"
    return f'{lines}<g class="heat" transform="{place}" shape-rendering="crispEdges">{levels}</g>'


HEAT_LEVELS = 6
HEAT_CELLS = 24  # at most, along each axis; a larger array is shown by means of neighbours


def heat(value):
    """Rows, columns, and a path of unit squares for each level; the page's script does the same."""
    width = np.shape(value)[-1]
    height = np.size(value) // max(width, 1)
    rows, columns = (max(1, min(size, HEAT_CELLS)) for size in (height, width))
    sums, counts = np.zeros((rows, columns)), np.zeros((rows, columns))
    for (r, c), entry in np.ndenumerate(np.reshape(value, (height, width))):
        sums[r * rows // height, c * columns // width] += entry
        counts[r * rows // height, c * columns // width] += 1
    means = sums / np.maximum(counts, 1)
    finite = means[np.isfinite(means)]
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 0.0)
    paths = [""] * HEAT_LEVELS
    for (r, c), mean in np.ndenumerate(means):
        share = (mean - low) / (high - low) if high > low and np.isfinite(mean) else mean > high
        paths[int(min(share * HEAT_LEVELS, HEAT_LEVELS - 1))] += f"M{c} {r}h1v1h-1z"
    return rows, columns, paths


# ---------------------------------------------------------------- a network: its layers along a line

EDGE = 11  # room around the picture of a network


def draw_chain(trace, chain, step, title, style, legend):
    state = state_after(trace, len(trace) if step is None else step)
    lines = legend_lines(chain.width) if legend else []
    width = max(chain.width, LEGEND_WIDTH if legend else 0) + 2 * EDGE
    below = LEGEND_HEIGHT * len(lines)
    body = "".join(
        [
            group("edges", VALUE, chain_edges(trace, chain, state, back=False)),
            group("backs", GRADIENT, chain_edges(trace, chain, state, back=True)),
            group("nodes", "currentColor", chain_boxes(trace, chain, state, step)),
            f'<g class="variables" fill="{VALUE}" font-weight="600">',
            chain_labels(trace, chain, state),
            "</g>",
            legend_text(lines, chain.height + below - EDGE),
        ]
    )
    return svg(trace, body, width, chain.height + below + 2 * EDGE, EDGE, title, style, 13, 1)


def chain_edges(trace, chain, state, back):
    """Along the line, and from each parameter down or up to its layer; the way back a little beside."""
    drawn, drop = [], 6 if back else 0
    hidden = {i for i, v in enumerate(trace.variables) if back and has_no_gradient(v)}
    known = state.gradients if back else state.valued

    def wire(i, path):
        if i not in hidden:
            drawn.append(mark("wire", f"{i}", i in known, path))

    def edge(i, j, port, path, word):
        """word   where the local derivative is written: x, y, and how it is anchored there"""
        if i not in hidden:
            done = j in (state.returned if back else state.valued)
            path = path if back else f'{path}" data-word="{word}'
            drawn.append(mark("edge", f"{j}.{port}", done, path))

    starts = [0.0, *(box.x + box.reach for box in chain.boxes)]
    for start, block, box in zip(starts, chain.line, [*chain.boxes, None], strict=True):
        end = block.middle + block.width / 2
        pen = Pen(end, chain.y + drop)
        pen.across(start + back)
        if back:
            pen.head(-1)
        wire(block.variable, pen.path)
        if box is not None:
            pen = Pen(end, chain.y + drop)
            pen.across(box.x - box.reach - 1)
            if not back:
                pen.head(1)
            gradient = trace.variables[block.variable].grad
            under = 0 if gradient is None else row.size_of(gradient, block.cell)[1]
            word = f"{n(end)} {n(chain.y + 22 + max(under, row.REACH))} end"
            port = row.port_of_line(trace, box.variable)
            edge(block.variable, box.variable, port, pen.path, word)
    for box in chain.boxes:
        ports = {i: k for k, i in enumerate(trace.variables[box.variable].inputs)}
        for way, beside in ((1, box.above), (-1, box.below)):
            blocks = [block for block in beside if not block.kept]
            for k, block in enumerate(blocks):
                start = block.top + block.height if way == 1 else block.top
                turn, stop = start + 4 * way, chain.y - (row.REACH + 1) * way
                across = box.x + (k - (len(blocks) - 1) / 2) * 14
                x, there, half = block.middle + drop, across + drop, (turn + stop) / 2
                wire(block.variable, f"M{n(x)} {n(start)}V{n(turn)}" + (up(way) if back else ""))
                bend = f"C{spaced(*map(round, (x, half, there, half, there, stop)))}"
                path = f"M{n(x)} {n(turn)}" + (f"V{n(stop)}" if round(x) == round(there) else bend)
                height = chain.y - chain.over + 12 if way == 1 else chain.y + chain.under - 4
                word = f"{n(across + 12)} {n(height)} start"
                path += "" if back else down(way)
                edge(block.variable, box.variable, ports[block.variable], path, word)
    return "".join(drawn)


def down(way):
    """An arrowhead at the end of a path that goes down (1) or up (-1)."""
    return f"m{spaced(-3.5, -6 * way)}l{spaced(3.5, 6 * way, 3.5, -6 * way)}"


def up(way):
    return down(-way)


def chain_boxes(trace, chain, state, step):
    drawn = []
    for box in chain.boxes:
        classes = "node" + ("" if box.variable in state.valued else " later")
        classes += " now" if step and box.variable == state.active else ""
        first = 0.35 - 0.55 * (len(box.lines) - 1)
        words = "".join(
            f'<tspan x="0" dy="{first if k == 0 else 1.1:.2f}em">{escape(line)}</tspan>'
            for k, line in enumerate(box.lines)
        )
        drawn.append(
            f'<g class="{classes}" data-node="{box.variable}" transform="translate({n(box.x)} {n(chain.y)})">'
            f'<rect x="{n(-box.reach)}" y="{-row.REACH}" width="{n(2 * box.reach)}" '
            f'height="{2 * row.REACH}" rx="10"/>'
            f'<text font-size="12" fill="currentColor" stroke="none">{words}</text></g>'
        )
    return "".join(drawn)


def chain_labels(trace, chain, state):
    along = {block.variable: block for block in chain.line}
    beside = {b.variable: b for box in chain.boxes for b in box.above + box.below if not b.kept}
    kept = {b.variable: b for box in chain.boxes for b in box.below if b.kept}
    drawn = []
    for i, variable in enumerate(trace.variables):
        place = along.get(i) or beside[i]
        valued, gradient = i in state.valued, state.gradients.get(i, variable.grad)
        height = row.size_of(variable.value, place.cell)[1]
        if i in along:
            top, under = chain.y - 8 - height, chain.y + 10
        else:
            top, under = place.top + 16, place.top + 18 + height
        texts = []
        if not variable.constant:
            texts.append(name_text(variable.shown, place.middle, top - 4, "middle", 12))
        else:
            gradient = None
        texts.append(chain_block("value", variable.value, place, top, valued))
        if gradient is not None:
            texts.append(chain_block("gradient", gradient, place, under, i in state.gradients))
        if i in kept:
            name, value = variable.kept
            texts.append(kept_name(name, kept[i].middle, kept[i].top + 12, valued))
            texts.append(chain_block("kept", value, kept[i], kept[i].top + 16, valued))
        drawn.append(
            f'<g class="variable" data-variable="{escape(variable.name)}" data-index="{i}">'
            f"{''.join(texts)}</g>"
        )
    return "".join(drawn)


def exact(value):
    """The full-precision number, as JSON text; NaN and infinities by name."""
    if np.ndim(value):
        return "[" + ",".join(exact(v) for v in value) + "]"
    value = float(value)
    if np.isfinite(value):
        return repr(value).removesuffix(".0")
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"


def sentence_html(trace, step):
    """The narration of a step as markup: the numbers wear their colours, all else is text."""
    title, parts = trace.title_and_parts(step)
    said = "".join(
        f'<span class="{kind}">{escape(text)}</span>' if kind else escape(text)
        for kind, text in parts
    )
    return f"<b>{escape(title)}</b> {said}"


def table_html(trace):
    """All steps as a table: what the picture shows, for reading, for print and without script."""
    rows = []
    for step, done in trace.numbered():
        out = trace.variables[done.variable]
        rows.append(
            f'<tr><th scope="row">{step}</th><td>{escape(label(done.phase))}</td>'
            f"<td>{escape(out.shown)}</td><td>{escape(trace.sentence(step))}</td></tr>"
        )
    columns = ("column.step", "column.phase", "column.variable", "column.said")
    head = "".join(f'<th scope="col">{escape(label(name))}</th>' for name in columns)
    return (
        f'<details class="chainrule-table"><summary>{escape(label("table", last=len(trace)))}'
        f"</summary><table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
        "</details>"
    )


def both_pictures(trace, title):
    """The picture, and after it the one for a phone, where that is of use and its page can hold it."""
    wide, narrow = lay_out(trace), lay_out(trace, PHONE)
    picture = draw(trace, title=title, laid=wide)
    if wide.narrowest > PHONE.width >= narrow.narrowest:
        picture += draw_graph(trace, narrow, None, title, False, False)
    return picture


def figure_html(
    trace,
    title="Computational graph",
    caption=None,
    step=0,
    open_inputs=(),
    level="layers",
    cell=None,
):
    """The whole figure, without script or style: picture, sentence, table, and the trace itself.

    level   of a network's trace: "layers" or "nodes"; the other one is there too, in a template
    cell    (row, column) of the entry of an array that is written out first, or None
    """
    shown = trace.nodes if level == "nodes" and trace.nodes is not None else trace
    other = None if trace.nodes is None else trace if shown is trace.nodes else trace.nodes
    phase = shown.steps[step - 1].phase if step else "start"
    spare = (
        ""
        if other is None
        else f"<template>{both_pictures(other, title)}{table_html(other)}</template>"
    )
    return (
        f'<figure class="chainrule-stepper" data-step="{step}" data-steps="{len(shown)}" '
        f'data-phase="{phase}" data-level="{level_of(trace, shown)}" aria-label="{escape(title)}">'
        f'<div class="chainrule-scroll">{both_pictures(shown, title)}</div>'
        f'<p class="chainrule-sentence" role="status">{sentence_html(shown, step)}</p>'
        f"{caption_html(caption)}{legend_html()}{table_html(shown)}{spare}"
        f'<script type="application/json" class="chainrule-trace">'
        f"{figure_json(trace, open_inputs, shown is trace, cell)}</script></figure>"
    )


def level_of(trace, shown):
    """What a step is: "layers" or "nodes". A network that cannot be written out in nodes has its layers alone."""
    return "layers" if shown is trace and " loss" in trace.code else "nodes"


def caption_html(caption):
    """The line under a picture and its sentence, before what unfolds; or nothing."""
    return f'<p class="chainrule-caption">{escape(caption)}</p>' if caption else ""


def legend_html():
    """The same legend for a page that is printed, or has no script."""
    parts = (
        f'<span class="{name}">{escape(label(f"legend.{name}"))}</span>'
        for name in ("value", "gradient")
    )
    return f'<p class="chainrule-legend">{" · ".join(parts)} {escape(label("legend.rule"))}</p>'


def figure_json(trace, open_inputs, as_recorded, cell):
    """What the script needs: the trace, the level shown, and the inputs that may be changed."""
    level = level_of(trace, trace if as_recorded else trace.nodes)
    extra = {"level": level, "open": list(open_inputs)} | ({"cell": cell} if cell else {})
    extra = json.dumps(extra, ensure_ascii=False)
    return harmless(f'{{"trace":{trace.to_json()},{extra[1:]}')


def harmless(json_text):
    """The same JSON without signs that could be markup, or end a comment."""
    return json_text.replace("<", "\\u003c").replace(">", "\\u003e")

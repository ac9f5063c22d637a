"""Where things stand: a layered layout of a computational graph, from left to right.

Columns first, then the order within each column, then heights, then widths. Edges that pass a column
get a lane of their own in it, so no edge ever runs through a node or a label. A picture that is wider
than its page goes on in another row, as a text does; the page of a phone holds two columns or three.
`drawing` draws what is computed here; nothing else lays anything out.
"""

import unicodedata
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from math import floor

import numpy as np

from chainrule.narration import SUPERSCRIPT, display, fit, label, pieces

RADIUS = 19  # of a node
# Between columns, where edges bend: least and most, in one row and in several.
GAP = (42, 84), (24, 40)
RUN_IN = 46, 28  # before a node, and at least: what comes back from it to a fork stands there
WIRE = 60, 48  # a wire is at least so long
NAME = 13.5  # the size of a result's name, and of what stands on an edge
GOES_ON, ENTERS = 12, 24  # its wire, behind the last column of a row and before the first one
BETWEEN = 12  # two rows
ROW = 17  # the height of a line of numbers
GRID = 12  # the size of a number in a grid
NUMBER_ROOM = 7  # characters that a number on a wire may have
BOLD = 0.66  # the width of a bold digit, in em, in most fonts
WIDE = {"−": 0.84, ".": 0.38}  # of signs in the widest of the usual fonts, and of all others 0.7
CLEAR = 7  # pixels between two numbers of a grid
LARGEST_GRID = 8  # rows or columns; a larger array shows shape, range and a heat picture
HEAT_HEIGHT = 36
KEPT_LABEL = "keeps mask"
KEPT_DROP = 42  # from a wire to the top of what its layer keeps
NAME_LENGTH = 18  # a longer name is cut in the picture, with its whole text as a tooltip


@dataclass(frozen=True)
class Page:
    """What a picture is laid out for.

    width     of the page, in pixels
    margin    around a picture
    smallest  how far a picture may shrink before it scrolls: no letter is then smaller than 12 pixels
    rows      a picture may have, of this height at most; one that would need more scrolls to the side
    over      values that one row hands to the next, at most
    cell      characters that a cell of a grid holds at least, and at most
    clear     pixels between a number of a grid and the one on its left
    beside    whether the name of a leaf stands before its wire; else it stands over it, as a result's does
    """

    width: int
    margin: int
    smallest: float
    rows: int
    tallest: int
    over: int
    cell: tuple
    clear: int
    beside: bool

    def name_over(self, variable):
        return bool(variable.inputs) or not self.beside


DESK = Page(715, 12, 0.9, 4, 1500, 3, (4, 5), CLEAR, True)
PHONE = Page(345, 3, 0.9, 12, 2400, 5, (3, 4), 4, False)


@dataclass
class Place:
    """A variable, or the lane of an edge that passes by, in one column.

    variable     its index in the trace
    column       from 0, left to right
    lane         True for a passing edge
    above, below the room it wants over and under its wire
    pull         how strongly it is drawn to its neighbours, and they to it: leaves least
    y            the height of its wire
    """

    variable: int
    column: int
    lane: bool
    above: float
    below: float
    pull: float
    y: float = 0.0
    left: list = field(default_factory=list)  # the places its edges come from
    right: list = field(default_factory=list)


@dataclass
class Column:
    """start and end: between them stand nodes, names and wires; edges bend in the gap after end.

    enters   in the first column of a further row: variable -> where its wire begins there, with its name before it
    """

    places: list
    trunk: float = 0.0
    start: float = 0.0
    end: float = 0.0
    enters: dict = field(default_factory=dict)


@dataclass
class Layout:
    """Where everything stands on a page.

    columns  of all rows, from left to right and from the top down
    places   of each variable
    lanes    (variable, column) -> the Place where its edge passes that column
    least    how far it may shrink before it scrolls
    """

    page: Page
    columns: list
    places: list
    lanes: dict
    least: float

    def column(self, i):
        """The column of a variable."""
        return self.columns[self.places[i].column]

    @property
    def going_on(self):
        """The variables whose wires go on in another row."""
        return {i for column in self.columns for i in column.enters}

    @property
    def width(self):
        ends = (self.column(i).end + GOES_ON for i in self.going_on)
        return max([*ends, *(column.end for column in self.columns)])

    @property
    def height(self):
        return max(place.y + place.below for place in [*self.places, *self.lanes.values()])

    @property
    def narrowest(self):
        """The width of the page that it needs, with its margins."""
        return self.least * (self.width + 2 * self.page.margin)


def text_width(text, size):
    """A generous guess at the width of a text in pixels: wide characters count as one em."""
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return size * (0.6 * (len(text) - wide) + 1.0 * wide)


def shorten(name):
    return name if len(name) <= NAME_LENGTH else name[: NAME_LENGTH - 1] + "…"


def column_numbers(variables, cuts=()):
    """Each node right of all its inputs; each leaf just left of the first node that uses it.

    cuts   columns that end a row: the next row begins with a column more, where its wires come in
    """
    numbers = []
    for variable in variables:
        numbers.append(max((numbers[i] + 1 for i in variable.inputs), default=0))
    numbers = [number + bisect_left(cuts, number) for number in numbers]
    for i, variable in enumerate(variables):
        if not variable.inputs:
            users = [numbers[j] for j, v in enumerate(variables) if i in v.inputs]
            numbers[i] = min(users, default=1) - 1
    return numbers


def lay_out(trace, page=DESK):
    """The `Layout` of a trace: in one row, or in a few."""
    found = in_rows(trace, page)
    limit = page.width / found.least - 2 * page.margin
    if found.width <= limit or len(found.columns) > MOST_COLUMNS:
        return found
    one_row, aim, cuts = in_rows(trace, page, close=True), limit, ()
    for _ in range(TRIALS):
        tried = (in_rows(trace, page, cuts, True, run_in) for run_in in RUN_IN)
        rows = next((rows for rows in tried if rows.width <= limit), None)
        if rows and rows.height <= page.tallest:
            return rows
        cuts = None if rows else best_cuts(trace, one_row.columns, aim, page)
        if cuts is None:
            break
        aim -= NARROWER
    return in_rows(trace, page, close=True, run_in=RUN_IN[0])  # what scrolls has room


MOST_COLUMNS, TRIALS = 30, 6  # of a picture that is tried in rows
NARROWER = 8  # pixels: rows that came out too wide are aimed at less


def least_scale(trace, page):
    """How far a picture may shrink before it scrolls: not at all where digits are small already."""
    grids = (np.ndim(v.value) > 0 and grid(v.value) is not None for v in trace.variables)
    return 1.0 if any(grids) else page.smallest


def best_cuts(trace, columns, limit, page):
    """The columns after which a row ends: the fewest rows, then the fewest values handed over, then equal widths.

    columns   those of one row; None where no cuts make rows that are narrow enough
    """
    numbers, last = column_numbers(trace.variables), len(columns) - 1
    edges = {(i, j) for j, v in enumerate(trace.variables) for i in v.inputs}
    # A cut -> where its row begins, with room for what enters it; and rows before it, values handed over, the widest, all cuts.
    begins, best = {-1: 0.0}, {-1: (0, 0, 0.0, ())}
    for cut in range(1, last + 1):
        end, found = columns[cut].end + GOES_ON * (cut < last), []
        for before, (rows, handed, widest, cuts) in best.items():
            wide = end - begins[before]
            if wide <= limit and rows < page.rows:
                found.append((rows + 1, handed, max(widest, wide), (*cuts, cut)))
        if cut == last:
            return min(found)[3][:-1] if found else None
        passing = {i for i, j in edges if numbers[i] <= cut < numbers[j]}
        moved = {i for i in passing if not trace.variables[i].inputs and numbers[i] == cut}
        over = passing - moved  # a leaf that the next row uses first stands in it
        if found and len(over) <= page.over:
            rows, handed, *rest = min(found)
            best[cut] = (rows, handed + len(over), *rest)
            leaves = [trace.variables[i] for i in moved]
            wide = [head_width(trace, v, 0, page) + wire_width(v, WIRE[True], page) for v in leaves]
            begins[cut] = columns[cut].end - max([room_to_enter(trace, over), *wide])
    return None


def room_to_enter(trace, variables):
    """The room at the left of a row for the wires of values from the rows above, and their names."""
    return max((name_width(trace.variables[i]) + ENTERS for i in variables), default=0.0)


def in_rows(trace, page, cuts=(), close=False, run_in=None):
    """A `Layout` with a new row after each column of `cuts`; `close` says whether gaps are smaller."""
    run_in = RUN_IN[close] if run_in is None else run_in
    numbers = column_numbers(trace.variables, cuts)
    starts = [0, *(cut + k + 1 for k, cut in enumerate(cuts))]
    places, lanes = [], {}
    columns = [Column([]) for _ in range(max(numbers) + 1)]
    for i, variable in enumerate(trace.variables):
        above, below = room(variable, page)
        if trace.is_fork(i) and np.ndim(variable.grad):
            below += 2 * ROW
        pull = 1.0 if variable.inputs else 0.05
        places.append(Place(i, numbers[i], False, above, below, pull))
        columns[numbers[i]].places.append(places[i])
    for j, variable in enumerate(trace.variables):
        for i in dict.fromkeys(variable.inputs):
            first = starts[bisect_right(starts, places[j].column) - 1]
            connect(i, places, places[j], lanes, columns, first)
    order_columns(columns)
    top = 0.0
    for start, end in zip(starts, [*starts[1:], len(columns)], strict=True):
        row = columns[start:end]
        coming = [place for place in row[0].places if place.lane]  # lanes that begin here
        set_heights(row, range(start, end), top)
        left = room_to_enter(trace, [place.variable for place in coming])
        set_widths(trace, page, row, left, close, run_in)
        row[0].enters = {place.variable: left - ENTERS for place in coming}
        top = max(place.y + place.below for column in row for place in column.places) + BETWEEN
    return Layout(page, columns, places, lanes, least_scale(trace, page))


def under(gradient):
    """More room under a gradient: the local derivative that it was multiplied by stands there."""
    return 14 if np.ndim(gradient) else 10


def room(variable, page):
    """The room over and under the wire: for the value and a result's name, and for the gradient."""
    if variable.constant:
        return 14.0, 14.0
    name = 17.0 if page.name_over(variable) else 0.0
    gradient = 0.0 if variable.grad is None else block_size(variable.grad, page)[1]
    below = 16.0 + max(gradient, ROW)
    if variable.grad is not None:
        below += under(variable.grad)
    if variable.kept is not None:  # it hangs under its node
        below = max(below, KEPT_DROP + block_size(variable.kept[1], page)[1] + 10)
    return 14.0 + block_size(variable.value, page)[1] + name, below


def grid(value):
    """A small array as rows of numbers, a vector as one row; None for what is shown as a summary.

    More axes than two are shown under one another: the channels of an image, say.
    """
    if np.ndim(value) == 0 or np.size(value) == 0:
        return None
    rows = np.reshape(value, (-1, np.shape(value)[-1]))
    return rows if max(rows.shape) <= LARGEST_GRID else None


def cell_room(rows, page):
    """How many characters each number of a grid may have: enough for three digits of these, if `page` can hold them."""
    least, most = page.cell
    texts = (fit(v, most) if len(display(v, 3)) > most else display(v, 3) for v in rows.flat)
    return max(least, *map(len, texts))


def cell_widths(rows, page):
    """The width of each column of a grid: of its longest number, and some clear space."""
    room, least = cell_room(rows, page), GRID * BOLD * page.cell[0] + 3
    widths = (widest_number(column, room, GRID) + page.clear for column in rows.T)
    return [round(max(least, width)) for width in widths]


def widest_number(rows, room, size):
    """The width in pixels of the longest of some numbers, in the widest of the usual fonts."""
    return size * max(sum(WIDE.get(c, 0.7) for c in fit(v, room)) for v in rows.flat)


def block_size(value, page):
    """Width and height of a value or gradient as it is drawn: a number, a grid, or a summary."""
    if np.ndim(value) == 0:
        return 15 * BOLD * max(4, len(fit(value, NUMBER_ROOM))) + 8, ROW
    rows = grid(value)
    if rows is not None:
        return sum(cell_widths(rows, page)) + 10, rows.shape[0] * ROW
    return max(GRID * BOLD * len(line) for line in summary(value)) + 10, 2 * ROW + HEAT_HEIGHT + 4


def summary(value):
    """What is said of a large array: its shape, and its smallest and largest number."""
    if np.size(value) == 0:
        return display(value), label("empty")
    return display(value), f"{display(np.min(value), 2)} … {display(np.max(value), 2)}"


def connect(i, places, target, lanes, columns, first):
    """Join variable i to its user, by way of a lane in each column between them.

    first   the column at which the user's row begins: the lanes of a value from another row begin there
    """
    previous = places[i] if places[i].column >= first else None
    for column in range(max(places[i].column + 1, first), target.column):
        if (i, column) not in lanes:
            lanes[i, column] = Place(i, column, True, 12, 16, 2.0)
            columns[column].places.append(lanes[i, column])
            if previous:
                previous.right.append(lanes[i, column])
                lanes[i, column].left.append(previous)
        previous = lanes[i, column]
    previous.right.append(target)
    target.left.append(previous)


def order_columns(columns):
    """Sort each column by the mean position of its neighbours, to and fro; keep the best order."""
    rank = {id(p): k for column in columns for k, p in enumerate(column.places)}
    best, fewest = [list(column.places) for column in columns], crossings(columns)
    for sweep in range(12):
        side = "left" if sweep % 2 == 0 else "right"
        for column in columns if side == "left" else reversed(columns):
            means = {}
            for place in column.places:
                near = [rank[id(p)] for p in getattr(place, side)]
                means[id(place)] = sum(near) / len(near) if near else rank[id(place)]
            column.places.sort(key=lambda place, means=means: means[id(place)])
            rank.update((id(p), k) for k, p in enumerate(column.places))
        now = crossings(columns)
        if now < fewest:
            best, fewest = [list(column.places) for column in columns], now
        if fewest == 0:
            break
    for column, places in zip(columns, best, strict=True):
        column.places = places


def crossings(columns):
    """How many pairs of edges cross, over all gaps."""
    count = 0
    for before, after in zip(columns, columns[1:], strict=False):
        rank = {id(p): k for k, p in enumerate(after.places)}
        ends = [
            rank[id(q)] for p in before.places for q in sorted(p.right, key=lambda q: rank[id(q)])
        ]
        count += sum(ends[a] > ends[b] for a in range(len(ends)) for b in range(a + 1, len(ends)))
    return count


def set_heights(columns, numbers, top):
    """Move every place towards its neighbours in the row, keeping the order and the room between.

    numbers   those of the columns, which are a row; top is where it begins
    """
    for column in columns:
        y = 0.0
        for place in column.places:
            y += place.above
            place.y = y
            y += place.below
    for sweep in range(24):
        sides = ("left",) if sweep % 3 == 0 else ("right",) if sweep % 3 == 1 else ("left", "right")
        for column in columns if sweep % 2 == 0 else reversed(columns):
            wanted, weights = [], []
            for place in column.places:
                near = [p for side in sides for p in getattr(place, side) if p.column in numbers]
                pull = sum(p.pull for p in near)
                wanted.append(sum(p.y * p.pull for p in near) / pull if near else place.y)
                weights.append(place.pull * (pull + 0.1))
            settle(column.places, wanted, weights)
    shift = top - min(p.y - p.above for c in columns for p in c.places)
    for column in columns:
        for place in column.places:
            place.y = floor(place.y + shift + 0.5)  # the same way for all: distances stay


def settle(places, wanted, weights):
    """Give each place its wanted height as nearly as the room between allows (least squares).

    With the room taken off, heights may only rise: pooling neighbours that would fall is exact.
    """
    room, offsets = 0.0, []
    for before, place in zip([None, *places], places, strict=False):
        room += 0.0 if before is None else before.below + place.above
        offsets.append(room)
    pools = []
    for want, offset, weight in zip(wanted, offsets, weights, strict=True):
        pools.append([want - offset, weight, 1])
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            height, weight, count = pools.pop()
            last = pools[-1]
            last[0] = (last[0] * last[1] + height * weight) / (last[1] + weight)
            last[1] += weight
            last[2] += count
    heights = [height for height, _, count in pools for _ in range(count)]
    for place, height, offset in zip(places, heights, offsets, strict=True):
        place.y = height + offset


def set_widths(trace, page, columns, left, close, run_in):
    """The first column may begin under the names of what enters it, which end at `left`."""
    x = 0.0
    for column in columns:
        own = [trace.variables[p.variable] for p in column.places if not p.lane]
        widths = [wire_width(v, WIRE[close], page) for v in own]
        sums = [pieces_width(trace, p.variable) for p in column.places if not p.lane]
        column.trunk = round(max([*widths, *sums], default=0.0))
        heads = [head_width(trace, v, run_in, page) for v in own]
        column.start, column.end = x, x + round(max(heads, default=0.0) + column.trunk)
        column.end, left = max(column.end, round(left)), 0.0
        x = column.end + gap_after(column, close)


def gap_after(column, close):
    """The room where edges bend, wider where they climb far: a steep line is hard to follow."""
    climbs = [abs(place.y - user.y) for place in column.places for user in place.right]
    least, most = GAP[close]
    return round(min(max(least, 0.3 * max(climbs, default=0.0)), most))


def head_width(trace, variable, run_in, page):
    """The room at the left end of a wire: for a leaf's name, or a node, what its layer keeps, and what is written before it."""
    if not variable.inputs:
        return 0.0 if page.name_over(variable) and not variable.constant else name_width(variable)
    kept = 0.0 if variable.kept is None else block_size(variable.kept[1], page)[0]
    before = run_in * any(map(trace.is_fork, variable.inputs))
    return max(2 * node_reach(variable) + before, kept, text_width(KEPT_LABEL, 12) if kept else 0.0)


def has_pieces(trace, i):
    """Whether what comes back to a variable along each of its edges is a number that can stand there."""
    gradient = trace.variables[i].grad
    if gradient is None or not trace.is_fork(i):
        return False
    return np.ndim(gradient) == 0 or entry_of_pieces(trace, i) is not None


def wire_width(variable, least, page):
    """The room for the name, the value and the gradient over and under the wire."""
    if variable.constant:
        return 10.0
    blocks = [block_size(v, page)[0] for v in (variable.value, variable.grad) if v is not None]
    name = text_width(shorten(variable.shown), NAME) if page.name_over(variable) else 0.0
    return max(least, name + 10, *blocks)


def pieces_width(trace, i):
    """The room for what came back to a fork: 6 + 5 = 11; of arrays the sum has a line of its own."""
    terms, total = pieces_of(trace, i, len(trace))
    if np.ndim(trace.variables[i].grad):
        return text_width(terms, 12) - 3 * terms.count(" ")  # a space is narrow in every font
    return text_width(terms + total, 15) * 1.05 + 6 if terms else 0.0


def pieces_of(trace, i, step):
    """What has come back to a fork by this step, and the sum, in words: ("6 + 5", " = 11"), or two empty texts.

    Of an array both are at one entry, if its numbers are drawn.
    """
    got = trace.got(i, step) if trace.is_fork(i) else []
    if len(got) < 2:
        return "", ""
    return pieces([share for _, share, _ in got], got[-1][2], entry_of_pieces(trace, i))


def entry_of_pieces(trace, i):
    """The entry (flat) at which the pieces of an array's gradient are shown: one with no zero among them, or the first.

    None for a number, and for an array that is drawn as a summary.
    """
    if np.ndim(trace.variables[i].grad) == 0 or grid(trace.variables[i].grad) is None:
        return None
    nonzero = np.all([share != 0 for _, share, _ in trace.got(i, len(trace))], axis=0)
    return int(np.argmax(nonzero))


def node_reach(variable):
    """Half the width of a node: a circle, or a longer pill for a longer symbol."""
    symbol = node_symbol(variable)
    narrow = len(symbol.replace("(·)", "··")) < 4
    return RADIUS if narrow else max(RADIUS, text_width(symbol, 13) / 2 + 8)


def node_symbol(variable, whole=True):
    """What stands in a node; of a layer its name, Affine1, or, if that is not to be `whole`, its kind."""
    exponent = variable.options.get("exponent")
    if exponent is None:
        symbol = variable.symbol or variable.op
        named = whole and variable.letter and variable.name.startswith(symbol)
        return shorten(variable.name if named else symbol)
    text = display(exponent)
    if text == "0.5":
        return "√"
    raised = text.translate(SUPERSCRIPT)
    whole = set(text) <= set("−0123456789")
    return f"(·){raised}" if whole else f"(·)^{text}"  # the dot is whatever comes in


def name_width(variable):
    text = fit(variable.value, NUMBER_ROOM) if variable.constant else shorten(variable.shown)
    return text_width(text, 15) + 8

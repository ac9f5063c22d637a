"""Where the layers of a network stand: one line from left to right, and each layer's parameters over and under it.

The general layout gives every leaf a column of its own, and a network of two layers is then wider than a
page. Here only what the layers hand on takes room along the line. `drawing` draws what is computed here.
"""

import re
from dataclasses import dataclass, field
from math import ceil

import numpy as np

from chainrule.layout import (
    CLEAR,
    HEAT_HEIGHT,
    LARGEST_GRID,
    ROW,
    grid,
    node_symbol,
    shorten,
    summary,
    text_width,
    widest_number,
)
from chainrule.narration import display, fit, label

SIZE = 12  # of a digit in a grid, in pixels; smaller ones are hard to read
REACH = 17  # half the height of a layer's box
WIRE = 5  # from a box to the numbers that leave it
ARROW, HEAD = 12, 6  # from the numbers to the next box, and where there is hardly any room
BESIDE = 8  # between the blocks over or under two boxes
WIDEST = 692  # of a picture in a book, with its margins 714; the grids of a wider one are shown as summaries
FEW = 3  # columns of a grid that always shows its numbers
NUMBERS = 7  # characters of a single number
CLOSE, CLOSEST = (
    6,
    1,
)  # pixels between two numbers of a grid, where there is little room, and hardly any


@dataclass
class Block:
    """A variable's name, value and gradient, or what a layer keeps: `middle` and `top` of all of it."""

    variable: int
    width: float
    height: float
    room: int = 4  # at most so many characters a number of a grid
    cell: int = 0  # its width; 0: shape and range instead of numbers
    middle: float = 0.0
    top: float = 0.0
    kept: bool = False


@dataclass
class Box:
    """A layer: its middle, half its width, and what stands over and under it."""

    variable: int
    lines: list
    reach: float
    x: float = 0.0
    above: list = field(default_factory=list)
    below: list = field(default_factory=list)


@dataclass
class Chain:
    """The whole: `line` are the blocks along it, the input and each box's output; y is the line's height."""

    line: list
    boxes: list
    y: float = 0.0
    over: float = (
        0.0  # from the line up to what stands over the boxes, and down to what stands under them
    )
    under: float = 0.0
    width: float = 0.0
    height: float = 0.0


def is_chain(trace):
    """Whether each node or layer takes the last one's output, once, and leaves of its own beside it."""
    made = [j for j, v in enumerate(trace.variables) if v.inputs]
    used = [i for j in made for i in trace.variables[j].inputs]
    if len(used) != len({*used}) or not made or not trace.variables[made[0]].inputs:
        return False
    passed = [[i for i in trace.variables[j].inputs if trace.variables[i].inputs] for j in made]
    return passed == [[], *([j] for j in made[:-1])]


def port_of_line(trace, j):
    """Which input of a node comes along the line: the last one's output, or the first one's first."""
    inputs = trace.variables[j].inputs
    return next((port for port, i in enumerate(inputs) if trace.variables[i].inputs), 0)


def lay_out_chain(trace):
    """A `Chain`. Where it would be too wide its numbers stand closer, leaves on both sides, its widest grids are summaries."""
    chain = placed(trace)
    for clear, arrow in ((CLOSE, ARROW), (CLOSEST, ARROW), (CLOSEST, HEAD)):
        for apart in (False, True):
            if chain.width > WIDEST:
                chain = placed(trace, (), clear, apart, arrow)
        summaries = set()
        for block in sorted(chain.line, key=lambda block: -block.width):
            columns = np.shape(trace.variables[block.variable].value)[-1:] or (0,)
            if chain.width > WIDEST and FEW < columns[0] <= LARGEST_GRID:
                summaries.add(block.variable)
                chain = placed(trace, summaries, clear, True, arrow)
    return chain


def placed(trace, summaries=(), clear=CLEAR, apart=False, arrow=ARROW):
    """`clear`: pixels between two numbers. `apart`: of boxes with one block beside them every second one has it below."""
    made = [j for j, v in enumerate(trace.variables) if v.inputs]
    first = trace.variables[made[0]].inputs[0]
    line = [block_of(trace, i, clear, i in summaries) for i in [first, *made]]
    boxes = [box_of(trace, j, clear, j in summaries) for j in made]
    single = [box for box in boxes if len(box.above) == 1 and not box.below]
    for box in single[1::2] if apart else []:
        box.above, box.below = [], box.above
    set_along(line, boxes, arrow)
    chain = Chain(line, boxes)
    set_heights(trace, chain)
    return chain


def block_of(trace, i, clear, summarised=False, kept=False):
    tight = clear < CLEAR
    variable = trace.variables[i]
    shown = [variable.value] + ([] if variable.grad is None else [variable.grad])
    name = "" if variable.constant else shorten(variable.shown)
    if variable.constant:
        shown = shown[:1]
    if kept:
        shown, name = [variable.kept[1]], label("kept", name=variable.kept[0])
    room = max(3 if tight else 4, *map(room_of, shown))
    cell = 0 if summarised else round(SIZE * 0.62 * room + (3 if tight else 5))
    grids = [rows for rows in map(rows_of, shown) if rows is not None]
    if cell and grids:
        cell = max([cell, *(ceil(widest_number(rows, room, SIZE) + clear) for rows in grids)])
    sizes = [size_of(value, cell) for value in shown]
    width = max(36.0, text_width(name, SIZE) + 4, *(width for width, _ in sizes))
    height = 16 + sum(height + 2 for _, height in sizes)
    return Block(i, width, height, room, cell, kept=kept)


def room_of(value):
    """How many characters the numbers of a grid need for three digits, but four at most."""
    rows = rows_of(value)
    return 0 if rows is None else min(4, max(len(display(v, 3)) for v in rows.flat))


def box_of(trace, j, clear, summarised):
    variable, port = trace.variables[j], port_of_line(trace, j)
    lines = words_of(node_symbol(variable, whole=clear == CLEAR))
    box = Box(j, lines, max(17.0, max(text_width(line, SIZE) for line in lines) / 2 + 4))
    for k, i in enumerate(variable.inputs[:port] + variable.inputs[port + 1 :]):
        under = k % 2 == 1 and variable.kept is None
        (box.below if under else box.above).append(block_of(trace, i, clear))
    if variable.kept is not None:
        box.below.append(block_of(trace, j, clear, summarised, kept=True))
    return box


def words_of(name):
    """A long name in two lines: Softmax over WithLoss."""
    words = re.findall(r"[A-Z]?[^A-Z]+|[A-Z]+", name)
    if len(name) < 10 or len(words) < 2:
        return [name]
    cut = min(range(1, len(words)), key=lambda k: abs(len(name) / 2 - len("".join(words[:k]))))
    return ["".join(words[:cut]), "".join(words[cut:])]


def size_of(value, cell):
    """Width and height of a value or gradient as it is drawn here."""
    if np.ndim(value) == 0:
        return 13 * 0.6 * max(4, len(fit(value, NUMBERS))) + 2, ROW
    rows = rows_of(value) if cell else None
    if rows is not None:
        return rows.shape[1] * cell + 7, rows.shape[0] * ROW
    columns = np.shape(value)[-1] or 1
    tall = min(HEAT_HEIGHT, 60 * max(np.size(value) // columns, 1) / columns)
    return max(SIZE * 0.6 * len(line) for line in summary(value)) + 4, 2 * ROW + 6 + tall


def rows_of(value):
    """A small array as rows of numbers; None for what is shown as a summary. See `layout.grid`."""
    return grid(value) if np.ndim(value) else None


def set_along(line, boxes, arrow):
    """From left to right: each box after the numbers that it takes, and no two neighbours' blocks over one another."""
    end = line[0].width
    line[0].middle = end / 2
    reached = {"above": 0.0, "below": 0.0}
    for box, out in zip(boxes, line[1:], strict=True):
        box.x = end + arrow + box.reach
        for side in reached:
            blocks = getattr(box, side)
            if blocks:
                half = row_width(blocks) / 2
                box.x = max(box.x, reached[side] + half)
        for side in reached:
            blocks, x = getattr(box, side), box.x - row_width(getattr(box, side)) / 2
            for block in blocks:
                block.middle = x + block.width / 2
                x += block.width + BESIDE
            if blocks:
                reached[side] = x
        out.middle = box.x + box.reach + WIRE + out.width / 2
        end = out.middle + out.width / 2


def row_width(blocks):
    return sum(block.width for block in blocks) + BESIDE * (len(blocks) - 1)


def set_heights(trace, chain):
    def tallest(kind):
        found = [getattr(trace.variables[b.variable], kind) for b in chain.line]
        sizes = [
            size_of(v, b.cell)[1] for v, b in zip(found, chain.line, strict=True) if v is not None
        ]
        return max(sizes, default=0)

    above = [block for box in chain.boxes for block in box.above]
    below = [block for box in chain.boxes for block in box.below]
    chain.over = 38 + tallest("value")  # the values and their names, and a word on the edge
    chain.under = 26 + max(tallest("grad"), REACH)
    high = max((block.height for block in above), default=0)
    chain.y = max(chain.over - 8, chain.over + high if above else 0)
    for block in above:
        block.top = chain.y - chain.over - block.height
    for block in below:
        block.top = chain.y + chain.under
    low = max((block.height for block in below), default=0)
    chain.height = chain.y + (chain.under + low if below else chain.under + 2)
    ends = [block.middle + block.width / 2 for block in [*chain.line, *above, *below]]
    chain.width = max(ends)

"""Where the layers of a network stand: one line from left to right, and each layer's parameters over and under it.

The general layout gives every leaf a column of its own, and a network of two layers is then wider than a
page. Here only what the layers hand on takes room along the line. `drawing` draws what is computed here.
"""

import re
from dataclasses import dataclass, field

import numpy as np

from chainrule.layout import LARGEST_GRID, ROW, shorten, summary, text_width
from chainrule.narration import fit, label

SIZE = 12  # of a digit in a grid, in pixels; smaller ones are hard to read
ROOM = 4  # characters of a number in a grid
CELL = 33
REACH = 17  # half the height of a layer's box
WIRE = 6  # from a box to the numbers that leave it
ARROW = 13  # from the numbers to the next box
BESIDE = 12  # between the blocks over or under two boxes
WIDEST = 710  # of a picture in a book; the grids of a wider one are shown as summaries
FEW = 4  # columns of a grid that always shows its numbers
NUMBERS = 7  # characters of a single number


@dataclass
class Block:
    """A variable's name, value and gradient, or what a layer keeps: `middle` and `top` of all of it."""

    variable: int
    width: float
    height: float
    grids: bool = True  # False: shape and range instead of numbers
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
    width: float = 0.0
    height: float = 0.0


def is_chain(trace):
    """Whether a trace is that of a network: each layer takes the last one's output, and leaves of its own."""
    if " loss" not in trace.code:
        return False
    made = [i for i, v in enumerate(trace.variables) if v.inputs]
    used = [i for j in made for i in trace.variables[j].inputs]
    follow = all(
        trace.variables[j].inputs[0] == before for before, j in zip(made, made[1:], strict=False)
    )
    leaves = all(not trace.variables[i].inputs for j in made for i in trace.variables[j].inputs[1:])
    return bool(made) and follow and leaves and len(used) == len({*used})


def lay_out_chain(trace):
    """A `Chain`. Where it would be too wide, the widest grids of its line are shown as summaries."""
    chain = placed(trace, set())
    wide = [b.variable for b in sorted(chain.line, key=lambda b: -b.width)]
    summaries = set()
    for i in wide:
        columns = np.shape(trace.variables[i].value)[-1:] or (0,)
        if chain.width <= WIDEST or not FEW < columns[0] <= LARGEST_GRID:
            continue
        summaries.add(i)
        chain = placed(trace, summaries)
    return chain


def placed(trace, summaries):
    made = [j for j, v in enumerate(trace.variables) if v.inputs]
    first = trace.variables[made[0]].inputs[0]
    line = [block_of(trace, i, i not in summaries) for i in [first, *made]]
    boxes = [box_of(trace, j, summaries) for j in made]
    set_along(line, boxes)
    chain = Chain(line, boxes)
    set_heights(trace, chain)
    return chain


def block_of(trace, i, grids=True, kept=False):
    variable = trace.variables[i]
    if kept:
        name, value = variable.kept
        sizes, name = [size_of(value, grids)], label("kept", name=name)
    else:
        shown = [variable.value] + ([] if variable.grad is None else [variable.grad])
        sizes, name = [size_of(value, grids) for value in shown], shorten(variable.name)
    width = max(36.0, text_width(name, SIZE) + 4, *(width for width, _ in sizes))
    return Block(i, width, 16 + sum(height + 2 for _, height in sizes), grids, kept=kept)


def box_of(trace, j, summaries):
    variable = trace.variables[j]
    lines = words_of(shorten(variable.symbol or variable.op))
    box = Box(j, lines, max(19.0, max(text_width(line, SIZE) for line in lines) / 2 + 4))
    for k, i in enumerate(variable.inputs[1:]):
        under = k % 2 == 1 and variable.kept is None
        (box.below if under else box.above).append(block_of(trace, i))
    if variable.kept is not None:
        box.below.append(block_of(trace, j, j not in summaries, kept=True))
    return box


def words_of(name):
    """A long name in two lines: Softmax over WithLoss."""
    words = re.findall(r"[A-Z]?[^A-Z]+|[A-Z]+", name)
    if len(name) < 10 or len(words) < 2:
        return [name]
    cut = min(range(1, len(words)), key=lambda k: abs(len(name) / 2 - len("".join(words[:k]))))
    return ["".join(words[:cut]), "".join(words[cut:])]


def size_of(value, grids=True):
    """Width and height of a value or gradient as it is drawn here."""
    if np.ndim(value) == 0:
        return 13 * 0.6 * max(4, len(fit(value, NUMBERS))) + 2, ROW
    rows = rows_of(value) if grids else None
    if rows is not None:
        return rows.shape[1] * CELL + 7, rows.shape[0] * ROW
    return max(SIZE * 0.56 * len(line) for line in summary(value)) + 4, 2 * ROW + 40


def rows_of(value):
    """A small array as rows of numbers, a vector as one row; None for what is shown as a summary."""
    rows = np.atleast_2d(value)
    small = np.ndim(value) and rows.ndim == 2 and rows.size and max(rows.shape) <= LARGEST_GRID
    return rows if small else None


def set_along(line, boxes):
    """From left to right: each box after the numbers that it takes, and no two neighbours' blocks over one another."""
    end = line[0].width
    line[0].middle = end / 2
    reached = {"above": 0.0, "below": 0.0}
    for box, out in zip(boxes, line[1:], strict=True):
        box.x = end + ARROW + box.reach
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
            size_of(v, b.grids)[1] for v, b in zip(found, chain.line, strict=True) if v is not None
        ]
        return max(sizes, default=0)

    above = [block for box in chain.boxes for block in box.above]
    below = [block for box in chain.boxes for block in box.below]
    over = 30 + tallest("value")  # over the line: the values, and their names
    under = 18 + max(tallest("grad"), REACH)
    high = max((block.height for block in above), default=0)
    chain.y = over + (high + 10 if above else 0)
    for block in above:
        block.top = chain.y - over - 10 - block.height
    for block in below:
        block.top = chain.y + under
    chain.height = chain.y + under + max((block.height for block in below), default=0)
    ends = [block.middle + block.width / 2 for block in [*chain.line, *above, *below]]
    chain.width = max(ends)

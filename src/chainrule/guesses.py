"""Guesses: what a reader's wrong guess at a number in a figure may have come from, as plain data."""

import numpy as np

from chainrule import nodes

NO_UPSTREAM = "You left out the upstream gradient: local times upstream goes on."
COPIES = "That multiplies by an input. Addition copies: its inputs do not matter."
HALVES = "That splits the gradient. Addition gives the whole of it to each side."
NOT_SWAPPED = "That is what you get if multiply did not swap: each side wants the other input."
AS_ADDITION = "That is what addition would do. Multiplication scales by the other input."
BY_ITS_OUTPUT = "That multiplies by the output. The local derivative is the other input."
CLOSED = "The gate is closed here: the larger input gets everything, the other 0."
OPEN = "The gate is open here: this input is the larger one."
TURNED = "The sign is wrong: the size is right, it pulls the other way."
UP = ["^", "x", ["-", "y", 1]]

# operation -> [position, formula, sentence]: what a wrong guess at a number of that node may have
# come from. position: an input, -1 for the output, None for either input. A formula is a number, a name
# or [sign, formula, formula]. Names: the inputs x and y, the output z, dout, the right answer, and the
# input itself (own). "" is any operation. Plain data, so that a page can use it too.
GUESSES = {
    "Add": [
        [-1, ["*", "x", "y"], "That is the product. This node adds."],
        [None, ["*", "dout", "x"], COPIES],
        [None, ["*", "dout", "y"], COPIES],
        [None, ["/", "dout", 2], HALVES],
        [None, ["-", 0, "dout"], TURNED],
    ],
    "Subtract": [
        [-1, ["-", "y", "x"], "The order matters: the first input less the second."],
        [1, "dout", "The sign is missing: what is subtracted pulls the other way."],
        [0, ["-", 0, "dout"], "The first input keeps its sign; only the second turns it."],
    ],
    "Multiply": [
        [-1, ["+", "x", "y"], "That is the sum. This node multiplies."],
        [None, ["*", "dout", "own"], NOT_SWAPPED],
        [None, "dout", AS_ADDITION],
        [None, ["*", "dout", "z"], BY_ITS_OUTPUT],
        [None, ["-", 0, "right"], TURNED],
    ],
    "Divide": [
        [-1, ["/", "y", "x"], "The order matters: the first input divided by the second."],
        [0, ["*", "dout", "y"], "That multiplies where the derivative divides by y."],
        [
            1,
            ["/", ["*", "dout", "x"], ["*", "y", "y"]],
            "The sign is missing: a larger divisor makes the quotient smaller.",
        ],
        [1, ["/", "dout", "y"], "That is the gradient of the other input."],
        [1, ["/", ["-", 0, ["*", "dout", "x"]], "y"], "The divisor is squared here: −x / y²."],
    ],
    "Negate": [
        [-1, "x", "The sign is missing."],
        [0, "dout", "The sign is missing: the derivative of −x is −1."],
    ],
    "Power": [
        [-1, ["*", "x", "y"], "That multiplies by the exponent. x² is x times x."],
        [
            0,
            ["*", "dout", UP],
            "The exponent is missing in front: the derivative of xᵖ is p xᵖ⁻¹.",
        ],
        [
            0,
            ["*", "dout", ["*", "y", "z"]],
            "The exponent goes down by one in the derivative.",
        ],
        [0, ["*", "dout", "z"], "That multiplies by the output. The derivative of xᵖ is p xᵖ⁻¹."],
        [0, "dout", "The local derivative is missing: p xᵖ⁻¹."],
    ],
    "Exp": [
        [
            0,
            ["*", "dout", "x"],
            "That multiplies by the input. exp is its own derivative: multiply by the output.",
        ],
        [0, "dout", "The local derivative is missing: it is the output itself."],
    ],
    "Log": [
        [0, ["*", "dout", "x"], "That multiplies where the derivative divides: it is 1/x."],
        [0, "dout", "The local derivative is missing: 1/x."],
        [0, ["/", "dout", "z"], "That divides by the output. The derivative of log x is 1/x."],
    ],
    "Maximum": [
        [-1, ["+", "x", "y"], "That is the sum. This node takes the larger one."],
        [None, "dout", CLOSED],
        [None, 0, OPEN],
    ],
    "": [[None, ["/", "right", "dout"], NO_UPSTREAM]],
}

SIGNS = {"+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide, "^": np.power}


def evaluate(formula, numbers):
    """The value of a formula of `GUESSES`: a number, a name among `numbers`, or [sign, a, b]."""
    if isinstance(formula, str):
        return numbers[formula]
    if not isinstance(formula, list):
        return float(formula)
    sign, left, right = formula
    return float(SIGNS[sign](evaluate(left, numbers), evaluate(right, numbers)))


def explain_guess(op, inputs, output, dout, position, guess):
    """The sentence of the first known mistake that gives `guess`, within 1 %; None if none does.

    op        the name of a node, as in `nodes`
    inputs    its inputs, numbers (for a fixed power: x and the exponent)
    output    its output, a number
    dout      the upstream gradient, a number
    position  which input's gradient was guessed; -1 for a guess at the output
    guess     a number; a right one gets None
    """
    x, y, *_ = [*inputs, float("nan"), float("nan")]
    right = right_answer(op, inputs, output, dout, position)
    if right is None or near(guess, right):
        return None
    numbers = {"x": x, "y": y, "z": output, "dout": dout, "right": right}
    numbers["own"] = y if position == 1 else x
    numbers = {name: np.float64(number) for name, number in numbers.items()}
    with np.errstate(all="ignore"):
        for place, formula, sentence in [*GUESSES.get(op, []), *GUESSES[""]]:
            here = position > -1 if place is None else place == position
            would = evaluate(formula, numbers) if here else np.nan
            if near(guess, would) and not near(would, right):
                return sentence
    return None


def near(a, b):
    return bool(abs(a - b) <= 0.01 * abs(b) + 1e-9)  # NaN is near to nothing


def right_answer(op, inputs, output, dout, position):
    """The number that was asked for, from the node itself; None for an operation of one's own."""
    if position == -1:
        return output
    kind = getattr(nodes, op, None)
    if kind is None:
        return None
    if op == "Power":
        inputs, node = inputs[:1], kind(inputs[1])
    else:
        node = kind()
    node.forward(*(float(value) for value in inputs))
    return node.backward(float(dout))[position] if position < len(inputs) else None

"""The words: one number formatter, and one sentence for each step, as templates with slots.

A sentence is never typed twice. The table here is what the notebook, the page and the picture fill
with their numbers, so another language is another table. Read `trace` next.

Slots are named as in the source of the nodes: {x} and {y} are the inputs' values, {z} the output's,
{dout} the upstream gradient, {dx} and {dy} what goes to the inputs; {x.name} is a name, {x.shape} a
shape, and {p} a fixed exponent.
"""

import re
from decimal import ROUND_HALF_UP, Decimal

import numpy as np

SLOT = re.compile(r"\{([a-z]+(?:\.[a-z]+)?)\}")

# operation -> forward, backward: (title, sentence); to: what goes to each input; rule: the
# formula, and its local derivatives; entry: how one entry of an array is made, and the gradient of
# each input there. One dict an operation, and one key a phrase.
WORDS = {
    "Add": {
        "forward": ("Add.", "{x} + {y} = {z}."),
        "backward": ("Add copies.", "The upstream gradient {dout} goes to every input unchanged:"),
        "to": ("{x.name} gets {dx}", "{y.name} gets {dy}"),
        "entry": ("{x} + {y}", "{dout}", "{dout}"),
        "rule": ("z = x + y", "∂z/∂x = 1,  ∂z/∂y = 1"),
    },
    "Subtract": {
        "forward": ("Subtract.", "{x} − {y} = {z}."),
        "backward": (
            "Subtract turns one sign.",
            "The upstream gradient {dout} goes to the first input as it is, to the second negated:",
        ),
        "to": ("{x.name} gets {dx}", "{y.name} gets {dy}"),
        "entry": ("{x} − {y}", "{dout}", "−({dout})"),
        "rule": ("z = x − y", "∂z/∂x = 1,  ∂z/∂y = −1"),
    },
    "Multiply": {
        "forward": ("Multiply.", "{x} × {y} = {z}."),
        "backward": (
            "Multiply swaps.",
            "The upstream gradient {dout} is multiplied by the other input:",
        ),
        "to": ("{x.name} gets {dout} × {y} = {dx}", "{y.name} gets {dout} × {x} = {dy}"),
        "entry": ("{x} × {y}", "{dout} × {y}", "{dout} × {x}"),
        "rule": ("z = x × y", "∂z/∂x = y,  ∂z/∂y = x"),
    },
    "Divide": {
        "forward": ("Divide.", "{x} ÷ {y} = {z}."),
        "backward": (
            "Divide.",
            "The upstream gradient {dout} is multiplied by each local derivative:",
        ),
        "to": ("{x.name} gets {dout} ÷ {y} = {dx}", "{y.name} gets −{dout} × {x} ÷ {y}² = {dy}"),
        "entry": ("{x} ÷ {y}", "{dout} ÷ {y}", "−({dout}) × {x} ÷ {y}²"),
        "rule": ("z = x ÷ y", "∂z/∂x = 1/y,  ∂z/∂y = −x/y²"),
    },
    "Negate": {
        "forward": ("Negate.", "−({x}) = {z}."),
        "backward": ("Negate.", "The upstream gradient {dout} changes its sign:"),
        "to": ("{x.name} gets {dx}",),
        "entry": ("−({x})", "−({dout})"),
        "rule": ("z = −x", "∂z/∂x = −1"),
    },
    "Power": {
        "forward": ("Power.", "{x} to the power {p} is {z}."),
        "backward": (
            "Power.",
            "The upstream gradient {dout} is multiplied by the slope of the power:",
        ),
        "to": ("{x.name} gets {dout} × {p} × {x}^({p} − 1) = {dx}", "{y.name} gets {dy}"),
        "entry": ("{x}^{p}", "{dout} × {p} × {x}^({p} − 1)", "{dout} × {z} × log {x}"),
        "rule": ("z = xᵖ", "∂z/∂x = p xᵖ⁻¹"),
    },
    "Exp": {
        "forward": ("Exponential.", "e to the power {x} is {z}."),
        "backward": (
            "exp is its own derivative.",
            "The upstream gradient {dout} is multiplied by the output:",
        ),
        "to": ("{x.name} gets {dout} × {z} = {dx}",),
        "entry": ("exp({x})", "{dout} × {z}"),
        "rule": ("z = eˣ", "∂z/∂x = z"),
    },
    "Log": {
        "forward": ("Logarithm.", "The natural logarithm of {x} is {z}."),
        "backward": ("Log divides.", "The upstream gradient {dout} is divided by the input:"),
        "to": ("{x.name} gets {dout} ÷ {x} = {dx}",),
        "entry": ("log {x}", "{dout} ÷ {x}"),
        "rule": ("z = log x", "∂z/∂x = 1/x"),
    },
    "Maximum": {
        "forward": ("Maximum.", "The larger of {x} and {y} is {z}."),
        "backward": (
            "Maximum is a gate.",
            "The larger input gets the upstream gradient {dout}, the other 0 (a tie goes to the "
            "second input):",
        ),
        "to": ("{x.name} gets {dx}", "{y.name} gets {dy}"),
        "entry": ("max({x}, {y})", "{dout} × {won}", "{dout} × {won}"),
        "rule": ("z = max(x, y)", "∂z/∂x = 1 where x > y, else 0"),
    },
    "MatMul": {
        "forward": (
            "Matrix product.",
            "{x.name} {x.shape} times {y.name} {y.shape} gives {z.name} {z.shape}.",
        ),
        "backward": (
            "The matrix product swaps and transposes.",
            "With the upstream gradient of shape {z.shape}:",
        ),
        "to": (
            "{x.name} gets dout @ {y.name}ᵀ, of shape {x.shape}",
            "{y.name} gets {x.name}ᵀ @ dout, of shape {y.shape}",
        ),
        "rule": ("z = x @ y", "dx = dout @ yᵀ,  dy = xᵀ @ dout"),
    },
    "Sum": {
        "forward": ("Sum.", "The entries of {x.name} {x.shape} add up to {z}."),
        "backward": (
            "Sum copies.",
            "Every entry that was summed gets the upstream gradient {dout}:",
        ),
        "to": ("{x.name} gets {dx}",),
        "rule": ("z = Σ xᵢ", "∂z/∂xᵢ = 1"),
    },
    "Affine": {
        "forward": (
            "Affine.",
            "{x.name} {x.shape} @ {y.name} {y.shape} + {b.name} {b.shape} gives {z.shape}.",
        ),
        "backward": ("Affine hands on three gradients.", "From dout, of shape {z.shape}:"),
        "to": (
            "{x.name} gets dout @ {y.name}ᵀ, of shape {x.shape}",
            "{y.name} gets {x.name}ᵀ @ dout, of shape {y.shape}",
            "{b.name} gets dout summed over the batch, of shape {b.shape}",
        ),
        "rule": ("y = x @ W + b", "dx = dout @ Wᵀ,  dW = xᵀ @ dout,  db = Σ dout"),
    },
    "ReLU": {
        "forward": ("ReLU.", "Negative entries of {x.name} {x.shape} become 0."),
        "backward": (
            "ReLU is a gate.",
            "The upstream gradient passes where the input was positive:",
        ),
        "to": ("{x.name} gets {dx}",),
        "entry": ("max({x}, 0)", "{dout} × {kept}"),
        "rule": ("y = max(x, 0)", "dx = dout where x > 0, else 0"),
    },
    "Sigmoid": {
        "forward": ("Sigmoid.", "Every entry of {x.name} {x.shape} goes to 1/(1 + exp(−x))."),
        "backward": ("Sigmoid.", "The upstream gradient is multiplied by y(1 − y):"),
        "to": ("{x.name} gets {dx}",),
        "entry": ("1 ÷ (1 + exp(−({x})))", "{dout} × {z} × (1 − {z})"),
        "rule": ("y = 1 / (1 + e⁻ˣ)", "dx = dout y (1 − y)"),
    },
    "Tanh": {
        "forward": ("Tanh.", "Every entry of {x.name} {x.shape} goes to its hyperbolic tangent."),
        "backward": ("Tanh.", "The upstream gradient is multiplied by 1 − y²:"),
        "to": ("{x.name} gets {dx}",),
        "entry": ("tanh({x})", "{dout} × (1 − ({z})²)"),
        "rule": ("y = tanh x", "dx = dout (1 − y²)"),
    },
    "SoftmaxWithLoss": {
        "forward": (
            "Softmax with loss.",
            "Scores {x.shape} become probabilities; against the labels the mean loss is {z}.",
        ),
        "backward": ("Softmax with loss subtracts.", "(y − t) / N, times the upstream {dout}:"),
        "to": ("{x.name} gets {dx}",),
        "rule": ("y = softmax(a),  L = −Σ t log y / N", "da = (y − t) / N"),
    },
    "IdentityWithLoss": {
        "forward": ("Identity with loss.", "Half the mean squared error is {z}."),
        "backward": ("Identity with loss subtracts.", "(y − t) / N, times the upstream {dout}:"),
        "to": ("{x.name} gets {dx}",),
        "rule": ("y = a,  L = Σ (y − t)² / 2N", "da = (y − t) / N"),
    },
    "other": {
        "forward": ("{op}.", "Its output {z.name} is {z}."),
        "backward": ("{op}.", "From the upstream gradient {dout}:"),
        "to": ("{x.name} gets {dx}", "{y.name} gets {dy}"),
        "rule": ("", ""),
    },
    "start": {
        "forward": ("Ready.", "Forward runs one node at a time, from the inputs to {z.name}."),
        "rule": ("downstream gradient = upstream gradient × local gradient", ""),
    },
    "seed": {
        "backward": ("The way back starts.", "The derivative of {z.name} by itself is {dout}."),
        "rule": ("", "∂z/∂z = 1"),
    },
    "fork": {
        "backward": ("", "{x.name} is used more than once, so its gradients add: {terms} = {dx}.")
    },
    # what buttons, fields and messages say; the slots here are plain texts
    "labels": {
        "First": "First",
        "Back": "Back",
        "Play": "Play",
        "Pause": "Pause",
        "Forward": "Forward",
        "Last": "Last",
        "step": "Step",
        "speed": "Speed",
        "walk": "Step through the calculation",
        "count": "{phase} · {now} of {last}",
        "start": "start",
        "forward": "forward",
        "backward": "backward",
        "turn": "This is the turn: every value is there. The way back starts at the end.",
        "broken": "This figure cannot be stepped ({error}). The picture and the table remain.",
        "code": "The source that ran",
        "picture": "{title}, picture",
        "layers": "Layers",
        "nodes": "Nodes",
        "level": "Level of detail",
        "table": "All {last} steps as a table",
        "column.step": "Step",
        "column.phase": "Phase",
        "column.variable": "Variable",
        "column.said": "What happens",
        "kept": "keeps {name}",
        "change": "Change a number",
        "undo": "Undo",
        "reset": "Reset",
        "not.number": "“{text}” is not a number",
        "not.label": "{name} is a class, a whole number from 0 to {most}",
        "stays": "{why}. {name} stays {value}.",
        "not.editable": "The numbers cannot be changed in this page: {op} is an operation of the author's own.",
        "ask": "Let me guess",
        "ask.value": "What is {name}?",
        "ask.cell": "What is entry {cell} of {name}?",
        "ask.gradient": "Which gradient goes to {name}?",
        "ask.share": "Which gradient goes to entry {cell} of {name}?",
        "ask.seed": "What is the derivative of {name} by itself?",
        "ask.check": "Check",
        "ask.show": "Show me",
        "ask.right": "Right: {value}.",
        "ask.is": "It is {value}.",
        "ask.wrong": "No, not {value}.",
        "ask.score": "{right} of {asked} right",
        "read.matrix": "{name}, {kind}, {rows} by {columns}. Arrow keys read its entries.",
        "read.value": "{name}[{cell}]",
        "read.gradient": "∂{out}/∂{name}[{cell}]",
        "read.none": "Point at a number of an array, or tap it, to see what made it.",
        "value": "value",
        "gradient": "gradient",
        "quiz.title": "Question",
        "quiz.right": "Right.",
        "quiz.wrong": "Not right.",
        "quiz.was": "The right answer:",
        "quiz.bet": "Your bet is placed. Look first; then press “{button}”.",
        "bets.sum": "{yes}, of {all}",
        "bets.yours": "your bet: {bet}",
        "bets.score": "{right} of your {all} bets are right. A frame marks the others.",
        "explorer.title": "{y} over {x}",
        "explorer.at": "{x} = {value}",
        "explorer.table": "All points as a table",
        "explorer.more": "The live figure holds {count} recorded runs to choose from.",
        "explorer.range": "{x} from {first} to {last}:",
        "explorer.one": "{x} = {first}:",
        "explorer.told": "{name}: {first} at {x} = {left}, {last} at {x} = {right}; smallest, {least}, at {x} = {there}.",
        "explorer.kinks": "Points with the mark “{kink}”: {count}.",
        "explorer.empty": "{name}: no point can be drawn.",
        "explorer.left": "Not in the picture: {count} of {all} points of {name} ({values}).",
        "scene.table": "All {count} pictures in words",
        "scene.said": "What is seen",
        "replay.title": "A training run",
        "replay.walk": "Step through the training run",
        "replay.count": "frame {now} of {last}",
        "replay.step": "update",
        "replay.loss": "loss",
        "replay.accuracy": "accuracy",
        "replay.norms": "size of each gradient",
        "replay.bars": "One bar a parameter, on a log axis. The table holds the numbers.",
        "replay.curve": "The {name} goes from {first} to {last}.",
        "replay.update": "Update {step}.",
        "replay.loss.is": "The loss of its mini-batch is {loss}.",
        "replay.accuracy.now": "The accuracy is {accuracy}.",
        "replay.accuracy.before": "The accuracy, measured at update {step}, was {accuracy}.",
        "replay.largest": "The largest gradient, {norm}, is that of {name}.",
        "replay.wrong": "Read wrongly after this update:",
        "replay.none": "Nothing is read wrongly after this update.",
        "replay.wrong.short": "read wrongly",
        "replay.guess": "{label}, read as {guess}",
        "replay.weights": "The weights, blank where smallest and full where largest:",
        "replay.range": "{name}, {low} to {high}",
        "replay.table": "All {count} frames as a table",
    },
}


def display(value, digits=4):
    """A number as the reader sees it: `digits` significant ones, whole numbers in full to a million.

    An array shows its shape. Halves round away from zero, as a browser's toFixed does, so that the
    page, which formats numbers by the same rule, shows the same digits.
    """
    if np.ndim(value):
        return str(np.shape(value))
    value = float(value)
    if value != value:
        return "not a number"
    if abs(value) == float("inf"):
        return "∞" if value > 0 else "−∞"
    if value == 0:
        return "0"
    size, sign = Decimal(abs(value)), "−" if value < 0 else ""
    exponent = size.adjusted()
    if -4 <= exponent < 6:
        places = max(0, digits - 1 - exponent)
        return sign + trim(size.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP))
    mantissa = size.scaleb(-exponent).quantize(Decimal(1).scaleb(1 - digits), ROUND_HALF_UP)
    if mantissa >= 10:
        mantissa, exponent = mantissa / 10, exponent + 1
    return f"{sign}{trim(mantissa)}e{str(exponent).replace('-', '−')}"


def label(key, /, **slots):
    """What a button, a field or a message says."""
    text = WORDS["labels"][key]
    return re.sub(r"\{(\w+)\}", lambda match: str(slots[match[1]]), text)


SPELLED = 6  # entries; a larger array is told by its shape


def spell(value):
    """A value within a sentence: a number, a small array with its numbers, or the shape of a larger one."""
    if np.ndim(value) == 0 or np.size(value) > SPELLED:
        return display(value)
    if np.ndim(value) == 1:
        return "[" + ", ".join(display(v, 3) for v in value) + "]"
    return "[" + ", ".join(spell(row) for row in value) + "]"


def fit(value, room):
    """A number with as many digits, at most four, as `room` characters hold."""
    texts = [display(value, digits) for digits in (4, 3, 2, 1)]
    return next((text for text in texts if len(text) <= room), texts[-1])


def trim(number):
    digits = str(number)
    return digits.rstrip("0").rstrip(".") if "." in digits else digits


def fill(template, slots):
    """The template as a list of (kind, text): kind "value" or "gradient" for numbers, else ""."""
    parts, end = [], 0
    for match in SLOT.finditer(template):
        parts.append(("", template[end : match.start()]))
        parts.append(slots[match[1]])
        end = match.end()
    parts.append(("", template[end:]))
    return [(kind, text) for kind, text in parts if text]

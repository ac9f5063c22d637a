"""The words: one number formatter, and one sentence for each step, as templates with slots.

A sentence is never typed twice. The table here is what the notebook, the page and the picture fill
with their numbers, so another language is another table. Read `trace` next.

Slots are named as in the source of the nodes: {x} and {y} are the inputs' values, {z} the output's,
{dout} the upstream gradient, {dx} and {dy} what goes to the inputs; {x.name} is a name, {x.shape} a
shape, {p} a fixed exponent, {up.p} the same raised, {up.q} one less. An array is called by its name: its
numbers stand in the picture. {so.x} ends a sum, with " = 5" or, for an array, ", of shape (2, 3)".
"""

import re
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache

import numpy as np

SLOT = re.compile(r"\{([a-z]+(?:\.[a-z]+)?)\}")

# operation -> forward, backward: (title, sentence); to: what goes to each input; entry: how one entry of
# an array is made, and the gradient of each input there; rule: what the output is, and the local
# derivative by each input (one with {dout} or {z.gradient} is the whole gradient that goes there);
# local: the same in a word, for an edge that carries an array.
#: The sentences of the figures, one dict an operation, one key a phrase. A translation replaces them.
WORDS = {
    "Add": {
        "forward": ("Add.", "{x} + {y}{so.z}."),
        "backward": ("Add copies.", "The upstream gradient {dout} goes to every input unchanged:"),
        "to": ("{x.name} gets {dx}{copies.x}", "{y.name} gets {dy}{copies.y}"),
        "entry": ("{x} + {y}", "{dout}", "{dout}"),
        "rule": ("{x.name} + {y.name}", "1", "1"),
    },
    "Subtract": {
        "forward": ("Subtract.", "{x} − {y}{so.z}."),
        "backward": (
            "Subtract turns one sign.",
            "The upstream gradient {dout} goes to the first input as it is, to the second negated:",
        ),
        "to": ("{x.name} gets {dx}{copies.x}", "{y.name} gets {dy}{copies.y}"),
        "entry": ("{x} − {y}", "{dout}", "−{dout}"),
        "rule": ("{x.name} − {y.name}", "1", "−1"),
    },
    "Multiply": {
        "forward": ("Multiply.", "{x} × {y}{so.z}."),
        "backward": (
            "Multiply swaps.",
            "The upstream gradient {dout} is multiplied by the other input:",
        ),
        "to": (
            "{x.name} gets {sum.x}{dout} × {y}{so.x}",
            "{y.name} gets {sum.y}{dout} × {x}{so.y}",
        ),
        "entry": ("{x} × {y}", "{dout} × {y}", "{dout} × {x}"),
        "rule": ("{x.name} × {y.name}", "{y.name}", "{x.name}"),
    },
    "Divide": {
        "forward": ("Divide.", "{x} ÷ {y}{so.z}."),
        "backward": (
            "Divide.",
            "The upstream gradient {dout} is multiplied by each local derivative:",
        ),
        "to": (
            "{x.name} gets {sum.x}{dout} ÷ {y}{so.x}",
            "{y.name} gets −{sum.y}{dout} × {x} ÷ {y}²{so.y}",
        ),
        "entry": ("{x} ÷ {y}", "{dout} ÷ {y}", "−{dout} × {x} ÷ {y}²"),
        "rule": ("{x.name} ÷ {y.name}", "1 ÷ {y.name}", "−{x.name} ÷ {y.name}²"),
    },
    "Negate": {
        "forward": ("Negate.", "{x} becomes {z}."),
        "backward": ("Negate.", "The upstream gradient {dout} changes its sign:"),
        "to": ("{x.name} gets {dx}",),
        "entry": ("−{x}", "−{dout}"),
        "rule": ("−{x.name}", "−1"),
    },
    "Power": {
        "forward": ("Power.", "{x}{up.p}{so.z}."),
        "backward": (
            "Power.",
            "The upstream gradient {dout} is multiplied by the slope of the power:",
        ),
        "to": ("{x.name} gets {dout} × {p} × {x}{up.q}{so.x}",),
        "entry": ("{x}{up.p}", "{dout} × {p} × {x}{up.q}"),
        "rule": ("{x.name}{up.p}", "{p} × {x.name}{up.q}"),
    },
    "Power.square": {  # a Power with the exponent 2
        "forward": ("Square.", "{x} × {x}{so.z}."),
        "backward": (
            "The slope of a square is twice its input.",
            "The upstream gradient {dout} is multiplied by it:",
        ),
        "to": ("{x.name} gets {dout} × 2 × {x}{so.x}",),
        "entry": ("{x} × {x}", "{dout} × 2 × {x}"),
        "rule": ("{x.name}²", "2 × {x.name}"),
    },
    "Power.variable": {  # a Power whose exponent is a variable
        "forward": ("Power.", "{x}^{y}{so.z}."),
        "backward": (
            "Power.",
            "The upstream gradient {dout} is multiplied by the slope of each input:",
        ),
        "to": (
            "{x.name} gets {dout} × {y} × {x}^({y} − 1){so.x}",
            "{y.name} gets {dout} × {z} × log {x}{so.y}",
        ),
        "entry": ("{x}^{y}", "{dout} × {y} × {x}^({y} − 1)", "{dout} × {z} × log {x}"),
        "rule": (
            "{x.name}^{y.name}",
            "{y.name} × {x.name}^({y.name} − 1)",
            "{z.name} × log {x.name}",
        ),
    },
    "Exp": {
        "forward": ("Exponential.", "exp({x}){so.z}."),
        "backward": (
            "exp is its own derivative.",
            "The upstream gradient {dout} is multiplied by the output:",
        ),
        "to": ("{x.name} gets {dout} × {z}{so.x}",),
        "entry": ("exp({x})", "{dout} × {z}"),
        "rule": ("exp({x.name})", "{z.name}"),
    },
    "Log": {
        "forward": ("Logarithm.", "The natural logarithm: log({x}){so.z}."),
        "backward": ("Log divides.", "The upstream gradient {dout} is divided by the input:"),
        "to": ("{x.name} gets {dout} ÷ {x}{so.x}",),
        "entry": ("log {x}", "{dout} ÷ {x}"),
        "rule": ("log({x.name})", "1 ÷ {x.name}"),
    },
    "Maximum": {
        "forward": ("Maximum.", "max({x}, {y}){so.z}."),
        "backward": (
            "Maximum is a gate.",
            "The larger input gets the upstream gradient {dout}, the other 0 (a tie goes to the "
            "second input):",
        ),
        "to": ("{x.name} gets {dx}{copies.x}", "{y.name} gets {dy}{copies.y}"),
        "entry": ("max({x}, {y})", "{dout} × {won}", "{dout} × {won}"),
        "rule": (
            "max({x.name}, {y.name})",
            "1 where {x.name} > {y.name}, else 0",
            "0 where {x.name} > {y.name}, else 1",
        ),
        "local": ("mask", "mask"),
    },
    "Maximum.gate": {  # a Maximum with 0: ReLU
        "forward": ("ReLU.", "max({x}, 0){so.z}."),
        "backward": (
            "ReLU is a gate.",
            "The upstream gradient {dout} passes where the input is positive:",
        ),
        "to": ("{x.name} gets {dx}",),
        "entry": ("max({x}, 0)", "{dout} × {won}"),
        "rule": ("max({x.name}, 0)", "1 where {x.name} > 0, else 0"),
        "local": ("mask",),
    },
    "MatMul": {
        "forward": (
            "Matrix product.",
            "{x.name} {x.shape} times {y.name} {y.shape} gives {z.name} {z.shape}.",
        ),
        "backward": (
            "The matrix product swaps and transposes.",
            "With the upstream gradient {dout} {z.shape}:",
        ),
        "to": (
            "{x.name} gets {dout} @ {y.name}ᵀ, of shape {x.shape}",
            "{y.name} gets {x.name}ᵀ @ {dout}, of shape {y.shape}",
        ),
        "rule": ("{x.name} @ {y.name}", "{z.gradient} @ {y.name}ᵀ", "{x.name}ᵀ @ {z.gradient}"),
        "local": ("@ {y.name}ᵀ", "{x.name}ᵀ @"),
    },
    "MatMul.dot": {  # of two vectors
        "forward": (
            "Dot product.",
            "Entries are multiplied in pairs and summed: {x.name} · {y.name}{so.z}.",
        ),
        "backward": (
            "A dot product swaps.",
            "The upstream gradient {dout} is multiplied by the other side:",
        ),
        "to": (
            "{x.name} gets {dout} × {list.y}{is.x}",
            "{y.name} gets {dout} × {list.x}{is.y}",
        ),
        "rule": ("{x.name} · {y.name}", "{y.name}", "{x.name}"),
    },
    "Sum": {
        "forward": ("Sum.", "The sum over {x.name} {x.shape}{so.z}."),
        "backward": (
            "Sum copies.",
            "Every entry that was summed gets the upstream gradient {dout}:",
        ),
        "to": ("{x.name} gets {dx}",),
        "rule": ("Σ {x.name}", "1 for every entry"),
        "local": ("1",),
    },
    "Reshape": {
        "forward": (
            "Reshape.",
            "The numbers of {x.name} {x.shape} in the same order, as {z.name} {z.shape}.",
        ),
        "backward": (
            "Reshape takes the shape back.",
            "The upstream gradient {dout} {z.shape} gets the shape of the input again:",
        ),
        "to": ("{x.name} gets {dx}",),
        "rule": ("{x.name}, reshaped", "{z.gradient}, reshaped"),
        "local": ("reshape",),
    },
    "Transpose": {
        "forward": ("Transpose.", "The axes of {x.name} {x.shape} change places{so.z}."),
        "backward": (
            "Transpose turns the gradient back.",
            "The axes of the upstream gradient {dout} {z.shape} change places again:",
        ),
        "to": ("{x.name} gets {dx}",),
        "rule": ("{x.name}ᵀ", "({z.gradient})ᵀ"),
        "local": ("ᵀ",),
    },
    "Take": {
        "forward": ("Take.", "What is taken from {x.name} {x.shape}{so.z}."),
        "backward": (
            "Take puts back.",
            "The upstream gradient {dout} goes back to the entries that were taken, and adds up there; all others get 0:",
        ),
        "to": ("{x.name} gets {dx}",),
        "rule": ("taken from {x.name}", "1 for each time it was taken"),
        "local": ("1",),
    },
    "Mean": {
        "forward": ("Mean.", "The mean over {x.name} {x.shape}{so.z}."),
        "backward": (
            "Mean shares out equally.",
            "The upstream gradient {dout} is divided by the number of entries that were averaged:",
        ),
        "to": ("{x.name} gets {dx}",),
        "rule": ("mean of {x.name}", "1/N for each of N entries"),
        "local": ("1/N",),
    },
    "Max": {
        "forward": ("Largest entry.", "The largest entry of {x.name} {x.shape}{so.z}."),
        "backward": (
            "The winner takes the gradient.",
            "The largest entry gets the upstream gradient {dout}, the others 0 (of several that tie, "
            "the first):",
        ),
        "to": ("{x.name} gets {dx}",),
        "rule": ("max of {x.name}", "1 for the largest entry, else 0"),
        "local": ("mask",),
    },
    "Affine": {
        "forward": (
            "Affine.",
            "{x.name} {x.shape} @ {y.name} {y.shape} + {b.name} {b.shape} gives {z.name} {z.shape}.",
        ),
        "backward": (
            "Affine hands on one gradient and keeps two.",
            "From the upstream gradient {dout} {z.shape}:",
        ),
        "to": (
            "{x.name} gets {dout} @ {y.name}ᵀ, of shape {x.shape}",
            "{y.name} gets {x.name}ᵀ @ {dout}, of shape {y.shape}",
            "{b.name} gets {dout} summed over the batch, of shape {b.shape}",
        ),
        "rule": (
            "{x.name} @ {y.name} + {b.name}",
            "{z.gradient} @ {y.name}ᵀ",
            "{x.name}ᵀ @ {z.gradient}",
            "Σ {z.gradient}",
        ),
        "local": ("@ {y.name}ᵀ", "{x.name}ᵀ @", "Σ rows"),
    },
    "Affine.plain": {  # an Affine without a bias
        "forward": ("Affine.", "{x.name} {x.shape} @ {y.name} {y.shape} gives {z.name} {z.shape}."),
        "backward": (
            "Affine hands on one gradient and keeps one.",
            "From the upstream gradient {dout} {z.shape}:",
        ),
        "to": (
            "{x.name} gets {dout} @ {y.name}ᵀ, of shape {x.shape}",
            "{y.name} gets {x.name}ᵀ @ {dout}, of shape {y.shape}",
        ),
        "rule": (
            "{x.name} @ {y.name}",
            "{z.gradient} @ {y.name}ᵀ",
            "{x.name}ᵀ @ {z.gradient}",
        ),
        "local": ("@ {y.name}ᵀ", "{x.name}ᵀ @"),
    },
    "ReLU": {
        "forward": ("ReLU.", "Negative entries of {x.name} {x.shape} become 0."),
        "backward": (
            "ReLU is a gate.",
            "The upstream gradient {dout} passes where the input was positive:",
        ),
        "to": ("{x.name} gets {dx}",),
        "entry": ("max({x}, 0)", "{dout} × {kept}"),
        "rule": ("max({x.name}, 0)", "1 where {x.name} > 0, else 0"),
        "local": ("mask",),
    },
    "Sigmoid": {
        "forward": ("Sigmoid.", "Every entry x of {x.name} {x.shape} goes to 1 / (1 + exp(−x))."),
        "backward": (
            "Sigmoid.",
            "The upstream gradient {dout} is multiplied by y(1 − y), where y is {z.name}:",
        ),
        "to": ("{x.name} gets {dx}",),
        "entry": ("1 ÷ (1 + exp(−{x}))", "{dout} × {z} × (1 − {z})"),
        "rule": ("1 / (1 + exp(−{x.name}))", "{z.name} × (1 − {z.name})"),
        "local": ("y(1 − y)",),
    },
    "Tanh": {
        "forward": ("Tanh.", "Every entry of {x.name} {x.shape} goes to its hyperbolic tangent."),
        "backward": (
            "Tanh.",
            "The upstream gradient {dout} is multiplied by 1 − y², where y is {z.name}:",
        ),
        "to": ("{x.name} gets {dx}",),
        "entry": ("tanh({x})", "{dout} × (1 − {z}²)"),
        "rule": ("tanh({x.name})", "1 − {z.name}²"),
        "local": ("1 − y²",),
    },
    "Conv2D": {
        "forward": (
            "Convolution.",
            "The kernels {y.name} {y.shape} slide over {x.name} {x.shape} and give {z.shape}.",
        ),
        "backward": (
            "Convolution hands on one gradient and keeps two.",
            "From the upstream gradient {dout} {z.shape}, each a sum over all places:",
        ),
        "to": (
            "{x.name} gets the kernels times {dout}, added where each window stood, of shape {x.shape}",
            "{y.name} gets the windows times {dout}, of shape {y.shape}",
            "{b.name} gets {dout} summed over samples and places, of shape {b.shape}",
        ),
        "rule": (
            "{y.name} slides over {x.name}, + {b.name}",
            "{y.name}, turned, slides over {z.gradient}",
            "{z.gradient} slides over {x.name}",
            "Σ {z.gradient}",
        ),
        "local": ("turned W", "windows", "Σ places"),
    },
    "Conv2D.plain": {  # a Conv2D without biases
        "forward": (
            "Convolution.",
            "The kernels {y.name} {y.shape} slide over {x.name} {x.shape} and give {z.shape}.",
        ),
        "backward": (
            "Convolution hands on one gradient and keeps one.",
            "From the upstream gradient {dout} {z.shape}, each a sum over all places:",
        ),
        "to": (
            "{x.name} gets the kernels times {dout}, added where each window stood, of shape {x.shape}",
            "{y.name} gets the windows times {dout}, of shape {y.shape}",
        ),
        "rule": (
            "{y.name} slides over {x.name}",
            "{y.name}, turned, slides over {z.gradient}",
            "{z.gradient} slides over {x.name}",
        ),
        "local": ("turned W", "windows"),
    },
    "MaxPool2D": {
        "forward": (
            "Max pooling.",
            "The largest entry of each window of {x.name} {x.shape} goes on to {z.name} {z.shape}.",
        ),
        "backward": (
            "The winner takes the gradient.",
            "The largest entry of each window gets its upstream gradient {dout}, the others 0:",
        ),
        "to": ("{x.name} gets {dx}",),
        "rule": ("max of each window of {x.name}", "1 for the largest entry of a window, else 0"),
        "local": ("winners",),
    },
    "Flatten": {
        "forward": (
            "Flatten.",
            "Each sample of {x.name} {x.shape} becomes one row of {z.name} {z.shape}.",
        ),
        "backward": (
            "Flatten takes the shape back.",
            "The upstream gradient {dout} {z.shape} gets the shape of the input again:",
        ),
        "to": ("{x.name} gets {dx}",),
        "rule": ("{x.name}, a sample a row", "{z.gradient}, in the shape of {x.name}"),
        "local": ("reshape",),
    },
    "Embedding": {
        "forward": (
            "Embedding.",
            "Each number in {x.name} {x.shape} picks its row of {y.name} {y.shape}: {z.shape}.",
        ),
        "backward": (
            "Embedding puts back.",
            "Each row of the upstream gradient {dout} is added to the row that was picked; one picked "
            "twice gets both, and the numbers that picked have no gradient:",
        ),
        "to": ("", "{y.name} gets {dy}"),
        "rule": ("{y.name}[{x.name}]", "", "Σ {z.gradient}, row by row"),
        "local": ("", "Σ rows"),
    },
    "Attention": {
        "forward": (
            "Attention.",
            "{x.name} {x.shape} is used three times, as queries Q, keys K and values V; "
            "softmax(Q Kᵀ / √H) V gives {z.shape}.",
        ),
        "backward": (
            "Attention adds up three uses.",
            "The upstream gradient {dout} {z.shape} comes back through Q, K and V:",
        ),
        "to": (
            "{x.name} gets {dx}",
            "{y.name} gets {dy}",
            "{b.name} gets {db}",
            "{c.name} gets {dc}",
        ),
        "rule": (
            "softmax(Q Kᵀ / √H) V",
            "∂Q {y.name}ᵀ + ∂K {b.name}ᵀ + ∂V {c.name}ᵀ",
            "{x.name}ᵀ ∂Q",
            "{x.name}ᵀ ∂K",
            "{x.name}ᵀ ∂V",
        ),
        "local": ("3 uses", "xᵀ ∂Q", "xᵀ ∂K", "xᵀ ∂V"),
    },
    "SoftmaxWithLoss": {
        "forward": (
            "Softmax with loss.",
            "Scores {x.shape} become probabilities; against the labels the mean loss is {z}.",
        ),
        "backward": ("Softmax with loss subtracts.", "(y − t) / N, times the upstream {dout}:"),
        "to": ("{x.name} gets {dx}",),
        "rule": ("−Σ {y.name} log(softmax({x.name})) / N", "(softmax({x.name}) − {y.name}) / N"),
        "local": ("(y − t)/N",),
    },
    "IdentityWithLoss": {
        "forward": (
            "Identity with loss.",
            "Half the sum of the squared errors, as a mean over the batch, is {z}.",
        ),
        "backward": ("Identity with loss subtracts.", "(y − t) / N, times the upstream {dout}:"),
        "to": ("{x.name} gets {dx}",),
        "rule": ("Σ ({x.name} − {y.name})² / 2N", "({x.name} − {y.name}) / N"),
        "local": ("(y − t)/N",),
    },
    "other": {
        "forward": ("{op}.", "Its output is {z.name}{of.z}."),
        "backward": ("{op}.", "From the upstream gradient {dout}:"),
        "to": ("{x.name} gets {dx}",),  # and so on, for as many inputs as there are
        "none": "nothing goes further",
        "unfit": "of another form",
        "rule": ("",),
    },
    "start": {
        "forward": (
            "Press Next step.",
            "Each press is one step: first forward, from the inputs to {z.name}, "
            "then backward, from {z.name} to the inputs.",
        ),
        "rule": ("",),
    },
    "seed": {
        "backward": (
            "The backward pass starts.",
            "The derivative of {z.name} with respect to itself is {dout}.",
        ),
        "rule": ("", "1"),
    },
    "given": {  # a seed that is not 1
        "backward": ("The backward pass starts.", "The gradient of {z.name} is given: {dout}."),
        "rule": ("",),
    },
    "fork": {
        "backward": ("", "{x.name} is used more than once, so its gradients add{sum}."),
    },
    # what buttons, fields and messages say; the slots here are plain texts
    "labels": {
        "next": "Next step",
        "previous": "Previous step",
        "first": "First step",
        "last": "Last step",
        "Play": "Play",
        "Pause": "Pause",
        "step": "Step",
        "speed": "Speed",
        "walk": "Step through the calculation",
        "count": "{phase} · {now} of {last}",
        "start": "start",
        "forward": "forward",
        "backward": "backward",
        "turn": "Play rests here. Press it again to go backward.",
        "broken": "This figure cannot be stepped ({error}).",
        "code": "The lines that ran",
        "whole": "Whole source",
        "picture": "{title}, picture",
        "layers": "Layers",
        "nodes": "Nodes",
        "level": "Level of detail",
        "table": "All {last} steps as a table",
        "column.step": "Step",
        "column.phase": "Phase",
        "column.variable": "Variable",
        "column.said": "What happens",
        "empty": "no numbers",
        "still": "The picture after its last step. Run the cell to step through it.",
        "still.moves": "Run the cell, and it moves.",
        "still.bets": "Run the cell to place your bets.",
        "kept": "keeps {name}",
        "pieces": "the sum of {count}",
        "legend.value": "Above a line: the value",
        "legend.gradient": "Below it: the gradient",
        "legend.rule": "= gradient of the result × local derivative, summed over the edges",
        "constant": "a constant {shape}",
        "shaped": "a gradient of shape {shape}",
        "of.shape": ", of shape {shape}",
        "copies": ", the sum over all entries that used it",
        "slope": "× slope",
        "each.edge": " along each edge",
        "one.edge": " on one edge",
        "other.edge": " on the other",
        "change": "Change a number",
        "undo": "Undo",
        "reset": "Reset",
        "not.number": "“{text}” is not a number",
        "not.label": "{name} is a class, a whole number from 0 to {most}",
        "stays": "{why}. {name} stays {value}.",
        "not.editable": "No number can be changed here: {op} is the author's own.",
        "ask": "Let me guess",
        "ask.value": "What is {name}?",
        "ask.cell": "What is entry {cell} of {name}?",
        "ask.gradient": "Which gradient goes to {name}?",
        "ask.share": "Which gradient goes to entry {cell} of {name}?",
        "ask.piece": "How much does {out} send back to {name}?",
        "ask.pieces": "How much does {out} send back to {name}, along both edges together?",
        "ask.check": "Check",
        "ask.show": "Show me",
        "ask.right": "Right: {told}",
        "ask.is": "{name} is {value}.",
        "ask.gets": "{name} gets {value}.",
        "ask.sends": "{out} sends {value} back to {name}.",
        "ask.wrong": "No, not {value}.",
        "ask.open": "Type your guess first, or press Show me.",
        "ask.one": "One entry is enough: the others are made alike.",
        "ask.start": "The step runs when your guess is right.",
        "ask.score": "{right} of {asked} right at the first try.",
        "slip.edge": "That comes along one edge, and there are two.",
        "slip.mask": "The mask is missing: a negative input lets nothing pass.",
        "slip.output": "The derivative is written with the output y, not with the input.",
        "slip.factor": "One factor is missing: y(1 − y), or 1 − y² of tanh.",
        "slip.transpose": "The transpose is missing, or at the wrong place.",
        "slip.bias": "The bias is missing.",
        "slip.summed": "That is one sample. The gradients of all samples are summed.",
        "slip.columns": "Each bias gets the sum of its own column.",
        "slip.twice": "That divides by the batch size. The loss has done so already.",
        "slip.mean": "The 1/N is missing: the loss is a mean over the batch.",
        "slip.half": "A factor 2 is wrong: the loss is half the mean square.",
        "slip.order": "The sign is turned: it is output minus target.",
        "slip.target": "The target is not subtracted.",
        "slip.rows": "That softmax runs over the batch. Each row has its own.",
        "nudge": "Nudge",
        "nudge.which": "Change a little:",
        "nudge.back": "Backward",
        "nudge.start": "Press an input.",
        "nudge.go": "Each arrow has its own factor.",
        "nudge.end": "{name} changes by Δ: the output changes by {change}. Press Backward: the same number, from the other side.",
        "nudge.met": "The same number, from the other side: {change}.",
        "nudge.many": "“…”: other entries change too.",
        "read.matrix": "{name}, {kind}, {rows} by {columns}. Arrow keys read its entries.",
        "read.none": "Point at a number of an array, or tap it, to see what made it.",
        "value": "value",
        "gradient": "gradient",
        "quiz.title": "Question",
        "quiz.right": "Right.",
        "quiz.wrong": "Not right.",
        "quiz.was": "The right answer:",
        "quiz.bet": "Your bet is placed. Look first; then press “{button}”.",
        "bets.sum": "{yes}, of {all}",
        "bets.score": "{right} of your {all} bets are right. They have a ✓, the others a ✗.",
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
        "scene.table": "In words",
        "scene.any": "any",
        "scene.said": "What is seen",
        "replay.title": "A training run",
        "replay.walk": "Step through the training run",
        "replay.count": "frame {now} of {last}",
        "replay.step": "update",
        "replay.loss": "loss",
        "replay.accuracy": "accuracy",
        "replay.norms": "size of each gradient",
        "replay.log": "{name}, logarithmic",
        "replay.bars": "One bar a parameter, on a log axis. The table holds the numbers.",
        "replay.curve": "The {name} goes from {first} to {last}.",
        "replay.update": "Update {step}.",
        "replay.loss.is": "The loss of its mini-batch is {loss}.",
        "replay.loss.mean": "The loss, a mean over the last {over} mini-batches, is {loss}.",
        "replay.metric.now": "The {name} is {metric}.",
        "replay.metric.before": "The {name}, measured at update {step}, was {metric}.",
        "replay.held": "held-out loss",
        "replay.all": "loss on all the data",
        "replay.units": "the weights into {count} hidden units; a square is blank at −{most} or less, and full at {most} or more",
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
    return str(np.shape(value)) if np.ndim(value) else in_digits(float(value), digits)


@lru_cache(4096)  # a picture asks for the same number again and again
def in_digits(value, digits):
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


def fit(value, room):
    """A number with as many digits, from four to two, as `room` characters hold.

    In the cells of a grid, where a larger one gets smaller letters, one near 0 is shown as 0.00.
    """
    return display(value) if np.ndim(value) else in_room(float(value), room)


@lru_cache(4096)
def in_room(value, room):
    texts = [in_digits(value, digits) for digits in (4, 3, 2)]
    found = next((text for text in texts if len(text) <= room), None)
    if found is None and room < WIRE_ROOM and abs(value) < 1:
        sign = "−" if value < 0 else ""
        found = unsigned(f"{sign}{abs(value):.{max(room - 2 - len(sign), 0)}f}")
    return texts[-1] if found is None else found


WIRE_ROOM = 7  # characters of a number on a wire
MINUS_ZERO = re.compile(r"(?<![\w.)\]−-])[−-](?=0(\.0*)?(?![\de]|\.\d))")


def unsigned(text):
    """A zero that a format has rounded to has no sign: −0.00 becomes 0.00."""
    return MINUS_ZERO.sub("", text)


HYPHEN = re.compile(r"(?<![\w.)\]=−-])-(?=[.\d])")
EXPONENT = re.compile(r"(?<![\w.])(\d(?:\.\d+)?)e([+-]?\d+)\b")
NAMED_NUMBER = re.compile(r"[^\W\d]\w* = -?[\d.]+(e[+-]0\d)?")  # `x = -4`; formatted, `h = 1e-02`


def typeset(text):
    """What an author wrote with Python's format, as `display` writes it: minus signs, 360 and not 3.6e2.

    `code` in backticks stays as it is typed, but for a name and its number; the hyphens of 784-50-10 stay too.
    """
    pieces = text.split("`")
    for k, piece in enumerate(pieces):
        if k % 2 == 0 or NAMED_NUMBER.fullmatch(piece):
            pieces[k] = HYPHEN.sub("−", unsigned(EXPONENT.sub(in_full, piece)))
    return "`".join(pieces)


def in_full(match):
    """A number with an exponent as `display` has it, with as many digits as were written."""
    return display(float(match[0]), len(match[1].replace(".", "")))


def trim(number):
    digits = str(number)
    return digits.rstrip("0").rstrip(".") if "." in digits else digits


SUPERSCRIPT = str.maketrans("−0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
OPERATORS = tuple("+−×÷^/@")
LONGEST = 4  # terms of a fork; of a longer sum the first ones and the last are written


def raised(exponent):
    """A fixed exponent as it stands behind its base: ², ⁻¹, ^0.5."""
    text = display(exponent).translate(SUPERSCRIPT)
    if set(text) <= set("⁻⁰¹²³⁴⁵⁶⁷⁸⁹"):
        return text
    return f"^({display(exponent)})" if exponent < 0 else f"^{display(exponent)}"


def derivative(top, by):
    """∂L/∂x; a name that reads as a sum or a product stands in parentheses."""
    return f"∂{whole(top)}/∂{whole(by)}"


def whole(name):
    return f"({name})" if re.search(r"[-+−×÷*/@·^ ]", name) else name


def told_as(op, exponent, inputs):
    """The entry of `WORDS` for an operation: a square, a power of a variable, max(x, 0) have their own.

    inputs   (constant, value) of each input
    """
    if op == "Power":
        return "Power.variable" if len(inputs) == 2 else "Power.square" if exponent == 2 else op
    if op in ("Affine", "Conv2D") and len(inputs) == 2:
        return f"{op}.plain"
    if op == "Maximum" and inputs[1][0] and np.ndim(inputs[1][1]) == 0 and inputs[1][1] == 0:
        return "Maximum.gate"
    if op == "MatMul" and all(np.ndim(value) == 1 for _, value in inputs):
        return "MatMul.dot"
    return op if op in WORDS and op[0].isupper() else "other"


FEW = 4  # entries of a vector that a sentence holds


def listed(value):
    """A number, or a short vector with its numbers, [0, −0.333, 0]; "" for any other array."""
    if np.ndim(value) == 0:
        return display(value)
    short = np.ndim(value) == 1 and np.size(value) <= FEW
    return f"[{', '.join(display(entry, 3) for entry in value)}]" if short else ""


def summed(terms):
    """The terms of a sum as parts; of a long one the first and the last."""
    long = len(terms) > LONGEST
    texts = [listed(term) for term in (terms[: LONGEST - 2] if long else terms)]
    if long:
        texts += ["…", listed(terms[-1])]
    parts = [part for text in texts for part in (("", " + "), ("gradient", text))]
    return bracketed(parts[1:])


def pieces(terms, total, entry=None):
    """The gradients that came back to a value used more than once, and their sum: ("6 + 5", " = 11").

    Of arrays the same at one entry (flat), "[1]: 6 + 5"; without one their number alone.
    """
    head = ""
    if np.ndim(total):
        if entry is None:
            return label("pieces", count=len(terms)), ""
        place = np.unravel_index(entry, np.shape(total))
        head, total = f"[{', '.join(map(str, place))}]: ", np.ravel(total)[entry]
        terms = [np.ravel(term)[entry] for term in terms]
    return head + "".join(text for _, text in summed(terms)), f" = {display(total)}"


def fill(template, slots):
    """The template as a list of (kind, text): kind "value" or "gradient" for numbers, else "".

    A slot holds one such part, or a list of them.
    """
    parts, end = [], 0
    for match in SLOT.finditer(template):
        parts.append(("", template[end : match.start()]))
        held = slots[match[1]]
        parts += held if isinstance(held, list) else [held]
        end = match.end()
    parts.append(("", template[end:]))
    return bracketed([(kind, text) for kind, text in parts if text])


def bracketed(parts):
    """Negative numbers in parentheses behind an operator and under a power, and nowhere else."""
    after = [text for _, text in parts[1:]] + [""]
    before = [""] + [text.rstrip() for _, text in parts[:-1]]
    return [
        (kind, f"({text})")
        if kind
        and text.startswith("−")
        and (then.endswith(OPERATORS) or follows[:1] in tuple("^⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
        else (kind, text)
        for (kind, text), then, follows in zip(parts, before, after, strict=True)
    ]

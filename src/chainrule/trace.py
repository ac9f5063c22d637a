"""The trace: a run of a graph or a network, recorded once, step by step, as plain data.

Every picture, widget and table in the book shows a trace and nothing else. It owns its numbers, in
full precision; rounding happens only where they are shown.
"""

import copy
import json
import re
from bisect import bisect_right
from dataclasses import dataclass, field, fields, replace
from functools import cached_property

import numpy as np

from chainrule.graph import Variable, backward_steps, forward_steps, topological_order
from chainrule.guards.network import Still
from chainrule.guards.numbers import as_value
from chainrule.losses import RowMaximum
from chainrule.narration import (
    WORDS,
    derivative,
    display,
    fill,
    label,
    listed,
    raised,
    summed,
    told_as,
)
from chainrule.sources import SPECIAL, method_source, walk_source


@dataclass(frozen=True)
class Traced:
    """One variable of the run.

    name      unique in the trace
    letter    what pictures and sentences call it, where that is not its name: what a layer hands on is
              a value, and "Affine1" is the name of the layer
    op        the class name of the node or layer that made it, "" for a leaf
    symbol    how the node is drawn
    inputs    indices of the variables it was made from, in order
    value     a float or an array
    grad      the complete gradient, or None where none was asked for
    constant  a leaf that the author did not name, such as the 2 in 2 * x
    options   what the name of the operation does not tell, such as the axis of a sum
    kept      (name, array): what a layer keeps for the way back beside its input and output, or None
    """

    name: str
    op: str = ""
    symbol: str = ""
    inputs: tuple = ()
    value: object = None
    grad: object = None
    constant: bool = False
    options: dict = field(default_factory=dict)
    kept: tuple | None = None
    letter: str = ""

    @property
    def shown(self):
        return self.letter or self.name


@dataclass(frozen=True)
class Step:
    """One node's visit.

    phase          "forward" or "backward"
    variable       the index of the node's output
    seed           True for the first backward step, where the output gets its gradient
    contributions  backward: the gradient that went to each input by this step
    """

    phase: str
    variable: int
    seed: bool = False
    contributions: tuple = ()


LETTERS = "xybcdefghijklmnopqrstuvw"  # the inputs in a sentence, in order

# How a number of a layer is read off the nodes that the layer stands for.
READ = {
    "same": lambda value: value,
    "class": lambda value: np.argmax(value, axis=-1),
    "positive": lambda value: (np.asarray(value) > 0).astype(float),
    "exp": np.exp,
}


class Trace:
    """A recorded run: `variables` in the order they were computed, `steps` in the order they ran.

    code    operation -> {"forward": {"lines", "shown", "mark"}, "backward": ...}: the source that ran;
            under "" the lines of the walk that call it, under " loss" and " seed" the others

    A network's trace has a layer a step. Where each of its layers can be written out in nodes:

    nodes   the trace of the same run with an elementary node a step, else None
    reads   for each variable, where its value and what is kept are found there:
            ((index, way), (index, way) or None), with a way out of `READ`
    why     why a network has no `nodes`, in words
    """

    def __init__(self, variables, steps, code, nodes=None, reads=(), why=""):
        self.variables, self.steps, self.code = tuple(variables), tuple(steps), code
        self.nodes, self.reads, self.why = nodes, tuple(reads), why

    def __len__(self):
        return len(self.steps)

    def __eq__(self, other):
        return isinstance(other, Trace) and self.to_json() == other.to_json()

    def __repr__(self):
        lines = [f"{i:>3}  {step.phase:<8}  {self.sentence(i)}" for i, step in self.numbered()]
        return "\n".join(lines)

    def numbered(self):
        return enumerate(self.steps, 1)

    def title_and_parts(self, number):
        """The title of step `number` (0 is the start), and its sentence as (kind, text) parts."""
        self.check_step(number)
        if number == 0:
            title, text = WORDS["start"]["forward"]
            return title, fill(text, {"z.name": ("", self.variables[-1].shown)})
        step = self.steps[number - 1]
        slots = self.slots(number)
        if step.seed:
            one = np.ndim(step.contributions[0]) == 0 and step.contributions[0] == 1
            title, text = WORDS["seed" if one else "given"]["backward"]
            return title, fill(text, slots)
        words = WORDS[self.told(self.variables[step.variable])]
        title, text = words[step.phase]
        title = "".join(text for _, text in fill(title, slots))
        parts = fill(text, slots)
        if step.phase == "backward":
            parts += self.handed_on(step, words["to"], slots)
            parts += self.forks(number)
        return title, parts

    @property
    def top(self):
        """What every gradient is of: an array at the end got its own from a number beyond the graph."""
        last = self.variables[-1]
        return "L" if np.ndim(last.value) else last.shown

    def told(self, variable):
        """Which entry of the table of words tells a variable's operation."""
        inputs = [self.variables[i] for i in variable.inputs]
        pairs = [(v.constant, v.value) for v in inputs]
        return told_as(variable.op, variable.options.get("exponent"), pairs)

    def check_step(self, number):
        whole = isinstance(number, (int, np.integer)) and not isinstance(number, bool)
        if not whole or not 0 <= number <= len(self.steps):
            raise ValueError(f"steps run from 0 to {len(self.steps)}, got {number!r}")

    def sentence(self, number):
        """What step `number` did, in words and numbers, as plain text."""
        title, parts = self.title_and_parts(number)
        return f"{title} {''.join(text for _, text in parts)}"

    def handed_on(self, step, phrases, slots):
        """ "a gets ..., b gets ...", leaving out the constants: nobody asks for their gradients."""
        inputs = self.variables[step.variable].inputs
        if phrases is WORDS["other"]["to"]:  # as many inputs as there are, and what they really got
            given = step.contributions
            phrases = [
                "" if share is None else phrases[0].replace("x", letter)
                for letter, share in zip(LETTERS, given, strict=False)
            ]
        said = [
            fill(phrase, slots)
            for i, phrase in zip(inputs, phrases, strict=False)
            if phrase and not self.variables[i].constant
        ]
        said = said or [[("", WORDS["other"]["none"])]]
        if len(said) == 2 and said[0] == said[1]:  # an input twice, as in x * x
            said = [[*said[0], ("", label("each.edge"))]]
        lines = [part for phrase in said for part in [("", ", "), *phrase]][1:]
        return [("", " "), *lines, ("", ".")]

    def forks(self, number):
        """For an input that has now got more than one gradient: the sum, written out."""
        inputs = self.variables[self.steps[number - 1].variable].inputs
        parts = []
        for i in dict.fromkeys(inputs):
            got = self.got(i, number)
            if len(got) > 1 and not self.variables[i].constant:
                terms, total = [gradient for _, gradient, _ in got], got[-1][2]
                said = [("", ": "), *summed(terms), ("", " = "), ("gradient", listed(total))]
                slots = {
                    "x.name": ("", self.variables[i].shown),
                    "sum": said if listed(total) else [],
                }
                parts += [("", " "), *fill(WORDS["fork"]["backward"][1], slots)]
        return parts

    def received(self, variable, number):
        """The gradients that `variable` has got by the end of step `number`, one a use."""
        return [gradient for _, gradient, _ in self.got(variable, number)]

    def got(self, variable, number):
        shares = self.shares.get(variable, ())
        return shares[: bisect_right(shares, number, key=lambda share: share[0])]

    def is_fork(self, variable):
        """Whether a variable gets more than one gradient, which add up."""
        return not self.variables[variable].constant and len(self.shares.get(variable, ())) > 1

    @cached_property
    def shares(self):
        """For each variable, what it gets: (number of the step, gradient, sum so far), in order."""
        shares = {}
        for number, step in self.numbered():
            for i, gradient in zip(self.receivers(step), step.contributions, strict=False):
                if gradient is not None:
                    got = shares.setdefault(i, [])
                    got.append((number, gradient, got[-1][2] + gradient if got else gradient))
        return shares

    def receivers(self, step):
        return (step.variable,) if step.seed else self.variables[step.variable].inputs

    def slots(self, number):
        step = self.steps[number - 1]
        out = self.variables[step.variable]
        exponent = out.options.get("exponent") or 0.0
        slots = {
            "op": ("", out.op),
            "p": ("value", display(exponent)),
            "up.p": ("", raised(exponent)),
            "up.q": ("", raised(exponent - 1)),
        }
        for letter, i in zip(LETTERS, out.inputs, strict=False):
            variable = self.variables[i]
            slots[letter] = ("value", called(variable))
            slots[f"{letter}.name"] = slots[letter] if variable.constant else ("", variable.shown)
            slots[f"{letter}.shape"] = ("", shape_text(variable.value))
            slots[f"list.{letter}"] = ("value", listed(variable.value) or called(variable))
            stretched = np.size(variable.value) < np.size(out.value)
            slots[f"sum.{letter}"] = ("", "Σ " if stretched else "")
            slots[f"copies.{letter}"] = ("", label("copies") if stretched else "")
        slots["z"], slots["z.name"] = ("value", called(out)), ("", out.shown)
        slots["z.shape"] = ("", shape_text(out.value))
        slots["of.z"] = ending("value", out.value)
        slots["so.z"] = ending("value", out.value, out.shown)
        if step.phase == "backward":
            known = derivative(self.top, out.shown) if np.ndim(out.grad) else spelled(out.grad)
            slots["dout"] = ("gradient", known)
            for letter, gradient in zip(LETTERS, step.contributions, strict=False):
                slots[f"d{letter}"] = ("gradient", given(gradient))
                ends = slots[f"so.{letter}"] = ending("gradient", gradient)
                short = gradient is not None and listed(gradient)
                slots[f"is.{letter}"] = [("", " = "), ("gradient", short)] if short else ends
        return slots

    def read_again(self, nodes):
        """This trace with the numbers of another run of its nodes."""
        variables = []
        for variable, (value, kept) in zip(self.variables, self.reads, strict=True):
            found = nodes.variables[value[0]]
            changed = {"value": read(nodes, value)}
            if variable.grad is not None:
                changed["grad"] = found.grad
            if kept is not None:
                changed["kept"] = (variable.kept[0], read(nodes, kept))
            variables.append(replace(variable, **changed))
        steps = [
            step
            if step.phase == "forward" or step.seed
            else replace(step, contributions=handed_by_layer(step, variables))
            for step in self.steps
        ]
        return Trace(variables, steps, self.code, nodes, self.reads)

    def to_json(self):
        """The whole trace as JSON text; NaN and infinities become strings, arrays say their type."""
        return json.dumps(
            self.to_dict(), ensure_ascii=False, allow_nan=False, separators=(",", ":")
        )

    def to_dict(self):
        data = {
            "variables": [compact(v) for v in self.variables],
            "steps": [compact(s) for s in self.steps],
            "code": self.code,
        }
        if self.nodes is not None:
            data |= {"nodes": self.nodes.to_dict(), "reads": self.reads}
        return data

    @classmethod
    def from_json(cls, text):
        """The trace that `to_json` wrote. ValueError for anything else."""
        try:
            return cls.from_dict(json.loads(text))
        except (
            KeyError, TypeError, AttributeError, ValueError, OverflowError, RecursionError
        ) as error:  # fmt: skip
            got = repr(text)[:40]
            raise ValueError(f"this is not a trace: {error}; got {got}") from None

    @classmethod
    def from_dict(cls, data):
        variables = [Traced(**tuples(decode(v))) for v in data["variables"]]
        steps = [Step(**tuples(decode(s))) for s in data["steps"]]
        check_record(variables, steps, data["code"])
        nodes = cls.from_dict(data["nodes"]) if "nodes" in data else None
        reads = [tuple(r and tuple(r) for r in pair) for pair in data.get("reads", ())]
        check_reads(reads, variables, nodes)
        return cls(variables, steps, data["code"], nodes, reads)


def check_record(variables, steps, code):
    """Raise ValueError or TypeError unless a trace can be made of these."""
    if not variables or not isinstance(code, dict):
        raise ValueError("it has no variables, or no code")
    for way in [way for ways in code.values() for way in (ways["forward"], ways["backward"])]:
        numbers = [*way["shown"], *way["mark"]]
        whole = all(type(k) is int and 0 <= k < len(way["lines"]) for k in numbers)
        if not whole or not all_texts(way["lines"]):
            raise ValueError(f"its code wants lines of text, and which to show and mark, got {way}")
    for i, variable in enumerate(variables):
        check_variable(i, variable)
    if len({variable.name for variable in variables}) < len(variables):
        raise ValueError("two of its variables have one name")
    for step in steps:
        check_visit(step, variables)


def all_texts(values):
    return isinstance(values, (list, tuple)) and all(isinstance(text, str) for text in values)


def check_variable(i, variable):
    name = variable.name
    if not all_texts((name, variable.op, variable.symbol)) or not name:
        raise ValueError(f"variable {i} wants its name and operation as texts, got {name!r}")
    if not isinstance(variable.options, dict) or type(variable.constant) is not bool:
        raise ValueError(f"{name} has options {variable.options!r}, constant {variable.constant!r}")
    if not all(type(k) is int and 0 <= k < i for k in variable.inputs):
        raise ValueError(f"{name} cannot be made from {variable.inputs}")
    check_recorded(variable.value, name)
    if variable.grad is not None:
        check_recorded(variable.grad, name)
        if np.shape(variable.grad) != np.shape(variable.value):
            raise ValueError(f"{name} has a gradient of another shape")
    if variable.kept is not None:
        label, array = variable.kept
        check_recorded(array, name)
        if not isinstance(label, str):
            raise ValueError(f"{name} keeps something called {label!r}")


def check_recorded(number, where):
    if isinstance(number, (list, tuple, dict)):
        raise ValueError(f"{where} wants a number or an array, got {number!r}")
    as_value(number, where)


def check_visit(step, variables):
    if step.phase not in ("forward", "backward") or type(step.variable) is not int:
        raise ValueError(f"there is no step {step.phase} {step.variable}")
    if not 0 <= step.variable < len(variables):
        raise ValueError(f"a step runs variable {step.variable} of {len(variables)}")
    backward, inputs = step.phase == "backward", variables[step.variable].inputs
    if type(step.seed) is not bool or (step.seed and not backward):
        raise ValueError(f"a step {step.phase} has the seed {step.seed!r}")
    wanted = 0 if not backward else 1 if step.seed else len(inputs)
    if len(step.contributions) != wanted or not (inputs or step.seed):
        raise ValueError(
            f"{step.phase} {variables[step.variable].name} does not go with its inputs"
        )
    for number in step.contributions:
        if number is not None:
            check_recorded(number, "a contribution")


def check_reads(reads, variables, nodes):
    """Raise ValueError or TypeError unless every variable can be read off the nodes."""
    if nodes is None:
        return
    if len(reads) not in (0, len(variables)):
        raise ValueError(f"it reads {len(reads)} of {len(variables)} variables")
    for index, way in [place for pair in reads for place in pair if place is not None]:
        if way not in READ or type(index) is not int or not 0 <= index < len(nodes.variables):
            raise ValueError(f"nothing can be read at {index} by {way!r}")


def read(nodes, where):
    index, way = where
    return READ[way](nodes.variables[index].value)


def handed_by_layer(step, variables):
    """What a layer hands on is the whole gradient of each input, since nothing else uses it."""
    return tuple(variables[i].grad for i in variables[step.variable].inputs)


def compact(record):
    """A Traced or a Step as data for JSON, without the entries that say nothing."""
    data = {f.name: getattr(record, f.name) for f in fields(record)}
    return {
        key: encode(value)
        for key, value in data.items()
        if not (
            value is None or value is False or (isinstance(value, str | tuple | dict) and not value)
        )
    }


def tuples(data):
    wanted = {"inputs", "contributions", "kept"} & data.keys()
    return data | {key: tuple(data[key]) for key in wanted}


def called(variable):
    """A value within a sentence: a number, or an array by its name."""
    if np.ndim(variable.value) == 0:
        return display(variable.value)
    shape = display(variable.value)
    return label("constant", shape=shape) if variable.constant else variable.shown


def spelled(dout):
    return WORDS["other"]["unfit"] if dout is None else display(dout)


def given(gradient):
    if gradient is None:
        return "nothing"
    return label("shaped", shape=display(gradient)) if np.ndim(gradient) else display(gradient)


def ending(kind, value, name=""):
    """How a sum ends: with its number, or with the name and the shape of an array."""
    if np.ndim(value) == 0:
        return [("", " = "), (kind, "nothing" if value is None else display(value))]
    named = [("", " = "), (kind, name)] if name else []
    return [*named, ("", label("of.shape", shape=display(value)))]


def shape_text(value):
    return display(value) if np.ndim(value) else "number"


NAMED = {"NaN": np.nan, "Infinity": np.inf, "-Infinity": -np.inf}


def encode(data):
    if isinstance(data, dict):
        return {key: encode(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [encode(value) for value in data]
    if isinstance(data, (np.ndarray, np.floating)) and not isinstance(data, float):
        flat = [encode(float(v)) for v in np.ravel(data)]
        return {"dtype": str(data.dtype), "shape": list(np.shape(data)), "data": flat}
    if isinstance(data, float) and not np.isfinite(data):
        return {"float": "NaN" if data != data else "Infinity" if data > 0 else "-Infinity"}
    return data


def decode(data):
    if isinstance(data, list):
        return [decode(value) for value in data]
    if not isinstance(data, dict):
        return data
    if data.keys() == {"float"}:
        return NAMED[data["float"]]
    if data.keys() == {"dtype", "shape", "data"}:
        if np.dtype(data["dtype"]).kind not in "fiub":
            raise ValueError(f"an array holds real numbers, got {data['dtype']!r}")
        return np.array(decode(data["data"]), dtype=data["dtype"]).reshape(data["shape"])
    return {key: decode(value) for key, value in data.items()}


def trace_graph(output, dout=1.0) -> Trace:
    """Run the graph that ends in `output` forward and backward, and record it.

    An array output wants a `dout` of its shape: its gradient, of a number L that is not in the graph.
    The graph's values and gradients are as after `forward_steps` and `backward`.
    """
    order = topological_order(output)
    index = {variable: i for i, variable in enumerate(order)}
    with np.errstate(all="ignore"):  # what is infinite or not a number is shown as that
        steps = recorded_steps(output, dout, index, used_again(order))
    names = unique_names(order)
    kinds = kinds_of([v.node for v in order if v.node is not None])
    variables = [
        Traced(
            name=names[i],
            op="" if v.node is None else kinds[id(v.node)],
            symbol="" if v.node is None else str(getattr(v.node, "symbol", type(v.node).__name__)),
            inputs=tuple(index[source] for source in v.inputs),
            value=recorded(v.value),
            grad=recorded(v.grad),
            constant=v.node is None and v.name is None,
            options=options_of(v, index),
        )
        for i, v in enumerate(order)
    ]
    trace = Trace(variables, steps, walk_of(forward_steps, backward_steps))
    trace.variables = tuple(
        replace(v, symbol="ReLU") if trace.told(v) == "Maximum.gate" else v for v in variables
    )
    made = [(trace.told(v), v.op, source.node) for v, source in zip(variables, order, strict=True)]
    trace.code |= code_of(piece for piece in made if piece[1])
    return trace


def recorded_steps(output, dout, index, forked):
    """A Step for every visit of the walk forward, and of the walk back."""
    steps = [Step("forward", index[v]) for v in forward_steps(output)]
    for number, variable in enumerate(backward_steps(output, dout)):
        if number == 0:
            steps.append(Step("backward", index[variable], True, (recorded(variable.grad),)))
            continue
        handed = [v.grad for v in variable.inputs]
        if not forked.isdisjoint(variable.inputs):  # a sum by now: ask for this node's own share
            handed = variable.node.backward(variable.grad)
        steps.append(Step("backward", index[variable], False, tuple(map(recorded, handed))))
    return steps


def used_again(order):
    """The variables that more than one edge leaves."""
    seen, again = set(), set()
    for variable in (v for user in order for v in user.inputs):
        (again if variable in seen else seen).add(variable)
    return again


# What a layer keeps beside its input and its output: the attribute, and its name.
KEPT = {"ReLU": "mask", "SoftmaxWithLoss": "y"}


def trace_network(network, x, t) -> Trace:
    """Run the network on x and t, forward and backward, and record it with a layer a step.

    A layer is anything with `forward` and `backward`; of one that is not known, no more is said than
    what came and what went.
    """
    if not (hasattr(network, "forward_steps") and hasattr(network, "backward_steps")):
        raise TypeError(f"trace_network wants a Network, got {network!r}")
    if t is None:
        raise ValueError("trace_network wants the targets t")
    # to look at a network moves nothing that it counts or draws
    with Still(network.layers.values()):
        run = recorded_run(network, x, t)
        variables = [Traced(**variable) for variable in run.variables]
        nodes, why = trace_expanded(network, x, t, variables)
    letters = letters_of(variables)
    variables = lettered(variables, letters)
    if nodes is not None:
        nodes.variables = tuple(lettered(nodes.variables, letters))
    reads = [] if nodes is None else [reads_of(v, nodes, run.names["t"]) for v in variables]
    walk = walk_of(network.forward_steps, network.backward_steps, " loss")
    code = code_of([("", run.kinds[id(layer)], layer) for layer in run.layers.values()])
    return Trace(variables, run.steps, walk | code, nodes, reads, why)


def recorded_run(network, x, t):
    run = NetworkRun(network, t)
    last = run.add(run.names["x"], x)
    for key, value in network.forward_steps(x, t):
        at_loss = key == "loss" and (key not in network.layers or key in run.made)
        last = run.forward(LOSS if at_loss else key, value, last)
    back = iter(network.backward_steps())
    run.seed(last, next(back)[1])
    run.backward(LOSS, next(back)[1])
    for key, dx in back:
        run.backward(key, dx)
    return run


LOSS = object()  # the key of the loss among the layers: a layer may have any name, "loss" too


class NetworkRun:
    """What is recorded while a network runs: each number at once, since a layer may write into it later."""

    def __init__(self, network, t):
        self.layers = dict(network.layers) | {LOSS: network.loss_layer}
        self.names = names_in(network)
        self.kinds = kinds_of(self.layers.values())
        self.t, self.variables, self.steps, self.made = t, [], [], {}

    def add(self, name, value, **more):
        while any(name == variable["name"] for variable in self.variables):
            name += "′"  # a layer that runs twice
        self.variables.append({"name": name, "value": recorded(value), **more})
        return len(self.variables) - 1

    def forward(self, key, value, last):
        layer = self.layers[key]
        inputs, params = [last], getattr(layer, "params", None) or {}
        inputs += [self.add(self.names[key, k], array) for k, array in params.items()]
        if key is LOSS:
            inputs.append(self.add(self.names["t"], self.t))
        kind = self.kinds[id(layer)]
        symbol = kind if is_ours(layer) else type(layer).__name__
        kept = kept_by(layer, kind)
        made = dict(inputs=tuple(inputs), op=kind, symbol=symbol, kept=kept)
        if hasattr(layer, "places") and is_ours(layer):  # where in its input each window looks
            made["options"] = {"places": layer.places(np.shape(self.variables[inputs[0]]["value"]))}
        last = self.add(self.names[key,], value, **made)
        self.made.setdefault(key, []).append((last, [*params]))
        self.steps.append(Step("forward", last))
        return last

    def seed(self, last, gradient):
        self.steps.append(Step("backward", last, True, (self.give(last, gradient),)))

    def backward(self, key, dx):
        index, params = self.made[key].pop()
        grads = getattr(self.layers[key], "grads", None) or {}
        inputs = self.variables[index]["inputs"]
        handed = [dx, *(grads.get(k) for k in params), *([None] if key is LOSS else [])]
        shares = [self.give(i, share) for i, share in zip(inputs, handed, strict=True)]
        self.steps.append(Step("backward", index, False, tuple(shares)))

    def give(self, i, gradient):
        """Record the gradient of a variable; None where there is none, or none of the value's shape."""
        gradient = recorded(gradient)
        if gradient is not None and np.shape(gradient) != np.shape(self.variables[i]["value"]):
            return None
        self.variables[i]["grad"] = gradient
        return gradient


def letters_of(variables):
    """Name -> letter for what each layer of a network hands on, as in the book: a, h, a₂, y.

    a is made with parameters, h by an activation, z by anything else, and y is what a loss holds against t.
    """
    made = [v for v in variables if v.op][:-1]
    letters = {
        v.name: "a" if len(v.inputs) > 1 else "h" if v.op in ACTIVATIONS else "z" for v in made
    }
    if made and variables[-1].op == "IdentityWithLoss":
        letters[made[-1].name] = "y"
    several = {letter for letter in "ahz" if list(letters.values()).count(letter) > 1}
    counts, taken = dict.fromkeys("ahz", 0), {v.name for v in variables}
    for name, letter in letters.items():
        if letter in several:
            counts[letter] += 1
            letters[name] = letter + str(counts[letter]).translate(SUBSCRIPTS)
    return {name: letter for name, letter in letters.items() if letter not in taken}


ACTIVATIONS = {"ReLU", "Sigmoid", "Tanh"}
SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def lettered(variables, letters):
    return [replace(v, letter=letters[v.name]) if v.name in letters else v for v in variables]


def names_in(network):
    """The name in a trace of everything in a network: "x", "t", (key,) of a layer, (key, name) of a parameter.

    Layers keep the names that they have; what the trace adds has another one where a layer is called `x`.
    """
    layers = dict(network.layers) | {LOSS: network.loss_layer}
    wanted = {(key,): str(key) or "layer" for key in network.layers}
    wanted |= {"x": "x", "t": "t", (LOSS,): "loss"}
    names = numbered_apart(wanted)
    own = {
        (key, k): f"{names[key,]}.{k}"
        for key, layer in layers.items()
        for k in getattr(layer, "params", None) or {}
    }
    return numbered_apart(names | own)


def numbered_apart(wanted):
    """The same names, where a second "x" is "x (2)"."""
    names, taken = {}, set()
    for key, base in wanted.items():
        name, again = base, 2
        while name in taken:
            name, again = f"{base} ({again})", again + 1
        names[key] = name
        taken.add(name)
    return names


def kept_by(layer, kind):
    name = KEPT.get(kind)
    array = getattr(layer, name, None) if name else None
    return None if array is None else (name, np.array(array, dtype=float))


def trace_expanded(network, x, t, variables):
    """The same run with an elementary node a step, and ""; or None, and why the network has none.

    A layer's `expand` that does not compute what the layer does would show a run that never was.
    """
    output, why = expand_network(network, x, t)
    if output is None:
        return None, why
    try:
        nodes = trace_graph(output)
    except Exception as error:  # whatever a reader's own `expand` is made of
        return None, f"written out in nodes, the network does not run: {error}"
    found = {v.name: v for v in nodes.variables}
    if missing := [v.name for v in variables if v.name not in found]:
        return None, f"written out in nodes, it has no {', '.join(missing)}"
    for variable in variables:
        if variable.op and not agree(variable.value, found[variable.name].value):
            return None, f"what its layers expand to gives another {variable.name}"
    return nodes, ""


def agree(a, b):
    """Whether two values are the same but for rounding."""
    if np.shape(a) != np.shape(b):
        return False
    with np.errstate(all="ignore"):
        return bool(
            np.allclose(a, b, rtol=1e-3, atol=1e-5 * np.max(np.abs(a), initial=0.0), equal_nan=True)
        )


def expand_network(network, x, t):
    """The whole network as one graph, and ""; or None, and why it cannot be written out in nodes.

    Variables have the names that they have in the network's own trace: x, t, loss, and for each
    layer its output, Affine1, and its parameters, Affine1.W.
    """
    layers, names = dict(network.layers) | {LOSS: network.loss_layer}, names_in(network)
    reserved = set(names.values())
    last = None
    for key, layer in layers.items():
        where = f"{names[key,]} ({type(layer).__name__})"
        if not hasattr(layer, "expand"):
            return None, f"{where} has no expand, which would write it out in nodes"
        try:
            last = Variable(np.asarray(x), names["x"]) if last is None else last
            known = set(topological_order(last))
            last = layer.expand(last, t) if key is LOSS else layer.expand(last)
            fresh = [v for v in topological_order(last) if v not in known]
        except Exception as error:  # whatever a reader's own `expand` is made of
            return None, f"expand of {where} does not go: {error}"
        for variable in fresh:
            if key is LOSS and variable.name == "t":
                variable.name = names["t"]
            elif (key, variable.name) in names:
                variable.name = names[key, variable.name]
            elif variable.name in reserved:
                variable.name = None
        last.name = names[key,]
    return last, ""


def reads_of(variable, nodes, targets):
    """Where the nodes of a network hold what the network's own trace says of `variable`."""
    index = {v.name: i for i, v in enumerate(nodes.variables)}
    here = index[variable.name]
    if variable.op == "ReLU":
        return (here, "same"), (here, "positive")
    if variable.op == "SoftmaxWithLoss":
        t = index[targets]
        logs = next(v for v in nodes.variables if v.op == "Multiply" and t in v.inputs)
        return (here, "same"), (next(i for i in logs.inputs if i != t), "exp")
    as_class = np.shape(variable.value) != np.shape(nodes.variables[here].value)
    return (here, "class" if as_class else "same"), None


def recorded(value):
    """A number or an array of one's own, or None for None.

    What a layer hands on beside arrays, such as a tuple of them, is recorded as one row of all its numbers.
    """
    if value is None or type(value) is float:
        return value
    try:
        array = np.array(value)
    except ValueError:  # a tuple of arrays of several shapes
        array = np.array(None)
    if array.dtype.kind not in "fiub":
        array = np.array([float(number) for number in numbers_in(value)])
    return array if array.ndim else array[()] if array.dtype.kind == "f" else float(array)


def numbers_in(value):
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return [number for one in value for number in numbers_in(one)]
    array = np.asarray(value)
    return array.ravel().tolist() if array.dtype.kind in "fiub" else []


OURS = re.compile(r"chainrule\.(nodes|more_nodes|layers|losses|guests\.\w+)")


def is_ours(piece):
    """Whether a node or layer is one of the package's, with its own methods: only then is it known what it does."""
    own = getattr(piece, "__dict__", {})
    return OURS.fullmatch(type(piece).__module__) and "forward" not in own and "backward" not in own


def kinds_of(pieces):
    """id of a node or layer -> what it is called: the name of its class, each kind another name.

    A class of the reader's own may be called like one of ours, or like another one of theirs.
    """
    names, kinds = {}, {}
    for piece in pieces:
        own = getattr(piece, "__dict__", {})
        key = type(piece), id(own.get("forward")), id(own.get("backward"))
        name = type(piece).__name__
        if not is_ours(piece) and (name in WORDS or not name[:1].isupper()):
            name = f"Your {name}"
        kinds[id(piece)] = names.setdefault(key, name), key
    apart = numbered_apart({key: name for name, key in kinds.values()})
    return {piece: apart[key] for piece, (_, key) in kinds.items()}


def options_of(variable, index):
    """What a variable's operation does not tell by its name."""
    if isinstance(variable, RowMaximum):
        return {"maximum_of": index[variable.scores]}
    if not is_ours(variable.node):
        return {}
    if variable.node.moves:
        return {"from": places_of(variable)}
    names = ("exponent", "axis", "keepdims")
    return {name: getattr(variable.node, name) for name in names if hasattr(variable.node, name)}


def places_of(variable):
    """For each entry of what Reshape, Transpose or Take gave, the place in the input that it came from."""
    (source,) = variable.inputs
    places = np.arange(float(np.size(source.value))).reshape(np.shape(source.value))
    return copy.copy(variable.node).forward(places)


def unique_names(order):
    """A name for every variable: its own, or v1, v2, ... for results and c1, c2, ... for constants."""
    taken = {str(v.name) for v in order if v.name is not None}
    names, seen, counts = [], set(), {"v": 0, "c": 0}
    for variable in order:
        name = None if variable.name in (None, "") else str(variable.name)
        if name is None:
            letter = "c" if variable.node is None else "v"
            while name is None or name in taken:
                counts[letter] += 1
                name = f"{letter}{counts[letter]}"
        base, again = name, 2
        while name in seen:
            name, again = f"{base} ({again})", again + 1
        seen.add(name)
        names.append(name)
    return names


WAYS = ("forward", "backward")


def code_of(pieces):
    """(what it is told as, kind, node or layer) of each -> kind -> the source of its forward and backward."""
    code = {}
    for told, kind, piece in pieces:
        name = told if told in SPECIAL else kind
        if name not in code:
            code[name] = {way: method_source(piece, way, SPECIAL.get(told)) for way in WAYS}
    return code


def walk_of(forward, backward, *more):
    """The source of the walks, under "" where they call a layer, " loss" and " seed"; see `walk_source`."""
    ways = {
        "forward": walk_source(forward, "forward"),
        "backward": walk_source(backward, "backward"),
    }
    return {
        name: {way: ways[way][name.strip() or "layer"] for way in WAYS}
        for name in ("", " seed", *more)
    }

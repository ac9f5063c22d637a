"""The trace: a run of a graph or a network, recorded once, step by step, as plain data.

Every picture, widget and table in the book shows a trace and nothing else. It owns its numbers, in
full precision; rounding happens only where they are shown. Read `drawing` next.
"""

import ast
import inspect
import json
import textwrap
from dataclasses import dataclass, field, fields, replace
from functools import cache, cached_property

import numpy as np

from chainrule.graph import Variable, backward_steps, forward_steps, topological_order
from chainrule.guards.numbers import as_value
from chainrule.losses import RowMaximum
from chainrule.narration import WORDS, display, fill, spell


@dataclass(frozen=True)
class Traced:
    """One variable of the run.

    name      unique in the trace
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


# How a number of a layer is read off the nodes that the layer stands for.
READ = {
    "same": lambda value: value,
    "class": lambda value: np.argmax(value, axis=-1),
    "positive": lambda value: (np.asarray(value) > 0).astype(float),
    "exp": np.exp,
}


class Trace:
    """A recorded run: `variables` in the order they were computed, `steps` in the order they ran.

    code    operation -> {"forward": {"lines", "mark"}, "backward": ...}: the source that ran; under ""
            the walk itself, forward before the first step, backward where the seed is set

    A network's trace has a layer a step. Where each of its layers can be written out in nodes:

    nodes   the trace of the same run with an elementary node a step, else None
    reads   for each variable, where its value and what is kept are found there:
            ((index, way), (index, way) or None), with a way out of `READ`
    """

    def __init__(self, variables, steps, code, nodes=None, reads=()):
        self.variables, self.steps, self.code = tuple(variables), tuple(steps), code
        self.nodes, self.reads = nodes, tuple(reads)

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
            return title, fill(text, {"z.name": ("", self.variables[-1].name)})
        step = self.steps[number - 1]
        slots = self.slots(number)
        if step.seed:
            title, text = WORDS["seed"]["backward"]
            return title, fill(text, slots)
        words = WORDS.get(self.variables[step.variable].op, WORDS["other"])
        title, text = words[step.phase]
        title = "".join(text for _, text in fill(title, slots))
        parts = fill(text, slots)
        if step.phase == "backward":
            parts += self.handed_on(step, words["to"], slots)
            parts += self.forks(number)
        return title, parts

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
        said = [
            fill(phrase, slots)
            for i, phrase in zip(inputs, phrases, strict=False)
            if not self.variables[i].constant
        ]
        lines = [part for phrase in said for part in [("", ", "), *phrase]][1:]
        return [("", " "), *lines, ("", ".")]

    def forks(self, number):
        """For an input that has now got more than one gradient: the sum, written out."""
        inputs = self.variables[self.steps[number - 1].variable].inputs
        parts = []
        for i in dict.fromkeys(inputs):
            terms = self.received(i, number)
            if len(terms) > 1 and not self.variables[i].constant:
                slots = {
                    "x.name": ("", self.variables[i].name),
                    "terms": ("gradient", " + ".join(map(spell, terms))),
                    "dx": ("gradient", spell(sum(terms[1:], terms[0]))),
                }
                parts += [("", " "), *fill(WORDS["fork"]["backward"][1], slots)]
        return parts

    def received(self, variable, number):
        """The gradients that `variable` has got by the end of step `number`, one a use."""
        return [gradient for step, gradient in self.shares.get(variable, ()) if step <= number]

    @cached_property
    def shares(self):
        """For each variable, the gradients that it gets: (number of the step, gradient), in order."""
        shares = {}
        for number, step in self.numbered():
            for i, gradient in zip(self.receivers(step), step.contributions, strict=False):
                if gradient is not None:
                    shares.setdefault(i, []).append((number, gradient))
        return shares

    def receivers(self, step):
        return (step.variable,) if step.seed else self.variables[step.variable].inputs

    def slots(self, number):
        step = self.steps[number - 1]
        out = self.variables[step.variable]
        slots = {"op": ("", out.op), "p": ("value", display(out.options.get("exponent") or 0.0))}
        for letter, i in zip("xybcdefghijklmnopqrstuvw", out.inputs, strict=False):
            variable = self.variables[i]
            label = spell(variable.value) if variable.constant else variable.name
            slots[letter] = ("value", spell(variable.value))
            slots[f"{letter}.name"] = ("", label)
            slots[f"{letter}.shape"] = ("", shape_text(variable.value))
        if out.op == "Power" and len(out.inputs) == 2:
            slots["p"] = slots["y"]
        slots["z"] = ("value", spell(out.value))
        slots["z.name"], slots["z.shape"] = ("", out.name), ("", shape_text(out.value))
        if step.phase == "backward":
            slots["dout"] = ("gradient", spell(out.grad))
            for letter, gradient in zip("xy", step.contributions, strict=False):
                shown = "nothing" if gradient is None else spell(gradient)
                slots[f"d{letter}"] = ("gradient", shown)
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
        first, last = way["mark"]
        if type(first) is not int or type(last) is not int or not all_texts(way["lines"]):
            raise ValueError(f"its code wants lines of text and a mark, got {way}")
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


def shape_text(value):
    return display(value) if np.ndim(value) else "number"


SPECIAL = {"NaN": np.nan, "Infinity": np.inf, "-Infinity": -np.inf}


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
        return SPECIAL[data["float"]]
    if data.keys() == {"dtype", "shape", "data"}:
        if np.dtype(data["dtype"]).kind not in "fiub":
            raise ValueError(f"an array holds real numbers, got {data['dtype']!r}")
        return np.array(decode(data["data"]), dtype=data["dtype"]).reshape(data["shape"])
    return {key: decode(value) for key, value in data.items()}


def trace_graph(output, dout=1.0):
    """Run the graph that ends in `output` forward and backward, and record it.

    An array output wants a `dout` of its shape. The graph's values and gradients are as after
    `forward_steps` and `backward`.
    """
    order = topological_order(output)
    index = {variable: i for i, variable in enumerate(order)}
    with np.errstate(all="ignore"):  # what is infinite or not a number is shown as that
        steps = recorded_steps(output, dout, index, used_again(order))
    names = unique_names(order)
    variables = [
        Traced(
            name=names[i],
            op=type(v.node).__name__ if v.node is not None else "",
            symbol=getattr(v.node, "symbol", type(v.node).__name__) if v.node is not None else "",
            inputs=tuple(index[source] for source in v.inputs),
            value=copied(v.value),
            grad=copied(v.grad),
            constant=v.node is None and v.name is None,
            options=options_of(v, index),
        )
        for i, v in enumerate(order)
    ]
    walk = (forward_steps, backward_steps)
    return Trace(variables, steps, source_of([v.node for v in order if v.node is not None], walk))


def recorded_steps(output, dout, index, forked):
    """A Step for every visit of the walk forward, and of the walk back."""
    steps = [Step("forward", index[v]) for v in forward_steps(output)]
    for number, variable in enumerate(backward_steps(output, dout)):
        if number == 0:
            steps.append(Step("backward", index[variable], True, (copied(variable.grad),)))
            continue
        handed = [v.grad for v in variable.inputs]
        if not forked.isdisjoint(variable.inputs):  # a sum by now: ask for this node's own share
            handed = variable.node.backward(variable.grad)
        steps.append(Step("backward", index[variable], False, tuple(map(copied, handed))))
    return steps


def used_again(order):
    """The variables that more than one edge leaves."""
    seen, again = set(), set()
    for variable in (v for user in order for v in user.inputs):
        (again if variable in seen else seen).add(variable)
    return again


# What a layer keeps beside its input and its output: the attribute, and its name.
KEPT = {"ReLU": "mask", "SoftmaxWithLoss": "y"}


def trace_network(network, x, t):
    """Run the network on x and t, forward and backward, and record it with a layer a step."""
    if not (hasattr(network, "forward_steps") and hasattr(network, "backward_steps")):
        raise TypeError(f"trace_network wants a Network, got {network!r}")
    if t is None:
        raise ValueError("trace_network wants the targets t")
    variables, steps, made = [], [], {}

    def add(name, value, layer=None, inputs=()):
        variables.append({"name": name, "value": copied(value), "inputs": tuple(inputs)})
        if layer is not None:
            variables[-1] |= {"op": type(layer).__name__, "kept": kept_by(layer)}
        return len(variables) - 1

    layers = dict(network.layers) | {"loss": network.loss_layer}
    last = add("x", np.asarray(x))
    for name, value in network.forward_steps(x, t):
        layer, inputs = layers[name], [last]
        inputs += [add(f"{name}.{k}", array) for k, array in getattr(layer, "params", {}).items()]
        if name == "loss":
            inputs.append(add("t", np.asarray(t)))
        made[name] = last = add(name, value, layer, inputs)
        steps.append(Step("forward", last))
    for name, gradient in network.backward_steps():
        if name == "seed":
            variables[last]["grad"] = copied(gradient)
            steps.append(Step("backward", last, True, (copied(gradient),)))
            continue
        inputs, grads = variables[made[name]]["inputs"], getattr(layers[name], "grads", {})
        keys = [variables[i]["name"].rpartition(".")[2] for i in inputs[1:]]
        handed = [copied(gradient), *(copied(grads.get(key)) for key in keys)]
        for i, share in zip(inputs, handed, strict=True):
            variables[i]["grad"] = share
        steps.append(Step("backward", made[name], False, tuple(handed)))
    walk = (type(network).forward_steps, type(network).backward_steps)
    variables = [Traced(**variable) for variable in variables]
    nodes = trace_expanded(network, x, t)
    if nodes is not None and not {v.name for v in variables} <= {v.name for v in nodes.variables}:
        nodes = None  # an `expand` of the author's own calls its leaves otherwise
    reads = [] if nodes is None else [reads_of(v, nodes) for v in variables]
    return Trace(variables, steps, source_of(layers.values(), walk), nodes, reads)


def kept_by(layer):
    name = KEPT.get(type(layer).__name__)
    array = getattr(layer, name, None) if name else None
    return None if array is None else (name, np.array(array, dtype=float))


def trace_expanded(network, x, t):
    """The same run with an elementary node a step; None if a layer cannot be written out in nodes."""
    output = expand_network(network, x, t)
    return None if output is None else trace_graph(output)


def expand_network(network, x, t):
    """The whole network as one graph: its output, or None if a layer has no `expand`.

    Variables have the names that they have in the network's own trace: x, t, loss, and for each
    layer its output, Affine1, and its parameters, Affine1.W.
    """
    layers = dict(network.layers) | {"loss": network.loss_layer}
    if not all(hasattr(layer, "expand") for layer in layers.values()):
        return None
    last = Variable(np.asarray(x), "x")
    for name, layer in layers.items():
        known = set(topological_order(last))
        last = layer.expand(last, t) if name == "loss" else layer.expand(last)
        for variable in topological_order(last):
            if variable not in known and variable.name in getattr(layer, "params", {}):
                variable.name = f"{name}.{variable.name}"
        last.name = name
    return last


def reads_of(variable, nodes):
    """Where the nodes of a network hold what the network's own trace says of `variable`."""
    index = {v.name: i for i, v in enumerate(nodes.variables)}
    here = index[variable.name]
    if variable.op == "ReLU":
        return (here, "same"), (here, "positive")
    if variable.op == "SoftmaxWithLoss":
        logs = next(v for v in nodes.variables if v.op == "Multiply" and index["t"] in v.inputs)
        return (here, "same"), (next(i for i in logs.inputs if i != index["t"]), "exp")
    as_class = np.shape(variable.value) != np.shape(nodes.variables[here].value)
    return (here, "class" if as_class else "same"), None


def copied(value):
    if value is None or isinstance(value, float):
        return value
    return np.array(value) if np.ndim(value) else value


def options_of(variable, index):
    """What a variable's operation does not tell by its name."""
    if isinstance(variable, RowMaximum):
        return {"maximum_of": index[variable.scores]}
    names = ("exponent", "axis", "keepdims")
    return {name: getattr(variable.node, name) for name in names if hasattr(variable.node, name)}


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


def source_of(nodes, walk):
    """The source of forward and backward of each class of node; under "" that of the walk."""
    forward, backward = walk
    code = {"": {"forward": walk_source(forward), "backward": walk_source(backward)}}
    for node in nodes:
        op = type(node).__name__
        if op not in code:
            code[op] = {way: method_source(type(node), way) for way in ("forward", "backward")}
    return code


@cache
def walk_source(function):
    """The first line of a walk, and those that lead to what it yields first."""
    source = textwrap.dedent(inspect.getsource(function))
    body = ast.parse(source).body[0].body[1:]  # without the docstring
    lines = source.splitlines()
    last = next(k for k in range(body[0].lineno, len(lines) + 1) if "yield" in lines[k - 1])
    first = max(body[0].lineno, last - 3)
    gap = ["    ..."] if first > body[0].lineno else []
    kept = [lines[0], *gap, *lines[first - 1 : last]]
    return {"lines": kept, "mark": [len(kept) - 1, len(kept) - 1]}


@cache
def method_source(cls, way):
    """The method's lines, and the first and last of those that hold its return statement."""
    try:
        source = textwrap.dedent(inspect.getsource(getattr(cls, way)))
    except (OSError, TypeError, AttributeError):  # typed at a prompt that keeps no source
        return {"lines": [], "mark": [0, 0]}
    function = ast.parse(source).body[0]
    lines, body = source.splitlines(), function.body
    top = function.lineno - 1  # where `def` stands, below its decorators
    kept = lines[top : body[0].lineno - 1]
    if ast.get_docstring(function) is not None and len(body) > 1:
        kept = lines[top : top + 1]
        body = body[1:]
    first = body[0].lineno - 1
    ran = [node for node in ast.walk(function) if isinstance(node, ast.Return)] or [body[-1]]
    offset = len(kept) - first
    return {
        "lines": kept + lines[first : function.end_lineno],
        "mark": [ran[-1].lineno - 1 + offset, ran[-1].end_lineno - 1 + offset],
    }

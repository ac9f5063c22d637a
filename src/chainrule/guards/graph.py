"""The doors of a graph: a node for each use, a seed that fits, gradients that fit."""

import numpy as np

from chainrule.guards.nodes import OURS, check_gradients
from chainrule.guards.numbers import as_value


def check_node(node):
    """TypeError or RuntimeError unless the node can go both ways, and was not applied before."""
    if isinstance(node, type) or not (hasattr(node, "forward") and hasattr(node, "backward")):
        raise TypeError(f"apply wants a node with forward and backward, got {node!r}")
    if getattr(node, "applied", False):
        raise RuntimeError(
            f"{node!r} was applied before, and a node remembers one run: make a node for each use"
        )
    if hasattr(node, "__dict__"):  # else it has slots: nothing can be written on it
        node.applied = True


def seed_for(out, dout):
    """`dout` as the gradient of `out`: checked, and copied."""
    if type(dout) is float is type(out.value):
        return dout
    dout, value = as_value(dout, "backward"), as_value(out.value, "Variable")
    if np.shape(dout) != np.shape(value):
        raise ValueError(
            f"backward from an output of shape {np.shape(value)} wants a dout of that shape, "
            f"got {np.shape(dout)}"
        )
    return float(dout) if type(value) is float else np.array(dout, dtype=value.dtype)


class Walk:
    """One walk backward: nobody else's gradients come into its sums, and what is refused changes none."""

    latest = None  # the mark of the walk that began last

    def __init__(self, order):
        self.order, self.before = order, [variable.grad for variable in order]
        self.mark = Walk.latest = object()
        for variable in order:
            variable.walk = self.mark

    def __enter__(self):
        return self

    def __exit__(self, kind, error, _):
        if isinstance(error, Exception) and not isinstance(error, Overtaken):
            for variable, grad in zip(self.order, self.before, strict=True):
                variable.grad = grad

    def look(self, variable, gradients):
        """What the node of `variable` hands back to each of its inputs, looked at where it is the reader's."""
        if Walk.latest is not self.mark:
            self.check_alone(variable)
        if type(variable.node) in OURS and gradients[-1] is not None:
            return gradients
        return looked_at(variable.node, gradients, variable.inputs)

    def check_alone(self, variable):
        """RuntimeError where another walk has begun since, and has gone the same way."""
        if any(source.walk is not self.mark for source in variable.inputs):
            raise Overtaken(
                "another walk backward has begun since these steps did, and a variable keeps one "
                "gradient: ask for the steps again"
            )


class Overtaken(RuntimeError):
    """The gradients that stand in the graph are another walk's by now."""


def looked_at(node, gradients, inputs):
    """A gradient for each input: ValueError where a variable exponent has none, or a reader's node errs."""
    if type(node) in OURS:
        base, exponent = inputs
        raise ValueError(
            "Power: an exponent that is a variable wants a positive base, got "
            f"{base.value!r} ** {exponent.value!r}; a plain number as exponent gets no gradient"
        )
    check_gradients(node, gradients, [np.shape(source.value) for source in inputs])
    return [
        source.value * 0.0 if gradient is None else gradient
        for source, gradient in zip(inputs, gradients, strict=True)
    ]


def check_variable(out, kind):
    if not isinstance(out, kind):
        raise TypeError(f"a walk through the graph starts at a Variable, got {type(out).__name__}")


def refuse_function(function):
    """For NumPy's own functions, which would make arrays of variables, one gradient short each."""
    raise TypeError(
        f"numpy.{function.__name__} does not know variables: write it with their operators and "
        "methods, such as x @ y, x.sum() and x.shape"
    )

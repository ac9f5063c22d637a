"""The computational graph: variables joined by nodes, walked forward and then backward.

Write an expression with `Variable`s and the graph builds itself. `backward` then walks it once, from
the output to the inputs, and leaves in every variable the derivative of the output by it. Read
`layers` next: there the same walk is taken in bigger steps.
"""

import numpy as np

from chainrule.guards.graph import (
    Walk,
    check_node,
    check_variable,
    refuse_function,
    seed_for,
)
from chainrule.guards.numbers import as_value
from chainrule.nodes import (
    Add,
    Divide,
    Exp,
    Log,
    MatMul,
    Maximum,
    Multiply,
    Negate,
    Power,
    Subtract,
    Sum,
)


def backward_steps(out, dout=1.0):
    """Differentiate; yield `out` first, then each variable whose node has run.

    The order is the forward order reversed, so a variable's gradient is
    complete (the *sum* over all its uses) before its own node hands it on.
    Gradients start from zero at every call.
    """
    order, seed = topological_order(out), seed_for(out, dout)
    with Walk(order) as walk:
        for variable in order:
            variable.grad = 0.0
        out.grad = seed
        yield out
        for variable in reversed(order):
            if variable.node is not None:
                gradients = variable.node.backward(variable.grad)
                gradients = walk.look(variable, gradients)  # a reader's node may have given none
                for source, gradient in zip(variable.inputs, gradients):
                    source.grad = source.grad + gradient
                yield variable


def forward_steps(out):
    """Compute every value anew from the leaves, and yield each variable when its node has run."""
    for variable in topological_order(out):
        if variable.node is not None:
            value = variable.node.forward(*[v.value for v in variable.inputs])
            variable.value = as_value(value, "Variable")
            yield variable


def topological_order(out):
    """All variables that `out` is made from, each after its inputs, `out` last.

    It keeps its own stack where a recursive walk would use Python's, which ends near depth 1,000.
    """
    check_variable(out, Variable)
    order, seen, stack = [], set(), [out]
    while stack:
        variable = stack.pop()
        if variable is None:  # all inputs of the one below have gone before
            order.append(stack.pop())
        elif variable not in seen:
            seen.add(variable)
            stack += variable, None, *variable.inputs[::-1]
    return order


class Variable:
    """A value in the graph, and later its gradient.

    value   a Python float, or a float array (integers become floats, float32 stays)
    grad    after `backward`: d(output)/d(value), in the value's shape; None before
    name    what pictures and messages call it
    node    the node that made it, None for a leaf
    inputs  the variables the node took, in order, the same one twice in x * x
    """

    __slots__ = ("value", "grad", "name", "node", "inputs", "walk", "__dict__", "__weakref__")
    __array_ufunc__ = None  # so that array * variable asks the variable

    def __init__(self, value, name=None, node=None, inputs=()):
        self.value = value if type(value) is float else as_value(value, "Variable")
        self.grad = None
        self.name = name
        self.node = node
        self.inputs = inputs

    def backward(self, dout=1.0):
        """Leave d(self)/d(v), times `dout`, in `v.grad` of every variable v that self is made from.

        The derivatives are at the values of the last run, if no array was written into since: nodes
        keep their inputs without a copy. Give a leaf another array (`v.value = v.value - step`), and
        run the graph anew with `forward_steps`. An output that is an array has no single derivative: it
        wants a `dout` of its own shape.
        """
        for _ in backward_steps(self, dout):
            pass

    def __add__(self, other):
        return join(Add(), self, other)

    def __radd__(self, other):
        return join(Add(), other, self)

    def __sub__(self, other):
        return join(Subtract(), self, other)

    def __rsub__(self, other):
        return join(Subtract(), other, self)

    def __mul__(self, other):
        return join(Multiply(), self, other)

    def __rmul__(self, other):
        return join(Multiply(), other, self)

    def __truediv__(self, other):
        return join(Divide(), self, other)

    def __rtruediv__(self, other):
        return join(Divide(), other, self)

    def __pow__(self, other):
        """`x ** 2`; with a Variable as exponent, x has to be positive (see `Power`)."""
        if isinstance(other, Variable):
            return join(Power(), self, other)
        return run(Power(other), self)

    def __rpow__(self, other):
        return join(Power(), other, self)

    def __matmul__(self, other):
        return join(MatMul(), self, other)

    def __rmatmul__(self, other):
        return join(MatMul(), other, self)

    def __neg__(self):
        return run(Negate(), self)

    def exp(self):
        return exp(self)

    def log(self):
        return log(self)

    def relu(self):
        return relu(self)

    def sigmoid(self):
        return sigmoid(self)

    def tanh(self):
        return tanh(self)

    def sum(self, axis=None, keepdims=False):
        return sum_(self, axis, keepdims)

    @property
    def shape(self):
        return np.shape(self.value)

    def __array_function__(self, function, types, args, kwargs):
        refuse_function(function)

    def __repr__(self):
        name = "" if self.name is None else f", name={self.name!r}"
        return f"Variable({self.value!r}{name})"


def apply(node, *operands):
    """Run `node` forward on the operands and return its output, joined to them in the graph.

    A number or an array among the operands becomes a leaf. Your own node works as well: all it
    needs is forward and backward. A node remembers one run: each use in a graph wants one of its own.
    """
    check_node(node)
    return run(node, *operands)


def run(node, *operands):
    """`apply` for a node that is known to be fresh; the output is of the first operand's own class."""
    inputs = tuple([as_variable(operand) for operand in operands])
    kind = type(inputs[0]) if inputs else Variable
    return kind(node.forward(*[v.value for v in inputs]), None, node, inputs)


def join(node, x, y):
    """`apply` for the two sides of an operator, where most of a scalar graph's time is spent."""
    if not isinstance(y, Variable):
        y = type(x)(y)
    elif not isinstance(x, Variable):
        x = type(y)(x)
    return type(x)(node.forward(x.value, y.value), None, node, (x, y))


def exp(x):
    """The exponential, entry by entry; x a Variable, a number or an array."""
    return run(Exp(), x)


def log(x):
    """The natural logarithm of a positive x, entry by entry."""
    return run(Log(), x)


def maximum(x, y):
    """The larger of the two; where they tie, the gradient goes to y."""
    return join(Maximum(), as_variable(x), y)


def matmul(x, y):
    """`x @ y`, (N, D) @ (D, M) -> (N, M); also written with the operator."""
    return join(MatMul(), as_variable(x), y)


def sum_(x, axis=None, keepdims=False):
    """The sum over `axis` (an int, a tuple, or None for all); the underscore spares Python's own sum."""
    return run(Sum(axis, keepdims), x)


def relu(x):
    """`max(x, 0)`, entry by entry; at the kink its gradient is 0, by convention."""
    return maximum(x, 0.0)


def sigmoid(x):
    """`1 / (1 + exp(-x))`, written out: its value is fine down to x = -709, its gradient to -372 (the layer Sigmoid never overflows)."""
    return 1.0 / (1.0 + exp(-as_variable(x)))


def tanh(x):
    """`(exp(x) - exp(-x)) / (exp(x) + exp(-x))`, written out: it overflows beyond |x| = 709."""
    x = as_variable(x)
    up, down = exp(x), exp(-x)
    return (up - down) / (up + down)


def as_variable(x):
    return x if isinstance(x, Variable) else Variable(x)

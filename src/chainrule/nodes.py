"""Nodes: the smallest calculations, each with its forward and its backward.

A node knows nothing of the graph around it. `forward` takes its inputs, floats or arrays whose shapes
broadcast, and gives its output. Later `backward` turns the upstream gradient `dout` into one downstream
gradient an input, in order. A number that broadcasting used many times gets the *sum* of what comes back
to each of them (`sum_to` in guards/numbers.py). Read `graph` next: it connects nodes. The matrix rules are
derived in chapter 5.
"""

import numpy as np

# The folder guards holds what is checked, and how broadcasting is undone. Its exp, log, power, larger and
# gate are NumPy's exp, log, power, maximum and where, for plain floats too.
from chainrule.guards.nodes import Node, axes, fixed_exponent
from chainrule.guards.numbers import any_of, exp, gate, larger, log, power


class Add(Node):
    """`x + y`. Copies the upstream gradient to both sides, and needs neither value to do so."""

    symbol = "+"

    def forward(self, x, y):
        return x + y

    def backward(self, dout):
        return dout, dout


class Subtract(Node):
    """`x - y`. What flows back to y changes its sign."""

    symbol = "−"

    def forward(self, x, y):
        return x - y

    def backward(self, dout):
        return dout, -dout


class Multiply(Node):
    """`x * y`. Swaps: each side gets the upstream gradient times the *other* input."""

    symbol = "×"

    def forward(self, x, y):
        self.x, self.y = x, y
        return x * y

    def backward(self, dout):
        return dout * self.y, dout * self.x


class Divide(Node):
    """`x / y`, for y other than 0. The gradients are `dout / y` and `-dout * x / y**2`.

    It divides by y twice, since y**2 might be too small to divide by.
    """

    symbol = "÷"

    def forward(self, x, y):
        self.x, self.y = x, y
        return x / y

    def backward(self, dout):
        return dout / self.y, -dout * self.x / self.y / self.y


class Negate(Node):
    """`-x`. The gradient changes its sign, too."""

    symbol = "−"

    def forward(self, x):
        return -x

    def backward(self, dout):
        return (-dout,)


class Power(Node):
    """`x ** y`: `Power(2)` raises its one input to a fixed power, `Power()` takes x and y.

    A fixed exponent, a number or an array, gets no gradient. With two inputs both do, and since the
    derivative by y is `x**y * log(x)`, the base must be positive then; only where y is a plain number
    may x be negative, and the gradient of y is None.
    """

    symbol = "^"

    def __init__(self, exponent=None):
        self.exponent = fixed_exponent(exponent)

    def forward(self, x, y=None):
        self.x, self.y = x, self.exponent if y is None else y
        self.z = power(x, self.y)
        return self.z

    def backward(self, dout):
        dx = dout * slope(self.x, self.y)
        if self.exponent is not None:
            return (dx,)
        return dx, (None if any_of(self.x <= 0) else dout * self.z * log(self.x))


def slope(x, y):
    """d(x ** y)/dx = y x ** (y - 1), and 0 for y = 0, at x = 0 too."""
    return y * power(x, y - 1.0 + (y == 0))  # where y is 0, x ** 0 times 0


class Exp(Node):
    """The exponential of x. Its derivative is its own output, so that is what it keeps."""

    symbol = "exp"

    def forward(self, x):
        self.y = exp(x)
        return self.y

    def backward(self, dout):
        return (dout * self.y,)


class Log(Node):
    """The natural logarithm of a positive x. The gradient is `dout / x`."""

    symbol = "log"

    def forward(self, x):
        self.x = x
        return log(x)

    def backward(self, dout):
        return (dout / self.x,)


class Maximum(Node):
    """The larger of x and y. It hands the gradient to the winner; a tie goes to y.

    So `Maximum` of x and 0, the ReLU, has gradient 0 at x = 0: a convention, since it has a kink there.
    """

    symbol = "max"

    def forward(self, x, y):
        self.from_x, self.from_y = x > y, x <= y
        return larger(x, y)

    def backward(self, dout):
        return gate(dout, self.from_x), gate(dout, self.from_y)


class MatMul(Node):
    """`x @ y` for arrays, as NumPy multiplies them: (N, D) @ (D, M) -> (N, M), vectors and stacks too.

    Backward: `dx = dout @ y.T`, `dy = x.T @ dout`. (`.mT` turns each matrix of a stack; a vector
    arrives as a matrix of one row or column.)
    """

    symbol = "@"
    elementwise = False

    def forward(self, x, y):
        self.x, self.y = x, y
        return x @ y

    def backward(self, dout):
        return dout @ self.y.mT, self.x.mT @ dout


class Sum(Node):
    """The sum over `axis` (an int, a tuple, or None for all). Backward: every term gets all of dout."""

    symbol = "Σ"
    elementwise = False

    def __init__(self, axis=None, keepdims=False):
        self.axis, self.keepdims = axes(axis), bool(keepdims)

    def forward(self, x):
        self.x_shape = np.shape(x)
        return np.sum(x, axis=self.axis, keepdims=self.keepdims)

    def backward(self, dout):
        if self.axis is not None and not self.keepdims:
            dout = np.expand_dims(dout, self.axis)
        return (np.broadcast_to(dout, self.x_shape),)

"""Variables, and the one walk: order, forks, depth, and what is refused."""

import gc
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from profiles import examples

from chainrule.graph import (
    Variable,
    apply,
    backward_steps,
    exp,
    forward_steps,
    log,
    matmul,
    maximum,
    relu,
    sigmoid,
    sum_,
    tanh,
    topological_order,
)
from chainrule.nodes import Maximum
from chainrule.numeric import numerical_gradient


def test_the_bill_by_hand():
    side, price, tax = Variable(3.0), Variable(20.0), Variable(1.2)
    total = side**2 * price * tax
    total.backward()
    assert total.value == 216.0
    assert (side.grad, price.grad, tax.grad) == pytest.approx((144.0, 10.8, 180.0))


def test_a_value_used_twice_gets_both_gradients():
    x = Variable(3.0)
    y = x * x + x
    y.backward()
    assert x.grad == 7.0
    assert (x * x).inputs == (x, x)


def test_a_second_backward_gives_the_same_gradients():
    x = Variable(3.0)
    y = exp(x * x) / x
    y.backward()
    first = x.grad
    y.backward()
    assert x.grad == first


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        (lambda x: x + 2, 5.0),
        (lambda x: 2 + x, 5.0),
        (lambda x: x - 2, 1.0),
        (lambda x: 2 - x, -1.0),
        (lambda x: x * 2, 6.0),
        (lambda x: 2 * x, 6.0),
        (lambda x: x / 2, 1.5),
        (lambda x: 6 / x, 2.0),
        (lambda x: x**2, 9.0),
        (lambda x: 2**x, 8.0),
        (lambda x: -x, -3.0),
        (lambda x: np.float64(2) * x, 6.0),
    ],
)
def test_numbers_may_stand_on_either_side(expression, value):
    x = Variable(3.0)
    y = expression(x)
    y.backward()
    assert y.value == value and type(y.value) is float
    slope = numerical_gradient(lambda v: expression(Variable(v)).value, 3.0)
    assert x.grad == pytest.approx(slope, rel=1e-8)
    assert type(x.grad) is float


def test_arrays_may_stand_on_either_side():
    a, x = np.arange(6.0).reshape(2, 3), Variable(np.ones((3, 2)))
    for y in (a @ x, x @ a, a + x.value.T * Variable(1.0), a * Variable(2.0), Variable(2.0) - a):
        assert isinstance(y, Variable)
        assert y.value.ndim == 2


def test_order_is_inputs_before_users_and_each_once():
    x, y = Variable(1.0, "x"), Variable(2.0, "y")
    out = (x + y) * (x + 1.0)
    order = topological_order(out)
    assert len(order) == len(set(order)) == 6
    assert order[-1] is out
    for variable in order:
        assert all(order.index(v) < order.index(variable) for v in variable.inputs)


def test_steps_are_one_visit_a_node_with_the_seed_first_on_the_way_back():
    x = Variable(2.0)
    y = x * 3.0
    z = y + x
    assert list(forward_steps(z)) == [y, z]
    assert list(backward_steps(z)) == [z, z, y]


def test_forward_steps_compute_anew_from_the_leaves():
    x = Variable(2.0)
    y = x * x + 1.0
    x.value = 5
    for _ in forward_steps(y):
        pass
    assert y.value == 26.0
    y.backward()
    assert x.grad == 10.0


def test_a_hundred_thousand_nodes_deep_works_and_is_freed():
    x = Variable(1.0)
    y = x
    for _ in range(100_000):
        y = y + x
    y.backward()
    assert x.grad == 100_001.0
    assert sum(1 for _ in forward_steps(y)) == 100_000
    del y
    gc.collect()


def test_thirty_squarings_are_thirty_visits():
    x = Variable(1.0)
    y = x
    for _ in range(30):
        y = y * y
    assert sum(1 for _ in backward_steps(y)) == 31
    assert x.grad == 2.0**30


def test_an_array_output_wants_a_dout_and_says_so():
    x = Variable(np.ones((2, 3)))
    y = x * 2.0
    with pytest.raises(ValueError, match=r"shape \(2, 3\) wants a dout of that shape, got \(\)"):
        y.backward()
    assert x.grad is None
    y.backward(np.full((2, 3), 5.0))
    assert x.grad.tolist() == [[10.0] * 3] * 2


def test_backward_leaves_its_dout_alone_and_gradients_apart():
    x, y = Variable(np.ones(3)), Variable(np.ones(3))
    dout = np.ones(3)
    dout.setflags(write=False)
    (x + y).backward(dout)
    x.grad += 1.0
    assert y.grad.tolist() == [1.0] * 3 and dout.tolist() == [1.0] * 3


def test_a_variable_exponent_wants_a_positive_base_and_a_number_does_not():
    x = Variable(-3.0)
    y = x**2
    y.backward()
    assert x.grad == -6.0
    with pytest.raises(ValueError, match="positive base"):
        Variable(np.array([-2.0])) ** Variable(np.array([2.0]))


def test_float32_stays_float32_and_integers_become_floats():
    x = Variable(np.ones((2, 2), np.float32))
    y = sum_(exp(x * 2.0) @ x + relu(x) - tanh(x) / (sigmoid(x) + 1.0))
    y.backward()
    assert y.value.dtype == x.grad.dtype == np.float32
    assert type(Variable(3).value) is float
    assert Variable(np.array([1, 2])).value.dtype == np.float64


@pytest.mark.parametrize("value", ["1", None, [1j], {}])
def test_what_is_not_a_number_is_no_variable(value):
    with pytest.raises(TypeError, match="real numbers"):
        Variable(value)


@pytest.mark.parametrize("x", [-5.0, -0.3, 0.0, 0.7, 20.0])
def test_activations_made_of_nodes_are_what_they_should_be(x):
    for made, closed, slope in [
        (relu, max(x, 0.0), float(x > 0)),
        (sigmoid, 1 / (1 + np.exp(-x)), np.exp(-x) / (1 + np.exp(-x)) ** 2),
        (tanh, np.tanh(x), 1 / np.cosh(x) ** 2),
    ]:
        variable = Variable(x)
        y = made(variable)
        y.backward()
        assert y.value == pytest.approx(closed, rel=1e-14, abs=1e-15)
        assert variable.grad == pytest.approx(slope, rel=1e-12, abs=1e-14)


def test_a_node_of_ones_own_joins_the_graph():
    class Cube:
        def forward(self, x):
            self.x = x
            return x**3

        def backward(self, dout):
            return (3 * dout * self.x**2,)

    x = Variable(2.0)
    y = apply(Cube(), x) * x
    y.backward()
    assert x.grad == 32.0


def test_a_hidden_numpy_loop_does_not_happen():
    product = np.ones(3) * Variable(np.ones(3), "x")
    assert isinstance(product, Variable)


def sides(out):
    """Which input is the larger one, at each Maximum of a graph."""
    nodes = [v for v in topological_order(out) if isinstance(v.node, Maximum)]
    return [np.greater(*(one.value for one in v.inputs)) for v in nodes]


def same(sides, others):
    return all(np.array_equal(a, b) for a, b in zip(sides, others, strict=True))


@examples(25)
@given(st.integers(0, 10**6))
@example(70450)  # a maximum that is a tie within h: no slope is there to agree with
def test_random_graphs_agree_with_numerical_gradients(seed):
    rng = np.random.default_rng(seed)
    leaves = [rng.uniform(0.5, 1.5, shape) for shape in [(2, 3), (3,), (2, 1), ()]]
    plan = [(int(rng.integers(7)), rng.random(2)) for _ in range(rng.integers(3, 40))]

    def build(values):
        made = [Variable(v) for v in values]
        inputs = list(made)
        for choice, picks in plan:
            x, y = (made[int(p * len(made))] for p in picks)
            made.append(
                [
                    lambda x, y: (x + y) * 0.5,
                    lambda x, y: x - y * 0.3,
                    lambda x, y: tanh(x * y),
                    lambda x, y: x / (y * y + 1.0),
                    lambda x, y: log(exp(x * 0.2) + 1.0),
                    lambda x, y: maximum(x, y * 1.1 + 0.01),
                    lambda x, y: (x * x + 0.5) ** 0.5 - y,
                ][choice](x, y)
            )
        total = sum_(made[-1] * made[len(made) // 2])
        for variable in made:
            total = total + sum_(variable) * 0.1
        return total, inputs

    total, inputs = build(leaves)
    total.backward()
    for k, variable in enumerate(inputs):

        def f(value, k=k):
            nudged = build([*leaves[:k], value, *leaves[k + 1 :]])[0]
            assume(same(sides(nudged), sides(total)))
            return nudged.value

        numeric = numerical_gradient(f, leaves[k])
        scale = np.linalg.norm(numeric) + np.linalg.norm(variable.grad)
        assert np.linalg.norm(numeric - variable.grad) <= 1e-6 * scale + 1e-8


def test_matmul_and_the_operator_are_one():
    a, b = np.arange(6.0).reshape(2, 3), np.arange(12.0).reshape(3, 4)
    np.testing.assert_array_equal(matmul(a, b).value, (Variable(a) @ b).value)


def test_a_variable_shows_its_value_and_its_name():
    assert repr(Variable(2.0, "x")) == "Variable(2.0, name='x')"
    assert repr(Variable(2.0)) == "Variable(2.0)"


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_node_that_gives_too_few_or_too_many_gradients_is_refused_in_words(count):
    class OneSided:
        def forward(self, x, y):
            return x * y

        def backward(self, dout):
            return (dout,) * count

    out = apply(OneSided(), Variable(2.0), Variable(3.0))
    with pytest.raises(ValueError, match=f"gave {count} gradients for 2 inputs"):
        out.backward()


@pytest.mark.parametrize("dout", [np.ones(3), np.ones(1)])
def test_a_dout_that_does_not_fit_the_output_is_refused_before_anything_changes(dout):
    x = Variable(2.0)
    out = x * x
    out.backward()
    with pytest.raises(ValueError, match=r"an output of shape \(\) wants a dout of that shape"):
        out.backward(dout)
    assert x.grad == 4.0


def a_fork():
    a, b = Variable(3.0), Variable(2.0)
    product = a * b
    return a, b, product + a


def test_two_walks_side_by_side_over_one_graph_are_refused_in_words():
    """They would add into the same sums: each gradient would come out double."""
    a, b, out = a_fork()
    first, second = backward_steps(out), backward_steps(out)
    next(first), next(second)
    with pytest.raises(RuntimeError, match="another walk backward has begun"):
        list(first)
    list(second)
    assert (a.grad, b.grad) == (3.0, 3.0)


def test_a_walk_is_refused_where_another_one_has_gone_over_a_part_of_its_graph():
    a, b = Variable(3.0), Variable(2.0)
    steps = backward_steps(a * b)
    next(steps)
    (a + b).backward()
    with pytest.raises(RuntimeError, match="another walk backward has begun"):
        list(steps)
    assert (a.grad, b.grad) == (1.0, 1.0)


def test_two_graphs_may_be_walked_side_by_side():
    (a, b, out), (c, d, other) = a_fork(), a_fork()
    for _ in zip(backward_steps(out), backward_steps(other), strict=True):
        pass
    assert (a.grad, b.grad) == (c.grad, d.grad) == (3.0, 3.0)


class Wrong:
    """Hands back a gradient too many, or fails, once its forward has run."""

    def __init__(self, error=None):
        self.error = error

    def forward(self, x):
        return x

    def backward(self, dout):
        if self.error is not None:
            raise self.error
        return dout, dout


@pytest.mark.parametrize(
    "node", [Wrong(), Wrong(OSError("of the reader's own"))], ids=["a gradient too many", "fails"]
)
def test_a_refused_backward_leaves_the_gradients_of_the_last_one(node):
    a, b, out = a_fork()
    out.backward()
    with pytest.raises((ValueError, OSError)):
        (apply(node, out) * 5.0 + a).backward()
    assert (a.grad, b.grad, out.grad) == (3.0, 3.0, 1.0)


def test_an_exponent_without_a_gradient_changes_none():
    base, exponent = Variable(-2.0), Variable(3.0)
    square = base * base
    square.backward()
    with pytest.raises(ValueError, match="wants a positive base"):
        (square + base**exponent).backward()
    assert (base.grad, square.grad, exponent.grad) == (-4.0, 1.0, None)


def test_a_sum_is_one_number_and_a_result_is_of_the_first_operands_class():
    class Own(Variable):
        pass

    assert Variable(np.ones((2, 3))).shape == (2, 3) and Variable(1.0).shape == ()
    assert np.shape(Variable(np.ones((2, 3))).sum().value) == ()
    assert type(Own(2.0) * Variable(3.0)) is Own
    assert type(Variable(3.0) * Own(2.0)) is Variable


@pytest.mark.parametrize("lacks", ["forward", "backward"])
def test_a_node_that_lacks_one_of_the_two_is_refused(lacks):
    node = SimpleNamespace(forward=abs, backward=abs)
    delattr(node, lacks)
    with pytest.raises(TypeError, match="a node with forward and backward"):
        apply(node, Variable(1.0))

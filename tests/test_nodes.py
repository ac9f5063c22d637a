"""Each node by itself: small numbers by hand, then every shape against a numerical gradient."""

import inspect
import itertools
import re

import numpy as np
import pytest

from chainrule.gradcheck import gradient_check
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

BINARY = [Add, Subtract, Multiply, Divide, Power, Maximum]
SHAPES = [(), (1,), (3,), (1, 1), (1, 3), (2, 1), (2, 3), (4, 1, 3), (4, 2, 3), (1, 2, 1)]


def positive(shape, seed):
    return np.random.default_rng(seed).uniform(0.5, 2.0, shape)


@pytest.mark.parametrize(
    ("node", "inputs", "output", "gradients"),
    [
        (Add(), (2.0, 3.0), 5.0, (10.0, 10.0)),
        (Subtract(), (2.0, 3.0), -1.0, (10.0, -10.0)),
        (Multiply(), (2.0, 3.0), 6.0, (30.0, 20.0)),
        (Divide(), (6.0, 3.0), 2.0, (10 / 3, -20 / 3)),
        (Divide(), (6.0, -3.0), -2.0, (-10 / 3, -20 / 3)),
        (Negate(), (2.0,), -2.0, (-10.0,)),
        (Power(3), (2.0,), 8.0, (120.0,)),
        (Power(), (2.0, 3.0), 8.0, (120.0, 80 * np.log(2.0))),
        (Exp(), (0.0,), 1.0, (10.0,)),
        (Log(), (4.0,), np.log(4.0), (2.5,)),
        (Maximum(), (2.0, 3.0), 3.0, (0.0, 10.0)),
        (Maximum(), (3.0, 2.0), 3.0, (10.0, 0.0)),
        (Sum(), (2.0,), 2.0, (10.0,)),
    ],
)
def test_plain_numbers_by_hand(node, inputs, output, gradients):
    assert node.forward(*inputs) == pytest.approx(output, rel=1e-15)
    found = node.backward(10.0)
    assert found == pytest.approx(gradients, rel=1e-15)
    assert all(type(value) is float for value in (node.forward(*inputs), *found))


@pytest.mark.parametrize("cls", BINARY)
@pytest.mark.parametrize(("left", "right"), list(itertools.product(SHAPES, SHAPES)))
def test_broadcasting_is_undone_for_every_pair_of_shapes(cls, left, right):
    x, y = positive(left, 1), positive(right, 2)
    out = cls().forward(x, y)
    assert np.shape(out) == np.broadcast_shapes(left, right)
    report = gradient_check(cls(), (x, y))
    assert report.ok and report.kinks == 0, report
    for gradient, shape in zip(run(cls(), x, y), (left, right), strict=True):
        assert np.shape(gradient) == shape


@pytest.mark.parametrize("cls", BINARY)
def test_broadcasting_is_undone_where_there_are_no_numbers(cls):
    x, y = np.ones((3, 0)), np.ones(0)
    assert [gradient.shape for gradient in run(cls(), x, y)] == [(3, 0), (0,)]


def run(node, *inputs):
    out = node.forward(*inputs)
    return node.backward(np.ones_like(out) if np.ndim(out) else 1.0)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ((2, 3), (3, 4)),
        ((3,), (3, 4)),
        ((2, 3), (3,)),
        ((3,), (3,)),
        ((5, 2, 3), (3, 4)),
        ((2, 3), (5, 3, 4)),
        ((5, 1, 2, 3), (6, 3, 4)),
        ((3,), (5, 3, 4)),
        ((5, 2, 3), (3,)),
        ((1, 300), (300, 1)),
    ],
)
def test_matmul_of_matrices_vectors_and_stacks(left, right):
    x, y = positive(left, 1), positive(right, 2)
    np.testing.assert_array_equal(MatMul().forward(x, y), x @ y)
    assert gradient_check(MatMul(), (x, y)).ok


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", [None, 0, 1, -1, (0, 2), (), (2, 0, 1)])
def test_sum_over_any_axes(axis, keepdims):
    x = positive((2, 3, 4), 1)
    node = Sum(axis, keepdims)
    np.testing.assert_allclose(node.forward(x), x.sum(axis=axis, keepdims=keepdims))
    assert gradient_check(node, x).ok


def test_a_sum_drops_its_axis_unless_told():
    assert Sum(0).forward(np.ones((2, 3))).tolist() == [2.0, 2.0, 2.0]


def test_an_axis_without_entries_stays_one_on_the_way_back():
    node = Add()
    assert node.forward(np.ones((1, 0)), np.ones((5, 1))).shape == (5, 0)
    dx, dy = node.backward(np.ones((5, 0)))
    assert dx.shape == (1, 0) and dy.tolist() == [[0.0]] * 5


@pytest.mark.parametrize("node", [Negate(), Exp(), Log(), Power(3), Power(-0.5), Power(0)])
@pytest.mark.parametrize("shape", SHAPES)
def test_nodes_with_one_input(node, shape):
    assert gradient_check(node, positive(shape, 3)).ok


def test_a_tie_goes_to_the_second_input_so_relu_has_gradient_0_at_0():
    node = Maximum()
    node.forward(np.array([0.0, 1.0, -1.0]), 0.0)
    dx, dy = node.backward(np.ones(3))
    assert dx.tolist() == [0.0, 1.0, 0.0]
    assert dy == 2.0


def test_a_negative_base_has_whole_powers_and_no_gradient_for_a_plain_exponent():
    node = Power()
    assert node.forward(-3.0, 2.0) == 9.0
    assert node.backward(1.0) == (-6.0, None)


def test_an_exponent_that_is_an_array_wants_a_positive_base():
    with pytest.raises(ValueError, match="positive base"):
        Power().forward(np.array([-1.0]), np.array([2.0]))


def test_each_base_is_held_against_its_own_exponent():
    x = np.array([-1.0, 0.0, 0.5, 2.0])
    assert Power(np.array([2.0, 0.5, 0.5, 0.5])).forward(x) == pytest.approx(abs(x) ** 0.5)
    x = np.array([0.0, -1.0, 2.0])
    assert Power(np.array([2.0, -1.0, -1.0])).forward(x).tolist() == [0.0, -1.0, 0.5]


@pytest.mark.parametrize("exponent", [0, 1, 2, 3])
def test_powers_at_zero_have_finite_slopes(exponent):
    node = Power(exponent)
    node.forward(np.zeros(2))
    (dx,) = node.backward(np.ones(2))
    assert dx.tolist() == [float(exponent == 1)] * 2


@pytest.mark.parametrize(
    ("node", "inputs", "said"),
    [
        (Add(), (np.ones(2), np.ones(3)), r"Add: .* not be broadcast .* \(2,\) and \(3,\)"),
        (Divide(), (1.0, 0.0), "cannot divide by 0"),
        (Log(), (0.0,), "Log wants positive numbers, got 0"),
        (Log(), (np.array([1.0, -2.0]),), "got -2"),
        (Power(0.5), (-1.0,), "no real power"),
        (Power(-1), (0.0,), "0 has no power"),
        (MatMul(), (np.ones((2, 3)), np.ones((2, 3))), "inner sizes differ"),
        (MatMul(), (np.ones((3, 2)), np.ones((3, 2))), "inner sizes differ"),
        (MatMul(), (2.0, np.ones(3)), "MatMul wants arrays"),
        (Sum(3), (np.ones(2),), r"Sum: axis 3 is out of bounds .* shape \(2,\)"),
        (Add(), ([[1.0], [1.0, 2.0]], 1.0), "ragged"),
    ],
)
def test_inputs_outside_the_domain_are_refused_in_words(node, inputs, said):
    with pytest.raises(ValueError, match=said):
        node.forward(*inputs)


@pytest.mark.parametrize("value", ["3", None, 1j, np.array([1j]), [None], object()])
def test_what_is_not_a_real_number_is_refused(value):
    with pytest.raises(TypeError, match="Add wants real numbers"):
        Add().forward(value, 1.0)


@pytest.mark.parametrize("cls", [*BINARY, MatMul, Sum, Exp, Log, Negate])
def test_backward_before_forward_says_so(cls):
    with pytest.raises(RuntimeError, match="backward was called before forward"):
        cls().backward(1.0)


@pytest.mark.parametrize("shape", [(), (1, 3), (2, 1), (3,), (3, 2)])
def test_a_dout_of_another_shape_is_refused(shape):
    node = Add()
    node.forward(np.ones((2, 3)), 1.0)
    with pytest.raises(ValueError, match=re.escape(f"shape (2, 3), got {shape}")):
        node.backward(np.ones(shape))


@pytest.mark.parametrize("dout", [np.ones(3), np.ones(1), [1.0]])
def test_a_node_of_plain_numbers_wants_a_plain_number_back(dout):
    node = Multiply()
    node.forward(2.0, 3.0)
    with pytest.raises(ValueError, match=r"shape \(\), got \([13],\)"):
        node.backward(dout)


def test_a_refused_input_leaves_the_node_as_it_was():
    node = Divide()
    node.forward(6.0, 3.0)
    with pytest.raises(ValueError):
        node.forward(np.ones(2), np.zeros(2))
    assert node.backward(3.0) == (1.0, -2.0)


@pytest.mark.parametrize("cls", [*BINARY, MatMul])
def test_float32_stays_float32_and_integers_become_float64(cls):
    x, y = positive((2, 2), 1), positive((2, 2), 2)
    node = cls()
    out = node.forward(x.astype(np.float32), y.astype(np.float32))
    assert out.dtype == np.float32
    assert {g.dtype for g in node.backward(np.ones((2, 2)))} == {np.dtype(np.float32)}
    out = node.forward(np.array([[1, 2], [3, 4]]), np.array([[1, 2], [3, 5]]))
    assert out.dtype == np.float64
    assert node.forward(np.array([[True]]), np.array([[True]])).dtype == np.float64
    for dout in (1.0, np.ones(1), np.ones((1, 2))):
        with pytest.raises(ValueError, match="wants a dout of the output's shape"):
            node.backward(dout)


@pytest.mark.parametrize("cls", [*BINARY, MatMul])
def test_arguments_may_be_read_only_and_are_not_changed(cls):
    arrays = [positive((2, 2), seed) for seed in range(3)]
    for array in arrays:
        array.setflags(write=False)
    x, y, dout = arrays
    node = cls()
    node.forward(x, y)
    node.backward(dout)


@pytest.mark.parametrize("cls", [*BINARY, MatMul])
def test_what_was_returned_is_the_callers_own(cls):
    x, y, dout = (positive((2, 2), seed) for seed in range(3))
    node = cls()
    node.forward(x, y)
    dx, dy = node.backward(dout)
    kept = dx.copy(), dy.copy(), dout.copy()
    dx += 1.0
    np.testing.assert_array_equal(dy, kept[1])
    np.testing.assert_array_equal(dout, kept[2])
    np.testing.assert_array_equal(node.backward(dout)[0], kept[0])


@pytest.mark.parametrize(("node", "inputs"), [(Power(2), (1.0, 2.0)), (Power(), (1.0,))])
def test_power_takes_one_input_or_two_as_it_was_made(node, inputs):
    for given in (inputs, map(np.atleast_1d, inputs)):
        with pytest.raises(TypeError, match="Power.* takes x"):
            node.forward(*given)


class Twice(Multiply):
    """A reader's own node, which inherits."""


@pytest.mark.parametrize("cls", [Multiply, Twice])
def test_shapes_that_numpy_refuses_leave_the_node_as_it_was(cls):
    node = cls()
    node.forward(np.array([2.0, 3.0]), 5.0)
    with pytest.raises(ValueError, match="could not be broadcast"):
        node.forward(np.ones(2), np.ones(3))
    assert node.backward(np.ones(2))[1] == 5.0
    assert node.backward(np.ones(2))[0].tolist() == [5.0, 5.0]


@pytest.mark.parametrize("base", [0.0, -0.5, -2.0])
def test_an_exponent_gets_a_gradient_only_where_the_base_is_positive(base):
    node = Power()
    node.forward(base, 2.0)
    assert node.backward(1.0) == (2 * base, None)


def test_no_number_is_the_maximum_whichever_side_it_is_on():
    for x, y in [(np.nan, 1.0), (1.0, np.nan)]:
        assert np.isnan(Maximum().forward(x, y))
        assert np.isnan(Maximum().forward(np.array([x]), np.array([y]))).all()


def test_a_matrix_product_of_plain_numbers_is_refused():
    with pytest.raises(ValueError, match="MatMul wants arrays"):
        MatMul().forward(2.0, 3.0)


def test_the_source_that_a_reader_asks_for_is_the_formula():
    assert "return x + y" in inspect.getsource(Add.forward)
    assert "return dout, dout" in inspect.getsource(Add.backward)


def test_a_node_shows_its_name():
    assert repr(Power(2)) == "Power()"


def test_a_number_to_an_infinite_power_and_a_number_too_large_are_infinite():
    assert Power(1000).forward(1e10) == np.inf
    assert Exp().forward(1e10) == np.inf

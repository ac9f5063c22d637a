"""The formulas of chapters 0 to 3, in exact numbers where that can be done."""

from fractions import Fraction
from itertools import product

import numpy as np
import pytest

from chainrule.graph import Variable, backward_steps, topological_order
from chainrule.network import two_layer_net
from chainrule.nodes import Add, Multiply
from chainrule.numeric import numerical_gradient

# Chapter 0


def central(f, w, h):
    return (f(w + h) - f(w - h)) / (2 * h)


@pytest.mark.parametrize("h", [Fraction(1), Fraction(1, 10), Fraction(-3, 7)])
def test_the_central_difference_of_a_cube_is_off_by_h_squared(h):
    assert central(lambda w: w**3, Fraction(2), h) == 12 + h**2


@pytest.mark.parametrize("h", [Fraction(1), Fraction(1, 10), Fraction(-3, 7)])
def test_one_side_of_a_cube_is_off_by_6_h_and_h_squared(h):
    assert ((2 + h) ** 3 - 8) / h == 12 + 6 * h + h**2


@pytest.mark.parametrize("h", [Fraction(1), Fraction(1, 10), Fraction(-3, 7)])
def test_the_central_difference_of_a_fourth_power_at_1_is_off_by_4_h_squared(h):
    assert central(lambda w: w**4, Fraction(1), h) == 4 + 4 * h**2


def test_one_side_is_exact_for_a_straight_line_alone():
    h, line = Fraction(2, 3), lambda w: 5 * w - 2
    assert (line(1 + h) - line(Fraction(1))) / h == 5
    assert ((1 + h) ** 2 - 1) / h != 2


def test_the_central_difference_of_a_square_is_exact_for_any_step():
    assert central(lambda w: w**2, Fraction(3), Fraction(1)) == 6


def test_the_error_of_a_central_difference_is_a_sixth_of_h_squared_times_the_third_derivative():
    w, h = Fraction(3, 2), Fraction(1, 1000)
    error = central(lambda v: v**5, w, h) - 5 * w**4
    assert error == pytest.approx(float(h**2 / 6 * 60 * w**2), rel=1e-5)


def test_the_gradient_of_the_parcels_is_two_over_m_times_the_sum_of_d_times_x():
    x = np.array([[1.0, 2.0, 1.0], [3.0, 1.0, 1.0], [2.0, 4.0, 1.0], [0.0, 3.0, 1.0]])
    t, w = np.array([5.0, 7.0, 10.0, 3.0]), np.array([2.0, 1.0, 0.5])
    formula = 2 / 4 * (x @ w - t) @ x
    assert formula.tolist() == [-1.0, -2.5, -0.5]
    nudged = numerical_gradient(lambda v: np.mean((x @ v - t) ** 2), w)
    np.testing.assert_allclose(nudged, formula, atol=1e-9)


def test_a_network_of_64_20_10_has_1510_parameters():
    net = two_layer_net(64, 20, 10, np.random.default_rng(0))
    assert sum(array.size for array in net.params.values()) == 64 * 20 + 20 + 20 * 10 + 10 == 1510


class Counting(np.ndarray):
    """An array that counts the multiplications of every matrix product it takes part in."""

    multiplications = 0

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        arrays = [np.asarray(value) for value in inputs]
        if ufunc is np.matmul:
            Counting.multiplications += arrays[0].size * arrays[1].shape[-1]
        return getattr(ufunc, method)(*arrays, **options).view(Counting)


def test_the_way_back_of_an_affine_layer_multiplies_twice_as_often_as_the_way_there():
    rng = np.random.default_rng(1)
    shapes = (5, 4), (4, 3), (5, 3)
    x, W, dout = (rng.normal(size=shape).view(Counting) for shape in shapes)
    Counting.multiplications = 0
    x @ W
    forward = Counting.multiplications
    dout @ W.T, x.T @ dout
    assert forward == 5 * 4 * 3
    assert Counting.multiplications - forward == 2 * forward


# Chapter 1


def bill(s, p, d, k):
    return (s**2 * p + d) * k


def test_the_bill_has_the_four_partial_derivatives_of_its_formula():
    s, p, d, k = (Variable(number) for number in (3.0, 20.0, 15.0, 2.0))
    bill(s, p, d, k).backward()
    assert (s.grad, p.grad) == (2 * 3 * 20 * 2, 3**2 * 2)
    assert (d.grad, k.grad) == (2, 3**2 * 20 + 15)


@pytest.mark.parametrize("step", [Fraction(1), Fraction(1, 100)])
def test_two_strips_and_a_corner_are_all_that_a_longer_side_adds(step):
    tax = Fraction(12, 10)
    change = bill(3 + step, 20, 15, tax) - bill(3, 20, 15, tax)
    assert change == (2 * 3 * step + step**2) * 20 * tax


def test_the_bill_is_linear_in_each_of_the_other_three_inputs_and_not_in_two_together():
    tax = Fraction(12, 10)
    before = bill(3, 20, 15, tax)
    assert bill(3, 21, 15, tax) - before == 9 * tax
    assert bill(3, 20, 16, tax) - before == tax
    assert bill(3, 20, 15, tax + 1) - before == 195
    both = bill(3, 21, 15, tax + Fraction(1, 10)) - before
    assert both - (9 * tax + Fraction(195, 10)) == 9 * 1 * Fraction(1, 10)


def test_the_partial_derivatives_of_the_bill_are_the_four_numbers_that_the_chapter_says():
    s, p, d, k = 3, 20, 15, Fraction(12, 10)
    assert [2 * s * p * k, s**2 * k, k, s**2 * p + d] == [144, Fraction(108, 10), k, 195]
    assert [2 * s, p, 1, k] == [6, 20, 1, k] and 6 * 20 * 1 * k == 144


def test_a_chain_of_1000_operations_keeps_1001_values():
    flipped = Variable(1.0)
    for _ in range(1000):
        flipped = -flipped
    assert len(topological_order(flipped)) == 1001


# Chapter 2


def test_each_local_derivative_is_taken_at_the_value_that_its_function_received():
    x = Variable(2.0)
    ((3 * x - 1) ** 2).backward()
    assert x.grad == 2 * 5.0 * 1 * 3 == 30.0


@pytest.mark.parametrize(
    ("upper", "lower", "wanted"), [(1, 0, 6), (0, 1, 5), (1, 1, 11), (0, 0, 0)]
)
def test_the_gradient_at_a_fork_is_the_sum_over_the_open_paths(upper, lower, wanted):
    x = Variable(3.0)
    (upper * x**2 + lower * (5 * x)).backward()
    assert x.grad == wanted


def test_adding_at_each_fork_gives_the_sum_over_all_paths():
    first, second = (6, 5), (48, 2)
    assert sum(s * f for s, f in product(second, first)) == sum(second) * sum(first) == 550
    x = Variable(3.0)
    u = x**2 + 5 * x
    (u**2 + 2 * u).backward()
    assert x.grad == 550.0


def squarings(times):
    x = y = Variable(1.0)
    for _ in range(times):
        y = y * y
    return x, y


def test_thirty_squarings_have_two_to_the_thirtieth_paths_and_thirty_visits():
    x, y = squarings(30)
    visits = sum(1 for _ in backward_steps(y)) - 1
    assert visits == 30
    assert x.grad == 2**30  # each path contributes a product of ones


@pytest.mark.parametrize("times", [1, 2, 3, 7])
def test_following_every_path_takes_one_call_less_than_a_power_of_two(times):
    def calls(variable):
        return 1 + sum(calls(source) for source in variable.inputs)

    assert calls(squarings(times)[1]) == 2 ** (times + 1) - 1


def paths(source, out):
    """Every path as the product of its local derivatives, one by one: the law, written out."""
    if source is out:
        return [1.0]
    if out.node is None:
        return []
    local = out.node.backward(1.0)
    return [
        slope * rest
        for middle, slope in zip(out.inputs, local, strict=True)
        for rest in paths(source, middle)
    ]


def test_sum_over_paths_and_sum_over_edges_give_the_same_for_every_value():
    x, w = Variable(1.5), Variable(-2.0)
    u = x * w + x
    out = u**2 + u * w
    out.backward()
    for v in topological_order(out):
        assert v.grad == pytest.approx(sum(paths(v, out)))
    assert (x.grad, w.grad) == (5.0, -9.0)


def test_each_variable_stands_before_its_inputs_on_the_way_back():
    x = Variable(1.0)
    u = 2 * x
    y = u + 3 * u
    order = topological_order(y)[::-1]
    for place, v in enumerate(order):
        assert all(order.index(source) > place for source in v.inputs)
    y.backward()
    assert (u.grad, x.grad) == (4.0, 8.0)


def test_the_exercises_of_chapter_2_have_the_gradients_that_their_solutions_say():
    x = Variable(2.0)
    ((x * x) * x).backward()
    assert paths(x, (x * x) * x) == [4.0, 4.0, 4.0] and x.grad == 12.0
    u = x**2 - 3 * x
    (u**3 + u).backward()
    assert x.grad == (12 + 1) * (4 - 3) == 13.0


# Chapter 3


@pytest.mark.parametrize("h", [Fraction(1, 1000), Fraction(100)])
def test_a_sum_follows_by_1_and_a_product_by_the_other_input_for_any_step(h):
    x, y = Fraction(4), Fraction(-1, 2)
    assert ((x + h) + y - (x + y)) / h == 1
    assert ((x + h) * y - x * y) / h == y
    assert (x * (y + h) - x * y) / h == x


@pytest.mark.parametrize("inputs", [(4.0, -0.5), (1000.0, -0.5), (0.0, 0.0)])
def test_the_gradients_of_an_addition_do_not_depend_on_its_inputs(inputs):
    node = Add()
    node.forward(*inputs)
    assert node.backward(3.0) == (3.0, 3.0)


@pytest.mark.parametrize("x", [4.0, 1000.0, 0.0])
def test_a_large_input_sends_a_large_gradient_to_the_other_side(x):
    node = Multiply()
    node.forward(x, -0.5)
    assert node.backward(3.0) == (-1.5, 3 * x)


def test_a_stretched_bias_is_a_fork_and_its_gradient_sums_over_the_rows():
    dout = np.array([[1.0, 2.0, 3.0], [10.0, 20.0, 30.0]])
    node = Add()
    node.forward(np.zeros((2, 3)), np.array([0.5, -0.25, 1.0]))
    assert node.backward(dout)[1].tolist() == [11.0, 22.0, 33.0]


def test_the_electricity_bill_has_the_gradients_of_its_formula():
    power, hours, other, price = map(Variable, (0.5, 40.0, 10.0, 0.3))
    cost = (power * hours + other) * price
    cost.backward()
    assert cost.value == pytest.approx(9.0)
    found = [v.grad for v in (power, hours, other, price)]
    assert found == pytest.approx([40 * 0.3, 0.5 * 0.3, 0.3, 0.5 * 40 + 10])


def test_exercise_2_of_chapter_3_adds_both_gradients_of_y():
    x, y, z = Variable(2.0), Variable(3.0), Variable(-1.0)
    ((x + y) * (y * z)).backward()
    assert (x.grad, y.grad, z.grad) == (-3.0, -8.0, 15.0)

"""The formulas of chapters 8 and 9, in numbers."""

from fractions import Fraction

import numpy as np
import pytest

from chainrule.datasets import load_three_mnist_images
from chainrule.losses import SoftmaxWithLoss, softmax
from chainrule.network import two_layer_net
from chainrule.numeric import numerical_gradient

# Chapter 8


def one_side(f, x, h):
    return (f(x + h) - f(x)) / h


def both_sides(f, x, h):
    return (f(x + h) - f(x - h)) / (2 * h)


def quartic(x):
    return x**4


@pytest.mark.parametrize("h", [Fraction(1, 10), Fraction(1, 1000)])
def test_the_formulas_are_off_by_h_half_f2_and_h_squared_sixth_f3(h):
    x = Fraction(3, 2)
    f1, f2, f3, f4 = 4 * x**3, 12 * x**2, 24 * x, Fraction(24)
    later = h**2 / 6 * f3 + h**3 / 24 * f4
    assert one_side(quartic, x, h) == f1 + h / 2 * f2 + later
    assert both_sides(quartic, x, h) == f1 + h**2 / 6 * f3


@pytest.mark.parametrize("floats", [np.float64, np.float32])
def test_rounding_moves_a_number_by_at_most_half_of_eps(floats):
    numbers = np.random.default_rng(0).uniform(0.5, 2.0, 500)
    u = np.finfo(floats).eps / 2
    exact = [Fraction(number) for number in numbers]
    kept = [Fraction(float(floats(number))) for number in numbers]
    assert max(abs(k - e) / e for k, e in zip(kept, exact, strict=True)) <= Fraction(float(u))


@pytest.mark.parametrize("size, curvature", [(1.0, 1.0), (1001.0, 1.0), (0.3, 20.0)])
@pytest.mark.parametrize("u", [2.0**-53, 2.0**-24])
def test_no_step_near_the_best_one_has_a_smaller_sum_of_errors(size, curvature, u):
    def both(h):
        return h**2 / 6 * curvature + u * size / h

    def one(h):
        return h / 2 * curvature + 2 * u * size / h

    best_both = (3 * u * size / curvature) ** (1 / 3)
    best_one = 2 * (u * size / curvature) ** 0.5
    for factor in (0.5, 0.9, 0.99, 1.01, 1.1, 2.0):
        assert both(factor * best_both) > both(best_both)
        assert one(factor * best_one) > one(best_one)
    assert both(best_both) == pytest.approx(1.5 * u * size / best_both, rel=1e-12)
    assert one(best_one) == pytest.approx(2 * (u * size * curvature) ** 0.5, rel=1e-12)


def test_a_loss_a_thousand_times_as_large_moves_the_best_step_by_ten_and_its_error_by_a_hundred():
    u, large = 2.0**-53, 1000.0
    step = (3 * u) ** (1 / 3), (3 * u * large) ** (1 / 3)
    assert step[1] / step[0] == pytest.approx(10)
    assert (1.5 * u * large / step[1]) / (1.5 * u / step[0]) == pytest.approx(100)


@pytest.mark.parametrize("h", [Fraction(1), Fraction(1, 7)])
def test_four_thirds_of_h_less_a_third_of_2h_leaves_no_term_with_h_squared(h):
    def quintic(x):
        return x**5

    x = Fraction(2)
    four_points = Fraction(4, 3) * both_sides(quintic, x, h) - both_sides(quintic, x, 2 * h) / 3
    assert four_points == 5 * x**4 - 4 * h**4


def test_an_imaginary_step_of_a_cube_is_off_by_h_squared_and_subtracts_nothing():
    for h in (0.5, 1e-20):
        assert ((2 + 1j * h) ** 3).imag / h == pytest.approx(12 - h**2, rel=1e-14)


def test_an_imaginary_step_loses_the_slope_of_abs_in_silence_and_passes_a_relu_made_by_a_comparison():
    assert (np.abs(0.7 + 1e-20j) + 0j).imag == 0
    x = np.array([0.7 + 1e-20j])
    assert ((x * (x > 0)).imag / 1e-20).tolist() == pytest.approx([1.0])


def test_a_step_below_the_spacing_of_a_float32_moves_nothing():
    for weight, moves in ((0.7, True), (300.0, False), (2000.0, False)):
        assert (np.float32(weight) + np.float32(1e-5) != np.float32(weight)) == moves


# Chapter 9


def relative_error(a, n):
    return np.linalg.norm(a - n) / (np.linalg.norm(a) + np.linalg.norm(n))


@pytest.mark.parametrize("c", [2.0, 1 / 3, 3.0, 0.0, -1.0, -0.25, 1.0005])
def test_a_gradient_times_c_has_the_relative_error_of_c_less_1_over_size_of_c_and_1(c):
    n = np.array([[0.3, -1.2, 0.5], [2.0, 0.0, -0.7]])
    assert relative_error(c * n, n) == pytest.approx(abs(c - 1) / (abs(c) + 1), rel=1e-12)


@pytest.mark.parametrize("z", [Fraction(9, 10), Fraction(1, 10), Fraction(0), Fraction(-2, 5)])
def test_within_h_of_the_kink_nudging_a_relu_gives_a_half_and_z_over_2h(z):
    h, unit = Fraction(1, 1000), Fraction(1, 1000)
    slope = both_sides(lambda v: max(v, Fraction(0)), z * unit, h)
    assert slope == Fraction(1, 2) + z * unit / (2 * h)
    assert abs(slope - (z > 0)) <= Fraction(1, 2)


def loss_with(epsilon, t):
    def loss(a):
        return float(-np.mean(np.log(np.sum(softmax(a) * t, axis=-1) + epsilon)))

    return loss


@pytest.mark.parametrize("epsilon", [1e-7, 1e-3, 0.5])
def test_a_constant_in_the_log_multiplies_each_row_of_y_less_t_by_y_over_y_and_the_constant(
    epsilon,
):
    a = np.random.default_rng(1).normal(size=(3, 4))
    t = np.eye(4)[[2, 0, 3]]
    y = softmax(a)
    right = np.sum(y * t, axis=-1, keepdims=True)
    formula = right / (right + epsilon) * (y - t) / 3
    np.testing.assert_allclose(numerical_gradient(loss_with(epsilon, t), a), formula, atol=1e-9)


def test_the_third_derivative_of_the_loss_by_a_score_is_y_1_less_y_1_less_2y():
    a, t, k, h = np.array([0.4, -1.0, 0.7]), np.array([0.0, 1.0, 0.0]), 2, 1e-3

    def slope(move):
        return (softmax(a + move * np.eye(3)[k]) - t)[k]

    second_difference = (slope(h) - 2 * slope(0) + slope(-h)) / h**2
    y = softmax(a)[k]
    assert second_difference == pytest.approx(y * (1 - y) * (1 - 2 * y), rel=1e-5)


@pytest.mark.parametrize("epsilon, predicted", [(1e-7, 1.4e-7), (0.0, 1.2e-10)])
def test_the_last_number_of_both_publications_follows_from_one_tenth(epsilon, predicted):
    images, labels = load_three_mnist_images()
    net = two_layer_net(784, 50, 10, np.random.default_rng(5))
    net.params["Affine1.W"] *= 0.01 / np.std(net.params["Affine1.W"])
    net.params["Affine2.W"] *= 0.01 / np.std(net.params["Affine2.W"])
    hidden = net.layers["ReLU1"].forward(net.layers["Affine1"].forward(images))
    scores = hidden @ net.params["Affine2.W"]
    loss, t = loss_with(epsilon, np.eye(10)[labels]), np.eye(10)[labels]
    nudged = numerical_gradient(lambda b: loss(scores + b), np.zeros(10), h=1e-4)
    claimed = np.sum((softmax(scores) - t) / 3, axis=0)
    assert np.mean(np.abs(claimed - nudged)) == pytest.approx(predicted, rel=0.05)


def test_the_gradient_of_the_last_bias_sums_to_0():
    a = np.random.default_rng(2).normal(size=(3, 4))
    loss = SoftmaxWithLoss()
    loss.forward(a, np.array([1, 3, 3]))
    assert abs(loss.backward().sum()) < 1e-15


def test_a_kink_moves_the_weights_of_a_unit_by_at_most_its_bias_times_the_pixel():
    h, z = 1e-4, 3e-5
    at_bias = abs(both_sides(lambda d: max(z + d, 0.0), 0.0, h) - 1)
    for pixel in np.linspace(0.05, 1.0, 20):
        at_weight = abs(both_sides(lambda d: max(z + pixel * d, 0.0), 0.0, h) - pixel)  # noqa: B023
        assert at_weight <= pixel * at_bias + 1e-12

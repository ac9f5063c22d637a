"""The formulas of chapters 7 and 10, and what the appendix adds, in numbers."""

import numpy as np
import pytest

from chainrule.graph import Variable
from chainrule.layers import Affine, ReLU
from chainrule.losses import IdentityWithLoss
from chainrule.network import Network, two_layer_net

# Chapter 7


def test_the_tiny_network_has_the_gradients_of_the_formulas_written_out():
    W1, b1 = np.array([[1.0, -1, 2], [1, 2, -1]]), np.array([-1.0, 1, -2])
    W2, b2 = np.array([[1.0, 2], [-1, 1], [1, 0]]), np.array([1.0, -1])
    x = np.array([[1.0, 2], [3, -1], [2, 0]])
    t = np.array([[2.0, 4], [1, -2], [1, 4]])
    layers = {"Affine1": Affine(W1, b1), "ReLU1": ReLU(), "Affine2": Affine(W2, b2)}
    grads = Network(layers, IdentityWithLoss()).gradient(x, t)
    a = x @ W1 + b1
    hidden = a * (a > 0)
    d = (hidden @ W2 + b2 - t) / len(x)
    back = (d @ W2.T) * (a > 0)
    wanted = {"Affine2.W": hidden.T @ d, "Affine2.b": d.sum(axis=0)}
    wanted |= {"Affine1.W": x.T @ back, "Affine1.b": back.sum(axis=0)}
    for key, gradient in wanted.items():
        np.testing.assert_array_equal(grads[key], gradient)


@pytest.mark.parametrize("angle, wanted", [(0.0, 0.0), (np.pi / 2, 2**-0.5), (np.pi, 1.0)])
def test_the_relative_error_is_0_for_equal_gradients_and_1_for_opposite_ones(angle, wanted):
    a, n = np.array([2.0, 0.0]), 2.0 * np.array([np.cos(angle), np.sin(angle)])
    size = np.linalg.norm(a) + np.linalg.norm(n)
    assert np.linalg.norm(a - n) / size == pytest.approx(wanted, abs=1e-15)


# Chapter 10


def row(arrays):
    return np.concatenate([array.ravel() for array in arrays.values()])


def test_a_small_step_against_the_gradient_lowers_the_loss_by_lr_times_its_squared_length():
    rng = np.random.default_rng(0)
    net, x, t = two_layer_net(5, 4, 3, rng), rng.normal(size=(6, 5)), np.array([0, 1, 2, 2, 1, 0])
    before, grads = net.loss(x, t), net.gradient(x, t)
    for key, array in net.params.items():
        array -= 1e-6 * grads[key]
    promised = -1e-6 * np.sum(row(grads) ** 2)
    assert net.loss(x, t) - before == pytest.approx(promised, rel=1e-4)


def test_of_all_steps_of_one_length_the_one_against_the_gradient_promises_most():
    rng = np.random.default_rng(1)
    g = rng.normal(size=40)
    steps = rng.normal(size=(1000, 40))
    steps *= 0.1 / np.linalg.norm(steps, axis=1, keepdims=True)
    assert (
        np.min(steps @ g)
        > -0.1 * g / np.linalg.norm(g) @ g
        == pytest.approx(-0.1 * np.linalg.norm(g))
    )


def test_n_draws_with_replacement_miss_one_part_in_e():
    for n in (100, 10_000, 1_000_000):
        assert (1 - 1 / n) ** n == pytest.approx(1 / np.e, rel=0.6 / n)


@pytest.mark.parametrize("D", [3, 50])
def test_the_mean_square_of_a_sum_is_D_times_the_variance_times_the_mean_square(D):
    rng = np.random.default_rng(2)
    x, sigma = rng.uniform(-1, 2, D), 0.7
    sums = x @ rng.normal(0.0, sigma, (D, 400_000))
    assert np.mean(sums**2) == pytest.approx(D * sigma**2 * np.mean(x**2), rel=0.01)
    assert np.mean(np.maximum(sums, 0) ** 2) == pytest.approx(np.mean(sums**2) / 2, rel=0.02)


def test_in_the_valley_two_elevenths_is_the_rate_at_which_the_slower_direction_is_fastest():
    def slower(lr):
        return max(abs(1 - lr), abs(1 - 10 * lr))

    assert slower(2 / 11) == pytest.approx(9 / 11)
    assert all(slower(lr) > 9 / 11 for lr in (0.02, 0.1, 0.18, 0.183, 0.19, 0.2))


@pytest.mark.parametrize("lr", [0.25, 1.0, 1.25])
def test_an_update_of_a_parabola_multiplies_the_distance_by_1_less_2_lr(lr):
    w = Variable(5.0)
    loss = (w - 2) ** 2
    loss.backward()
    assert (w.value - lr * w.grad) - 2 == pytest.approx((1 - 2 * lr) * (w.value - 2))


# The appendix


def test_the_slope_of_a_product_carried_forward_is_that_of_the_way_back():
    a, b = Variable(2.0), Variable(-3.0)
    (a * b + a).backward()
    for da, db in ((1.0, 0.0), (0.0, 1.0)):
        carried = da * b.value + a.value * db + da
        assert carried == a.grad * da + b.grad * db

"""The formulas of chapter 11 and of the appendix, in numbers."""

import numpy as np
import pytest

from chainrule.graph import Variable
from chainrule.layers import Affine, Sigmoid
from chainrule.losses import SoftmaxWithLoss, softmax
from chainrule.mistakes import ZOO, UpdatesEarly
from chainrule.network import two_layer_net
from chainrule.numeric import numerical_gradient

N, D, H, C = 5, 4, 6, 3


def batch():
    rng = np.random.default_rng(2)
    return rng.uniform(0, 1, size=(N, D)), np.array([0, 2, 1, 1, 0])


def specimen(name):
    one = next(one for one in ZOO if one.name == name)
    return one.network(D, H, C, np.random.default_rng(1))


def test_an_early_update_adds_lr_times_dout_doutT_h():
    rng = np.random.default_rng(0)
    W, h, d = rng.normal(size=(H, C)), rng.normal(size=(N, H)), rng.normal(size=(N, C))
    layer = UpdatesEarly(W, rng.normal(size=C))
    layer.lr = 0.3
    layer.forward(h)
    np.testing.assert_allclose(layer.backward(d), d @ W.T - 0.3 * (d @ d.T) @ h, rtol=1e-12)


@pytest.mark.parametrize("name", ["ReLU: mask forgotten", "bias: sum over everything"])
def test_a_small_step_changes_the_loss_by_minus_lr_times_both_lengths_times_the_cosine(name):
    x, t = batch()
    right, wrong = two_layer_net(D, H, C, np.random.default_rng(1)), specimen(name)
    true, step = right.gradient(x, t), wrong.gradient(x, t)
    g = np.concatenate([true[key].ravel() for key in true])
    w = np.concatenate([np.broadcast_to(step[key], true[key].shape).ravel() for key in true])
    cosine = g @ w / (np.linalg.norm(g) * np.linalg.norm(w))
    lr, before = 1e-6, right.loss(x, t)
    for key, array in right.params.items():
        array -= lr * step[key]
    promised = -lr * np.linalg.norm(g) * np.linalg.norm(w) * cosine
    assert right.loss(x, t) - before == pytest.approx(promised, rel=1e-3)


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_equal_scores_give_the_loss_ln_C(classes):
    t = np.arange(4) % classes
    assert SoftmaxWithLoss().forward(np.full((4, classes), 0.7), t) == pytest.approx(
        np.log(classes), rel=1e-14
    )


def test_each_row_of_y_minus_t_sums_to_zero_so_the_sum_over_everything_is_zero():
    x, t = batch()
    net = specimen("bias: sum over everything")
    assert abs(net.gradient(x, t)["Affine2.b"]) < 1e-15
    rows = softmax(np.random.default_rng(3).normal(size=(N, C))) - np.eye(C)[t]
    np.testing.assert_allclose(rows.sum(axis=1), 0.0, atol=1e-15)


def test_a_mask_by_the_sign_of_the_upstream_never_gives_a_negative_gradient_to_pixels():
    grads = specimen("ReLU: mask from the upstream's sign").gradient(*batch())
    assert grads["Affine1.W"].min() >= 0 and grads["Affine1.b"].min() >= 0
    assert grads["Affine1.W"].max() > 0


@pytest.mark.parametrize("name", ["ReLU: mask forgotten", "ReLU: mask inverted"])
def test_with_one_sample_the_length_of_a_wrong_mask_says_its_relative_error(name):
    """A forgotten mask adds something at a right angle; an inverted one is at a right angle itself."""
    x, t = (part[:1] for part in batch())
    true = two_layer_net(D, H, C, np.random.default_rng(1)).gradient(x, t)["Affine1.W"]
    wrong = specimen(name).gradient(x, t)["Affine1.W"]
    size = np.linalg.norm(true)
    length, error = np.linalg.norm(wrong) / size, np.linalg.norm(wrong - true) / size
    assert length != pytest.approx(1, abs=0.05)  # or both formulas would be hard to tell apart
    if name.endswith("inverted"):
        assert error == pytest.approx(np.sqrt(length**2 + 1))
    else:
        assert error == pytest.approx(np.sqrt(length**2 - 1))


@pytest.mark.parametrize("samples", [1, 3, 10])
def test_no_division_and_two_divisions_have_the_same_relative_error(samples):
    missing, twice = (abs(c - 1) / (c + 1) for c in (samples, 1 / samples))
    assert missing == pytest.approx(twice) == pytest.approx((samples - 1) / (samples + 1))


def test_the_answers_of_the_last_questions_that_are_numbers():
    a, b = Variable(2.0), Variable(3.0)
    u = a * b
    (u * u + a).backward()
    assert a.grad == 12 * 3 + 1 == 37
    layer, gate = Affine([[3.0]], [np.log(4) - 15]), Sigmoid()
    assert gate.forward(layer.forward(np.array([[5.0]]))) == pytest.approx(0.8)
    layer.backward(gate.backward(np.array([[2.0]])))
    assert layer.grads["W"] == pytest.approx(1.6) and layer.grads["b"] == pytest.approx(0.32)


def test_a_hundred_on_every_last_bias_changes_neither_the_loss_nor_a_gradient():
    x, t = batch()
    net = two_layer_net(D, H, C, np.random.default_rng(1))
    loss, grads = net.loss(x, t), net.gradient(x, t)
    net.params["Affine2.b"] += 100.0
    assert net.loss(x, t) == pytest.approx(loss, rel=1e-12)
    for key, gradient in net.gradient(x, t).items():
        np.testing.assert_allclose(gradient, grads[key], atol=1e-13)


# The appendix


@pytest.mark.parametrize("x", [-3.0, 0.0, 2.0])
def test_the_slope_of_softplus_is_the_sigmoid_and_exp_of_x_minus_y(x):
    slope = numerical_gradient(lambda x: np.logaddexp(0.0, x), x)
    y = np.logaddexp(0.0, x)
    assert slope == pytest.approx(1 / (1 + np.exp(-x)), rel=1e-8)
    assert np.exp(x - y) == pytest.approx(1 / (1 + np.exp(-x)), rel=1e-12)


def test_a_product_of_jacobians_is_the_same_from_both_ends_and_costs_what_is_counted():
    rng = np.random.default_rng(0)
    J1, J2, J3 = (rng.normal(size=shape) for shape in ((20, 64), (10, 20), (1, 10)))
    np.testing.assert_allclose((J3 @ J2) @ J1, J3 @ (J2 @ J1), rtol=1e-10)
    assert 1 * 10 * 20 + 1 * 20 * 64 == 1480  # from the loss
    assert 10 * 20 * 64 + 1 * 10 * 64 == 13440  # from the inputs

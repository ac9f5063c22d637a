"""The formulas of chapters 4 to 6, each as a claim, against nudging or against the sum that it abbreviates."""

import numpy as np
import pytest

from chainrule.graph import Variable, exp, log, sum_
from chainrule.layers import Affine, ReLU, Sigmoid, Tanh
from chainrule.losses import (
    IdentityWithLoss,
    SoftmaxWithLoss,
    cross_entropy,
    softmax,
    sum_squared_error,
)
from chainrule.numeric import numerical_gradient

N, D, M, C = 4, 3, 5, 6  # all different, so that no wrong transpose fits
INPUTS = np.array([-3.0, -0.4, 0.2, 1.0, 2.5])


def array(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def close(a, b, rtol=1e-8):
    np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol)


def jacobian(f, x):
    """d f(x)[i] / d x[j], (outputs, inputs), by nudging; both are taken as one long row."""
    rows = [numerical_gradient(lambda x, i=i: np.ravel(f(x))[i], x) for i in range(np.size(f(x)))]
    return np.stack(rows).reshape(len(rows), -1)


def diagonal_of(layer, x):
    J = jacobian(layer.forward, x)
    close(J, np.diag(np.diag(J)))
    return np.diag(J)


# ---------------------------------------------------------------- chapter 4


def test_the_jacobian_of_relu_has_its_mask_on_the_diagonal_and_zeros_elsewhere():
    close(diagonal_of(ReLU(), INPUTS), INPUTS > 0)


def test_the_slope_of_sigmoid_is_y_times_one_minus_y_from_the_output():
    y = Sigmoid().forward(INPUTS)
    close(diagonal_of(Sigmoid(), INPUTS), y * (1 - y))


def test_the_slope_of_sigmoid_from_the_input_is_the_same_number():
    y, e = Sigmoid().forward(INPUTS), np.exp(-INPUTS)
    close(e / (1 + e) ** 2, y * (1 - y), 1e-14)
    close((1 - y) / y, e, 1e-12)


def test_the_mixed_form_with_the_input_is_wrong():
    assert not np.allclose(diagonal_of(Sigmoid(), INPUTS), INPUTS * (1 - INPUTS), atol=0.1)


def test_the_two_ways_to_write_sigmoid_are_equal():
    close(1 / (1 + np.exp(-INPUTS)), np.exp(INPUTS) / (1 + np.exp(INPUTS)), 1e-14)


def test_the_slope_of_tanh_is_one_minus_y_squared():
    close(diagonal_of(Tanh(), INPUTS), 1 - np.tanh(INPUTS) ** 2)


def test_the_slope_of_sigmoid_is_at_most_a_quarter_and_ten_in_a_row_at_most_its_tenth_power():
    layers, x = [Sigmoid() for _ in range(10)], np.linspace(-8, 8, 161)
    for layer in layers:
        x = layer.forward(x)
    dout = np.ones_like(x)
    for layer in reversed(layers):
        dout = layer.backward(dout)
    slopes = Sigmoid()
    slopes.forward(np.linspace(-8, 8, 161))
    assert slopes.backward(np.ones(161)).max() == 0.25  # at x = 0
    assert 0 < dout.max() <= 0.25**10


@pytest.mark.parametrize("h", [1.0, 0.1, 1e-5])
def test_at_the_kink_the_slopes_are_zero_and_one_and_the_central_difference_is_a_half(h):
    def value(x):
        return float(ReLU().forward(x))

    assert (value(0.0) - value(-h)) / h == 0
    assert (value(h) - value(0.0)) / h == 1
    assert numerical_gradient(value, 0.0, h) == 0.5


def test_a_unit_that_is_closed_for_every_sample_gets_no_gradient_and_a_leaky_one_does():
    x = np.array([1.0, 2.0, 3.0, 4.0, 5.0])

    def loss(parameters, leak):
        a = parameters[0] * x + parameters[1]
        return np.sum((np.where(a > 0, a, leak * a) - 6.0) ** 2)

    dead = np.array([1.0, -6.0])
    assert numerical_gradient(lambda p: loss(p, 0.0), dead).tolist() == [0.0, 0.0]
    assert np.all(numerical_gradient(lambda p: loss(p, 0.1), dead) < 0)


# ---------------------------------------------------------------- chapter 5


def affine_run():
    layer, x, dout = Affine(array(D, M), array(M, seed=1)), array(N, D, seed=2), array(N, M, seed=3)
    layer.forward(x)
    return layer, x, layer.params["W"], dout, layer.backward(dout)


def test_the_three_formulas_are_the_sums_of_the_derivation():
    layer, x, W, dout, dx = affine_run()
    close(dx, np.einsum("im,dm->id", dout, W), 1e-13)
    close(layer.grads["W"], np.einsum("nd,nj->dj", x, dout), 1e-13)
    close(layer.grads["b"], np.einsum("nj->j", dout), 1e-13)


def test_the_three_formulas_are_what_nudging_says():
    layer, x, W, dout, dx = affine_run()
    b = layer.params["b"]
    close(dx, numerical_gradient(lambda x: np.sum(dout * (x @ W + b)), x))
    close(layer.grads["W"], numerical_gradient(lambda W: np.sum(dout * (x @ W + b)), W))
    close(layer.grads["b"], numerical_gradient(lambda b: np.sum(dout * (x @ W + b)), b))


def test_the_jacobian_by_x_holds_the_transposed_weights_once_a_sample():
    layer, x, W, dout, dx = affine_run()
    J = jacobian(layer.forward, x)
    close(J, np.kron(np.eye(N), W.T))
    close(dout.ravel() @ J, dx.ravel())


def test_with_a_symmetric_matrix_the_wrong_product_is_the_right_one():
    square, dout = array(M, M), array(N, M, seed=3)
    close(dout @ (square + square.T), dout @ (square + square.T).T)
    assert not np.allclose(dout @ square, dout @ square.T, rtol=0.1)


@pytest.mark.parametrize("N", [1, 2, 3, 4, 5])
def test_a_bias_summed_over_the_wrong_axis_is_silent_for_one_sample_and_for_as_many_as_outputs(N):
    """Exercise 5 of chapter 5."""
    dout, bias = array(N, 4, seed=3), np.zeros(4)
    if N in (1, 4):
        bias -= dout.sum(axis=1)
        assert not np.allclose(bias, -dout.sum(axis=0), rtol=0.1)
    else:
        with pytest.raises(ValueError, match="broadcast"):
            bias -= dout.sum(axis=1)


def test_two_affine_layers_are_one():
    first, second = Affine(array(D, M), array(M, seed=1)), Affine(array(M, C), array(C, seed=2))
    x, (W1, b1), (W2, b2) = array(N, D, seed=3), first.params.values(), second.params.values()
    close(second.forward(first.forward(x)), Affine(W1 @ W2, b1 @ W2 + b2).forward(x), 1e-12)


def test_a_bias_of_zero_has_the_gradient_of_any_other_bias():
    layer, x, W, dout, _ = affine_run()
    unbiased = Affine(W, np.zeros(M))
    unbiased.forward(x)
    unbiased.backward(dout)
    assert unbiased.grads["b"].tolist() == layer.grads["b"].tolist()
    assert np.all(unbiased.grads["b"] != 0)


def fitting(left, right, shape):
    """The products of the two, each as it is or transposed, in both orders, that have the shape."""
    pairs = [(p, q) for p in (left, left.T) for q in (right, right.T)]
    pairs += [(q, p) for p, q in pairs]
    return [p @ q for p, q in pairs if p.shape[1] == q.shape[0] and (len(p), q.shape[1]) == shape]


def test_shapes_leave_one_product_when_sizes_differ_and_eight_when_they_are_equal():
    layer, x, W, dout, dx = affine_run()
    assert len(fitting(dout, W, (N, D))) == len(fitting(x, dout, (D, M))) == 1
    close(fitting(dout, W, (N, D))[0], dx, 1e-13)
    close(fitting(x, dout, (D, M))[0], layer.grads["W"], 1e-13)
    W, dout = array(3, 3), array(3, 3, seed=1)
    square = fitting(dout, W, (3, 3))
    assert len(square) == 8
    assert sum(np.allclose(product, dout @ W.T) for product in square) == 1


# ---------------------------------------------------------------- chapter 6


def scores_and_targets():
    return 2 * array(N, C), np.eye(C)[[1, 5, 0, 1]]


def test_the_derivative_of_softmax_has_its_terms_off_the_diagonal():
    a = array(C)
    y = softmax(a)
    close(jacobian(softmax, a), np.diag(y) - np.outer(y, y))


def test_the_long_way_gives_y_minus_t_and_the_diagonal_alone_does_not():
    a, t = (array[0] for array in scores_and_targets())
    y = softmax(a)
    dy = -t / y
    close(dy, numerical_gradient(lambda y: -np.sum(t * np.log(y)), y))
    close(dy @ (np.diag(y) - np.outer(y, y)), y - t, 1e-13)
    assert not np.allclose(dy * y * (1 - y), y - t)


def test_softmax_with_loss_hands_back_y_minus_t_over_n():
    a, t = scores_and_targets()
    loss = SoftmaxWithLoss()
    loss.forward(a, t)
    close(loss.backward(), (softmax(a) - t) / N, 1e-14)
    close(loss.backward(), numerical_gradient(lambda a: cross_entropy(a, t), a))
    close(loss.backward().sum(axis=1), np.zeros(N), 1e-14)


def test_where_targets_do_not_sum_to_one_y_is_multiplied_by_their_sum():
    a, t = array(C), np.array([1.0, 1.0, 0.0, 0.5, 0.0, 0.0])
    gradient = numerical_gradient(lambda a: -np.sum(t * np.log(softmax(a))), a)
    close(gradient, softmax(a) * t.sum() - t)
    assert not np.allclose(gradient, softmax(a) - t, atol=0.01)


def test_identity_with_half_the_squared_error_hands_back_the_same_and_without_the_half_twice_it():
    a, t = array(N, C), array(N, C, seed=1)
    loss = IdentityWithLoss()
    loss.forward(a, t)
    close(loss.backward(), (a - t) / N, 1e-14)
    close(loss.backward(), numerical_gradient(lambda a: sum_squared_error(a, t) / N, a))
    close(2 * loss.backward(), numerical_gradient(lambda a: np.sum((a - t) ** 2) / N, a))


def test_copies_of_a_batch_divide_the_gradient_of_scores_and_leave_that_of_parameters():
    W, b, x, t = array(D, C), array(C, seed=1), array(N, D, seed=2), np.array([1, 5, 0, 1])
    found = []
    for times in (1, 10):
        layer, loss = Affine(W, b), SoftmaxWithLoss()
        loss.forward(layer.forward(np.tile(x, (times, 1))), np.tile(t, times))
        layer.backward(loss.backward())
        found.append((loss.backward()[:N], layer.grads["W"], layer.grads["b"]))
    (scores, W1, b1), (scores_10, W10, b10) = found
    close(scores, 10 * scores_10, 1e-12)
    close(W1, W10, 1e-12)
    close(b1, b10, 1e-12)


def test_both_losses_are_negative_log_likelihoods():
    a, t = array(C), np.eye(C)[2]
    close(cross_entropy(a, t), -np.log(np.prod(softmax(a) ** t)), 1e-13)
    bell = np.exp(-((t - a) ** 2) / 2) / np.sqrt(2 * np.pi)
    close(-np.log(np.prod(bell)), sum_squared_error(a, t) + C / 2 * np.log(2 * np.pi), 1e-13)


@pytest.mark.parametrize(
    ("A", "output"),
    [
        (lambda a: np.log(np.sum(np.exp(a))), softmax),
        (lambda a: np.sum(a**2) / 2, lambda a: a),
        (lambda a: np.sum(np.log(1 + np.exp(a))), lambda a: Sigmoid().forward(a)),
    ],
    ids=["softmax", "identity", "sigmoid"],
)
def test_the_natural_output_function_is_the_derivative_of_a(A, output):
    a, t = array(C), np.eye(C)[2]
    close(numerical_gradient(A, a), output(a))
    close(numerical_gradient(lambda a: A(a) - t @ a, a), output(a) - t)


def test_softmax_with_half_the_squared_error_is_nearly_blind_where_it_is_sure_and_wrong():
    a, t = np.array([8.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0])
    y = softmax(a)
    wrong_pair = numerical_gradient(lambda a: sum_squared_error(softmax(a), t), a)
    close(wrong_pair, (y - t) @ (np.diag(y) - np.outer(y, y)))
    assert np.abs(wrong_pair).max() < 0.002
    assert np.abs(y - t).max() > 0.99


def test_a_shift_changes_no_probability_and_the_gradient_of_the_shift_is_zero():
    a, t = scores_and_targets()
    close(softmax(a), softmax(a - a.max(axis=1, keepdims=True)), 1e-12)
    gradient = numerical_gradient(lambda c: cross_entropy(a - c, t), np.zeros((N, 1)))
    close(gradient, np.zeros((N, 1)))


def binary_loss(a, t):
    return np.sum(np.maximum(a, 0) - t * a + np.log1p(np.exp(-np.abs(a))))


@pytest.mark.parametrize("t", [0.0, 1.0])
def test_binary_cross_entropy_goes_back_with_y_minus_t_and_its_calm_form_is_the_definition(t):
    y = Sigmoid().forward(INPUTS)
    close(binary_loss(INPUTS, t), -np.sum(t * np.log(y) + (1 - t) * np.log(1 - y)), 1e-12)
    close(numerical_gradient(lambda a: binary_loss(a, t), INPUTS), y - t)
    assert binary_loss(np.array([-1000.0]), 1.0) == 1000.0  # no overflow


def test_softmax_of_0_and_a_is_the_sigmoid_of_a():
    pairs = np.stack([np.zeros_like(INPUTS), INPUTS], axis=1)
    close(softmax(pairs)[:, 1], Sigmoid().forward(INPUTS), 1e-14)


def test_a_column_less_a_flat_array_compares_each_with_each_and_is_least_at_the_mean():
    column, flat = np.array([[1.0], [2.0], [3.0]]), np.array([1.0, 2.0, 3.0])
    assert (column - flat).shape == (3, 3)
    assert np.sum((column - flat) ** 2) / 6 == 2.0
    gradient = numerical_gradient(lambda y: np.sum((y - flat) ** 2), np.full((3, 1), flat.mean()))
    close(gradient, np.zeros((3, 1)))


def test_the_opened_layer_has_the_pieces_that_chapter_6_names():
    a = Variable(np.log([7.0, 2.0, 1.0]))
    e = exp(a)
    total = sum_(e)
    y = e / total
    loss = -sum_(np.array([0.0, 1.0, 0.0]) * log(y))
    loss.backward()
    close(y.grad, [0.0, -5.0, 0.0], 1e-12)
    close(total.grad, 0.1, 1e-12)
    close(y.grad / total.value, [0.0, -0.5, 0.0], 1e-12)
    close(e.grad, [0.1, -0.4, 0.1], 1e-12)
    close(a.grad, [0.7, -0.8, 0.1], 1e-12)


def test_a_squared_error_behind_a_softmax_hardly_pulls_a_right_score_up():
    """Chapter 6: its gradient is as small as the probability; with the logarithm it is nearly -1."""
    a, t = np.array([9.0, 8.0, -3.0]), np.array([0.0, 0.0, 1.0])
    y = np.exp(a) / np.exp(a).sum()
    jacobian = np.diag(y) - np.outer(y, y)
    squared = (y - t) @ jacobian
    assert y[2] < 1e-5 and abs(squared[2]) < 2 * y[2] and (y - t)[2] < -0.999

"""The formulas and numbers of chapter 15."""

import math

import numpy as np
import pytest

from chainrule.graph import Variable, exp, sum_
from chainrule.guests import Attention, Embedding
from chainrule.losses import softmax
from chainrule.numeric import numerical_gradient

X = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
LOG2 = math.log(2)
WQ, WK, WV = np.array([[1.0], [-1.0]]), np.array([[LOG2], [-LOG2]]), np.array([[7.0], [0.0]])
DOUT = np.array([[7.0], [7.0], [9.0]])


def three_tokens(q=WQ, k=WK, v=WV, x=X):
    layer = Attention(q, k, v)
    return layer, layer.forward(x)


def row_back(a, g):
    """The gradient of one row of scores, as the text has it."""
    return a * (g - a @ g)


def test_the_three_tokens_by_hand():
    layer, y = three_tokens()
    np.testing.assert_allclose(layer.Q.ravel(), [1, -1, 0])
    np.testing.assert_allclose(layer.K.ravel(), [LOG2, -LOG2, 0])
    np.testing.assert_allclose(21 * layer.A, [[12, 3, 6], [3, 12, 6], [7, 7, 7]])
    np.testing.assert_allclose(y.ravel(), [6, 3, 14 / 3])


def test_the_gradient_of_the_scores_by_hand():
    layer, _ = three_tokens()
    dA = DOUT @ layer.V.T
    np.testing.assert_allclose(dA[0], [49, 0, 49])
    assert layer.A[0] @ dA[0] == pytest.approx(42)
    dS = np.array([row_back(a, g) for a, g in zip(layer.A, dA, strict=True)])
    np.testing.assert_allclose(dS, [[4, -6, 2], [4, -12, 8], [7, -14, 7]], atol=1e-12)
    np.testing.assert_allclose((dS.T @ layer.Q).ravel(), [0, 6, -6], atol=1e-12)
    np.testing.assert_allclose((dS @ layer.K).ravel() / LOG2, [10, 16, 21])
    np.testing.assert_allclose((layer.A.T @ DOUT).ravel(), [8, 8, 7])


def test_weight_times_distance_from_the_mean_is_the_product_with_the_whole_jacobian():
    rng = np.random.default_rng(0)
    for T in (1, 2, 5):
        scores, g = rng.normal(size=T), rng.normal(size=T)
        a = softmax(scores)
        jacobian = np.diag(a) - np.outer(a, a)
        np.testing.assert_allclose(row_back(a, g), g @ jacobian, atol=1e-15)
        nudged = numerical_gradient(lambda s, g=g: softmax(s) @ g, scores)
        np.testing.assert_allclose(row_back(a, g), nudged, atol=1e-9)
        assert abs(row_back(a, g).sum()) < 1e-15


def test_the_three_pieces_of_x_add_up_and_the_figure_says_the_same():
    layer, _ = three_tokens()
    dx = layer.backward(DOUT)
    x = Variable(X, "x")
    Q, K, V = x @ WQ, x @ WK, x @ WV
    E = exp(Q @ K.T)
    (E / sum_(E, 1, True) @ V * DOUT).sum().backward()
    np.testing.assert_allclose(x.grad, dx, rtol=1e-13)
    total = sum(one.grad @ W.T for one, W in zip((Q, K, V), (WQ, WK, WV), strict=True))
    np.testing.assert_allclose(total, dx, rtol=1e-13)


def test_equal_values_give_the_scores_no_gradient():
    a = softmax(np.array([0.3, -1.0, 2.0]))
    np.testing.assert_allclose(row_back(a, np.full(3, 5.0)), 0, atol=1e-15)


def test_at_both_ends_of_the_picture_nothing_passes():
    for score in (-6.0, 6.0):
        a = softmax(np.array([score, 0.0, 0.0]))
        assert abs(row_back(a, np.array([6.0, 1.0, 3.0]))[0]) < 0.03


def test_a_score_of_h_products_has_the_variance_h():
    q, k = np.random.default_rng(0).normal(size=(2, 20_000, 64))
    assert np.var((q * k).sum(axis=1)) == pytest.approx(64, rel=0.03)


def test_exercise_2():
    plain, y = three_tokens()
    plain.backward(DOUT)
    other, y_other = three_tokens(2 * WQ, WK / 2)
    other.backward(DOUT)
    np.testing.assert_allclose(y_other, y)
    np.testing.assert_allclose(other.grads["Wq"], plain.grads["Wq"] / 2)
    np.testing.assert_allclose(other.grads["Wk"], plain.grads["Wk"] * 2)
    np.testing.assert_allclose(three_tokens(x=X[[1, 0, 2]])[1], y[[1, 0, 2]])
    sure, y_sure = three_tokens(20 * WQ)
    sure.backward(DOUT)
    np.testing.assert_allclose(y_sure.ravel(), [7, 0, 14 / 3], atol=1e-4)
    np.testing.assert_allclose(sure.grads["Wq"].ravel(), [21 * LOG2] * 2, rtol=1e-4)
    assert round(21 * LOG2, 2) == 14.56


def test_exercise_1():
    q, k, v = np.array([1.0, 0.0]), np.array([math.log(3), 0.0]), np.array([4.0, 0.0])
    layer = Attention(*np.eye(3)[:, :, None])
    y = layer.forward(np.column_stack([q, k, v]))
    np.testing.assert_allclose(layer.A, [[3 / 4, 1 / 4], [1 / 2, 1 / 2]])
    np.testing.assert_allclose(y.ravel(), [3, 2])
    dq, dk, dv = layer.backward([[8.0], [4.0]]).T
    np.testing.assert_allclose(dq, [6 * math.log(3), 4 * math.log(3)])
    np.testing.assert_allclose(dk, [6, -6])
    np.testing.assert_allclose(dv, [8, 4])


def test_exercise_4_the_root_forgotten_is_a_factor_for_two_arrays_and_none_for_x():
    rng = np.random.default_rng(0)
    layer, x = Attention.init(3, 4, rng), rng.normal(size=(2, 5, 3))
    dout = rng.normal(size=layer.forward(x).shape)
    dx = layer.backward(dout)
    root = math.sqrt(layer.Q.shape[-1])
    through_V = layer.A.mT @ dout @ layer.params["Wv"].T
    wrong = root * (dx - through_V) + through_V
    assert root == 2 and np.ptp(wrong / dx) > 0.1


def test_exercise_5_the_first_token_of_a_masked_layer_has_no_choice():
    scores = np.random.default_rng(5).normal(size=(4, 4)) + np.triu(np.full((4, 4), -np.inf), 1)
    A, g = softmax(scores), np.random.default_rng(6).normal(size=(4, 4))
    back = np.array([row_back(a, one) for a, one in zip(A, g, strict=True)])
    assert np.all(back[np.triu_indices(4, 1)] == 0) and np.all(back[0] == 0)
    np.testing.assert_allclose(back.sum(axis=1), 0, atol=1e-15)


def test_the_first_question():
    np.testing.assert_allclose(
        row_back(np.array([0.5, 0.5, 0]), np.array([4.0, 2.0, 9.0])), [0.5, -0.5, 0]
    )


def test_question_5_the_mean_behind_the_last_softmax_is_minus_1():
    y, t = softmax(np.array([0.2, 1.0, -0.5])), np.array([0.1, 0.6, 0.3])
    assert y @ (-t / y) == pytest.approx(-1)
    np.testing.assert_allclose(row_back(y, -t / y), y - t, atol=1e-15)


def test_an_embedding_s_gradient_is_one_hot_rows_turned_times_dout():
    words, dout = np.array([2, 0, 2]), np.array([[1.0], [10.0], [100.0]])
    table = Embedding(np.zeros((4, 1)))
    table.forward(words)
    table.backward(dout)
    assert table.grads["W"].ravel().tolist() == [10, 0, 101, 0]
    np.testing.assert_array_equal(np.eye(4)[words].T @ dout, table.grads["W"])


def test_who_still_gets_a_gradient_at_the_two_ends_of_the_price_picture():
    prices = np.array([6.0, 1.0, 3.0])
    for score, wanted in ((-6.0, [0, -0.5, 0.5]), (6.0, [0, 0, 0])):
        weights = softmax(np.array([score, 0.0, 0.0]))
        assert np.allclose(weights * (prices - weights @ prices), wanted, atol=0.02)

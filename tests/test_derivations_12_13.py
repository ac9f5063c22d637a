"""The formulas of chapters 12 and 13, each as a claim, against nudging, sums or many draws."""

import re
from pathlib import Path

import nbformat
import numpy as np
import pytest

from chainrule.graph import Variable
from chainrule.guests import BatchNorm, Dropout
from chainrule.layers import Affine
from chainrule.numeric import numerical_gradient
from chainrule.trace import trace_graph

BOOK = Path(__file__).parents[1] / "book"
N, D = 6, 4


def array(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def close(a, b, rtol=1e-8, atol=None):
    np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol if atol is None else atol)


# ---------------------------------------------------------------- chapter 12


@pytest.mark.parametrize("p", [0.2, 1 / 3, 0.5, 0.75])
def test_the_mean_over_masks_is_the_input_and_the_variance_p_over_one_minus_p_times_its_square(p):
    x = 3.0
    outputs = np.array([0.0, x / (1 - p)])  # with probabilities p and 1 - p
    mean = (1 - p) * outputs[1]
    close(mean, x, 1e-14)
    close((1 - p) * outputs[1] ** 2 - mean**2, p / (1 - p) * x**2, 1e-13)
    drawn = Dropout(p, np.random.default_rng(1)).forward(np.full(200_000, x))
    close(drawn.mean(), mean, 0.02)
    close(drawn.var(), p / (1 - p) * x**2, 0.03)


@pytest.mark.parametrize("p", [0.2, 0.5, 0.75])
def test_the_mean_loss_of_one_weight_has_a_penalty_and_its_lowest_point_at_one_minus_p(p):
    def mean_loss(w):
        return p * 0.5 * (0 - 1) ** 2 + (1 - p) * 0.5 * (w / (1 - p) - 1) ** 2

    for w in (-0.5, 0.3, 1.0):
        close(mean_loss(w), 0.5 * (w - 1) ** 2 + 0.5 * p / (1 - p) * w**2, 1e-13)
        close(numerical_gradient(mean_loss, w), w - 1 + p / (1 - p) * w, 1e-8)
    close(numerical_gradient(mean_loss, 1 - p), 0.0, 1e-9)


def test_a_new_mask_in_backward_has_the_mean_gradient_of_the_loss_without_dropout():
    p, w = 0.5, 0.7
    masks, chances = np.array([0.0, 1 / (1 - p)]), np.array([p, 1 - p])
    same = np.sum(chances * (masks * w - 1) * masks)
    new = np.sum(chances * (masks * w - 1)) * np.sum(chances * masks)
    close(same, w - 1 + p / (1 - p) * w, 1e-14)
    close(new, w - 1, 1e-14)


def test_nudging_with_new_masks_is_off_in_proportion_to_one_over_h():
    x, dout = array(3, 4), array(3, 4, seed=1)

    def off_by(h):
        layer = Dropout(0.5, np.random.default_rng(2))
        found = numerical_gradient(lambda v: np.sum(dout * layer.forward(v)), x, h)
        return np.linalg.norm(found)

    for h in (1e-3, 1e-5, 1e-7):
        close(off_by(h) / off_by(h / 10), 0.1, 0.02)


# ---------------------------------------------------------------- chapter 13


def normalised(x, eps=0.0):
    return (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + eps)


@pytest.mark.parametrize("eps", [0.0, 1e-5, 0.5])
def test_the_closed_form_is_what_nudging_says_for_any_epsilon(eps):
    x, G, gamma, beta = array(N, D), array(N, D, seed=1), array(D, seed=2), array(D, seed=3)
    x_hat, sigma = normalised(x, eps), np.sqrt(x.var(axis=0) + eps)
    g = gamma * G
    dx = (g - g.mean(axis=0) - x_hat * (g * x_hat).mean(axis=0)) / sigma
    close(dx, numerical_gradient(lambda x: np.sum(G * (gamma * normalised(x, eps) + beta)), x))
    close(
        np.sum(G * x_hat, axis=0),
        numerical_gradient(lambda c: np.sum(G * (c * x_hat + beta)), gamma),
    )


@pytest.mark.parametrize("eps", [0.0, 1e-5, 0.5])
def test_the_steps_of_the_derivation(eps):
    x, g = array(N), array(N, seed=1)
    c, sigma = x - x.mean(), np.sqrt(x.var() + eps)
    x_hat = c / sigma
    close(numerical_gradient(lambda s: np.sum(g * c / s), sigma), -np.sum(g * x_hat) / sigma)
    close(numerical_gradient(lambda c: np.sqrt(np.mean(c**2) + eps), c), x_hat / N)
    dc = (g - x_hat * np.mean(g * x_hat)) / sigma
    close(numerical_gradient(lambda c: np.sum(g * c / np.sqrt(np.mean(c**2) + eps)), c), dc)
    close(dc.mean(), g.mean() / sigma, 1e-13)


def test_the_numbers_beside_the_formula_are_those_of_its_paths_and_the_steps_those_of_the_figure():
    chapter = BOOK / "13_batch_normalisation.ipynb"
    cells = {cell.id: cell.source for cell in nbformat.read(chapter, as_version=4).cells}
    rows = re.findall(r"(?m)^\|.*\| ([−\d., ]+) \|$", cells["ch13-closed"])
    told = [[float(n.replace("−", "-")) for n in row.split(", ")] for row in rows]
    graph = {"np": np, "x": np.array([[5.0], [1.0], [4.0], [7.0], [3.0]])}
    exec(cells["ch13-graph"], graph)
    made, leaf, g = graph["made"], graph["leaf"], 4 * np.eye(5)[:, :1]
    made["x̂"].backward(g)
    close(np.array(told), np.array([*paths(graph["x"], g), leaf.grad])[..., 0], 1e-12)
    trace = trace_graph(made["x̂"], g)
    step_of = {trace.variables[one.variable].name: k for k, one in enumerate(trace.steps, 1)}
    cited = dict(re.findall(r"`(\w+)` \(step (\d+)\)", cells["ch13-nine"]))
    arrives = {name: step_of[after] for name, after in {"s": "x̂", "c": "c²"}.items()}
    assert {name: int(step) for name, step in cited.items()} == arrives


def paths(x, g):
    """What comes to x along each of the four, by a leaf of its own for each."""
    leaves = [Variable(x) for _ in range(4)]
    above = leaves[0] - leaves[1].mean(axis=0)
    below = leaves[2] - leaves[3].mean(axis=0)
    (above / (below**2).mean(axis=0) ** 0.5).backward(g)
    return [leaf.grad for leaf in leaves]


def test_each_of_the_four_paths_by_a_leaf_of_its_own_and_the_fourth_brings_nothing():
    x, g = array(N, D), array(N, D, seed=1)
    x_hat, sigma = normalised(x), x.std(axis=0)
    direct, through_mean, through_std, both = paths(x, g)
    close(direct, g / sigma, 1e-13)
    close(through_mean, np.broadcast_to(-g.mean(axis=0) / sigma, (N, D)), 1e-13)
    close(through_std, -x_hat * (g * x_hat).mean(axis=0) / sigma, 1e-13)
    close(both, np.zeros((N, D)), 1e-14)


def test_what_comes_back_sums_to_zero_and_is_perpendicular_to_the_normalised_input():
    layer = BatchNorm(array(D), array(D, seed=1), eps=0.0)
    layer.forward(array(N, D, seed=2))
    dx = layer.backward(array(N, D, seed=3))
    close(dx.sum(axis=0), np.zeros(D), 1e-13)
    close((dx * layer.x_hat).sum(axis=0), np.zeros(D), 1e-13)


def test_for_a_dout_of_ones_and_for_the_normalised_input_itself_nothing_comes_back():
    layer = BatchNorm(np.ones(D), np.zeros(D), eps=0.0)
    layer.forward(array(N, D))
    for dout in (np.ones((N, D)), layer.x_hat.copy()):
        close(layer.backward(dout), np.zeros((N, D)), 1e-13)


def test_a_bias_before_it_has_gradient_zero_and_its_weights_are_perpendicular_to_theirs():
    affine, norm = Affine(array(5, D), array(D, seed=1)), BatchNorm(array(D), array(D), eps=0.0)
    norm.forward(affine.forward(array(N, 5, seed=2)))
    affine.backward(norm.backward(array(N, D, seed=3)))
    close(affine.grads["b"], np.zeros(D), 1e-13)
    close((affine.params["W"] * affine.grads["W"]).sum(axis=0), np.zeros(D), 1e-12)
    assert np.abs(affine.grads["W"]).max() > 0.01


@pytest.mark.parametrize("samples", [1, 2, 3, 5, 12])
def test_n_minus_two_directions_of_n_pass(samples):
    layer = BatchNorm(np.ones(1), np.zeros(1), eps=0.0 if samples > 1 else 1.0)
    layer.forward(array(samples, 1))
    rows = [layer.backward(row[:, None])[:, 0] for row in np.eye(samples)]
    rank = np.linalg.matrix_rank(np.array(rows), tol=1e-10)
    assert rank == max(samples - 2, 0)


def test_a_batch_of_one_is_beta_and_one_of_two_is_its_order():
    layer = BatchNorm([2.0], [0.5], eps=0.0)
    close(layer.forward([[3.0], [3.5]]), [[-1.5], [2.5]], 1e-13)
    layer = BatchNorm.init(1)
    assert layer.forward([[123.0]]).tolist() == [[0.0]]
    assert layer.backward([[5.0]]).tolist() == [[0.0]]


def test_a_row_normalised_sends_back_rows_that_sum_to_zero():
    x, g = array(N, D), array(N, D, seed=1)
    layer = BatchNorm(np.ones(N), np.zeros(N))
    layer.forward(x.T)
    dx = layer.backward(g.T).T

    def rows(x):
        return (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-5)

    close(dx, numerical_gradient(lambda x: np.sum(g * rows(x)), x))
    close(dx.sum(axis=1), np.zeros(N), 1e-13)

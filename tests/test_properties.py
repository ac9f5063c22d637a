"""What must hold for every graph, layer and network, tried on random ones (Hypothesis chooses them)."""

from collections import OrderedDict

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from profiles import examples
from trial import snapshot

from chainrule import graph, layers, losses, nodes
from chainrule.graph import Variable, backward_steps, forward_steps, topological_order
from chainrule.network import Network
from chainrule.nodes import Maximum
from chainrule.trace import expand_network

SEEDS = st.integers(0, 2**32 - 1)
SHAPES = [(), (3,), (2, 3), (2, 1), (1, 3), (1,), (2, 2, 3)]


# ---------------------------------------------------------------- random graphs


def matmul_with_itself(x, y):
    """x @ y.T written with a constant, for matrices; x elsewhere."""
    if np.ndim(x.value) != 2:
        return -x
    return x @ np.linspace(-1, 1, 2 * np.shape(x.value)[1]).reshape(-1, 2)


def total(x, y):
    axis = np.size(y.value) % (np.ndim(x.value) + 1) - 1  # -1 stands for all axes
    return graph.sum_(x, None if axis < 0 else axis, keepdims=np.ndim(y.value) % 2 == 1)


OPERATIONS = [
    lambda x, y: x + y,
    lambda x, y: x - y,
    lambda x, y: x * y,
    lambda x, y: x / (y * y + 0.5),
    lambda x, y: -x,
    lambda x, y: x**2,
    lambda x, y: (x * x + 0.3) ** y,
    lambda x, y: graph.exp(x * 0.3),
    lambda x, y: graph.log(x * x + 0.2),
    lambda x, y: graph.maximum(x, y),
    matmul_with_itself,
    total,
    lambda x, y: graph.sigmoid(x),
    lambda x, y: graph.tanh(x),
    lambda x, y: x * x + x,
]
SIZES = st.integers(1, 190)
NEAR = 6  # a new node takes one of the last few: so the graph is deep, and not only wide


def graph_of(size, seed):
    """A scalar graph of about `size` variables, and its leaves. Numbers are kept between -4 and 4."""
    rng = np.random.default_rng(seed)
    leaves = [Variable(rng.uniform(-2, 2, shape), f"x{k}") for k, shape in enumerate(SHAPES)]
    made = list(leaves)
    out = leaves[0]
    while len(topological_order(out)) < size:
        operation = OPERATIONS[rng.integers(len(OPERATIONS))]
        x, y = made[-rng.integers(1, NEAR)], made[rng.integers(len(made))]
        made.append(tamed(operation(x, y if fit(x, y) else leaves[0])))
        out = out + graph.sum_(made[-1]) * 0.1
    return leaves, out


def fit(x, y):
    try:
        np.broadcast_shapes(np.shape(x.value), np.shape(y.value))
    except ValueError:
        return False
    return True


def tamed(variable):
    largest = float(np.max(np.abs(variable.value), initial=0.0))
    return variable * (4.0 / largest) if largest > 4.0 else variable


def sides_of(out):
    """Which input is the larger one, at each Maximum of a graph."""
    nodes = [v for v in topological_order(out) if isinstance(v.node, Maximum)]
    return [np.greater(*(one.value for one in v.inputs)) for v in nodes]


def slope(out, leaf, index, h):
    """The central difference at one entry, and whether no Maximum changed sides."""
    kept, values, sides = leaf.value, [], []
    for step in (h, -h):
        leaf.value = np.array(kept)
        leaf.value[index] += step
        for _ in forward_steps(out):
            pass
        values.append(float(out.value))
        sides.append(sides_of(out))
    leaf.value = kept
    smooth = all(np.array_equal(a, b) for a, b in zip(*sides, strict=True))
    return (values[0] - values[1]) / (2 * h), smooth


@examples(60)
@given(SIZES, SEEDS)
def test_a_random_graph_has_the_gradients_that_nudging_finds(size, seed):
    leaves, out = graph_of(size, seed)
    out.backward()
    gradients = [np.array(leaf.grad) if leaf.grad is not None else None for leaf in leaves]
    rng = np.random.default_rng(seed)
    for leaf, gradient in zip(leaves, gradients, strict=True):
        if gradient is None:
            continue
        index = tuple(int(rng.integers(size)) for size in np.shape(leaf.value))
        h = 1e-3 / (1 + float(np.max(np.abs(gradient))))
        (near, smooth), (far, smooth_too) = (slope(out, leaf, index, k * h) for k in (1, 2))
        if smooth and smooth_too:
            found = (4 * near - far) / 3  # Richardson: the error is of the fourth order
            error = 1e-7 * (1 + abs(found)) + 1e-14 * (1 + abs(out.value)) / h
            assert abs(found - gradient[index]) <= error


def test_the_random_graphs_are_large_hold_every_operation_and_are_mostly_smooth():
    sizes, operations, smooth = [], set(), []

    @examples(60)
    @given(SIZES, SEEDS)
    def look(size, seed):
        leaves, out = graph_of(size, seed)
        order = topological_order(out)
        smooth.append(slope(out, leaves[0], (), 1e-4)[1])
        sizes.append(len(order))
        operations.update(type(v.node).__name__ for v in order if v.node is not None)

    look()
    assert max(sizes) >= 180 and sum(smooth) >= 0.9 * len(smooth)
    assert operations == {
        "Add", "Subtract", "Multiply", "Divide", "Negate", "Power", "Exp", "Log", "Maximum",
        "MatMul", "Sum",
    }  # fmt: skip


@examples(40)
@given(SIZES, SEEDS)
def test_a_second_walk_over_a_graph_gives_the_same_bits(size, seed):
    _, out = graph_of(size, seed)
    states = []
    for _ in range(2):
        for _ in (*forward_steps(out), *backward_steps(out)):
            pass
        states.append(snapshot([[v.value, v.grad] for v in topological_order(out)]))
    assert states[0] == states[1]


@examples(40)
@given(SIZES, SEEDS, st.floats(-3, 3))
def test_a_graph_hands_back_in_proportion_to_what_it_gets(size, seed, factor):
    leaves, out = graph_of(size, seed)
    out.backward()
    once = [leaf.grad for leaf in leaves]
    out.backward(factor)
    for leaf, gradient in zip(leaves, once, strict=True):
        if gradient is not None:
            np.testing.assert_allclose(leaf.grad, np.multiply(factor, gradient), rtol=1e-9, atol=1e-9 * np.max(np.abs(gradient), initial=0))  # fmt: skip


# ---------------------------------------------------------------- pieces


def entrywise(rng):
    shape = SHAPES[rng.integers(1, len(SHAPES))]
    return (rng.normal(size=shape),)


def pair(rng):
    shape = SHAPES[rng.integers(1, len(SHAPES))]
    other = tuple(1 if rng.integers(2) else size for size in shape)[rng.integers(len(shape)) :]
    return rng.uniform(0.5, 2, shape), rng.uniform(0.5, 2, other)


def matrices(rng):
    N, D, M = rng.integers(1, 6, 3)
    return rng.normal(size=(N, D)), rng.normal(size=(D, M))


def batch(rng):
    return (rng.normal(size=(rng.integers(1, 6), 3)),)


def scored(rng):
    N, C = rng.integers(1, 6, 2)
    return rng.normal(size=(N, C)), rng.dirichlet(np.ones(C), N)


W, B = np.linspace(-1, 1, 12).reshape(3, 4), np.linspace(0.1, 0.4, 4)
PIECES = {
    **{name: (getattr(nodes, name), pair) for name in "Add Subtract Multiply Divide Maximum Power".split()},
    **{name: (getattr(nodes, name), entrywise) for name in "Negate Exp Sum".split()},
    "Log": (nodes.Log, lambda rng: (rng.uniform(0.5, 2, (2, 3)),)),
    "Power(3)": (lambda: nodes.Power(3), entrywise),
    "Sum(-1)": (lambda: nodes.Sum(-1), entrywise),
    "MatMul": (nodes.MatMul, matrices),
    **{name: (getattr(layers, name), entrywise) for name in "ReLU Sigmoid Tanh".split()},
    "Affine": (lambda: layers.Affine(W.copy(), B.copy()), batch),
    **{name: (getattr(losses, name), scored) for name in "SoftmaxWithLoss IdentityWithLoss".split()},
}  # fmt: skip
every_piece = pytest.mark.parametrize("name", PIECES)


def gradients(piece, dout):
    """All that backward gives, as a list of arrays."""
    back = piece.backward(dout)
    back = list(back) if isinstance(back, tuple) else [back]
    return back + [np.array(grad) for grad in getattr(piece, "grads", {}).values()]


def ran(name, seed):
    """The piece after a forward, its inputs, and a drawing of upstream gradients for it."""
    rng = np.random.default_rng(seed)
    make, draw = PIECES[name]
    piece, inputs = make(), draw(rng)
    out = piece.forward(*inputs)

    def dout():
        drawn = rng.normal(size=np.shape(out))
        return drawn if np.ndim(out) else float(drawn)

    return piece, inputs, dout


@every_piece
@examples(15)
@given(seed=SEEDS, p=st.floats(-3, 3), q=st.floats(-3, 3))
def test_backward_is_linear_in_the_upstream_gradient(name, seed, p, q):
    piece, _, dout = ran(name, seed)
    one, two = dout(), dout()
    parts = gradients(piece, one), gradients(piece, two)
    for mixed, a, b in zip(gradients(piece, p * one + q * two), *parts, strict=True):
        scale = np.max(np.abs(p * a) + np.abs(q * b), initial=0.0)
        assert (
            np.max(np.abs(mixed - (p * a + q * b)), initial=0.0) <= 1e-12 * scale + 1e-320
        )  # a few of the smallest floats


@every_piece
@examples(15)
@given(seed=SEEDS)
def test_a_piece_gives_the_same_again_and_leaves_its_arguments(name, seed):
    piece, inputs, dout = ran(name, seed)
    upstream = dout()
    given = snapshot([*inputs, upstream])
    first = piece.forward(*inputs), gradients(piece, upstream)
    kept = snapshot(first)
    second = piece.forward(*inputs), gradients(piece, upstream)
    assert snapshot(second) == kept == snapshot(first)
    assert snapshot([*inputs, upstream]) == given


@examples(60)
@given(SEEDS, st.floats(-1e3, 1e3))
def test_a_shift_of_the_scores_changes_neither_softmax_nor_loss(seed, shift):
    rng = np.random.default_rng(seed)
    a, t = scored(rng)
    np.testing.assert_allclose(losses.softmax(a + shift), losses.softmax(a), atol=1e-12)
    np.testing.assert_allclose(losses.softmax(a).sum(axis=1), 1.0, rtol=1e-14)
    assert losses.cross_entropy(a + shift, t) == pytest.approx(
        losses.cross_entropy(a, t), abs=1e-12
    )


# ---------------------------------------------------------------- networks


@st.composite
def networks(draw):
    """(network, x, t): affine layers of 1 to 6 units, each with an activation, and either loss."""
    rng = np.random.default_rng(draw(SEEDS))
    sizes = draw(st.lists(st.integers(1, 6), min_size=2, max_size=5))
    made = OrderedDict()
    for k, (D, M) in enumerate(zip(sizes, sizes[1:], strict=False), 1):
        made[f"Affine{k}"] = layers.Affine(rng.normal(size=(D, M)), rng.normal(size=M))
        kind = draw(st.sampled_from([layers.ReLU, layers.Sigmoid, layers.Tanh, None]))
        if kind is not None:
            made[f"{kind.__name__}{k}"] = kind()
    N, C = draw(st.integers(1, 5)), sizes[-1]
    x = rng.normal(size=(N, sizes[0]))
    if draw(st.booleans()):
        return Network(made, losses.IdentityWithLoss()), x, rng.normal(size=(N, C))
    t = rng.integers(0, C, N) if draw(st.booleans()) else rng.dirichlet(np.ones(C), N)
    return Network(made, losses.SoftmaxWithLoss()), x, t


def close(a, b, tolerance=1e-12):
    return np.linalg.norm(a - b) <= tolerance * (np.linalg.norm(b) + 1e-3)


@examples(60)
@given(networks())
def test_a_random_network_equals_its_own_nodes(drawn):
    network, x, t = drawn
    network.loss(x, t)
    kept = [layer.y for layer in network.layers.values() if hasattr(layer, "y")]
    assume(all(np.all(1 - np.abs(y) > 1e-4) for y in kept))  # nodes lose digits where tanh is flat
    out, _ = expand_network(network, x, t)
    out.backward()
    leaves = {v.name: v for v in topological_order(out)}
    assert network.loss(x, t) == pytest.approx(float(out.value), rel=1e-12, abs=1e-14)
    for key, gradient in network.gradient(x, t).items():
        assert close(gradient, leaves[key].grad)


@examples(40)
@given(networks())
def test_a_batch_gives_the_mean_of_its_samples(drawn):
    network, x, t = drawn
    whole, loss = network.gradient(x, t), network.loss(x, t)
    singles = [network.gradient(x[k : k + 1], t[k : k + 1]) for k in range(len(x))]
    each = [network.loss(x[k : k + 1], t[k : k + 1]) for k in range(len(x))]
    assert loss == pytest.approx(np.mean(each), rel=1e-12, abs=1e-14)
    for key, gradient in whole.items():
        assert close(gradient, np.mean([single[key] for single in singles], axis=0))


@examples(40)
@given(networks(), SEEDS)
def test_the_order_of_the_samples_does_not_matter(drawn, seed):
    network, x, t = drawn
    order = np.random.default_rng(seed).permutation(len(x))
    before, scores = network.gradient(x, t), network.predict(x)
    for key, gradient in network.gradient(x[order], t[order]).items():
        assert close(gradient, before[key])
    assert close(network.predict(x[order]), scores[order])


@examples(40)
@given(networks())
def test_a_network_gives_the_same_bits_again_and_leaves_its_arguments(drawn):
    network, x, t = drawn
    given, params = snapshot([x, t]), snapshot(network.params)
    first = network.loss(x, t), network.gradient(x, t)
    kept = snapshot(first)
    second = network.loss(x, t), network.gradient(x, t)
    assert snapshot(second) == kept == snapshot(first)
    assert snapshot([x, t]) == given and snapshot(network.params) == params


def signs(network, x):
    steps = network.forward_steps(x)
    return [out > 0 for name, out in steps if name.startswith("Affine")]


def has_a_kink_within(h, network, x):
    """Whether one of the nudges of `numerical_gradient` takes an input of a ReLU to the other side of 0."""
    here = signs(network, x)
    for array in network.params.values():
        for index in np.ndindex(array.shape):
            kept, crossed = array[index], False
            for nudged in (kept + h, kept - h):
                array[index] = nudged
                crossed |= not all(map(np.array_equal, signs(network, x), here))
            array[index] = kept
            if crossed:
                return True
    return False


@examples(20)
@given(networks())
def test_the_numerical_gradient_of_a_random_network_agrees(drawn):
    network, x, t = drawn
    assume(not has_a_kink_within(1e-5, network, x))
    numeric = network.numerical_gradient(x, t)
    for key, gradient in network.gradient(x, t).items():
        assert close(gradient, numeric[key], 1e-6)

"""Flatten, embedding and attention: alone, and in a network."""

import numpy as np
import pytest

from chainrule.gradcheck import gradient_check
from chainrule.guests import Attention, Embedding, Flatten
from chainrule.layers import Affine
from chainrule.losses import SoftmaxWithLoss, softmax
from chainrule.network import Network
from chainrule.trace import trace_network
from chainrule.training import Adam, train

RNG = np.random.default_rng(0)
X = RNG.normal(size=(2, 4, 3))
WORDS = np.array([[0, 2, 2], [4, 0, 0]])


def attention():
    return Attention.init(3, 5, np.random.default_rng(1))


def embedding():
    return Embedding.init(5, 3, np.random.default_rng(1))


def test_a_number_has_nothing_to_flatten():
    with pytest.raises(ValueError, match=r"Flatten wants x \(N, ...\), got a number"):
        Flatten().forward(1.0)


# ---------------------------------------------------------------- embedding


def test_a_word_that_comes_twice_gets_both_gradients_and_one_that_does_not_gets_0():
    layer = Embedding(np.arange(8.0).reshape(4, 2))
    assert layer.forward([2, 0, 2]).tolist() == [[4, 5], [0, 1], [4, 5]]
    assert layer.backward([[1.0, 2.0], [10.0, 20.0], [100.0, 200.0]]) is None
    assert layer.grads["W"].tolist() == [[10, 20], [0, 0], [101, 202], [0, 0]]


def test_an_embedding_is_a_product_with_one_hot_rows():
    layer, one_hot = embedding(), np.eye(5)[WORDS]
    dout = RNG.normal(size=(2, 3, 3))
    affine = Affine(layer.params["W"].copy())
    np.testing.assert_array_equal(layer.forward(WORDS), affine.forward(one_hot))
    layer.backward(dout), affine.backward(dout)
    np.testing.assert_allclose(layer.grads["W"], affine.grads["W"], atol=1e-14)


def test_a_word_that_has_no_row_is_told_which_rows_there_are():
    with pytest.raises(ValueError, match="Embedding has rows 0 to 4 in W, got x with 5"):
        embedding().forward([0, 5, 6])
    layer = embedding()
    layer.params["W"] = np.ones((4, 3))
    with pytest.raises(ValueError, match="Embedding has rows 0 to 3 in W, got x with -1"):
        layer.forward([0, -1])


def test_what_numpy_says_to_a_layer_is_told_with_its_name_and_it_remembers_what_it_did():
    layer = embedding()
    layer.forward([0, 1])
    before = dict(vars(layer))
    layer.params["W"] = np.ones((5, 3)).tolist()
    with pytest.raises(ValueError, match=r"^Embedding: .*; got shape \(1,\)"):
        layer.forward([2])
    assert vars(layer) == before


# ---------------------------------------------------------------- attention


@pytest.mark.parametrize("shape", [(4, 2), (4, 4), (2, 4, 4), (0, 3), (2, 0, 3), (3,)])
def test_tokens_of_other_sizes_and_sequences_of_none_are_refused(shape):
    with pytest.raises(ValueError, match=r"Attention wants x \(N, T, 3\)"):
        attention().forward(np.ones(shape))


def test_no_sequences_at_all_are_a_batch():
    assert attention().forward(np.ones((0, 4, 3))).shape == (0, 4, 5)


def test_each_sequence_of_a_batch_is_read_by_itself():
    layer = attention()
    both, dout = layer.forward(X), RNG.normal(size=(2, 4, 5))
    dx, dWq = layer.backward(dout), layer.grads["Wq"]
    alone = [attention() for _ in X]
    for n, one in enumerate(alone):
        np.testing.assert_allclose(one.forward(X[n]), both[n], atol=1e-14)
        np.testing.assert_allclose(one.backward(dout[n]), dx[n], atol=1e-13)
    np.testing.assert_allclose(sum(one.grads["Wq"] for one in alone), dWq, atol=1e-13)


def test_weights_are_a_softmax_of_each_query_s_row():
    layer = attention()
    layer.forward(X[0])
    np.testing.assert_allclose(layer.A, softmax(layer.Q @ layer.K.T / np.sqrt(5)), atol=1e-15)
    np.testing.assert_allclose(layer.A.sum(axis=1), 1)


def test_tokens_in_another_order_give_the_same_in_that_order():
    order = [2, 0, 3, 1]
    layer = attention()
    np.testing.assert_allclose(layer.forward(X[:, order]), attention().forward(X)[:, order])


def test_equal_tokens_say_nothing_to_queries_and_keys():
    """All values are equal, so whoever looks where, the mean is the same: dWq and dWk are 0."""
    layer = attention()
    layer.forward(np.tile(X[:1, :1], (1, 4, 1)))
    layer.backward(np.ones((1, 4, 5)))
    for key in ("Wq", "Wk"):
        np.testing.assert_allclose(layer.grads[key], 0, atol=1e-14)
    assert np.abs(layer.grads["Wv"]).min() > 0.01


def test_large_scores_do_not_overflow():
    assert np.isfinite(attention().forward(1e3 * X)).all()


# ---------------------------------------------------------------- in a network


def reader():
    rng = np.random.default_rng(3)
    layers = [
        Embedding.init(5, 4, rng),
        Attention.init(4, 4, rng),
        Flatten(),
        Affine.init(16, 2, rng),
    ]
    return Network(layers, SoftmaxWithLoss())


def test_a_network_of_words_is_checked_traced_and_learns():
    x = np.random.default_rng(4).integers(0, 5, (40, 4))
    t = (x[:, 0] == x[:, 3]).astype(int)  # to compare two places is what attention is good for
    network = reader()
    report = gradient_check(network, x[:5], t[:5])
    assert report.ok and [row.name for row in report.rows][0] == "Embedding1.W"
    trace = trace_network(network, x[:2], t[:2])
    said = " ".join(trace.sentence(k) for k in range(1, len(trace) + 1))
    assert "picks its row of Embedding1.W (5, 4)" in said
    assert "Attention adds up three uses." in said and "Attention1.Wk gets a gradient" in said
    rng = np.random.default_rng(0)
    records = list(train(network, (x, t), optimizer=Adam(0.01), epochs=120, batch_size=20, rng=rng))
    assert records[-1].accuracy == 1.0

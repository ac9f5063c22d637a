"""The number formatter, and the templates of the sentences."""

import math
import re

import numpy as np
import pytest

from chainrule import layers, losses, nodes
from chainrule.graph import Variable, exp, log, maximum, relu, sum_
from chainrule.narration import SLOT, WORDS, display, fill, fit, typeset
from chainrule.network import two_layer_net
from chainrule.trace import trace_graph, trace_network


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("At x = -4 the slope is -0.5, not +0.5.", "At x = −4 the slope is −0.5, not +0.5."),
        ("[1, -4, -.5] and (-3)", "[1, −4, −.5] and (−3)"),
        ("2.1e-02, 1e-10, 3e+07, 1e+00", "0.021, 1e−10, 3e7, 1"),
        ("1.33e3 and -3.60e+02, but 3.5e10", "1330 and −360, but 3.5e10"),
        ("At `x = -4` it is `f(-4)`", "At `x = −4` it is `f(-4)`"),
        ("a 784-50-10 network, 2-3-1, 8-by-8, max(axis=-1), well-kept", None),
        ("`x[-1] -= 1e-05` stays, and -1 does not", "`x[-1] -= 1e-05` stays, and −1 does not"),
        ("−2 − 3", None),
    ],
)
def test_a_sentence_of_an_author_gets_the_minus_and_the_exponents_of_the_book(written, shown):
    assert typeset(written) == (shown or written)


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (234.0, "234"),
        (1 / 3, "0.3333"),
        (-2.5, "−2.5"),
        (1234.5, "1235"),  # halves round away from zero, as in a browser
        (-1234.5, "−1235"),
        (123456.7, "123457"),
        (9.99996, "10"),
        (999999.6, "1000000"),
        (1e6, "1e6"),
        (0.00012345678, "0.0001235"),
        (9.9999e-5, "1e−4"),
        (1.5e-300, "1.5e−300"),
        (math.inf, "∞"),
        (-math.inf, "−∞"),
        (math.nan, "not a number"),
    ],
)
def test_a_number_is_shown_with_four_digits_that_mean_something(number, shown):
    assert display(number) == shown


@pytest.mark.parametrize("room", range(3, 8))
@pytest.mark.parametrize("size", [1e-1, 4e-2, 6e-3, 4.9e-4, 1e-7, 3e-12])
def test_what_is_rounded_to_zero_has_no_sign(size, room):
    shown = fit(-size, room)
    assert shown.startswith("−") == any(digit in "123456789" for digit in shown)


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("E -0.00", "E 0.00"),
        ("E -0.00. They add up", "E 0.00. They add up"),
        ("it is -0.", "it is 0."),
        ("(−0.0), -0", "(0.0), 0"),
        ("-0.004 and -0.5", "−0.004 and −0.5"),
        ("784-50-0 and 1 - 0", "784-50-0 and 1 - 0"),
        ("`-0.0` is code", "`-0.0` is code"),
        ("at `x = -4`", "at `x = −4`"),
        ("3.6e+02 times", "360 times"),
        ("`h = 1e-9` is typed", "`h = 1e-9` is typed"),
        ("`h = 1e-02` was formatted", "`h = 0.01` was formatted"),
    ],
)
def test_a_sentence_of_an_author_has_numbers_for_people_and_code_as_it_was_typed(written, shown):
    assert typeset(written) == shown


def test_an_array_shows_its_shape():
    assert display(np.zeros((2, 3))) == "(2, 3)"
    assert display(np.zeros(3)) == "(3,)"


def test_a_template_keeps_its_words_and_colours_its_numbers():
    parts = fill(
        "{x} + {y} is {z}.", {"x": ("value", "1"), "y": ("value", "2"), "z": ("value", "3")}
    )
    assert parts == [
        ("value", "1"), ("", " + "), ("value", "2"), ("", " is "), ("value", "3"), ("", "."),
    ]  # fmt: skip


def test_every_node_layer_and_loss_has_its_own_words():
    modules = {
        nodes: [c for c in nodes.Node.__subclasses__() if c.__module__ == nodes.__name__],
        layers: [layers.ReLU, layers.Sigmoid, layers.Tanh, layers.Affine],
        losses: [losses.SoftmaxWithLoss, losses.IdentityWithLoss],
    }
    for classes in modules.values():
        for cls in classes:
            assert {"forward", "backward", "to", "rule"} <= WORDS[cls.__name__].keys()


def test_every_slot_of_every_template_is_one_that_can_be_filled():
    known = {"x", "y", "z", "p", "up.p", "up.q", "dout", "dx", "dy", "op", "sum"}
    known |= {"db", "dc"} | {f"{letter}.{what}" for letter in "xyzbc" for what in ("name", "shape")}
    known |= {"so.x", "so.y", "so.z", "of.z"}
    known |= {f"{what}.{letter}" for what in ("sum", "copies", "list", "is") for letter in "xy"}
    for words in WORDS.values():
        texts = [*words.get("forward", ()), *words.get("backward", ()), *words.get("to", ())]
        assert {slot for text in texts for slot in SLOT.findall(text)} <= known


# ---------------------------------------------------------------- how a sum is written


def negative_and_all():
    """Every operation, on negative numbers where it takes them."""
    x, y, z = Variable(-3.0, "x"), Variable(-0.5, "y"), Variable(2.0, "z")
    results = [
        x + y, x - y, x * y, x / y, -x, x**2, x**3, x**-1, z**0.5, z**x, exp(x), log(z),
        maximum(x, y), relu(x), relu(z), x * x, sum_(x),
    ]  # fmt: skip
    total = results[0]
    for result in results[1:]:
        total = total + result * y
    return trace_graph(total)


def test_a_negative_number_stands_in_parentheses_behind_an_operator_and_nowhere_else():
    for trace in (negative_and_all(), trace_graph(-Variable(2.0, "x") + 1.0, -1.0)):
        for step in range(len(trace) + 1):
            said = trace.sentence(step)
            assert not re.search(r"[+−×÷^/] ?−\d", said), said
            assert not re.search(
                r"(?<![+−×÷^/] )(?<![−^a-z])\(−[\d.]+\)(?![\^⁻⁰¹²³⁴⁵⁶⁷⁸⁹])", said
            ), said
            assert not re.search(r"−[\d.]+[\^⁻⁰¹²³⁴⁵⁶⁷⁸⁹]", said), said
            assert not re.search(r"(?<![a-z])\([\d.]+\)", said), said


def test_a_square_is_told_as_a_square_and_a_maximum_with_zero_as_a_relu():
    x = Variable(-3.0, "x")
    trace = trace_graph(relu(x**2))
    assert trace.sentence(1) == "Square. −3 × (−3) = 9."
    assert trace.sentence(2) == "ReLU. max(9, 0) = 9."
    assert trace.sentence(5).endswith("x gets 1 × 2 × (−3) = −6.")


def test_no_sentence_prints_an_array_that_the_picture_shows():
    net = two_layer_net(2, 3, 2, np.random.default_rng(0))
    trace = trace_network(net, np.ones((2, 2)), [0, 1])
    x = Variable(np.arange(5.0), "x")
    for run in (trace, trace.nodes, trace_graph(x * x + 3.0 * x, np.ones(5))):
        for step in range(len(run) + 1):
            assert "[" not in run.sentence(step)


def softmax_by_a_dot_product():
    """u / Σ u, of which a vector of zeros and a one takes an entry."""
    u, t = Variable(np.array([6.0, 3.0, 1.0]), "u"), Variable(np.array([0.0, 1.0, 0.0]), "t")
    S = sum_(u)
    S.name = "S"
    y = u / S
    y.name = "y"
    p = y @ t
    p.name = "p"
    L = -log(p)
    L.name = "L"
    return trace_graph(L)


def test_a_dot_product_is_told_with_its_numbers_and_not_as_a_product_of_matrices():
    said = [softmax_by_a_dot_product().sentence(step) for step in range(12)]
    assert said[3] == "Dot product. Entries are multiplied in pairs and summed: y · t = 0.3."
    assert said[9] == (
        "A dot product swaps. The upstream gradient −3.333 is multiplied by the other side: "
        "y gets −3.333 × [0, 1, 0] = [0, −3.33, 0], "
        "t gets −3.333 × [0.6, 0.3, 0.1] = [−2, −1, −0.333]."
    )
    assert not any(" number" in sentence for sentence in said)


def test_what_was_stretched_gets_a_sum_and_says_so():
    said = softmax_by_a_dot_product().sentence(10)
    assert said.endswith("S gets −Σ ∂L/∂y × u ÷ 10² = 0.1.")
    x, b = Variable(np.ones((2, 3)), "x"), Variable(np.arange(3.0), "b")
    for made in (x + b, x - b, maximum(x, b)):
        trace = trace_graph(sum_(made))
        assert (
            "b gets a gradient of shape (3,), the sum over all entries that used it."
            in trace.sentence(5)
        )
        assert "x gets a gradient of shape (2, 3), b" in trace.sentence(5)
    assert "b gets Σ ∂" in trace_graph(sum_(x * b)).sentence(5)


def test_at_a_fork_of_short_vectors_the_pieces_are_whole():
    said = softmax_by_a_dot_product().sentence(11)
    assert said.endswith(
        "its gradients add: [0, −0.333, 0] + [0.1, 0.1, 0.1] = [0.1, −0.233, 0.1]."
    )


def test_a_seed_that_is_not_one_is_given_and_no_derivative_by_itself():
    x = Variable(3.0, "x")
    assert "with respect to itself is 1." in trace_graph(-x).sentence(2)
    assert "is given: 5." in trace_graph(-x, 5.0).sentence(2)


def test_the_gradients_of_an_array_are_those_of_a_number_beyond_the_graph():
    x = Variable(np.ones(2), "x")
    y = -(x * 3.0)
    y.name = "y"
    trace = trace_graph(y, np.array([1.0, 2.0]))
    assert trace.sentence(3) == "The backward pass starts. The gradient of y is given: ∂L/∂y."
    assert "∂L/∂y" in trace.sentence(4) and "∂y/∂y" not in str(trace)


def test_a_long_sum_of_gradients_is_told_with_its_first_and_last_terms():
    x = Variable(1.0, "x")
    total = x + x
    for _ in range(10):
        total = total + x
    assert trace_graph(total).sentence(23).endswith("add: 1 + 1 + … + 1 = 12.")


def test_the_first_words_say_what_to_do():
    assert trace_graph(-Variable(2.0, "x")).sentence(0).startswith("Press Next step.")

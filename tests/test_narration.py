"""The number formatter, and the templates of the sentences."""

import math

import numpy as np
import pytest

from chainrule import layers, losses, nodes
from chainrule.narration import SLOT, WORDS, display, fill


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
        nodes: nodes.Node.__subclasses__(),
        layers: [layers.ReLU, layers.Sigmoid, layers.Tanh, layers.Affine],
        losses: [losses.SoftmaxWithLoss, losses.IdentityWithLoss],
    }
    for classes in modules.values():
        for cls in classes:
            assert {"forward", "backward", "to", "rule"} <= WORDS[cls.__name__].keys()


def test_every_slot_of_every_template_is_one_that_can_be_filled():
    known = {"x", "y", "z", "p", "dout", "dx", "dy", "op", "terms"}
    known |= {f"{letter}.{what}" for letter in "xyzb" for what in ("name", "shape")}
    for words in WORDS.values():
        texts = [*words.get("forward", ()), *words.get("backward", ()), *words.get("to", ())]
        assert {slot for text in texts for slot in SLOT.findall(text)} <= known

"""What chapter 14's exercises and questions say in numbers; its formulas are held in test_convolution."""

import numpy as np
import pytest

from chainrule.gradcheck import gradient_check
from chainrule.guests import Conv2D, MaxPool2D
from chainrule.guests.convolution import places
from chainrule.zoo import KernelNotTurned, WindowsOverwrite

RNG = np.random.default_rng(14)


def test_exercise_1_the_shapes_and_how_many_products_are_added():
    layer = Conv2D(np.ones((6, 2, 5, 3)), np.zeros(6), stride=2, pad=1)
    y = layer.forward(np.ones((10, 2, 11, 8)))
    assert y.shape == (10, 6, 5, 4)
    assert layer.backward(np.ones_like(y)).shape == (10, 2, 11, 8)
    assert layer.grads["W"].shape == (6, 2, 5, 3) and layer.grads["b"].shape == (6,)
    assert (
        layer.grads["W"][0, 0, 2, 1] == 10 * 5 * 4
    )  # of ones: no weight in the middle sees the frame


def test_exercise_4_each_of_the_two_passes_the_test_that_cannot_see_its_mistake():
    x, W = RNG.normal(size=(2, 2, 6, 4)), RNG.normal(size=(4, 2, 2, 2))
    half_turned = W + W[:, :, ::-1, ::-1]
    for kind, weights, stride, passes in (
        *((KernelNotTurned, w, 1, True) for w in (np.ones_like(W), half_turned)),
        *((kind, W, 1, False) for kind in (KernelNotTurned, WindowsOverwrite)),
        (WindowsOverwrite, W, 2, True),
    ):
        assert gradient_check(kind(weights, stride=stride), x).ok == passes


def test_the_tie_promises_four_times_what_it_keeps():
    x, dout = np.full((1, 1, 2, 2), 3.0), np.array([[[[8.0]]]])
    grown = MaxPool2D(2).forward(x + 0.01) - MaxPool2D(2).forward(x)
    assert (dout * grown).item() == pytest.approx(0.08) and 4 * 8 * 0.01 == pytest.approx(0.32)


def test_question_2_how_often_a_pixel_is_used():
    used = np.bincount(places((1, 28, 28), (5, 5), (1, 1)).ravel()).reshape(28, 28)
    assert used[0, 0] == 1 and used[14, 14] == 25


def test_question_3_three_quarters_get_nothing():
    pool = MaxPool2D(2)
    back = pool.backward(np.ones_like(pool.forward(RNG.normal(size=(3, 2, 8, 6)))))
    assert np.mean(back == 0) == 0.75

"""Reading a convolution and pooling in the figure: the window, the kernel, and every place where a weight was used."""

import numpy as np
import pytest

from chainrule.guests import Conv2D, Flatten, MaxPool2D
from chainrule.losses import IdentityWithLoss
from chainrule.network import Network
from chainrule.widgets import Stepper

IMAGE = np.array([[0, 1, 3, 2, 0], [2, 3, 1, 0, 1], [1, 0, 0, 2, 3.0]])
KERNEL = np.array([[1, 0, -1], [2, 1, 0.0]])
G = np.array([[2, 0, -2], [3, 1, 2.0]])


def cell(page, name, kind, entry):
    return page.locator(f'[data-variable="{name}"] .{kind} [data-cell="{entry}"]')


def read(page, name, kind, entry):
    cell(page, name, kind, entry).hover()
    return page.locator(".chainrule-reading").inner_text()


def lit(page, name, kind):
    """How many entries of an array are marked."""
    return page.locator(f'[data-variable="{name}"] .{kind} .lit').count()


def convolution(**options):
    layer = Conv2D(KERNEL[None, None], [1.0], **options)
    out = layer.forward(IMAGE[None, None])
    targets = (out - G).reshape(1, -1) if out.size == G.size else np.zeros((1, out.size))
    network = Network({"conv": layer, "row": Flatten()}, IdentityWithLoss())
    return Stepper(network, IMAGE[None, None], targets, step=-1)


@pytest.fixture
def page(show):
    return show(convolution())


def test_an_output_is_written_out_and_marks_its_window_and_the_kernel(page):
    said = "a[0, 0, 1, 2] = 1 × 1 + 0 × 0 + 1 × (−1) + 0 × 2 + 2 × 1 + 3 × 0 + 1 = 3"
    assert read(page, "conv", "value", "1,2") == said
    assert (lit(page, "x", "value"), lit(page, "conv.W", "value")) == (6, 6)
    assert lit(page, "conv.b", "value") == 1


def test_a_weight_s_gradient_marks_every_place_where_it_was_used(page):
    said = "∂loss/∂conv.W[0, 0, 0, 0] = 0 × 2 + 1 × 0 + 3 × (−2) + 2 × 3 + 3 × 1 + 1 × 2 = 5"
    assert read(page, "conv.W", "gradient", "0,0") == said
    assert (lit(page, "x", "value"), lit(page, "conv", "gradient")) == (6, 6)


def test_a_pixel_s_gradient_has_a_term_for_each_window_that_saw_it(page):
    assert read(page, "x", "gradient", "0,0") == "∂loss/∂x[0, 0, 0, 0] = 2 × 1 = 2"
    assert read(page, "x", "gradient", "1,2").endswith("= −5")
    assert (lit(page, "conv.W", "value"), lit(page, "conv", "gradient")) == (6, 6)


def test_a_bias_s_gradient_is_the_sum_over_all_places(page):
    said = "∂loss/∂conv.b[0] = 2 + 0 + (−2) + 3 + 1 + 2 = 6"
    assert read(page, "conv.b", "gradient", "0,0") == said


def test_flatten_hands_each_number_on_and_each_gradient_back(page):
    assert read(page, "row", "value", "0,4") == "y[0, 4] = 4"
    assert read(page, "conv", "gradient", "1,0") == "∂loss/∂a[0, 0, 1, 0] = 3"


def test_a_changed_weight_moves_every_output(page):
    page.get_by_text("Change a number").click()
    before = page.locator('[data-variable="conv"] .value').get_attribute("data-exact")
    field = page.locator('input[name="conv.W[0,0,0,0]"]')
    field.fill("2")
    field.press("Enter")
    after = page.locator('[data-variable="conv"] .value').get_attribute("data-exact")
    moved = Conv2D([[[[2, 0, -1], [2, 1, 0]]]], [1.0]).forward(IMAGE[None, None])
    assert before != after
    assert np.allclose(np.array(eval(after)), moved)


def test_what_lies_in_the_frame_is_no_term_and_a_stride_leaves_places_out(show):
    page = show(convolution(stride=2, pad=1))
    assert read(page, "conv", "value", "0,0") == "a[0, 0, 0, 0] = 0 × 1 + 1 × 0 + 1 = 1"
    assert (lit(page, "x", "value"), lit(page, "conv.W", "value")) == (2, 2)


def test_channels_and_kernels_are_told_apart_and_stand_under_one_another(show):
    x, W = np.arange(16.0).reshape(2, 2, 2, 2) - 5, np.arange(8.0).reshape(2, 2, 1, 2) - 3
    layer = Conv2D(W, [0.0, 1.0])
    out = layer.forward(x)
    network = Network({"conv": layer, "row": Flatten()}, IdentityWithLoss())
    page = show(Stepper(network, x, out.reshape(2, -1) - 1, step=-1))
    n, f, i = 1, 1, 0
    terms = (x[n, :, i] * W[f, :, 0]).sum() + 1
    said = read(page, "conv", "value", f"{(n * 2 + f) * 2 + i},0")
    assert said.startswith("a[1, 1, 0, 0] = ") and said.endswith(f"= {terms:g}")
    exact = eval(page.locator('[data-variable="conv.W"] .gradient').get_attribute("data-exact"))
    said = read(page, "conv.W", "gradient", "3,1")
    assert said.startswith("∂loss/∂conv.W[1, 1, 0, 1] = ")
    assert said.endswith(f"= {np.array(exact)[1, 1, 0, 1]:g}")


def test_pooling_writes_the_largest_out_and_only_a_winner_gets_a_gradient(show):
    pool = MaxPool2D(2, 1)
    x = np.array([[4, 1, 0], [3, 9, 5.0]])
    network = Network({"pool": pool, "row": Flatten()}, IdentityWithLoss())
    page = show(Stepper(network, x[None, None], [[6.0, 7.0]], step=-1))
    assert read(page, "pool", "value", "0,0") == "z[0, 0, 0, 0] = max(4, 1, 3, 9) = 9"
    assert read(page, "x", "gradient", "1,1") == "∂loss/∂x[0, 0, 1, 1] = 3 + 2 = 5"
    assert read(page, "x", "gradient", "0,0") == "∂loss/∂x[0, 0, 0, 0] = 0"

"""The picture that a shared link shows: the book's title over a small graph with its values and gradients."""

import matplotlib.pyplot as plt

from chainrule.graph import Variable, relu

WIDTH, HEIGHT = 1200, 630  # pixels: what previews are cut to
PAPER, INK, QUIET, VALUE, GRADIENT = "#fbfaf7", "#1c1e21", "#69707a", "#0b61a8", "#b1470a"
NODES = {"×": (330, 190), "+": (620, 190), "relu": (910, 190)}


def edges():
    """The edges of relu(w * x + b) after its backward pass: (from, to, variable), places in pixels."""
    w, x, b = Variable(3.0), Variable(2.0), Variable(-1.0)
    product = w * x
    total = product + b
    result = relu(total)
    result.backward()
    return [
        ((70, 310), NODES["×"], w),
        ((70, 70), NODES["×"], x),
        (NODES["×"], NODES["+"], product),
        ((520, 50), NODES["+"], b),
        (NODES["+"], NODES["relu"], total),
        (NODES["relu"], (1130, 190), result),
    ]


def draw_share_picture(path, title):
    """Write it to `path`, as a PNG of 1200 by 630 pixels; the same on every run."""
    figure = plt.figure(figsize=(WIDTH / 100, HEIGHT / 100), dpi=100, facecolor=PAPER)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(0, HEIGHT))
    axes.axis("off")
    name, _, rest = title.partition(",")
    axes.text(70, 500, name, size=54, weight="bold", color=INK)
    axes.text(70, 420, rest.strip(), size=36, color=QUIET)
    for start, end, variable in edges():
        draw_edge(axes, start, end, variable)
    for label, place in NODES.items():
        box = {"boxstyle": "round,pad=0.45", "facecolor": PAPER, "edgecolor": INK, "linewidth": 3}
        axes.text(*place, label, size=26, color=INK, ha="center", va="center", bbox=box)
    figure.savefig(path, metadata={"Software": None})
    plt.close(figure)


def draw_edge(axes, start, end, variable):
    """A line, with the value above it and the gradient below, beside it where it slopes."""
    (x0, y0), (x1, y1) = start, end
    axes.plot([x0, x1], [y0, y1], color=QUIET, linewidth=3, zorder=0)
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    sides = (
        ["center", "center"] if y0 == y1 else ["right", "left"] if y0 < y1 else ["left", "right"]
    )
    value, gradient = f"{variable.value:g}".replace("-", "−"), f"{variable.grad:g}"
    axes.text(x, y + 14, value, size=26, color=VALUE, ha=sides[0])
    axes.text(x, y - 14, gradient, size=26, color=GRADIENT, ha=sides[1], va="top")

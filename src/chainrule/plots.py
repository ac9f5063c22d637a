"""Figures for the book: curves by Matplotlib, digits by a few squares, both as SVG inside the page.

An SVG that stands in the page itself, and not in a file beside it, can follow the page from light to
dark. Matplotlib is imported when a curve is drawn, and not before.
"""

import io
import re
from html import escape

import numpy as np

INK, VALUE, GRADIENT = "#1c1e21", "#0b61a8", "#b1470a"
FOLLOWS = {
    INK: "currentColor",
    VALUE: "var(--chainrule-value)",
    GRADIENT: "var(--chainrule-gradient)",
}
WIDTH, HEIGHT = 312, 220  # of a panel, in pixels: two stand side by side, or one on a phone

BOOK_STYLE = {
    "svg.fonttype": "none",
    "font.size": 12,
    "axes.titlesize": 12,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "legend.frameon": False,
    "legend.handlelength": 2.5,
    **dict.fromkeys(
        ["text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"], INK
    ),
}

STYLE = f"""
.chainrule-plot{{--chainrule-value:{VALUE};--chainrule-gradient:{GRADIENT};color:{INK};\
display:flex;flex-wrap:wrap;gap:.75rem;margin:.5rem 0}}
html[data-theme="dark"] .chainrule-plot,body[data-jp-theme-light="false"] .chainrule-plot\
{{--chainrule-value:#6cb6ff;--chainrule-gradient:#ff9c5b;color:#e6e6e6}}
html[data-theme="dark"] .bd-content div.cell_output .text_html:has(.chainrule-plot)\
{{background:none!important;padding:0!important}}
.chainrule-plot>svg{{max-width:100%;height:auto}}
.chainrule-plot>span{{width:5.5rem;font-size:.8rem;line-height:1.3;text-align:center}}
.chainrule-plot>span>svg{{display:block;width:100%;border:1px solid;border-radius:3px}}
"""


class Picture:
    """A drawing for notebook and page.

    body   markup: one or more SVG panels, which wrap where the page is narrow
    alt    what there is to see, in words
    """

    def __init__(self, body, alt):
        self.body, self.alt = body, alt

    def __repr__(self):
        return f"Picture: {self.alt}"

    def _repr_html_(self):
        label = escape(self.alt)
        return (
            f'<div class="chainrule-plot" role="img" aria-label="{label}">'
            f"<style>{STYLE}</style>{self.body}</div>"
        )


def use_book_style():
    """Draw with the book's fonts and colours from here on (a Matplotlib figure of your own)."""
    import matplotlib

    matplotlib.rcParams.update(BOOK_STYLE)


def picture(figures, alt):
    """Matplotlib figures, one a panel, as a `Picture`."""
    return Picture(
        "".join(inline_svg(figure, f"{alt}{i}") for i, figure in enumerate(figures)), alt
    )


def inline_svg(figure, salt):
    """The figure's SVG for use in HTML: the same at each run, and in the page's own colours.

    salt   makes the ids inside differ from those of the other figures on a page
    """
    import matplotlib

    file = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": salt, "svg.fonttype": "none"}):
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    svg = file.getvalue()
    svg = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = svg[svg.index("<svg") :].strip()
    svg = re.sub(r' height="[\d.]+pt"| xmlns:xlink="[^"]*"| version="1.1"', "", svg, count=3)
    svg = re.sub(r' width="([\d.]+)pt"', r' width="\1"', svg, count=1)  # the sizes are in pixels
    svg = svg.replace("xlink:href", "href")
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', svg))
    svg = re.sub(r' id="([^"]*)"', lambda m: m[0] if m[1] in used else "", svg)
    svg = re.sub(r" font-family: [^;\"]+;", "", svg)  # the page's own
    svg = re.sub(r' transform="rotate\(-0 [^"]*"', "", svg)
    # two decimals of a pixel: what differs between processors lies far below
    svg = re.sub(r"<[^>]*>", lambda tag: re.sub(r"\d+\.\d{3,}", two_decimals, tag[0]), svg)
    for colour, variable in FOLLOWS.items():
        svg = svg.replace(colour, variable)
    return re.sub(r"\s*\n\s*", "\n", svg)


def two_decimals(match):
    return f"{float(match[0]):.2f}".rstrip("0").rstrip(".")


def panel(title, xlabel, ylabel=None, *, ticks=None, width=WIDTH, height=HEIGHT):
    """An empty panel: a Matplotlib figure and its axes, in the book's style.

    ticks   makes the y axis logarithmic, with ticks at these multiples of the powers of ten
    """
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

    with matplotlib.rc_context(BOOK_STYLE):
        figure = Figure(figsize=(width / 72, height / 72), layout="constrained")
        axes = figure.subplots()
        axes.set(title=title, xlabel=xlabel, ylabel=ylabel)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if ticks:
            axes.set_yscale("log")
            axes.yaxis.set_major_locator(LogLocator(subs=ticks))
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axes.yaxis.set_minor_locator(NullLocator())
    return figure, axes


def legend(axes, **options):
    """The names of the lines, in ink."""
    axes.legend(labelcolor=INK, frameon=False, fontsize=11, **options)


def training_curves(records):
    """Loss, accuracy and the size of the gradients, from the records of `training.train`.

    One panel for the loss (every update, and the mean of each epoch), one for the accuracy, one a
    layer for the norms of its gradients (means of each epoch).
    """
    records = list(records)
    if not records:
        raise ValueError("training_curves wants at least one record")
    epoch = np.array([record.epoch for record in records])
    ends, whole = np.ceil(epoch - 1e-9), np.unique(np.ceil(epoch - 1e-9))
    losses = np.array([record.loss for record in records])

    def by_epoch(values):
        return np.array([values[ends == end].mean() for end in whole])

    loss, axes = panel("Loss of the mini-batch", "epoch", ticks=(1,))
    axes.plot(epoch, losses, color=INK, alpha=0.35, linewidth=0.8, label="each update")
    axes.plot(whole, by_epoch(losses), color=INK, linewidth=2, label="mean of an epoch")
    legend(axes)

    measured = [
        (record.epoch, record.accuracy) for record in records if record.accuracy is not None
    ]
    accuracy, axes = panel("Accuracy", "epoch")
    if measured:
        axes.plot(*zip(*measured, strict=True), color=VALUE, marker=".", linewidth=2)

    figures = [loss, accuracy]
    keys = list(records[0].gradient_norms)
    for layer in dict.fromkeys(key.rpartition(".")[0] for key in keys):
        figure, axes = panel(f"Gradient norms, {layer}", "epoch", ticks=(1, 2, 5))
        mine = [key for key in keys if key.rpartition(".")[0] == layer]
        for key, dash in zip(mine, ["-", "--", ":", "-."] * len(mine), strict=False):
            norms = np.array([record.gradient_norms[key] for record in records])
            name = key.rpartition(".")[2]
            axes.plot(whole, by_epoch(norms), dash, color=GRADIENT, linewidth=2, label=name)
        legend(axes)
        figures.append(figure)
    alt = f"Curves over {len(records)} updates. The loss goes from {losses[0]:.1f} to "
    alt += f"{by_epoch(losses)[-1]:.2f} (mean of the last epoch)"
    if measured:
        alt += f", the accuracy from {measured[0][1]:.0%} to {measured[-1][1]:.0%}"
    return picture(figures, f"{alt}. One more panel a layer shows the norms of its gradients.")


def spread_by_layer(spreads):
    """The spread of the activations against the depth, on a log axis.

    spreads   name of a start -> the standard deviation after layer 1, 2, ...
    """
    title = "Standard deviation of the activations"
    figure, axes = panel(title, "layer", ticks=(1,), width=480, height=280)
    for (name, values), marker in zip(spreads.items(), "osD^vPX*" * len(spreads), strict=False):
        layers = np.arange(1, len(values) + 1)
        axes.plot(layers, values, color=VALUE, marker=marker, markersize=5, linewidth=1.5)
        end, beside = (layers[-1], values[-1]), {"xytext": (8, 0), "textcoords": "offset points"}
        axes.annotate(name, end, color=INK, va="center", **beside)
    said = [f"{name}: from {v[0]:.1e} to {v[-1]:.1e}" for name, v in spreads.items()]
    return picture([figure], f"Spread of the activations, first to last layer. {'; '.join(said)}.")


def digit_pictures(images, captions):
    """Square grey images, each with its caption below; dark ink on light pages, light on dark.

    images   (n, side * side) from 0 to 1
    captions n texts
    """
    images = np.asarray(images, float)
    side = int(np.sqrt(images.shape[-1])) if images.ndim == 2 else 0
    if side < 1 or side * side != images.shape[-1]:
        raise ValueError(f"digit_pictures wants square images (n, side * side), got {images.shape}")
    captions = [str(caption) for caption in captions]
    body = "".join(
        f'<span><svg viewBox="0 0 {side} {side}" shape-rendering="crispEdges">'
        f"{ink(image.reshape(side, side))}</svg>{escape(caption)}</span>"
        for image, caption in zip(images, captions, strict=True)
    )
    return Picture(body, f"{len(images)} images of digits: {'; '.join(captions)}.")


def ink(image):
    """One path a grey level, made of unit squares."""
    paths = ""
    for level in np.unique(image[image > 0]):
        squares = "".join(f"M{x} {y}h1v1h-1z" for y, x in np.argwhere(image == level))
        paths += f'<path fill="currentColor" fill-opacity="{level:.3g}" d="{squares}"/>'
    return paths

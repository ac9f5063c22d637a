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
.chainrule-plot>span>svg{{display:block;width:100%;outline:1px solid #8a939e66}}
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


def import_matplotlib():
    try:
        import matplotlib
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"plots need {error.name}: pip install 'chainrule[plots]', or in a clone pip install -e '.[plots]'",
            name=error.name,
        ) from None
    return matplotlib


def use_book_style():
    """Draw with the book's fonts and colours from here on (a Matplotlib figure of your own)."""
    matplotlib = import_matplotlib()
    matplotlib.rcParams.update(BOOK_STYLE)


def picture(figures, alt):
    """Matplotlib figures, one a panel, as a `Picture`; its description ends with the scales that they have."""
    body = "".join(inline_svg(figure, f"{alt}{i}") for i, figure in enumerate(figures))
    return Picture(body, " ".join([alt, *scales(figures)]))


def scales(figures):
    """A sentence for each panel with a logarithmic axis, by the axes that are drawn."""
    said = {(False, True): "y axis is", (True, False): "x axis is", (True, True): "axes are"}
    panels = [axes for figure in figures for axes in figure.axes]
    for axes in panels:
        logs = axes.get_xscale() == "log", axes.get_yscale() == "log"
        if any(logs):
            where = f"In “{axes.get_title(loc='left')}” the" if len(panels) > 1 else "The"
            yield f"{where} {said[logs]} logarithmic."


def inline_svg(figure, salt):
    """The figure's SVG for use in HTML: the same at each run, and in the page's own colours.

    salt   makes the ids inside differ from those of the other figures on a page
    """
    matplotlib = import_matplotlib()
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


def panel(title, *, xlabel, ylabel=None, ticks=None, width=WIDTH, height=HEIGHT):
    """An empty panel: a Matplotlib figure and its axes, in the book's style.

    ticks   makes the y axis logarithmic, with ticks at these multiples of the powers of ten

    ValueError for a label that is not a text.
    """
    for name, text in {"title": title, "xlabel": xlabel, "ylabel": ylabel or "-"}.items():
        if not isinstance(text, str):
            raise ValueError(f"panel wants {name} as a text, got {text!r}")
    matplotlib = import_matplotlib()
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


def spread_by_layer(spreads):
    """The spread of the activations against the depth, on a log axis.

    spreads   name of a start -> the standard deviation after layer 1, 2, ...
    """
    title = "Standard deviation of the activations"
    figure, axes = panel(title, xlabel="layer", ticks=(1,), width=480, height=280)
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
